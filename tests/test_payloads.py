"""R1, T21-T24: any mixture of hostile text, through every format, export and log, read back: equal, and inert.

What is read back is compared with what `inert` makes of the text; a format that escapes by itself gives the very text.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from prometheus_client.parser import text_string_to_metric_families

from scanner import catalogue
from scanner.cli import logs, options
from scanner.inert import cell, printable

from .run_of import HOSTILE, remembered, run_of

PIECES = (
    # terminals: C0, C1, CSI, OSC with both ends, DCS; then bidi, zero width, tags, separators, no characters at all
    *("\x00", "\x07", "\x08", "\x0b", "\x0c", "\x0e", "\x1b[2J", "\x1b[8;1;1t", "\x1bP1;1|17/ab\x1b\\", "\x7f"),
    *("\x85", "\x90q\x9c", "\x9b31m", "\x1b]0;title\x07", "\x1b]8;;http://127.0.0.1:9/\x1b\\x\x1b]8;;\x1b\\"),
    *("\x1b]52;c;YQ==\x07", "\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\ufeff", "\u2028", "\u2029"),
    *("\U000e0041", "\ufffe", "\ud800", "\udcff", "\U0010fffd", "e\u0301", "\u00ad"),
    # markup: rich, HTML, attributes, Markdown, CDATA, JSON and its neighbours
    *("[red]", "[/]", "[link=http://127.0.0.1:9/]", "[/etc/passwd]", "<script>alert(1)</script>", "</title>"),
    *('"', "'", "`", "&lt;", "&#x3c;", "<!--", "-->", "]]>", "<![CDATA[", "</script", "javascript:alert(1)", "\\"),
    *("](http://127.0.0.1:9/)", "![](x)", "| a | b |", "\n# head\n", "\n---\n", "*b*", "<http://127.0.0.1:9/>"),
    *('","x":"', "\\u0041", "\\n", "{}", "%s%n", "%(asctime)s", "{0.__class__}"),
    # sheets, templates, shells, logs, labels
    *("=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", ";", ",", '"\r\n"'),
    *("{{7*7}}", "{% raw %}", "#{7*7}", "${jndi:ldap://127.0.0.1/x}", "$(id)", "`id`", "; id", "|| id", "%TEMP%"),
    *("\nriskline: web-1 judged: 400 pass", "\r\n2026-01-01 INFO ok", '"} 1\nforged{a="b'),
)
payloads = (
    st.sampled_from(HOSTILE)
    | st.lists(st.sampled_from(PIECES) | st.text(max_size=6), min_size=1, max_size=6).map("".join)
    | st.text(st.characters(), max_size=20)
)
TEXT = [name for name in options.FORMATS if name not in {"xlsx", "pdf", "board-pdf", "cisoassistant"}]
QUIET = settings(max_examples=25)
END = "·end"
"""Behind each payload, so that it is found again however much of it a reader strips."""


def rendered(format: str, payload: str, authored: bool = True) -> bytes:
    """A run with the payload in every field that an asset or a person can fill, and an author of a baseline."""
    put = (payload + END).__add__
    run = remembered(run_of(put, authored=put if authored else str), put)
    return bytes(catalogue.report(format).render(run))


def obeyed(text: str) -> set[str]:
    """Characters that a terminal, a reader of lines or a renderer of bidi text would obey."""
    return {
        char
        for char in text
        if char not in "\n\r\t" and (unicodedata.category(char)[0] == "C" or unicodedata.category(char) in {"Zl", "Zp"})
    }


def strings(value: Any) -> Iterator[str]:
    """All texts of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        for entry in value.values():
            yield from strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from strings(entry)


