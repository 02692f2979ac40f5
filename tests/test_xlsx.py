"""The workbook: text and nothing else, complete, and the same bytes for the same run."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from reports import records, xlsx
from scanner.model import Run

from .run_of import HOSTILE, hostile_runs, remembered, run_of

NAMES = [repr(text)[:30] for text in HOSTILE]


def book_of(run: Run) -> Any:
    return load_workbook(BytesIO(xlsx.render(run)))


def rows(book: Any, name: str) -> list[dict[str, str]]:
    head, *body = list(book[name].iter_rows(values_only=True))
    return [dict(zip(head, (value or "" for value in row), strict=True)) for row in body]


@pytest.mark.parametrize("run", hostile_runs(), ids=NAMES)
def test_no_cell_is_anything_but_text(run: Run) -> None:
    for sheet in book_of(run):
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.value is not None):
            assert cell.data_type == "s", (sheet.title, cell.coordinate)
            assert cell.hyperlink is None
            if cell.row > 1:
                assert cell.quotePrefix


def test_each_sheet_keeps_its_header_in_sight_and_can_be_filtered() -> None:
    book = book_of(remembered(run_of()))
    assert book.sheetnames == ["Summary", "Findings", "Actions", "Register"]
    for sheet in book:
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == sheet.dimensions


def test_every_finding_risk_and_acceptance_has_its_row() -> None:
    run = remembered(run_of())
    book = book_of(run)
    assert [(row["Fingerprint"], row["Outcome"]) for row in rows(book, "Findings")] == [
        (one.fingerprint, one.finding.outcome.value) for one in records.records(run)
    ]
    assert [row["What to change"] for row in rows(book, "Actions")] == [risk.title for risk in run.risks]
    assert rows(book, "Actions")[0]["Due"] == "2026-02-27"
    assert run.history is not None
    assert [row["Until"] for row in rows(book, "Register")] == [f"{one.until}" for one in run.history.accepted]
    assert {row["What"]: row["Value"] for row in rows(book, "Summary")}["Seal of the register"] == run.history.head


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 10)
    book = book_of(run_of())
    told = [row["Fingerprint"] for name in book.sheetnames if name.startswith("Findings") for row in rows(book, name)]
    assert told == [one.fingerprint for one in records.records(run_of())]
    assert "Findings 2" in book.sheetnames


def test_a_run_without_anything_and_the_same_run_twice() -> None:
    from dataclasses import replace

    assert rows(book_of(replace(run_of(), visited=(), risks=())), "Findings") == []
    assert xlsx.render(run_of()) == xlsx.render(run_of())
