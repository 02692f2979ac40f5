"""Foreign text is shown, never obeyed: by no terminal and by no spreadsheet."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.inert import cell, printable

from .run_of import HOSTILE

anything = st.text(st.characters(categories=["C", "L", "M", "N", "P", "S", "Z"])) | st.sampled_from(HOSTILE)


@given(anything)
@pytest.mark.fault("T21")
def test_no_control_format_or_separator_character_is_left(text: str) -> None:
    for char in printable(text):
        kind = unicodedata.category(char)
        assert char == "\t" or (kind[0] != "C" and kind not in {"Zl", "Zp"}), repr(char)


@given(anything)
def test_what_is_printable_can_be_written_as_utf_8(text: str) -> None:
    assert printable(text).encode("utf-8").decode("utf-8") == printable(text)


@given(anything)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(anything, st.integers(1, 40))
def test_a_limit_is_kept_and_a_cut_is_shown(text: str, limit: int) -> None:
    short, whole = printable(text, limit), printable(text)
    assert len(short) <= limit
    assert short == whole if len(whole) <= limit else short.endswith("…")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 日本語 and 🙂", "Grüße, 日本語 and 🙂"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("\x9b31m", "\\x9b31m"),
        ("exe\u202egnp", "exe\\u202egnp"),
        ("a\u200bb\u2028c\nd\re", "a\\u200bb\\u2028c\\x0ad\\x0de"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_harmless_stays_and_the_rest_is_named(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(anything | st.sampled_from("=+-@＝＋－＠").flatmap(lambda sign: anything.map(lambda rest: sign + rest)))
@pytest.mark.fault("T24")
def test_no_cell_begins_as_a_formula_unless_it_is_a_number(text: str) -> None:
    made = cell(text)
    if made.lstrip(" \t")[:1] in {"=", "+", "-", "@", "＝", "＋", "－", "＠"}:
        assert made.isascii()
        float(made)
    assert made[:1] not in {"\t", "\r", "\n"}


@pytest.mark.parametrize("number", ["0", "-1", "-0.5", "22.04"])
def test_a_number_stays_a_number(number: str) -> None:
    assert cell(number) == number


@given(anything)
@pytest.mark.fault("R1")
def test_a_cell_survives_the_way_through_a_csv_file(text: str) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([cell(text), "next"])
    assert list(csv.reader(io.StringIO(out.getvalue()))) == [[cell(text), "next"]]