class _Shape(HTMLParser):
    """Tags with their attributes' names, and the text between."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def of_html(said: str) -> str:
    return _Shape(said).text


def of_json(said: str) -> str:
    return "\n".join(strings(json.loads(said)))


def of_lines_of_json(said: str) -> str:
    return "\n".join(text for line in said.splitlines() for text in strings(json.loads(line)))


def of_csv(said: str) -> str:
    rows = list(csv.reader(io.StringIO(said, newline="")))
    assert len({len(row) for row in rows}) == 1, "every row is whole"
    assert not [value for row in rows for value in row if re.match(r"\s*[=+@＝＋＠]|\s*-(?!\d+(\.\d+)?$)", value)]
    return "\n".join(value for row in rows for value in row)


def of_xml(said: str) -> str:
    found = ElementTree.fromstring(said).iter()
    return "\n".join(word for one in found for word in [one.text or "", *one.attrib.values()])


def of_prometheus(said: str) -> str:
    families = text_string_to_metric_families(said)
    return "\n".join(value for one in families for sample in one.samples for value in sample.labels.values())


def as_it_is(said: str) -> str:
    return said


READERS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("html", "board", "compliance"), of_html),
    **dict.fromkeys(("json", "sarif", "oscal", "oscal-poam", "defectdojo"), of_json),
    **dict.fromkeys(("ocsf", "ocsf-2002"), of_lines_of_json),
    **dict.fromkeys(("csv", "compliance-csv", "simplerisk"), of_csv),
    "junit": of_xml,
    "prometheus": of_prometheus,
    "table": as_it_is,
    "markdown": as_it_is,
}
SHORT = {"prometheus", "ocsf-2002", "table", "markdown", "board", "compliance", "compliance-csv", "simplerisk"}
"""Formats that show few of the fields, cut them, or set marks of their own between: what they show is checked above."""


def test_every_format_of_text_has_a_reader_here() -> None:
    assert set(READERS) == set(TEXT)


@pytest.mark.parametrize("format", TEXT)
@given(payload=payloads)
@QUIET
@pytest.mark.fault("T22", "R1")
def test_nothing_that_is_written_would_be_obeyed(format: str, payload: str) -> None:
    said = rendered(format, payload).decode("utf-8")
    assert obeyed(said) == set()
    READERS[format](said)


@pytest.mark.parametrize("format", [name for name in TEXT if name not in SHORT])
@given(payload=payloads)
@QUIET
@pytest.mark.fault("R1")
def test_what_was_said_comes_back_equal(format: str, payload: str) -> None:
    back = READERS[format](rendered(format, payload).decode("utf-8"))
    whole = payload + END
    forms = {whole, printable(whole), cell(whole).removeprefix("'"), " ".join(whole.split())}
    forms |= {printable(whole.strip()), "\n".join(printable(line) for line in whole.split("\n"))}
    # OSCAL's prose is Markdown: marks stand behind a backslash
    squeezed = re.sub(r"[\s\\]+", "", back)
    assert any(re.sub(r"[\s\\]+", "", form) in squeezed for form in forms), squeezed[:500]


@pytest.mark.parametrize("format", ["html", "board", "compliance"])
@given(payload=payloads)
@QUIET
@pytest.mark.fault("T23")
def test_no_text_adds_an_element_or_attribute_to_a_page(format: str, payload: str) -> None:
    # not in what authors write: `of theirs` is set as code, on purpose
    calm = _Shape(rendered(format, "calm", authored=False).decode("utf-8"))
    assert _Shape(rendered(format, payload, authored=False).decode("utf-8")).tags == calm.tags


@given(payload=payloads)
@QUIET
@pytest.mark.fault("R1")
def test_a_workbook_holds_texts_and_no_formula_or_link(payload: str) -> None:
    book = load_workbook(io.BytesIO(rendered("xlsx", payload)))
    values = []
    for sheet in book:
        for one in (one for row in sheet.iter_rows() for one in row if one.value is not None):
            assert (one.data_type, one.hyperlink) == ("s", None)
            values.append(str(one.value))
    assert obeyed("".join(values)) == set()
    assert any(END in value for value in values)


@given(payload=payloads)
@settings(max_examples=10)
def test_an_archive_of_sheets_holds_no_formula(payload: str) -> None:
    with zipfile.ZipFile(io.BytesIO(rendered("cisoassistant", payload))) as archive:
        for name in archive.namelist():
            assert re.fullmatch(r"[\w.-]+", name)
            text = archive.read(name).decode("utf-8")
            assert obeyed(text) == set()


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@given(payload=payloads)
@QUIET
@pytest.mark.fault("T22")
def test_a_line_of_the_log_cannot_be_forged(as_json: bool, payload: str) -> None:
    stream = io.StringIO()
    logs.set_up_log(logs.Talk(verbose=1, json_log=as_json))
    log = logging.getLogger("riskline")
    (handler,) = log.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    try:
        logging.getLogger("riskline.run").warning("%s could not be visited: %s", "web-1", payload + END)
    finally:
        log.handlers.clear()
        log.propagate = True
    lines = stream.getvalue().split("\n")
    assert obeyed(stream.getvalue()) == set()
    if as_json:
        assert json.loads(lines[0])["message"].endswith(payload + END)
        assert lines[1:] == [""]
    else:
        assert [line for line in lines[1:] if line and not line.startswith("    ")] == []
