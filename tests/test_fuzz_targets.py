"""Every reader of foreign bytes, over mutations of its own test cases: it returns, or raises what is designed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import checks_without_a_question, targets

NAMES = list(targets())
PIECES = st.sampled_from(
    [b"\x00", b"\xff\xfe", b"\n", b"\r", b"\t", b" ", b'"', b"\\", b"'", b"{", b"}", b"[", b"]", b":", b"=", b"#", b",",
     b"-1", b"99999999999999999999", b"0x10", b"1e999", b"\xc2\xb2", b"\xd9\xa3", b"null", b"true", b"NaN", b"<",
     b"&x;", b"\xe2\x80\xa8", b"\x1b[2J", b"A" * 5000, b"(((((((", b"!include x", b"*", b"$(x)", b"%s"]
) | st.binary(max_size=8)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with up to six places cut, doubled, overwritten or filled with something else; or any bytes."""
    if not seeds or draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(1, max(len(data), 1)))
        size = draw(st.integers(0, 12))
        piece = draw(PIECES | st.just(data[at : at + size] * 2))
        data = data[:at] + piece + data[at + draw(st.sampled_from([0, size])) :]
    return data


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_a_reader_returns_or_raises_what_is_designed(name: str, data: st.DataObject) -> None:
    target = targets()[name]
    target.run(data.draw(mutated(target.seeds)))


@pytest.mark.parametrize("name", NAMES)
def test_every_target_begins_with_sound_inputs_of_its_own(name: str) -> None:
    target = targets()[name]
    assert target.seeds
    for seed in target.seeds:
        target.run(seed)


def test_hardly_a_check_is_left_out() -> None:
    assert len(checks_without_a_question()) < 20
