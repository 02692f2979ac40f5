"""Secrets out of evidence, at the source: right after a transport returns, before anything is judged, kept or shown.

A secret becomes a fingerprint, `secret-` and 16 hex digits: HMAC-SHA256 of it under a salt. Under one salt the same
secret has the same fingerprint wherever it turns up, and nobody without the salt can try guesses. What a check needs
stays: which kind of hash it is (`$6$secret-…`), which name is assigned, which user an address is for.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
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

from .disk import private_folder
from .errors import UsageError
from .model import Gap, Reply, text_digest
from .secrets import known_values

MARK = re.compile(r"secret-[0-9a-f]{16}")
MIN_KNOWN = 6
"""A known password shorter than this is not looked for: it would be found in ordinary words."""
MAX_SEEN, MAX_SEEN_LETTERS = 10_000, 1 << 12
"""Fleets repeat themselves: so many answers are remembered by their digest, as free of secrets or, up to this length,
with what became of them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of secret looks like; its group `s` is the secret. signs: one of them stands in every such text,
    once that is lower-cased. A word may begin behind an escaped line break: files come as JSON.
    """

    signs: tuple[str, ...]
    pattern: re.Pattern[str]


def _shape(signs: str, *pattern: str, flags: int = 0) -> Shape:
    return Shape(tuple(signs.split()), re.compile("".join(pattern), flags))


_EDGE = r"(?:\b|(?<=\\[nrt]))"
_QUOTE = r"\\{0,7}[\"']?"  # a document within a document within a document escapes three times
SHAPES = (
    _shape(
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<s>.*?)(?=-----END|\Z)",
        flags=re.S,
    ),
    _shape("private-lines:", r"Private-Lines: \d+(?P<s>.*?)(?=Private-(?:MAC|Hash)|\Z)", flags=re.S),
    _shape("age-secret-key-1", r"AGE-SECRET-KEY-1(?P<s>[A-Z0-9]{20,})"),
    # crypt(5), and its kin in Django, WordPress, LDAP, GRUB, PostgreSQL
    _shape(
        "$",
        r"\$(?:1|2[abxy]?|5|6|7|y|gy|P|H|apr1|sha1|md5|argon2(?:id|i|d)|pbkdf2[a-z0-9-]*|scrypt)",
        r"\$(?P<s>[./A-Za-z0-9=,+$-]{20,512})",
    ),
    _shape("grub.pbkdf2.", r"grub\.pbkdf2\.sha512\.\d{1,9}\.(?P<s>[0-9A-Fa-f.]{32,1024})"),
    _shape(
        "{sha {ssha {md5} {smd5} {crypt}",
        r"\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT)\}(?P<s>[A-Za-z0-9+/=$.]{12,256})",
        flags=re.I,
    ),
    _shape("scram-sha-", r"SCRAM-SHA-(?:1|256|512)\$\d+:(?P<s>[A-Za-z0-9+/=$:]{20,512})"),
    # a field of shadow(5) with a hash of old, one of a dump of Windows' accounts
    _shape(":", r":!{0,2}(?P<s>[./0-9A-Za-z]{13}):\d{0,6}:\d*:\d*:"),
    _shape(":", r":\d{1,10}:(?P<s>[0-9a-fA-F]{32}:[0-9a-fA-F]{32}):"),
    _shape("://", r"://[^\s/:@\"']{0,128}:(?P<s>[^\s/@\"']{1,256})@"),
    _shape(
        "authorization",
        rf"authorization{_QUOTE}\s*[:=]\s*{_QUOTE}(?:bearer|basic|token)\s+(?P<s>[\w.~+/=-]{{6,4096}})",
        flags=re.I,
    ),
    _shape("eyj", _EDGE, r"eyJ(?P<s>[\w-]{8,4096}\.[\w-]{4,4096}\.[\w-]{0,4096})"),
    _shape("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", _EDGE, r"(?:gh[pousr]_|github_pat_)(?P<s>\w{20,255})"),
    _shape("glpat- gldt- glrt-", _EDGE, r"gl(?:pat|dt|rt)-(?P<s>[\w.-]{20,255})"),
    _shape(
        "xox hooks.slack.com/",
        _EDGE,
        r"(?:xox[abeoprs]-|hooks\.slack\.com/(?:services|workflows)/)(?P<s>[\w/-]{10,255})",
    ),
    _shape("sk_live_ rk_live_ sk_test_ whsec_", _EDGE, r"(?:[sr]k_(?:live|test)_|whsec_)(?P<s>[\w+/=]{16,255})"),
    _shape(
        "npm_ pypi- sg. aiza ya29. hvs. hvb. dop_v1_ sk- shpat_ dckr_pat_ glsa_ tskey-",
        _EDGE,
        r"(?:npm_|pypi-|SG\.|AIza|ya29\.|hv[sb]\.|dop_v1_|shpat_|dckr_pat_|glsa_|tskey-|sk-(?:proj|ant|svcacct)-)",
        r"(?P<s>[\w.-]{24,512})",
    ),
    _shape("sig=", r"[?&]sig=(?P<s>[A-Za-z0-9%+/=_-]{20,256})"),
    _shape("login", _EDGE, r"login\s+\S{1,128}?(?:\s|\\n)+password\s+(?P<s>[^\s\\]{1,256})"),
    _shape(
        "bindpw rootpw requirepass masterauth community",
        _EDGE,
        rf"(?:bindpw|rootpw|requirepass|masterauth|r[ow]community6?)[ \t]+{_QUOTE}(?P<s>[^\s\"'\\]{{1,256}})",
        flags=re.I,
    ),
    _shape(
        "--pass --token --secret",
        rf"--(?:password|passwd|pass|token|secret)[ \t]+{_QUOTE}(?P<s>[^\s\"'\\-][^\s\"'\\]{{0,255}})",
    ),
    # `docker login`, BIND's keys, variables of containers, and passwords in the arguments of other programs
    _shape("auth", rf"\"auth\\{{0,7}}\"[ \t]*:[ \t]*{_QUOTE}(?P<s>[A-Za-z0-9+/=]{{8,4096}})"),
    _shape("secret", _EDGE, r"secret[ \t]+\\{0,7}\"(?P<s>[^\"\\\n]{6,512})"),
    _shape(
        "value:",
        rf"name:[ \t]*{_QUOTE}[\w.-]{{0,100}}(?:pass(?:word|wd|phrase)?|pwd|secret|token|_key){_QUOTE}",
        rf"(?:[ \t\r\n#]|\\n)+value:[ \t]*{_QUOTE}(?P<s>[^\s\"'\\]{{1,512}})",
        flags=re.I,
    ),
    _shape(
        "env",
        rf"(?:SetEnv|ENV|setenv)[ \t]+\w{{0,100}}(?:PASS(?:WORD|WD)?|PWD|SECRET|TOKEN|_KEY)[ \t]+{_QUOTE}",
        r"(?P<s>[^\s\"'\\=][^\s\"'\\]{0,511})",
    ),
    _shape("sshpass", rf"sshpass[ \t]+-p[ \t]*{_QUOTE}(?P<s>[^\s\"'\\]{{1,256}})"),
    _shape(
        "mysql mariadb",
        rf"(?:mysql|mariadb)[\w-]{{0,20}}[ \t](?:[^\n]{{0,200}}?[ \t])?-p{_QUOTE}",
        r"(?P<s>[^\s\"'\\-][^\s\"'\\]{0,255})",
    ),
    _shape(
        "curl wget",
        rf"(?:curl|wget)[ \t](?:[^\n]{{0,200}}?[ \t])?(?:-u|--user)[ \t=]*{_QUOTE}[^\s:\"'\\]{{1,64}}:",
        r"(?P<s>[^\s\"'\\]{1,256})",
    ),
    _shape("community", r"snmp-server[ \t]+community[ \t]+(?P<s>\S{1,256})"),
    _shape("identified by", r"identified by (?:password )?\\?['\"](?P<s>[^'\"\\]{1,256})", flags=re.I),
)

_NAMES = (
    r"(?:(?<!no)pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|authtok|bindpw|rootpw|(?:(?<![a-z])|(?<=\\[nrt]))psk"
    r"|(?:(?<=api)|(?<=access)|(?<=account)|(?<=secret)|(?<=private)|(?<=shared)|(?<=auth)|(?<=encryption)"
    r"|(?<=signing)|(?<=storage)|(?<=master))[_-]?key(?:_base)?)"
)
_WORDS = ("pass", "pwd", "secret", "token", "credential", "authtok", "bindpw", "rootpw", "psk", "key", "_key", "-key")
"""What every name of a secret holds."""
_VALUE = (
    r"(?:\\{0,7}\"(?P<double>[^\"\\\n]{1,512})|\\{0,7}'(?P<single>[^'\\\n]{1,512})|(?P<bare>[^\s\"'\\,;<>&]{1,512}))"
)
# behind a colon only what is quoted or stands behind a blank, and never `passwd`: nsswitch.conf and sudoers write so
_NAMED = re.compile(
    rf"{_NAMES}(?:\\{{0,7}}[\"']?[ \t]{{0,4}}(?:=>?|:=)[ \t]{{0,4}}{_VALUE}"
    rf"|(?<!passwd)(?:\\{{0,7}}[\"'][ \t]{{0,4}}:[ \t]{{0,4}}|:[ \t]{{1,4}})"
    rf"{_VALUE.replace('double', 'double2').replace('single', 'single2').replace('bare', 'bare2')}"
    r"|>(?P<element>[^<]{1,512})</)",
    re.IGNORECASE,
)
_NAME = re.compile(rf"(?:[^/]*{_NAMES}|auth)\Z", re.IGNORECASE)
"""A key of a JSON object; one with a slash is a path."""
_PAIRS = (("name", "value"), ("Name", "Value"), ("key", "value"), ("Key", "Value"), ("ParameterKey", "ParameterValue"))
"""How documents write a variable: its name under one key and its value under another."""
# what stands in a secret's place and is none: nothing, a truth, a small number, a word of PAM, a variable, a reference
_NO_SECRET = re.compile(
    r"[*!x.-]*|\d{1,3}|true|false|yes|no|on|off|none|null|nil|required|requisite|sufficient|optional|include|files"
    r"|prompt|ask|\$[({]?\w+[)}]?|\$[({].*|%\w+%|\{\{.*|<.*|redacted|arn:.*|(?:env|file|keyring|command):.*"
    r"|(?:/[\w.@+-]+){2,}/?|grub\.pbkdf2.*|(?:\$[\w-]+\$)?secret-[0-9a-f]{16}",
    re.IGNORECASE | re.DOTALL,
)


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

    def text(self, text: str, known: Iterable[str] = (), digest: bytes = b"") -> str:
        """'url = ftp://me:hunter2@host' -> 'url = ftp://me:secret-…@host'. JSON stays JSON of the same shape.

        known: values that are secrets whatever they look like; they are found in an address and in base64 as well.
        digest: the text's, where it is at hand.
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
        found = self._cleaned(text, {})
        if found == text or len(found) <= MAX_SEEN_LETTERS:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen[name] = () if found == text else (found,)
        return found

    def _cleaned(self, text: str, values: Mapping[str, str]) -> str:
        plain = self._plain(text, values)
        if (plain == text and not values) or text[:1] not in {"{", "["}:
            return plain
        try:
            return json.dumps(self._walked(json.loads(text), values), ensure_ascii=False)
        except (ValueError, RecursionError):
            return plain

    def reply(self, reply: Reply, known: Iterable[str] = ()) -> Reply:
        """The reply without secrets: its text, its error text and what its gaps say."""
        text, detail = self.text(reply.text, known, reply.text_digest), self.text(reply.detail, known)
        gaps = tuple(Gap(self.text(gap.subject), gap.problem, self.text(gap.detail, known)) for gap in reply.gaps)
        if (text, detail, gaps) == (reply.text, reply.detail, reply.gaps):
            return reply
        return replace(reply, text=text, detail=detail, gaps=gaps)

    def _plain(self, text: str, values: Mapping[str, str]) -> str:
        for form in sorted(values, key=len, reverse=True):
            text = text.replace(form, self.fingerprint(values[form]))
        lowered = text.lower()
        for shape in SHAPES:
            for sign in shape.signs:  # `any` over a generator takes three times as long, for each word of a document
                if sign in lowered:
                    text = shape.pattern.sub(self._replaced, text)
                    break
        return self._without_named(text)

    def _without_named(self, text: str) -> str:
        """'PASSWORD="x y"' -> 'PASSWORD="secret-…"'. Looking for plain words first is many times faster."""
        pieces, done = [], 0
        for at in _places(text):
            found = _NAMED.match(text, at) if at >= done else None
            if found is not None:
                pieces += [text[done:at], self._replaced(found)]
                done = found.end()
        return "".join([*pieces, text[done:]]) if pieces else text

    def _replaced(self, found: re.Match[str]) -> str:
        group = found.lastgroup or "s"
        if _NO_SECRET.fullmatch(found[group].strip()):
            return found[0]
        start, end = found.start(group) - found.start(), found.end(group) - found.start()
        return f"{found[0][:start]}{self.fingerprint(found[group])}{found[0][end:]}"

    def _walked(self, value: Any, values: Mapping[str, str], name: str = "") -> Any:
        if isinstance(value, dict):
            names = {second: str(value[first]) for first, second in _PAIRS if first in value and second in value}
            return {key: self._walked(entry, values, names.get(key) or key) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._walked(entry, values) for entry in value]
        if not isinstance(value, str):
            return value
        if _is_name(name) and not _NO_SECRET.fullmatch(value.strip()):
            return self.fingerprint(value)
        return self._plain(value, values)


def _is_name(key: str) -> bool:
    """Whether a key of a JSON object is the name of a secret."""
    return _is_short_name(key) if len(key) <= 64 else _NAME.match(key) is not None


@lru_cache(1000)
def _is_short_name(key: str) -> bool:
    """The same, remembered, for rows repeat their keys; longer ones are not, for a target chooses how long they are."""
    return _NAME.match(key) is not None


def _places(text: str) -> Sequence[int]:
    """Where a name of a secret may begin, in order."""
    lowered = text.replace("\u0130", "I").lower()  # the one letter that grows when it is lower-cased
    return sorted({at for word in _WORDS if word in lowered for at in _finds(lowered, word)})


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
    path = Path(f"{register}.salt").expanduser() if "://" not in register else _state_folder() / "fingerprints.salt"
    _in_force = Redactor(read_salt(path))


def _state_folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or ("/var/lib" if os.geteuid() == 0 else "~/.local/state")
    return Path(home).expanduser() / "riskline"


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
    known = known_values()
    return {key: _in_force.reply(reply, known) for key, reply in replies.items()}


def redacted_text(text: str) -> str:
    """A text for a log or a failure without secrets, under the salt that is in force."""
    return _in_force.text(text, known_values())
