"""Secrets out of evidence, at the source: right after a transport returns, before anything is judged, kept or shown.

A secret becomes a fingerprint, `secret-` and 16 hex digits: HMAC-SHA256 of it under a salt. Under one salt the same
secret has the same fingerprint wherever it turns up, and nobody without the salt can try guesses. What a check needs
stays: which kind of hash it is (`$6$secret-…`), which name is assigned, which user an address is for.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import heapq
import hmac
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .disk import beside, is_planted, private_folder
from .errors import UsageError
from .model import Gap, Reply, text_digest
from .secret_shapes import FIRST_OF_ITS_LINE, NAME, NAMED, NO_SECRET, PAIRS, SHAPES
from .secrets import known_values

MARK = re.compile(r"secret-[0-9a-f]{16}")
MIN_KNOWN = 6
"""A known password shorter than this is not looked for: it would be found in ordinary words."""
_Looks = Sequence[tuple[re.Pattern[str], Sequence[str]]]
"""Patterns of secrets, each with the signs that it begins with."""
_ALL: _Looks = tuple((shape.pattern, shape.signs) for shape in (*SHAPES, NAMED))
_LITERAL = frozenset(shape.pattern for shape in SHAPES if shape.is_literal)
_SHORT_LETTERS = 1 << 16
"""Texts up to this length are searched together for the signs of secrets first: most signs are in none of them."""
MAX_SEEN, MAX_SEEN_LETTERS = 10_000, 1 << 12
"""Fleets repeat themselves: so many answers are remembered by their digest, as free of secrets or, up to this length,
with what became of them."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces secrets under one salt."""

    salt: bytes = field(repr=False)
    _seen: dict[bytes, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    """Digest of a text → what became of it; () where it stayed as it was."""

    def fingerprint(self, secret: str) -> str:
        """'hunter2!' -> 'secret-5f1d3a…': the same for the same secret under this salt."""
        words = secret.strip().encode(errors="surrogatepass")
        return f"secret-{hmac.new(self.salt, words, hashlib.sha256).hexdigest()[:16]}"

    def text(self, text: str, known: Iterable[str] = (), digest: bytes = b"", likely: _Looks = _ALL) -> str:
        """'url = ftp://me:hunter2@host' -> 'url = ftp://me:secret-…@host'. JSON stays JSON of the same shape.

        known: values that are secrets whatever they look like; they are found in an address and in base64 as well.
        digest: the text's, where it is at hand. likely: no sign of any other pattern is in the text.
        """
        if not text:
            return text
        values = {form: value for value in known for form in _forms(value) if form in text or _escaped(form) in text}
        if values:
            return self._cleaned(text, values)
        name = digest or text_digest(text)
        seen = self._seen.get(name)  # one look: another thread may clear it at any moment
        if seen is not None:
            return seen[0] if seen else text
        found = self._cleaned(text, {}, likely)
        if found == text or len(found) <= MAX_SEEN_LETTERS:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen[name] = () if found == text else (found,)
        return found

    def _cleaned(self, text: str, values: Mapping[str, str], likely: _Looks = _ALL) -> str:
        plain = self._plain(text, values, likely)
        if (plain == text and not values) or text[:1] not in {"{", "["}:
            return plain
        try:
            return json.dumps(self._walked(json.loads(text), values), ensure_ascii=False)
        except (ValueError, RecursionError):
            return plain

    def replies(self, replies: Mapping[str, Reply], known: Iterable[str] = ()) -> dict[str, Reply]:
        """The replies without secrets: their texts, their error texts and what their gaps say."""
        short = {key for key, reply in replies.items() if len(reply.text) <= _SHORT_LETTERS}
        fresh = [reply.text for key, reply in replies.items() if key in short and reply.text_digest not in self._seen]
        together = _lowered("\n".join(fresh))
        among = {sign: sign in together for _, signs in _ALL for sign in signs}
        found = [(pattern, [sign for sign in signs if among[sign]]) for pattern, signs in _ALL]
        likely = [(pattern, signs) for pattern, signs in found if signs]
        return {key: self._reply(reply, known, likely if key in short else _ALL) for key, reply in replies.items()}

    def _reply(self, reply: Reply, known: Iterable[str], likely: _Looks) -> Reply:
        text = self.text(reply.text, known, reply.text_digest, likely)
        detail = self.text(reply.detail, known)
        gaps = tuple(Gap(self.text(gap.subject), gap.problem, self.text(gap.detail, known)) for gap in reply.gaps)
        if (text, detail, gaps) == (reply.text, reply.detail, reply.gaps):
            return reply
        return replace(reply, text=text, detail=detail, gaps=gaps)

    def _plain(self, text: str, values: Mapping[str, str], likely: _Looks = _ALL) -> str:
        for form in sorted(values, key=len, reverse=True):
            text = text.replace(form, self.fingerprint(values[form]))
        lowered = _lowered(text)
        for pattern, signs in likely:
            present = _present(signs, lowered)
            if present:
                cleaned = self._replaced_in(text, _matches(pattern, text, present, lowered))
                if cleaned != text:
                    text, lowered = cleaned, _lowered(cleaned)
        return text

    def _replaced_in(self, text: str, matches: Iterable[re.Match[str]]) -> str:
        """'PASSWORD="x y"' -> 'PASSWORD="secret-…"'."""
        pieces, done = [], 0
        for found in matches:
            pieces += [text[done : found.start()], self._replaced(found)]
            done = found.end()
        return "".join([*pieces, text[done:]]) if pieces else text

    def _replaced(self, found: re.Match[str]) -> str:
        group = found.lastgroup or "s"
        if NO_SECRET.fullmatch(found[group].strip()):
            return found[0]
        before = found.string[max(0, found.start() - 80) : found.start()]
        if group in {"quoted", "lone"} and not FIRST_OF_ITS_LINE.search(before):
            return found[0]
        start, end = found.start(group) - found.start(), found.end(group) - found.start()
        return f"{found[0][:start]}{self.fingerprint(found[group])}{found[0][end:]}"

    def _walked(self, value: Any, values: Mapping[str, str], name: str = "") -> Any:
        if isinstance(value, dict):
            names = {second: str(value[first]) for first, second in PAIRS if first in value and second in value}
            return {key: self._walked(entry, values, names.get(key) or key) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._walked(entry, values) for entry in value]
        if not isinstance(value, str):
            return value
        if _is_name(name) and not NO_SECRET.fullmatch(value.strip()):
            return self.fingerprint(value)
        return self._plain(value, values)


def _is_name(key: str) -> bool:
    """Whether a key of a JSON object is the name of a secret."""
    return _is_short_name(key) if len(key) <= 64 else NAME.match(key) is not None


@lru_cache(1000)
def _is_short_name(key: str) -> bool:
    """The same, remembered, for rows repeat their keys; longer ones are not, for a target chooses how long they are."""
    return NAME.match(key) is not None


def _lowered(text: str) -> str:
    return text.replace("\u0130", "I").lower()  # the one letter that grows when it is lower-cased


def _present(signs: Sequence[str], lowered: str) -> Sequence[str]:
    """Those signs that stand in a text."""
    for sign in signs:  # most texts have none: a comprehension for each word of a document takes twice as long
        if sign in lowered:
            return [one for one in signs if one in lowered]
    return ()


def _matches(pattern: re.Pattern[str], text: str, signs: Sequence[str], lowered: str) -> Iterator[re.Match[str]]:
    """Every match, from left to right. To look at the places of plain words alone is faster than to search."""
    if pattern in _LITERAL:
        yield from pattern.finditer(text)
        return
    done = 0
    for at in _places(signs, lowered):
        found = pattern.match(text, at) if at >= done else None
        if found is not None:
            yield found
            done = found.end()


def _places(signs: Sequence[str], lowered: str) -> Iterator[int]:
    """Where one of the signs stands, in order, one by one: a large answer has more colons than are to be held."""
    return _finds(lowered, signs[0]) if len(signs) == 1 else heapq.merge(*(_finds(lowered, sign) for sign in signs))


def _finds(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


def _forms(value: str) -> tuple[str, ...]:
    """How a known secret may be written: as it is, as part of an address, in base64."""
    if len(value) < MIN_KNOWN:
        return ()
    encoded = base64.b64encode(value.encode(errors="surrogatepass")).decode()
    return tuple(dict.fromkeys((value, quote(value, safe="", errors="replace"), encoded.rstrip("="))))


def _escaped(form: str) -> str:
    return json.dumps(form)[1:-1]


# ── the one that is in force ─────────────────────────────────────────────────────────────────────────────────────────

_in_force = Redactor(os.urandom(32))


def use_salt_of(register: str) -> None:
    """Take the fingerprints' salt from beside a register, where it is made once; for a register by URL, from the
    user's state folder. Until this is called, a salt of this process alone is in force.
    """
    global _in_force  # evidence is cleaned wherever it arises, so that no caller can forget to
    _in_force = Redactor(read_salt(beside(register, "fingerprints.salt" if "://" in register else "salt")))


def read_salt(path: Path) -> bytes:
    """32 bytes that only their owner can read; made where there are none yet. Raises UsageError."""
    try:
        private_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path}, the salt of fingerprints, cannot be used: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
            raise UsageError(
                f"{path}, the salt of fingerprints, must be a file that only its owner can read; run: chmod 600 {path}"
            )
        if is_planted(path, found):
            raise UsageError(f"{path}, the salt of fingerprints, belongs to another user, who knows it; remove it")
        return _filled(descriptor)
    except OSError as error:
        raise UsageError(f"{path}, the salt of fingerprints, cannot be made: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _filled(descriptor: int) -> bytes:
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # of two runs that begin together, one makes it
    salt = os.pread(descriptor, 32, 0)
    if len(salt) < 32:
        salt = os.urandom(32)
        os.pwrite(descriptor, salt, 0)
        os.fsync(descriptor)
    return salt


def redacted(replies: Mapping[str, Reply]) -> dict[str, Reply]:
    """All replies of a visit without secrets, under the salt that is in force."""
    return _in_force.replies(replies, known_values())


def redacted_text(text: str) -> str:
    """A text for a log or a failure without secrets, under the salt that is in force."""
    return _in_force.text(text, known_values())
