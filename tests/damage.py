"""What may come instead of an answer, each kind of it in the place of each answer of a visit."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

from scanner.model import Evidence, Finding, Outcome, Problem, Reply
from scanner.plan import PlannedAsset, PlannedTerm

_OF_ANOTHER_KIND = (
    ("a word in every file", "garbage"),
    ("words in every file", "garbage garbage garbage\n"),
    ("an error's page in every file", "<html><body>502 Bad Gateway</body></html>\n"),
    ("a usage message in every file", "sh: 1: x: not found\nUsage: x [-a]\n"),
)
PROBLEMS: tuple[Problem, ...] = ("denied", "failed", "truncated", "timed-out", "unparsable")


def damages(text: str, *, values: bool, files: bool = False) -> Iterator[tuple[str, Reply | None]]:
    """What may come instead of an answer; None is no answer at all.

    values: false ones within a document as well. files: the document holds files, and each may be of another kind.
    """
    yield "missing", None
    for problem in PROBLEMS:
        yield problem, Reply(text[: len(text) // 2], problem, "damaged on purpose")
    yield "empty", Reply("")
    yield "blank", Reply("\n")
    yield "garbage", Reply("%&/()=? garbage § 12 : = , ; x\n" * 3)
    yield "hostile bytes", Reply("\x1b[2J\u202e\ufffd\udcff\x07\n\t\x9b")
    yield "NUL", Reply("\0" * 50)
    if text:
        yield "NUL inside", Reply("\0".join(text[at : at + 7] for at in range(0, min(len(text), 20_000), 7)))
    yield "huge", Reply("A" * (1 << 18))
    yield "huge, in lines", Reply("a b\n" * (1 << 14))
    yield "a page of an error", Reply("<html><body>502 Bad Gateway</body></html>\n")
    yield "a usage message", Reply("sh: 1: x: not found\nUsage: x [-a]\n")
    yield "another document", Reply("[]")
    yield "nothing as a document", Reply("null")
    for kind, document in _documents(text, values=values):
        yield kind, Reply(json.dumps(document))
    for kind, content in _OF_ANOTHER_KIND if files and text[:1] == "{" else ():
        yield kind, Reply(json.dumps(dict.fromkeys(json.loads(text), content)))


def _documents(text: str, *, values: bool) -> Iterator[tuple[str, Any]]:
    """A JSON document of the same outer shape and with other contents; nothing where the text is none."""
    if text[:1] not in {"{", "["}:
        return
    try:
        document = json.loads(text)
    except ValueError:
        return
    leaves: tuple[tuple[str, Any], ...] = (
        (("null", None), ("an empty text", ""), ("a word", "garbage"), ("a list", [])) if values else ()
    )
    for name, leaf in leaves:
        yield f"{name} in every place", _leaves(document, leaf)
    yield "every entry empty", [{} for _ in document] if isinstance(document, list) else {key: {} for key in document}
    yield "entries of another kind", [None, 1, "a", []] if isinstance(document, list) else {"a": None, "": {}}
    yield "wrapped", {"error": {"code": 500, "message": "Internal error"}, "document": document}


def _leaves(value: Any, leaf: Any) -> Any:
    if isinstance(value, dict):
        return {key: _leaves(entry, leaf) for key, entry in value.items()}
    if isinstance(value, list):
        return [_leaves(entry, leaf) for entry in value]
    return leaf


def damaged(evidence: Evidence) -> Iterator[tuple[str, str, Evidence]]:
    """Name of the question, kind of damage, and the evidence with that one answer damaged.

    Only a Windows machine makes its documents itself. The others are made here, of frames or of nmap's output, or come
    from AWS, where what is left out has the provider's default: there false values would be a state like any other.
    """
    for key, reply in evidence.replies.items():
        for kind, instead in damages(
            reply.text, values=key.startswith("windows:"), files=key.startswith("posix:files")
        ):
            replies = {**evidence.replies, key: instead} if instead else {**evidence.replies}
            if instead is None:
                del replies[key]
            yield key, kind, replace(evidence, replies=replies)


def on_the_way(text: str) -> Iterator[tuple[str, Reply]]:
    """What a framed answer may lose between the host and here with no problem told: its end, as any stream may."""
    lines = text.splitlines(keepends=True)
    for kind, left in {
        "first line alone": lines[:1],
        "first half of the lines": lines[: len(lines) // 2],
        "first half of the text": [text[: len(text) // 2]],
        "without its last line": lines[:-1],
        "without its last two lines": lines[:-2],
        "without its last letter": [text[:-1]],
    }.items():
        if (damaged_text := "".join(left)) not in {text, ""}:
            yield kind, Reply(damaged_text)


def torn(evidence: Evidence) -> Iterator[tuple[str, str, Evidence]]:
    """As `damaged`, of what may happen on the way to what a command said; a file of half its lines is a file."""
    for key, reply in evidence.replies.items():
        if key.startswith("posix:sh ") and reply.problem is None:
            for kind, instead in on_the_way(reply.text):
                yield key, kind, replace(evidence, replies={**evidence.replies, key: instead})


def swapped(evidence: Evidence, one_in: int) -> Iterator[tuple[str, str, Evidence]]:
    """As `damaged`, with the good answer to another question of the same visit; always the same one in so many.

    The rows of AWS are made here, of answers that its own library reads by what was asked.
    """
    good: dict[tuple[str, str], str] = {}
    for key, reply in evidence.replies.items():
        if reply.problem is None and reply.text:
            good.setdefault((key.split(":", 1)[0], reply.text), key)
    for key, reply in evidence.replies.items():
        for (via, text), other in good.items():
            if via == "aws" or not key.startswith(f"{via}:") or text == reply.text:
                continue
            if crc32(f"{key} {other}".encode()) % one_in == 0:
                kind = f"the answer to {other[:80]}"
                yield key, kind, replace(evidence, replies={**evidence.replies, key: Reply(text)})


def touched(planned: PlannedAsset, key: str) -> PlannedAsset:
    """What is planned, narrowed to the controls that the answer to one question may change."""

    def asks(terms: tuple[PlannedTerm, ...]) -> bool:
        return any(key in term.keys for term in terms)

    return replace(planned, baselines=tuple(
        one if asks(one.when) else replace(one, controls=tuple(c for c in one.controls if asks((*c.when, *c.terms))))
        for one in planned.baselines
    ))  # fmt: skip


def verdicts(found: list[Finding]) -> Mapping[str, bool]:
    """Control -> whether it passes: all that it says is a pass."""
    said: dict[str, list[bool]] = defaultdict(list)
    for one in found:
        said[one.control].append(one.outcome is Outcome.PASS)
    return {control: all(passes) for control, passes in said.items()}
