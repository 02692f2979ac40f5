"""Values ↔ bytes: what the register writes, it reads back equal, a release later too.

JSON in ASCII, then zlib. A field that a stored value does not have takes its default; one that is no longer known is
left out. Text may hold anything that a hostile machine sends, lone surrogates and NUL included.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing
import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, cast

from scanner.model import Control, Evidence, Finding, Gap, Outcome, Reply

T = TypeVar("T")
APART_BYTES = 4096
"""An answer from this size on is stored once, however many visits bring it back."""
_LEVEL = 3  # of zlib: the higher ones cost more time than they save room


_canonical = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def said(plain: Any) -> tuple[bytes, bytes]:
    """A JSON value's name (its SHA-256) and its bytes; equal values give equal ones."""
    text = _canonical.encode(plain).encode("ascii")
    return hashlib.sha256(text).digest(), text


def squeeze(text: bytes) -> bytes:
    """Bytes, compressed."""
    return zlib.compress(text, _LEVEL)


def pack(plain: Any) -> bytes:
    """A JSON value as compressed bytes."""
    return squeeze(said(plain)[1])


def unpack(body: bytes) -> Any:
    """The JSON value that was packed."""
    return json.loads(zlib.decompress(body))


def column(text: str) -> str:
    r"""Text for a column that people query: what no database takes is written out, a NUL as \x00."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


# ── dataclasses ──────────────────────────────────────────────────────────────────────────────────────────────────────


def plain(value: Any) -> Any:
    """A frozen value as JSON: a dataclass as a mapping, a tuple as a list, an instant as ISO 8601."""
    if type(value) in _AS_IT_IS:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind: Any = type(value)
        return {field: plain(getattr(value, field)) for field in _fields(kind)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


_AS_IT_IS = {str, int, float, bool, type(None)}


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def revive(kind: type[T], stored: Any) -> T:
    """The value of that type: the inverse of `plain`."""
    return cast(T, _reviver(cast(Any, kind))(stored))


def _same(stored: Any) -> Any:
    return stored


@functools.cache
def _reviver(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of the type of JSON; the type is looked at once, not with every value."""
    if dataclasses.is_dataclass(kind):
        return _maker(kind, {name: _reviver(hint) for name, hint in _fields(cast(Any, kind)).items()})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        wanted = [each for each in inner if each is not type(None)]
        one = _reviver(wanted[0]) if len(wanted) == 1 else _same
        return lambda stored: None if stored is None else one(stored)
    if origin is tuple:
        each = _reviver(inner[0])
        return lambda stored: tuple(map(each, stored)) if each is not _same else tuple(stored)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        of = _reviver(inner[1])
        return lambda stored: {key: of(entry) for key, entry in stored.items()} if of is not _same else stored
    if kind is datetime:
        return datetime.fromisoformat
    return kind if isinstance(kind, type) and issubclass(kind, Enum) else _same


def _maker(kind: Any, fields: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def make(stored: Any) -> Any:
        return kind(**{name: of(stored[name]) for name, of in fields.items() if name in stored})

    return make


# ── findings and evidence ────────────────────────────────────────────────────────────────────────────────────────────


def packed_findings(findings: Sequence[Finding], own: Mapping[tuple[str, str], Control] | None = None) -> Any:
    """Findings as rows without the asset: hosts that are alike share one stored value.

    own: the controls that the asset alone has; kept beside its rows.
    """
    rows = [
        [f.baseline, f.control, f.subject, f.outcome.value, f.reason, f.observed, f.expected, f.detail, f.weakness]
        + ([f.compensation] if f.compensation != 1 else [])
        for f in findings
    ]
    if not own:
        return rows
    return {"rows": rows, "controls": [[baseline, plain(control)] for (baseline, _), control in own.items()]}


def findings_of(asset: str, stored: Any) -> tuple[Finding, ...]:
    """The findings of an asset from what `packed_findings` made."""
    rows = stored["rows"] if isinstance(stored, dict) else stored
    return tuple(
        Finding(asset, baseline, control, subject, Outcome(outcome), *rest)
        for baseline, control, subject, outcome, *rest in rows
    )


def controls_of(stored: Any, known: Container[tuple[str, str]] = ()) -> dict[tuple[str, str], Control]:
    """The controls that the asset alone has, from what `packed_findings` made. known: those that need not be read."""
    packed = stored["controls"] if isinstance(stored, dict) else []
    found = [(name, revive(Control, control)) for name, control in packed if (name, control["id"]) not in known]
    return {(baseline, control.id): control for baseline, control in found}


def packed_evidence(evidence: Evidence) -> tuple[dict[str, Any], list[float], dict[bytes, bytes]]:
    """Evidence as a body that is equal for equal answers, the seconds of each answer, and large texts by digest."""
    apart: dict[bytes, bytes] = {}
    replies = []
    for key, reply in evidence.replies.items():
        text: str | dict[str, str] = reply.text
        if len(reply.text) >= APART_BYTES:
            name, kept = said(reply.text)
            apart[name] = kept
            text = {"apart": name.hex()}
        gaps = [[gap.subject, gap.problem, gap.detail] for gap in reply.gaps]
        replies.append([key, text, reply.problem, reply.detail, gaps])
    body = {"digest": evidence.digest, "replies": replies, "failures": dict(evidence.failures)}
    return body, [reply.took_s for reply in evidence.replies.values()], apart


def texts_apart(body: Mapping[str, Any]) -> list[str]:
    """Digests, in hex, of the large texts that an evidence body leaves out."""
    return [row[1]["apart"] for row in body["replies"] if isinstance(row[1], dict)]


def evidence_of(
    asset: str, when: str, version: str, body: Mapping[str, Any], took_s: Sequence[float], apart: Mapping[str, str]
) -> Evidence:
    """The evidence from its parts: the inverse of `packed_evidence`."""
    replies = {}
    for (key, text, problem, detail, gaps), seconds in zip(body["replies"], took_s, strict=True):
        whole = text if isinstance(text, str) else apart[text["apart"]]
        replies[key] = Reply(whole, problem, detail, seconds, tuple(Gap(*gap) for gap in gaps))
    return Evidence(asset, datetime.fromisoformat(when), version, replies, body["failures"], body["digest"])
