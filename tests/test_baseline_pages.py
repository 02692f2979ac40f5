"""The page of a baseline: made from it and never behind it, whole, and shown as it is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.cli import riskline
from scanner.cli.baseline_page import markdown
from scanner.model import Baseline

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "baselines"
NAMES = sorted(file.stem for file in (ROOT / "baselines").glob("*.yaml"))


def shown(*words: str) -> str:
    result = CliRunner().invoke(riskline, ["baseline", "show", *words, "-f", "markdown"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def network() -> Baseline:
    catalogue = Catalogue()
    return read_baseline(catalogue.baseline_files()["network"], catalogue)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_page_is_current(name: str) -> None:
    assert (PAGES / f"{name}.md").read_text() == shown(name), "run: make docs"


def test_no_page_is_left_of_a_baseline_that_is_gone() -> None:
    assert sorted(page.stem for page in PAGES.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_tells_of_every_control_what_it_judges_and_what_mends_it(name: str) -> None:
    catalogue = Catalogue()
    baseline = read_baseline(catalogue.baseline_files()[name], catalogue)
    told = re.split(r"^### ", (PAGES / f"{name}.md").read_text(), flags=re.MULTILINE)[1:]
    assert [part.split("\n", 1)[0] for part in told] == [control.id for control in baseline.controls]
    for part, control in zip(told, baseline.controls, strict=True):
        assert all(f"`{term.check}(" in part for term in control.terms)
        assert "\n- Fix: " in part


def test_every_number_of_a_benchmark_leads_to_its_controls() -> None:
    page = (PAGES / "ubuntu-24.04.md").read_text()
    anchors = {line[4:].lower() for line in page.splitlines() if line.startswith("### ")}
    rows = re.findall(r"^\| ([0-9.]+) \| (.+) \|$", page, re.MULTILINE)
    asked = (ROOT / "tests/cases/benchmarks/ubuntu-24.04.txt").read_text().splitlines()
    assert {number for number, _ in rows} == {line.split()[0] for line in asked}
    assert {anchor for _, links in rows for anchor in re.findall(r"\(#([^)]+)\)", links)} <= anchors


def test_a_page_may_tell_of_some_controls_alone() -> None:
    assert re.findall(r"^### (\S+)", shown("debian-12", "--select", "cis=1.1.1.1"), re.MULTILINE) == ["MOD-01"]


def test_what_a_control_says_is_never_taken_for_a_mark() -> None:
    one = replace(network().controls[0], title="a <b> [c](d) *e* _f_ g_h | `i_<j>` \\", why="x\n# y", fix="a `b")
    page = markdown(network(), [one], {term.check: "" for term in (*one.terms, *one.when)})
    assert "**a &lt;b> \\[c\\](d) \\*e\\* \\_f\\_ g_h \\| `i_<j>` \\\\**" in page
    assert "\nx # y\n" in page
    assert "- Fix: a \\`b" in page
