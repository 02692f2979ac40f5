"""What a reader is shown: the next step for every gap, no safe look of the unseen, text that fits and stands out."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reports import grouped
from reports.view import NEXT_STEP
from scanner import catalogue
from scanner.inert import cell, printable
from scanner.model import Outcome, Run

from .run_of import HOSTILE, REASONS, hostile_runs, run_of, run_of_many, run_of_one_host

DOCS = Path(__file__).parent.parent / "docs"
FORMATS = ["table", "json", "csv", "html", "markdown"]


def render(format: str, run: Run, **options: Any) -> str:
    return bytes(catalogue.report(format).render(run, **options)).decode("utf-8")


def nothing() -> Run:
    """A run that reached nothing."""
    empty = run_of()
    lone = replace(empty.organisation, expected_loss=0, chance=0, score=0, likelihood=0, impact=0, judged=0,
                   applicable=0)  # fmt: skip
    return replace(empty, visited=(), services={}, organisation=lone, risks=(), state="partial")


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_that_judged_nothing_can_be_reported(format: str) -> None:
    said = render(format, nothing())
    assert format in {"json", "csv"} or "nothing is known of the risk" in said


def words(format: str, run: Run) -> str:
    """What a reader sees of a report, marks of its format left out, in single spaces."""
    said = render(format, run, **({"verbose": 1} if format == "table" else {}))
    if format == "html":
        said = "".join(parsed(said).text)
    return re.sub(r"[`\s]+", " ", said.replace("\\", ""))


@pytest.mark.parametrize("format", ["table", "html", "markdown"])
def test_every_reason_is_told_with_what_to_do_next(format: str) -> None:
    said = words(format, run_of())
    for reason in REASONS:
        assert reason in said
        assert re.sub(r"[`\s]+", " ", NEXT_STEP[reason]).strip() in said, reason


@pytest.mark.parametrize("format", ["table", "html", "markdown"])
def test_an_asset_that_was_not_reached_is_never_scored_as_safe(format: str) -> None:
    run = run_of()
    gone = next(one for one in run.visited if one.asset.id == "db-1")
    assert gone.score.judged == 0
    row = next(line for line in re.split("\n|<tr>", render(format, run)) if "db-1" in line and "0 %" in line)
    assert "?" in row
    assert "100 %" not in row


@pytest.mark.parametrize("format", ["table", "html", "markdown"])
def test_an_asset_to_which_nothing_applied_is_not_shown_as_wholly_seen(format: str) -> None:
    run = run_of()
    first = run.visited[0]
    idle = replace(first, findings=(), score=replace(first.score, judged=0, applicable=0))
    shown = [line for line in re.split("\n|<tr>", render(format, replace(run, visited=(idle,)))) if " %" in line]
    assert any(first.asset.id in line and re.search(r"\b0 %", line) for line in shown)
    assert not any(first.asset.id in line and "100 %" in line for line in shown)


@pytest.mark.parametrize("format", ["table", "html", "markdown"])
def test_coverage_is_never_rounded_up_to_all(format: str) -> None:
    run = run_of()
    first = run.visited[0]
    nearly = replace(first, score=replace(first.score, judged=9999, applicable=10000))
    said = render(format, replace(run, visited=(nearly, *run.visited[1:])))
    assert "99 %" in said


# ── foreign text ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("run", hostile_runs(), ids=[repr(text)[:30] for text in HOSTILE])
@pytest.mark.fault("T22")
def test_no_control_or_format_character_reaches_the_reader(format: str, run: Run) -> None:
    for char in render(format, run, **({"verbose": 2} if format == "table" else {})):
        kind = unicodedata.category(char)
        assert char in "\n\r\t" or (kind[0] != "C" and kind not in {"Zl", "Zp"}), repr(char)


class _Elements(HTMLParser):
    """The shape of a page: its tags with their attributes' names, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> _Elements:
    found = _Elements()
    found.feed(page)
    return found


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:30] for text in HOSTILE])
@pytest.mark.fault("T23")
def test_foreign_text_adds_no_element_attribute_or_link_to_the_page(text: str) -> None:
    calm = parsed(render("html", run_of("calm ".__add__)))
    hostile = parsed(render("html", run_of(text.__add__)))
    assert hostile.shape == calm.shape
    assert all(link.startswith("#") for link in hostile.links)
    assert any(printable(text.strip("\r\n"))[:20] in piece for piece in hostile.text)


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:30] for text in HOSTILE])
@pytest.mark.fault("T24")
def test_no_cell_of_the_csv_is_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(render("csv", run_of(text.__add__)), newline="")))
    assert len({len(row) for row in rows}) == 1
    assert all(not re.match(r"\s*[=+@]|\s*-(?!\d+(\.\d+)?$)", value) for row in rows for value in row)


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:30] for text in HOSTILE])
@pytest.mark.fault("R1")
def test_json_gives_every_text_back_as_it_was(text: str) -> None:
    findings = json.loads(render("json", run_of(text.__add__)))["findings"]
    assert [finding["observed"] for finding in findings] == [
        finding.observed for finding in run_of(text.__add__).findings
    ]


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.fault("R5")
def test_the_table_fits_the_terminal(width: int, verbose: int) -> None:
    lines = render("table", run_of(), width=width, verbose=verbose).splitlines()
    assert max(map(len, lines)) <= width


