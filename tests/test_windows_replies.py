"""Whatever bytes a Windows machine sends back: every question gets a reply or the visit a reason, within bounds."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import TargetError, VisitFailed
from scanner.model import Probe, Reply
from scanner.probes import powershell, registry
from scanner.transports.powershell import Batch

PROBES = (registry("HKLM\\A", "b"), powershell("Get-Date"), Probe("windows", ("exported", "audit-policy"), True))
NONCE = "ab" * 16
BATCH = Batch(PROBES, NONCE)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["n", "s", "t", "d", "e", "ms", "x"]), inner),
    max_leaves=20,
)


def framed(document: bytes) -> bytes:
    return f"{NONCE} GZ\r\n".encode() + base64.b64encode(gzip.compress(document)) + f"\r\n{NONCE} END\r\n".encode()


def replies(stdout: bytes, **bounds: Any) -> dict[Probe, Reply]:
    try:
        return BATCH.replies(stdout, b"", "complete", **bounds)
    except VisitFailed as failed:
        return dict.fromkeys(PROBES, Reply(problem="failed", detail=str(failed)))


@given(st.binary(max_size=2000))
def test_any_bytes_end_in_a_reason(noise: bytes) -> None:
    assert all(reply.problem for reply in replies(noise).values())
    framings = (framed(noise), NONCE.encode() + b" GZ\n" + noise + NONCE.encode() + b" END", NONCE.encode() + noise)
    for stdout in framings:
        found = replies(stdout)
        assert set(found) == set(PROBES)
        assert all(reply.problem or reply.text is not None for reply in found.values())


@given(VALUES)
def test_any_json_is_read_as_an_answer_only_where_it_says_ok_with_a_text(value: Any) -> None:
    found = replies(framed(json.dumps(value).encode()))
    rows = value if isinstance(value, list) else []
    said = [r for r in rows if isinstance(r, dict) and r.get("s") == "ok" and isinstance(r.get("t"), str)]
    answered = [probe for probe, reply in found.items() if reply.problem is None]
    assert len(answered) <= len(said)


@given(st.integers(0, 400))
def test_an_answer_that_was_cut_anywhere_is_never_judged(length: int) -> None:
    rows = [{"n": n, "s": "ok", "t": "x" * 50} for n in range(3)]
    whole = framed(json.dumps(rows).encode())
    cut = whole[: min(length, len(whole) - len(b" END\r\n"))]
    assert all(reply.problem for reply in replies(cut).values())


@pytest.mark.parametrize(("ended", "problem"), [("timed-out", "timed-out"), ("truncated", "truncated")])
def test_why_the_stream_ended_is_what_its_questions_are_told(ended: Any, problem: str) -> None:
    assert {reply.problem for reply in BATCH.replies(b"", b"", ended).values()} == {problem}


def test_a_nonce_of_another_visit_counts_for_nothing() -> None:
    other = framed(b"[]").replace(NONCE.encode(), b"cd" * 16)
    with pytest.raises(VisitFailed):
        BATCH.replies(other, b"", "complete")


def test_what_the_machine_prints_before_the_answer_is_noise() -> None:
    rows = [{"n": n, "s": "ok", "t": "[]"} for n in range(3)]
    noise = b"WARNUNG: \xff\xfe\r\n" + NONCE.encode() + b" is not a frame\r\n"
    assert not any(reply.problem for reply in replies(noise + framed(json.dumps(rows).encode())).values())


def test_an_answer_that_unpacks_without_end_stops_at_the_limit() -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(256)) + packer.flush()
    stdout = f"{NONCE} GZ\n".encode() + base64.b64encode(bomb) + f"\n{NONCE} END".encode()
    with pytest.raises(TargetError, match="larger"):
        BATCH.replies(stdout, b"", "complete", 1 << 20)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("PermissionDenied: (Root:CimInstance) [Get-CimInstance], CimException HRESULT 0x80041003", "denied"),
        ("NotSpecified: (:) [], MethodInvocationException SecurityException", "denied"),
        ("ObjectNotFound: (x:String) [], ItemNotFoundException PathNotFound", "failed"),
        ("", "failed"),
        (None, "failed"),
        (7, "failed"),
    ],
)
def test_a_refusal_is_told_by_its_category_and_never_by_its_words(said: Any, problem: str) -> None:
    row = {"n": 0, "s": "error", "d": "Access is denied" if problem == "failed" else "拒否", "e": said}
    found = replies(framed(json.dumps([row]).encode()))
    assert found[PROBES[0]].problem == problem
