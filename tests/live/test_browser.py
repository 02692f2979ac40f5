"""The HTML report in a real browser: it asks nobody, says no error, works by hand, on paper and on a telephone."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page

from reports import html
from scanner import catalogue
from scanner.model import Run
from tests.live.conftest import PATIENCE_MS
from tests.run_of import HOSTILE, run_of, run_of_many

pytestmark = pytest.mark.live


@dataclass
class Opened:
    """A page with all that it said and asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def dialog(self, dialog: Dialog) -> None:
        self.errors.append(dialog.message)
        dialog.dismiss()


def opened(browser: Browser, folder: Path, run: Run, hash: str = "", width: int = 1200, script: bool = True) -> Opened:
    file = folder / "report.html"
    file.write_bytes(catalogue.report("html").render(run))
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script)
    seen = Opened(context.new_page())
    seen.page.on("console", lambda message: seen.errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("dialog", seen.dialog)
    seen.page.on("request", lambda request: seen.asked.append(request.url))
    seen.page.goto(file.as_uri() + hash, timeout=PATIENCE_MS)
    return seen


@pytest.mark.fault("R2")
def test_it_says_no_error_and_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    seen = opened(browser, tmp_path, run_of())
    assert seen.errors == []
    assert seen.asked == [(tmp_path / "report.html").as_uri()]
    assert seen.page.locator(".verdict").inner_text().startswith("The risk is above what was agreed")


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text)[:30] for text in HOSTILE])
@pytest.mark.fault("T23")
def test_hostile_text_in_every_field_stays_text(browser: Browser, tmp_path: Path, text: str) -> None:
    calm = opened(browser, tmp_path, run_of("calm ".__add__)).page.locator("*:not(.self)").count()
    seen = opened(browser, tmp_path, run_of(text.__add__))
    for mark in seen.page.locator("details.f summary").all()[:5]:
        mark.dispatch_event("mouseover")
        mark.dispatch_event("click")
    assert seen.errors == []
    assert seen.asked == [(tmp_path / "report.html").as_uri()]
    assert seen.page.title().startswith("Risk report")
    assert seen.page.locator("*:not(.self)").count() == calm


def shown(page: Page) -> list[str]:
    rows = "[...document.querySelectorAll('.f summary, p.f')].filter(row => row.checkVisibility())"
    found: list[str] = page.evaluate(f"{rows}.map(row => row.innerText)")
    return found


def test_the_filter_shows_what_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    assert shown(page)
    assert all(re.match("FAIL|UNKNOWN", line) for line in shown(page))
    page.get_by_label("unknown", exact=True).uncheck()
    assert all(line.startswith("FAIL") for line in shown(page))
    page.get_by_label("pass", exact=True).check()
    assert any(line.startswith("pass") for line in shown(page))
    page.get_by_label("Search").fill("root 5.1.20")
    assert len(shown(page)) == 1
    assert "Root cannot log in over SSH" in shown(page)[0]
    assert page.locator("#shown").inner_text().startswith("1 of ")
    page.get_by_label("Search").fill("nothing has this word")
    assert shown(page) == []


def test_without_javascript_everything_is_there(browser: Browser, tmp_path: Path) -> None:
    run = run_of()
    page = opened(browser, tmp_path, run, script=False).page
    assert len(shown(page)) == len(run.findings)
    assert not page.locator(".filter").is_visible()
    first = page.locator("details.f").first
    first.locator("summary").click()
    assert "Fix" in first.inner_text()