def test_the_table_names_the_first_change_with_its_fix() -> None:
    said = " ".join(render("table", run_of()).split())
    first = run_of().risks[0]
    assert f"1. {first.title}" in said
    assert "passwd -l NAME" in said
    assert "Not visited: db-1 by local: unreachable: no route to host" in said


# ── JSON, CSV, Markdown ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("run", [run_of(), nothing(), *hostile_runs()])
def test_json_keeps_its_schema(run: Run) -> None:
    schema = catalogue.report("json").schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(render("json", run)))


@pytest.mark.parametrize("field", ["asset", "control", "title", "subject", "outcome", "reason", "observed", "expected"])
def test_the_schema_refuses_a_finding_without(field: str) -> None:
    document = json.loads(render("json", run_of()))
    del document["findings"][0][field]
    with pytest.raises(jsonschema.ValidationError, match=field):
        jsonschema.validate(document, catalogue.report("json").schema())


def test_json_lists_every_finding_in_the_order_of_the_run() -> None:
    run, document = run_of(), json.loads(render("json", run_of()))
    told = [(f["asset"], f["control"], f["subject"], f["outcome"]) for f in document["findings"]]
    assert told == [(f.asset, f.control, f.subject, f.outcome.value) for f in run.findings]
    assert document["findings"][0]["references"] == {"cis": ["5.1.20"], "nist-800-53": ["AC-6(2)", "IA-2(5)"]}


def test_csv_has_one_row_for_each_finding() -> None:
    run = run_of()
    text = render("csv", run)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.count("\r\n") == len(run.findings) + 1
    assert sorted((row["asset"], row["control"], row["subject"], row["outcome"]) for row in rows) == sorted(
        (f.asset, f.control, cell(f.subject), f.outcome.value) for f in run.findings
    )


def test_markdown_shows_foreign_marks_as_they_are() -> None:
    said = render("markdown", run_of("[a](http://x) <b> | `c` @you ".__add__))
    assert "\\[a\\]\\(http" in said
    assert "<b>" not in said.replace("\\<b\\>", "")
    assert not re.search(r"(?<!\\)@you", said)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_names_every_outcome_in_words() -> None:
    text = " ".join(parsed(render("html", run_of())).text)
    assert all(mark in text for mark in ("FAIL", "UNKNOWN", "pass", "n/a"))
    assert {finding.outcome for finding in run_of().findings} == set(Outcome)


def test_the_page_forbids_everything_but_its_own_style_and_script() -> None:
    page = render("html", run_of())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy[1]
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_permalinks_are_unique_and_the_same_in_every_run() -> None:
    page = render("html", run_of())
    names = re.findall(r'<(?:details|p) class="f [a-z-]+" id="([^"]+)"', page)
    assert len(names) == len(set(names)) == len(run_of().findings)
    later = render("html", replace(run_of(), id="20270101T000000Z-0002"))
    assert re.findall(r'<(?:details|p) class="f [a-z-]+" id="([^"]+)"', later) == names


