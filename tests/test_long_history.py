"""A long history: what is looked up by run, asset or risk is found by an index, however long the tables are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from scanner.register import Register, open_register

from . import kills
from .test_surroundings import place, scan

LONG = ("events", "visits", "contents", "risks")
"""Tables that grow with every run."""
_ = place


@pytest.fixture
def register(place: Path) -> Iterator[Register]:
    for text in ("no\n", "yes\n", "no\n"):
        (place / "conf").write_text(text)
        scan(place)
    opened = open_register(str(place / "register.db"))
    yield opened
    opened.close()


@pytest.mark.fault("S11")
def test_no_question_about_one_run_asset_or_risk_reads_a_growing_table_from_end_to_end(register: Register) -> None:
    asked: list[tuple[str, Any]] = []
    engine = register.database.engine
    event.listen(engine, "before_cursor_execute", lambda _c, _k, said, words, *_: asked.append((said, words)))
    latest = register.runs(1)[0].id
    assert len(register.run(latest).findings) == kills.ASSETS
    register.run(latest[:-1])
    register.evidence(latest, "host00")
    register.last_known("host00")
    register.last_controls("host00")
    register.first_seen("host00")
    assert [change.change for _, change in register.events("host00")] == ["opened", "fixed", "reopened"]
    register.risks("host00")
    register.unfinished()
    questions = [(said, words) for said, words in asked if said.lstrip().upper().startswith(("SELECT", "WITH"))]
    assert len(questions) >= 10
    scans = set()
    with engine.connect() as connection:
        for said, words in questions:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", words).all()
            scans |= {(row[-1], said) for row in plan for name in LONG if row[-1].startswith(f"SCAN {name}")}
    assert {(line, said) for line, said in scans if "USING" not in line} == set()


def test_the_tables_that_grow_are_those_that_are_looked_at(register: Register) -> None:
    assert set(LONG) <= set(sa.inspect(register.database.engine).get_table_names())