def test_a_permalink_opens_its_finding_even_where_the_filter_hides_it(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    for outcome in ("fail", "pass"):
        name = page.locator(f".f.{outcome}").first.get_attribute("id")
        fresh = opened(browser, tmp_path, run_of(), hash=f"#{name}").page
        row = fresh.locator(f"#{name}")
        assert row.is_visible()
        assert outcome == "pass" or row.get_attribute("open") is not None


@pytest.mark.fault("R4")
def test_a_whole_estate_is_told_by_control_and_can_be_searched_sorted_and_linked(
    browser: Browser, tmp_path: Path
) -> None:
    run = run_of_many(40)
    assert len(run.findings) == 12_000
    seen = opened(browser, tmp_path, run)
    page = seen.page
    assert (
        page.locator("#shown").inner_text() == "300 of 599 controls"
    )  # number 0 is failed by all, none is passed by all
    page.get_by_label("Search").fill("LNX-LOG-012")
    assert len(shown(page)) == 1
    assert "6 assets" in shown(page)[0]  # 1, 2, 3, 4, 6, 12
    page.get_by_label("Search").fill("")
    page.get_by_label("Order").select_option("control")
    assert re.findall(r"LNX-LOG-\d+", " ".join(shown(page)[:3])) == ["LNX-LOG-000", "LNX-LOG-001", "LNX-LOG-002"]
    name = html.anchor("host-0006", "standard", "LNX-LOG-012", "")
    linked = opened(browser, tmp_path, run, hash=f"#{name}")
    assert "host-0006 value 6" in linked.page.locator(f"#{name}").inner_text()
    assert linked.page.locator(f"#{name}").is_visible()
    assert seen.errors == linked.errors == []


def test_an_asset_of_a_whole_estate_lists_its_controls_and_each_leads_to_its_place(
    browser: Browser, tmp_path: Path
) -> None:
    seen = opened(browser, tmp_path, run_of_many(40))
    page = seen.page
    page.get_by_role("link", name="host-0031").click()
    part = page.locator("details.a[open]")
    links = part.locator("li")
    assert [re.findall(r"LNX-LOG-\d+", text)[0] for text in links.all_inner_texts()].count("LNX-LOG-031") == 1
    assert links.count() == 10  # 0, 31, 62, … 279
    page.evaluate("location.hash = ''")
    links.filter(has_text="LNX-LOG-062").get_by_role("link").click()
    assert "LNX-LOG-062" in page.locator("details.f[open] summary").inner_text()
    page.get_by_label("Search").fill("host-0007")
    assert part.count() == 0 or not part.is_visible()
    assert seen.errors == []


def test_findings_can_be_narrowed_to_one_asset_and_to_what_weighs_much(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    page.get_by_label("Asset").select_option("web-1")
    assert "S3-04" not in " ".join(shown(page))
    page.get_by_label("Weight").select_option("critical")
    lines = shown(page)
    assert lines
    assert all("critical" in line for line in lines)
    page.get_by_label("Weight").select_option("any")
    page.get_by_label("Asset").select_option("cloud")
    assert [re.findall(r"S3-04", line) for line in shown(page)] == [["S3-04"]]


def test_an_open_finding_offers_its_own_address(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    row = page.locator("details.f.fail").first
    row.locator("summary").click()
    assert row.get_by_role("link", name="Link to this").get_attribute("href") == f"#{row.get_attribute('id')}"
    assert page.evaluate("location.hash") == f"#{row.get_attribute('id')}"


def test_findings_can_be_put_in_the_order_of_their_controls(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    before = shown(page)
    page.get_by_label("Order").select_option("control")
    codes = re.findall(r"[A-Z]+-\d+", " ".join(shown(page)))
    assert codes[:4] == ["ACC-02", "ACC-02", "LOG-03", "LOG-03"]
    page.get_by_label("Order").select_option("what costs most")
    assert shown(page) == before


def test_a_fix_that_is_told_once_is_found_and_reached_from_every_finding(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    page.get_by_label("Search").fill("passwd -l NAME")
    assert len(shown(page)) > 2
    assert all("ACC-02" in line for line in shown(page))
    link = page.locator(".f dl a").first
    page.locator("details.f:has(dl a)").first.locator("summary").click()
    link.click()
    first = page.locator(link.get_attribute("href") or "")
    assert first.get_attribute("open") is not None
    assert "passwd -l NAME" in first.inner_text()


@pytest.mark.parametrize(("media", "width"), [("screen", 360), ("print", 680)])  # 680 px: A4 without its margins
def test_no_column_of_a_table_is_cut_off(browser: Browser, tmp_path: Path, media: str, width: int) -> None:
    page = opened(browser, tmp_path, run_of(), width=width).page
    page.emulate_media(media="print" if media == "print" else "screen")
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('th, td')].map(one => one.getBoundingClientRect().right))"
    )
    assert 0 < right <= width


@pytest.mark.parametrize("text", ["", "word" * 60])
@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, tmp_path: Path, width: int, text: str) -> None:
    page = opened(browser, tmp_path, run_of(text.__add__), width=width).page
    page.evaluate("document.querySelectorAll('details').forEach(row => { row.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper_the_failed_findings_are_open_and_the_controls_are_gone(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator(".filter").is_visible()
    assert all(row.get_attribute("open") is not None for row in page.locator("details.fail").all())
    ink, paper = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    assert (ink, paper) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")


def test_the_printed_page_can_be_read(browser: Browser, tmp_path: Path) -> None:
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("there is no pdftotext here")
    page = opened(browser, tmp_path, run_of()).page
    page.pdf(path=str(tmp_path / "report.pdf"), prefer_css_page_size=True)
    text = subprocess.run(
        [reader, str(tmp_path / "report.pdf"), "-"], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    said = " ".join(text.split())
    assert "The risk is above what was agreed" in said
    assert "What to do first" in said
    assert "passwd -l NAME" in said


def test_every_word_of_the_map_stands_inside_it(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    outside = page.evaluate(
        """() => { const svg = document.querySelector('svg'), box = svg.viewBox.baseVal;
        return [...svg.querySelectorAll('text')].filter(text => { const own = text.getBBox();
        return own.x < box.x || own.y < box.y || own.x + own.width > box.width || own.y + own.height > box.height; })
        .map(text => text.textContent); }"""
    )
    assert outside == []


def test_headings_and_landmarks_give_the_page_its_outline(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, run_of()).page
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("header, main, footer").count() == 3
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("[...document.querySelectorAll('input')].every(one => one.labels.length === 1)")
