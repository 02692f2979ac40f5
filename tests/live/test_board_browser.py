"""The board's page in a real browser: one sheet of A4, silent, readable on a telephone, every word in its drawing."""

from __future__ import annotations

import importlib.resources
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from reports import board
from reports.frameworks import FIRST
from scanner import catalogue
from scanner.model import Access, Asset, Control, Criticality, Finding, Outcome, Run, Ssh
from tests.live.conftest import PATIENCE_MS
from tests.run_of import REASONS, remembered, run_of, scored
from tests.test_board import of_real_controls


def long_names() -> Run:
    """Every part of the page as long as it gets: sentences of twenty words, long names, many reasons and frameworks."""
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    frameworks = dict.fromkeys((*FIRST, "anssi", "fsbp"), ("1",))
    known = {
        ("standard", day): Control(
            day,
            f"Everybody who administrates important systems keeps watching over them on each {day} "
            "of every working week of the year",
            f"Whoever wants to hide something on a {day} begins with whatever would have shown others "
            "that anything had happened before",
            "", check="linux.x", exploit=4, references={**frameworks, "readiness": ("incident", "recovery")},
            manual="?" if day > "T" else "",
        )
        for day in days
    }  # fmt: skip
    found = []
    for number in range(3):
        name, outcomes = f"web-{number}", [Outcome.FAIL, Outcome.FAIL, Outcome.PASS]
        host = Asset(name, access=Access(ssh=Ssh()), zone="internet", criticality=Criticality(4, 4, 4),
                     service=f"service number {number} of the department that serves others",
                     owner="The team that looks after all of the servers in this building")  # fmt: skip
        failed = [Finding(name, *key, "", outcomes[(at + number) % 3]) for at, key in enumerate(known)]
        blind = [Finding(name, *key, f"part {reason}", Outcome.UNKNOWN, reason) for key in known for reason in REASONS]
        found.append((host, [*failed, *blind]))
    run = remembered(scored(found, known))
    assert run.history is not None
    borne = [
        replace(one, owner=f"Annabel-Louise {number} van der Zuurbeek-Hohenfels", service=found[0][0].service)
        for number, one in enumerate(run.history.accepted * 3)
    ]
    return replace(run, history=replace(run.history, accepted=tuple(borne), charges=()))


pytestmark = pytest.mark.live
RUNS = {"every outcome": run_of(), "everything at once": remembered(of_real_controls()), "long names": long_names()}


def opened(browser: Browser, folder: Path, run: Run, width: int = 1000) -> Page:
    file = folder / "board.html"
    file.write_bytes(board.render(run))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(file.as_uri(), timeout=PATIENCE_MS)
    return page


@pytest.mark.fault("R2")
def test_it_says_no_error_and_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "board.html"
    file.write_bytes(board.render(run_of()))
    page = browser.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri(), timeout=PATIENCE_MS)
    assert said == []
    assert asked == [file.as_uri()]
    assert page.locator("script").count() == 0
    assert page.locator(".verdict").inner_text().startswith("The risk is above the level you agreed")


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_it_prints_on_one_sheet(browser: Browser, tmp_path: Path, run: Run) -> None:
    sheet = opened(browser, tmp_path, run).pdf(prefer_css_page_size=True)
    assert sheet.count(b"/Type /Page\n") == 1


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_telephone_needs_no_sideways_scrolling(browser: Browser, tmp_path: Path, run: Run, width: int) -> None:
    page = opened(browser, tmp_path, run, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cells = "[...document.querySelectorAll('th, td')].map(one => one.getBoundingClientRect())"
    assert page.evaluate(f"Math.max(...{cells}.map(box => box.right))") <= width
    assert page.evaluate(f"Math.min(...{cells}.map(box => box.width))") > 20


def test_every_word_of_a_picture_stands_inside_it(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, RUNS["everything at once"])
    assert page.locator("svg[role=img]").count() == 3
    outside = page.evaluate(
        """() => [...document.querySelectorAll('svg text')].filter(text => { const own = text.getBBox();
        const box = text.ownerSVGElement.viewBox.baseVal;
        return own.x < box.x || own.y < box.y || own.x + own.width > box.width || own.y + own.height > box.height; })
        .map(text => text.textContent)"""
    )
    assert outside == []


@pytest.mark.parametrize("format", ["board", "compliance", "html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_keeps_anybody_out(
    browser: Browser, tmp_path: Path, format: str, scheme: Literal["light", "dark"]
) -> None:
    package = pytest.importorskip("axe_playwright_python")
    file = tmp_path / "page.html"
    file.write_bytes(catalogue.report(format).render(remembered(run_of())))
    page = browser.new_page(color_scheme=scheme)
    page.goto(file.as_uri(), timeout=PATIENCE_MS)
    page.evaluate("document.querySelectorAll('details').forEach(row => { row.open = true; })")
    page.evaluate(importlib.resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []


def test_the_smallest_letters_can_be_read_on_paper(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of())
    page.emulate_media(media="print")
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, li, td, small, dd')].map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 10  # CSS pixels: 7.5 points
    page.set_viewport_size({"width": 688, "height": 900})  # A4 without its margins
    map = page.evaluate("document.querySelector('.beside svg').getScreenCTM().a")
    assert 13 * map >= 9