def test_the_map_has_a_text_alternative_that_places_every_risk() -> None:
    page = render("html", run_of())
    said = re.search(r'<desc id="map-d">([^<]*)</desc>', page)
    assert said is not None
    for number, risk in enumerate(run_of().risks, 1):
        assert re.search(rf"likelihood {risk.likelihood}, impact {risk.impact}: risk [\d, ]*\b{number}\b", said[1])


def test_the_page_of_one_host_stays_small_whatever_its_baseline_grows_to() -> None:
    page = render("html", run_of_one_host(600))
    assert page.count('class="f fail"') == page.count('class="f pass"') == 300
    assert len(page.encode()) < 300_000


@pytest.mark.fault("R4")
def test_an_estate_names_every_control_and_says_how_many_places_it_leaves_out() -> None:
    run = run_of_many(30, 40)
    [worst, *others] = grouped.shortened(grouped.groups(run, run.visited), 100)
    assert (worst.count, len(worst.rows)) == (30, 30)
    failed = [one for one in others if one.first.finding.outcome is Outcome.FAIL]
    assert sum(one.count for one in failed) + worst.count == sum(f.outcome is Outcome.FAIL for f in run.findings)
    assert all(len(one.rows) == min(one.count, grouped.LEAST) or len(one.rows) == one.count for one in failed)
    assert [one.loss for one in failed] == sorted((one.loss for one in failed), reverse=True)


def test_every_link_of_a_page_leads_somewhere_and_every_service_and_asset_is_linked() -> None:
    for run in (run_of(), run_of_many(40)):
        page = render("html", run)
        places = re.findall(r'id="([^"]+)"', page)
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(places)
        assert len(places) == len(set(places))
        linked = re.findall(r'<th scope="row"><a href="#[^"]+">([^<]+)</a>', page)
        assert sorted(linked) == sorted(one.asset.id for one in run.visited)
        assert set(re.findall(r'class="whole"><th scope="row">([^<]+)</th>', page)) == set(run.services)


def test_an_asset_of_a_whole_estate_names_every_control_that_it_fails() -> None:
    """Also those whose list of places leaves it out."""
    run = run_of_many(40)
    made = grouped.groups(run, run.visited)
    inside = grouped.of_assets(made)
    for one in run.visited:
        failed = {f.control for f in one.findings if f.outcome is Outcome.FAIL}
        assert {made[number].first.finding.control for number in inside.get(one.asset.id, [])} == failed
    page = render("html", run)
    assert 'data-in="' + " ".join(map(str, inside["host-0001"])) + '"' in page


def test_how_heavy_a_failure_is_stands_beside_it_in_a_word() -> None:
    page = render("html", run_of())
    assert re.search(r"Root cannot log in over SSH <em>critical</em>", page)
    assert "<em>low</em>" not in page


def test_what_fixes_a_control_is_told_once_and_linked_from_its_other_findings() -> None:
    page = render("html", run_of())
    findings = page.split('id="findings"')[1]
    assert findings.count("passwd -l NAME") == 1
    told = set(re.findall(r'<dt>Fix<dd><a href="#([^"]+)"', findings))
    assert told
    for name in told:
        assert re.search(rf'id="{name}".*<dt>Why<dd>', findings)


def _luminance(colour: str) -> float:
    full = "".join(2 * digit for digit in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_colour_stands_out_from_every_background(scheme: str) -> None:
    style = (Path(str(catalogue.report("html").__file__)).parent / "templates" / "report.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", style.split(":root")[1 if scheme == "light" else 2]))
    pairs = [(ink, on) for ink in ("ink", "soft", "link", "bad", "warn", "good") for on in ("page", "card")]
    pairs += [("ink", f"l{number}") for number in range(1, 6)]
    for ink, on in pairs:
        light, dark = sorted((_luminance(colours[ink]), _luminance(colours[on])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, on)
