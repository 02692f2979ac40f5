"""Formats that no standard's schema holds: reference checks of our own, what they accept and what they refuse."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from xml.etree import ElementTree

import pytest
from openpyxl import load_workbook
from prometheus_client.parser import text_string_to_metric_families

from reports import csv as table
from reports import junit, prometheus, simplerisk, xlsx
from scanner.model import Outcome

from .run_of import run_of

Breaks = Callable[[bytes], bytes]


def swapped(old: str, new: str) -> Breaks:
    """The first place of a text, written otherwise; the text has to be there."""

    def change(data: bytes) -> bytes:
        assert old.encode() in data, old
        return data.replace(old.encode(), new.encode(), 1)

    return change


# ── JUnit ────────────────────────────────────────────────────────────────────────────────────────────────────────────

INNER = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def unsound_junit(data: bytes) -> list[str]:
    """What a pipeline stumbles over: no XML, numbers that contradict the cases, cases of no name or with two ends."""
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        return [str(error)]
    wrong = [] if root.tag == "testsuites" else ["another root"]
    wrong += [f"unknown element {one.tag}" for one in root.iter() if one.tag not in
              {"testsuites", "testsuite", "testcase", *INNER}]  # fmt: skip
    for suite in root:
        cases = suite.findall("testcase")
        met = Counter(inner.tag for case in cases for inner in case)
        told = {name: suite.get(name) for name in ("tests", *INNER.values())}
        true = {"tests": f"{len(cases)}", **{name: f"{met[tag]}" for tag, name in INNER.items()}}
        wrong += [f"{suite.get('name')}: {told} for {true}"] if told != true else []
        wrong += [] if re.fullmatch(r"\d{4}(-\d\d){2}T\d\d(:\d\d){2}", suite.get("timestamp", "")) else ["no instant"]
        for case in cases:
            wrong += [] if case.get("name") and case.get("classname") else ["a case without a name"]
            wrong += ["a case with two ends"] if len(case) > 1 else []
            wrong += ["a failure that says nothing"] if any(not inner.get("message") for inner in case) else []
    for name in ("tests", *INNER.values()):
        if root.get(name) != str(sum(int(suite.get(name, "-1")) for suite in root)):
            wrong.append(f"the sum of {name}")
    return wrong


JUNIT_BROKEN: dict[str, Breaks] = {
    "cut off": lambda data: data[: len(data) // 2],
    "another root": lambda data: data.replace(b"testsuites", b"suites"),
    "a suite that counts wrong": lambda data: re.sub(rb'(<testsuite [^>]*failures=")\d+', rb"\g<1>77", data, count=1),
    "a sum that is wrong": lambda data: re.sub(rb'(<testsuites [^>]*tests=")\d+', rb"\g<1>1", data),
    "a case without a name": lambda data: re.sub(rb'(<testcase classname="[^"]*") name="[^"]*"', rb"\1", data, count=1),
    "a case with two ends": swapped("</failure>", '</failure><skipped message="too"/>'),
    "a failure that says nothing": lambda data: re.sub(rb'(<failure )message="[^"]*"', rb"\1", data, count=1),
    "an instant of no form": lambda data: re.sub(rb'timestamp="[^"]*"', b'timestamp="yesterday"', data, count=1),
    "an element of our own": swapped("</testcase>", "<risk/></testcase>"),
    "a bare ampersand": swapped("classname=", 'note="a&b" classname='),
}


def test_a_pipeline_stumbles_over_nothing_in_junit() -> None:
    assert unsound_junit(junit.render(run_of())) == []


@pytest.mark.parametrize("breaks", JUNIT_BROKEN.values(), ids=JUNIT_BROKEN)
def test_broken_junit_is_refused(breaks: Breaks) -> None:
    assert unsound_junit(breaks(junit.render(run_of()))) != []


# ── Prometheus ───────────────────────────────────────────────────────────────────────────────────────────────────────


def unsound_metrics(data: bytes) -> list[str]:
    """What node_exporter would drop the whole file for, or a query be misled by."""
    text = data.decode()
    try:
        families = list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError) as error:
        return [repr(error)]
    wrong = [] if text.endswith("\n") else ["the last line is cut off"]
    declared = re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE)
    helped = re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE)
    wrong += [] if declared == helped else ["a name without its help and type"]
    wrong += [f"{name} stands twice" for name, many in Counter(declared).items() if many > 1]
    wrong += [f"{one.name} is of no prefix" for one in families if not one.name.startswith("riskline_")]
    wrong += [f"{one.name} has no type" for one in families if one.name not in declared]
    series = Counter((one.name, *sorted(one.labels.items())) for family in families for one in family.samples)
    wrong += [f"{name} is told twice" for name, many in series.items() if many > 1]
    ratios = (one for family in families for one in family.samples if one.name.endswith("_ratio"))
    return wrong + [f"{one.name} of {one.value}" for one in ratios if one.value < 0 or one.value > 1]


def doubled(data: bytes) -> bytes:
    line = re.search(rb"^riskline_score\{.*\n", data, re.MULTILINE)
    assert line
    return data.replace(line[0], line[0] * 2, 1)


METRICS_BROKEN: dict[str, Breaks] = {
    "cut off": lambda data: data[:-1],
    "a number in words": lambda data: re.sub(rb"(?m)^(riskline_risks) .*$", rb"\1 many", data),
    "a label that does not end": swapped('scope="organisation",name=""', 'scope="organisation,name='),
    "a series told twice": doubled,
    "a sample before its type": lambda data: b"riskline_first 1\n" + data,
    "a type of another kind": swapped("# TYPE riskline_score gauge", "# TYPE riskline_score summit"),
    "a family declared twice": lambda data: data + b"# HELP riskline_risks Open risks.\n# TYPE riskline_risks gauge\n",
    "a share above one": lambda data: re.sub(rb"(?m)^(riskline_coverage_ratio\{.*\}) .*$", rb"\1 90", data),
    "a name of somebody else": lambda data: data.replace(b"riskline_risks", b"node_risks"),
}


def test_a_collector_takes_every_metric() -> None:
    assert unsound_metrics(prometheus.render(run_of())) == []


@pytest.mark.parametrize("breaks", METRICS_BROKEN.values(), ids=METRICS_BROKEN)
def test_broken_metrics_are_refused(breaks: Breaks) -> None:
    assert unsound_metrics(breaks(prometheus.render(run_of()))) != []


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def computed(text: str) -> bool:
    """Whether a spreadsheet would compute a cell, or take part of it for another one. A number is no formula."""
    bare = text.lstrip(" ")
    return bare.startswith(("=", "+", "-", "@", "\t", "\r")) and not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", bare)


def unsound_rows(data: bytes, columns: Iterable[str]) -> tuple[list[str], list[dict[str, str]]]:
    """What is wrong with an RFC 4180 table of those columns, and its rows."""
    try:
        text = data.decode("utf-8")
        head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        return [repr(error)], []
    wrong = [] if head == list(columns) else ["other columns"]
    wrong += [] if text.endswith("\r\n") and text.count("\n") == text.count("\r\n") else ["lines of another end"]
    wrong += [f"line {number} has {len(row)} cells" for number, row in enumerate(rows, 2) if len(row) != len(head)]
    wrong += [f"a formula: {one}" for row in rows for one in row if computed(one)]
    wrong += ["a row stands twice"] if len({tuple(row) for row in rows}) != len(rows) else []
    return wrong, [] if wrong else [dict(zip(head, row, strict=True)) for row in rows]


def unsound_findings(data: bytes) -> list[str]:
    wrong, rows = unsound_rows(data, table.COLUMNS)
    wrong += [f"outcome {row['outcome']}" for row in rows if row["outcome"] not in set(Outcome)]
    wrong += ["unknown without a reason" for row in rows if row["outcome"] == "unknown" and not row["reason"]]
    wrong += ["a finding of no asset" for row in rows if not row["asset"]]
    return wrong + [f"a loss of {one}" for row in rows if (one := row["expected_loss"]).startswith(("-", "n", "i"))]


def unsound_risks(data: bytes) -> list[str]:
    wrong, rows = unsound_rows(data, simplerisk.COLUMNS)
    levels = [row[name] for row in rows for name in ("Current Likelihood", "Current Impact")]
    wrong += [f"level {one}" for one in levels if one not in set("12345")]
    wrong += ["a risk of no name" for row in rows if not row["Subject"] or not row["Reference ID"]]
    names = [row["Reference ID"] for row in rows]
    wrong += ["two risks of one name"] if len(set(names)) != len(names) else []
    dates = (row["Submission Date"] for row in rows)
    return wrong + [f"date {one}" for one in dates if not re.fullmatch(r"\d{4}-\d\d-\d\d", one)]


def rewritten(change: Callable[[list[list[str]]], object]) -> Breaks:
    """The table with its rows changed and written soundly again."""

    def breaks(data: bytes) -> bytes:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
        change(rows)
        out = io.StringIO()
        csv.writer(out, lineterminator="\r\n").writerows(rows)
        return out.getvalue().encode()

    return breaks


def cell_of(columns: tuple[str, ...], name: str, value: str) -> Breaks:
    return rewritten(lambda rows: rows[1].__setitem__(columns.index(name), value))


TABLE_BROKEN: dict[str, Breaks] = {
    "cut off within quotes": lambda data: data + b'"half a cell',
    "a row of fewer cells": rewritten(lambda rows: rows[1].pop()),
    "a row of more cells": rewritten(lambda rows: rows[1].append("more")),
    "a column of another name": rewritten(lambda rows: rows[0].__setitem__(0, "host")),
    "bytes of another code": lambda data: data + "größer\r\n".encode("latin-1"),
    "a formula": rewritten(lambda rows: rows[1].__setitem__(0, "=HYPERLINK(1)")),
    "a formula behind a space": rewritten(lambda rows: rows[1].__setitem__(0, " @SUM(1)")),
    "lines that end otherwise": lambda data: data.replace(b"\r\n", b"\n"),
    "a row twice": rewritten(lambda rows: rows.append(rows[1])),
    "no header": rewritten(lambda rows: rows.pop(0)),
}
FINDINGS_BROKEN: dict[str, Breaks] = {
    "an outcome of no kind": cell_of(table.COLUMNS, "outcome", "maybe"),
    "unknown for no reason": rewritten(
        lambda rows: [
            row.__setitem__(table.COLUMNS.index("reason"), "") for row in rows if row[7] == Outcome.UNKNOWN.value
        ]
    ),
    "a finding of no asset": cell_of(table.COLUMNS, "asset", ""),
    "a loss below nothing": cell_of(table.COLUMNS, "expected_loss", "-3"),
    "a loss that is no number": cell_of(table.COLUMNS, "expected_loss", "nan"),
}
RISKS_BROKEN: dict[str, Breaks] = {
    "a likelihood of no scale": cell_of(simplerisk.COLUMNS, "Current Likelihood", "6"),
    "an impact in words": cell_of(simplerisk.COLUMNS, "Current Impact", "major"),
    "a risk of no name": cell_of(simplerisk.COLUMNS, "Subject", ""),
    "two risks of one name": rewritten(lambda rows: rows[2].__setitem__(1, rows[1][1])),
    "a date of another form": cell_of(simplerisk.COLUMNS, "Submission Date", "1/3/26"),
}


def test_the_tables_are_sound() -> None:
    assert unsound_findings(table.render(run_of())) == []
    assert unsound_risks(simplerisk.render(run_of())) == []


@pytest.mark.parametrize("breaks", [*TABLE_BROKEN.values(), *FINDINGS_BROKEN.values()],
                         ids=[*TABLE_BROKEN, *FINDINGS_BROKEN])  # fmt: skip
def test_a_broken_table_of_findings_is_refused(breaks: Breaks) -> None:
    assert unsound_findings(breaks(table.render(run_of()))) != []


@pytest.mark.parametrize("breaks", [*TABLE_BROKEN.values(), *RISKS_BROKEN.values()],
                         ids=[*TABLE_BROKEN, *RISKS_BROKEN])  # fmt: skip
def test_a_broken_table_of_risks_is_refused(breaks: Breaks) -> None:
    assert unsound_risks(breaks(simplerisk.render(run_of()))) != []


# ── the workbook ─────────────────────────────────────────────────────────────────────────────────────────────────────

SHEETS = {"Summary": ("What", "Value"), "Findings": xlsx.FINDINGS, "Actions": xlsx.ACTIONS, "Register": xlsx.REGISTER}


def unsound_book(data: bytes) -> list[str]:
    """What a reader of the workbook would be misled by: sheets, columns, cells that are no text, links to elsewhere."""
    try:
        book = load_workbook(io.BytesIO(data))
        parts = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        return [repr(error)]
    wrong = [f"part {name}" for name in parts if re.search(r"externalLink|vbaProject|connections|oleObject", name)]
    if book.sheetnames != list(SHEETS):
        return [*wrong, f"sheets {book.sheetnames}"]
    for name, columns in SHEETS.items():
        head, *rows = list(book[name].iter_rows())
        wrong += [] if tuple(one.value for one in head) == columns else [f"columns of {name}"]
        cells = [one for row in rows for one in row if one.value is not None]
        wrong += [f"{name}!{one.coordinate} is no text" for one in cells if one.data_type != "s" or not one.quotePrefix]
        wrong += [f"{name}!{one.coordinate} is a link" for one in cells if one.hyperlink]
    names = [one.value for one in book["Findings"]["A"]]
    return wrong + (["a finding stands twice"] if len(set(names)) != len(names) else [])


def saved(change: Callable[[dict[str, list[list[object]]]], object]) -> Breaks:
    """The workbook with what its sheets hold changed, by another program that writes text as ours does."""

    def breaks(data: bytes) -> bytes:
        import openpyxl

        read = load_workbook(io.BytesIO(data))
        held = {one.title: [list[object](row) for row in one.iter_rows(values_only=True)] for one in read}
        change(held)
        book, out = openpyxl.Workbook(), io.BytesIO()
        book.remove(book.worksheets[0])
        for name, rows in held.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(row)
            for one in (cell for row in sheet.iter_rows(min_row=2) for cell in row):
                one.style = "Normal"
                one.quotePrefix = True
        book.save(out)
        return out.getvalue()

    return breaks


def with_part(name: str) -> Breaks:
    def breaks(data: bytes) -> bytes:
        out = io.BytesIO(data)
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr(name, "<x/>")
        return out.getvalue()

    return breaks


BOOK_BROKEN: dict[str, Breaks] = {
    "cut off": lambda data: data[: len(data) // 2],
    "no archive": lambda data: b"<html>503</html>",
    "a sheet that is missing": saved(lambda held: held.pop("Actions")),
    "a sheet of another name": saved(lambda held: held.update(Notes=[])),
    "a column of another name": saved(lambda held: held["Findings"][0].__setitem__(0, "Name")),
    "a formula": saved(lambda held: held["Findings"][1].__setitem__(1, "=1+1")),
    "a number that is no text": saved(lambda held: held["Findings"][1].__setitem__(12, 0.9)),
    "a finding twice": saved(lambda held: held["Findings"].append(held["Findings"][1])),
    "a link to another workbook": with_part("xl/externalLinks/externalLink1.xml"),
    "a program": with_part("xl/vbaProject.bin"),
}


def test_the_workbook_is_sound_and_stays_so_when_another_program_saves_it() -> None:
    assert unsound_book(xlsx.render(run_of())) == []
    assert unsound_book(saved(lambda held: None)(xlsx.render(run_of()))) == []


@pytest.mark.parametrize("breaks", BOOK_BROKEN.values(), ids=BOOK_BROKEN)
def test_a_broken_workbook_is_refused(breaks: Breaks) -> None:
    assert unsound_book(breaks(xlsx.render(run_of()))) != []
