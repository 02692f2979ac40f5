"""Every renderer: whole, true to the run, reproducible, and inert whatever a machine has said."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from reports import view
from scanner import catalogue, score
from scanner.model import Outcome, Problem, Run

from .run_of import HOSTILE, run_of

FORMATS = ["table", "html", "json", "csv", "markdown"]


def render(format: str, run: Run) -> str:
    return bytes(catalogue.report(format).render(run)).decode("utf-8")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.fault("R7", "P7")
def test_the_same_run_gives_the_same_bytes(format: str) -> None:
    assert render(format, run_of()) == render(format, run_of())


@pytest.mark.parametrize("format", FORMATS)
def test_every_failed_control_and_every_gap_is_named(format: str) -> None:
    text = render(format, run_of())
    for words in ("web-1", "db-1", "Every account has a password", "unreachable", "denied"):
        assert words in text, words


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("payload", HOSTILE)
def test_no_byte_of_a_target_is_obeyed_by_a_terminal(format: str, payload: str) -> None:
    text = render(format, run_of(payload.__add__, authored=payload.__add__))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\u2028\u2029]", text)


class Elements(HTMLParser):
    """Counts elements and attributes: what a page is made of, its text left out."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag, tuple(sorted(name for name, _ in attrs))] += 1

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def elements(page: str) -> Elements:
    found = Elements()
    found.feed(page)
    return found


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_text_of_a_target_becomes_markup(payload: str) -> None:
    plain, hostile = (
        elements(render("html", run_of())),
        elements(render("html", run_of(payload.__add__, authored=payload.__add__))),
    )
    ours = {key: number for key, number in hostile.seen.items() if key[0] not in {"code", "br"}}
    assert ours == {key: number for key, number in plain.seen.items() if key[0] not in {"code", "br"}}


def test_hostile_text_is_shown_as_it_was() -> None:
    page = elements(render("html", run_of("<script>alert(1)</script> {{7*7}}".__add__)))
    assert "<script>alert(1)</script> {{7*7}}" in "".join(page.text)


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_cell_is_a_formula_and_every_row_is_whole(payload: str) -> None:
    run = run_of(payload.__add__, authored=payload.__add__)
    rows = list(csv.DictReader(io.StringIO(render("csv", run))))
    assert len(rows) == len(run.findings)
    for row in rows:
        assert all(value is not None and not value.startswith(("=", "+", "@", "\t", "\r")) for value in row.values())


@pytest.mark.parametrize("payload", HOSTILE)
def test_json_meets_its_schema_and_keeps_every_text(payload: str) -> None:
    module = catalogue.report("json")
    document = json.loads(render("json", run_of(payload.__add__, authored=payload.__add__)))
    jsonschema.validate(document, module.schema())
    details = {finding["detail"] for finding in document["findings"]}
    assert details == {payload + said for said in ("said", "why", "no route")} | {""}
    assert {finding["fix"] for finding in document["findings"] if finding["control"] == "S3-04"} == {
        payload + "Block public access."
    }


def test_the_published_schema_is_current() -> None:
    file = Path(__file__).parent.parent / "docs" / "schema" / "run-1.schema.json"
    assert json.loads(file.read_text()) == catalogue.report("json").schema(), f"riskline schema run > {file.name}"


@pytest.mark.parametrize("payload", HOSTILE)
def test_markdown_makes_no_link_no_image_and_no_other_table(payload: str) -> None:
    text = render("markdown", run_of(payload.__add__, authored=payload.__add__))
    assert not re.search(r"(?<!\\)\]\(|(?<!\\)!\[|(?<!\\)<[a-z/]|[a-z]://", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_table_keeps_its_width_where_words_allow(width: int) -> None:
    text = bytes(catalogue.report("table").render(run_of(), width=width)).decode()
    assert max(map(len, text.split("\n\n", 1)[1].splitlines())) <= width


def test_colour_only_where_it_is_wanted() -> None:
    table = catalogue.report("table")
    plain, coloured = (bytes(table.render(run_of(), colour=colour)).decode() for colour in (False, True))
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_every_reason_comes_with_a_next_step() -> None:
    ours = {"no-baseline", "not-collected", "undetermined", "not-attested", "attestation-expired"}
    of_flaws = {"no-feed", "feed-too-old", "feed-damaged", "no-longer-watched", "not-covered", "could-not-compare"}
    assert set(get_args(Problem)) | ours | of_flaws == set(view.NEXT_STEP)


def test_a_run_of_which_nothing_is_known_does_not_look_good() -> None:
    run = run_of()
    lost = replace(run, visited=tuple(one for one in run.visited if one.asset.id == "db-1"))
    total = score.assess([(one.asset, one.findings) for one in lost.visited], lost.controls, score.Policy())
    lost = replace(lost, organisation=total.organisation, services=total.services, risks=total.risks)
    for format in ("table", "html", "markdown"):
        assert "0 of 4" in render(format, lost)
        assert "within what was agreed:" not in render(format, lost) or "may be higher" in render(format, lost)


def test_losses_and_chances_are_never_rounded_to_nothing_or_to_certainty() -> None:
    assert view.amount(0.000001, score.Policy()) == "< 0.01 points"
    assert view.amount(123456.7, score.Policy()) == "123,457 points"
    assert [view.chance(p) for p in (0, 0.001, 0.25, 0.7, 0.9999)] == [
        "none",
        "< 1 %",
        "25 % (1 in 4 years)",
        "70 %",
        "> 99 %",
    ]
    of = run_of().organisation
    judged = [replace(of, judged=n, applicable=whole) for n, whole in ((9, 9), (9999, 10000), (0, 3), (0, 0))]
    assert [view.seen(one) for one in judged] == ["100 %", "99 %", "0 %", "0 %"]


def test_outcomes_are_marked_by_words_as_well_as_by_colour() -> None:
    assert set(catalogue.report("html").MARKS) == {outcome.value for outcome in Outcome}
