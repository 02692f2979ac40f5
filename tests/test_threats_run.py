"""Known flaws on their way through a run: judged, scored, recorded, told in the reports, closed when mended."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reports import board, html, markdown, table
from reports import json as as_json
from reports.frameworks import NO_FRAMEWORKS
from scanner import pipeline, score
from scanner.catalogue import Catalogue, report
from scanner.collect import Collected
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Evidence, Inventory, Local, Outcome, Reply, Run
from scanner.plan import Plan, make_plan
from scanner.register import Register, open_register
from scanner.register.ledger import entries
from scanner.scoring.standing import with_last_known
from scanner.threats import packages
from scanner.threats.findings import Threats
from scanner.threats.said import BASELINE

from .feeds_of import NOW, archive, cve, kev_list, record
from .test_threats_matching import evidence, row, take

POLICY = score.Policy()
WEB = Asset("web", access=Access(local=Local()), zone="internet", service="shop", owner="Anna")
RECORDS = [record(cve(n), "openssl", "3.1") for n in range(14)]
NAMES = [cve(n).removeprefix("DEBIAN-") for n in range(14)]


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    opened = open_register(str(tmp_path / "register.db"))
    yield opened
    assert opened.verify() == []
    opened.close()


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    take(tmp_path, "osv", archive(tmp_path / "a.zip", [record(cve(9999), "none", "1", "Debian:12"), *RECORDS]))
    take(tmp_path, "kev", kev_list(tmp_path / "k", NAMES[:1]))
    return tmp_path / "feeds"


def plan() -> Plan:
    return make_plan(Inventory("inventory.yaml", (WEB,)), Catalogue(), ["debian-12"], ["id=VUL-01"])


def run_of(register: Register, feeds: Path | None, seen: Evidence, day: int) -> Run:
    """One recorded run over one asset that gave this evidence."""
    planned = plan()
    begun = pipeline.new_run(planned, POLICY)
    at = NOW + timedelta(days=day)
    begun = replace(begun, id=f"run-{day}", started_at=at)
    register.begin(begun)
    collected = Collected(planned.assets[0], replace(seen, asset="web", collected_at=at), 0.1)
    if feeds is None:
        one = pipeline.judged(collected, Judge(), begun, POLICY, register)
    else:
        with Threats(feeds, at) as threats:
            one = pipeline.judged(collected, Judge(), begun, POLICY, register, threats)
    register.store(begun.id, one, collected.evidence)
    finished = pipeline.finish(begun, [one], POLICY, "complete", register)
    register.finish(finished)
    return finished


OLD = [row("libssl3", "3.0.1", "openssl"), row("bash", "5.2")]
NEW = [row("libssl3", "3.1", "openssl"), row("bash", "5.2")]


def states(register: Register) -> set[str]:
    return {risk.state for risk in register.risks("web") if risk.baseline == BASELINE}


def test_known_flaws_are_recorded_with_their_own_controls_and_come_back_equal(register: Register, feeds: Path) -> None:
    run = run_of(register, feeds, evidence(OLD), 0)
    flaws = [one for one in run.findings if one.baseline == BASELINE and one.outcome is Outcome.FAIL]
    assert len(flaws) == 14
    assert all((BASELINE, one.control) in run.controls for one in flaws)
    again = register.run("run-0")
    assert again.findings == run.findings
    assert again.controls == run.controls
    assert {risk.cause for risk in register.risks("web")} == {"upgrade openssl"}
    [risk] = [risk for risk in run.risks if risk.root_cause == "upgrade openssl"]
    assert risk.findings == 14
    assert risk.title.endswith(", nor 13 others that the same change mends")
    assert risk.expected_loss > 1  # one of them is exploited now, on a host that the internet reaches


def test_what_an_upgrade_mends_is_closed_although_its_control_is_gone(register: Register, feeds: Path) -> None:
    before = run_of(register, feeds, evidence(OLD), 0)
    after = run_of(register, feeds, evidence(NEW), 1)
    assert states(register) == {"fixed"}
    assert after.organisation.expected_loss < before.organisation.expected_loss / 100


@pytest.mark.parametrize("lost", ["unreachable", "no feed", "old feed"])
def test_a_known_flaw_stays_and_counts_while_nobody_can_look_again(register: Register, feeds: Path, lost: str) -> None:
    before = run_of(register, feeds, evidence(OLD), 0)
    gone = Evidence("web", NOW, "0", {key: Reply("", "unreachable", "no route") for key in evidence(OLD).replies})
    for day in (1, 2):  # the second time the last run does not have it from a look of its own either
        if lost == "unreachable":
            after = run_of(register, feeds, gone, day)
        else:
            after = run_of(
                register, None if lost == "no feed" else feeds, evidence(NEW), day + 30 * (lost != "no feed")
            )
        assert states(register) == {"stale"}
        assert after.organisation.expected_loss == pytest.approx(before.organisation.expected_loss, rel=0.2)
    told = {one.control for one in with_last_known(after.findings, register.last_known("web"))}
    assert {f"{name}/openssl" for name in map(cve, range(14))} <= told


def test_every_report_says_what_the_flaws_were_looked_up_in_and_its_age(register: Register, feeds: Path) -> None:
    run = run_of(register, feeds, evidence(OLD), 2)
    for text in (table.render(run, verbose=1).decode(), html.render(run).decode(), markdown.render(run).decode()):
        said = " ".join(text.split())
        assert "Known flaws by osv: 15 advisories until" in said
        assert "fetched 2 days ago" in said
        assert "14 findings" in said or "14" in said
    document = json.loads(as_json.render(run))
    [told] = [one["observed"] for one in document["findings"] if one["control"] == "advisories-are-fresh"]
    assert "fetched 2 days ago; kev until 2025-11-20, fetched 2 days ago; no epss list" in told
    page = board.render(run).decode()
    assert "An attacker could use a known flaw that is not mended yet." in page
    assert "Known flaws were looked up in lists that are 2 days old." in page
    assert "CVE-" not in page


@pytest.mark.parametrize(
    "name",
    [
        "table",
        "html",
        "json",
        "csv",
        "markdown",
        "sarif",
        "junit",
        "ocsf",
        "ocsf-2002",
        "defectdojo",
        "oscal",
        "oscal-poam",
    ],
)
def test_each_format_that_lists_flaws_says_the_age_of_their_lists(register: Register, feeds: Path, name: str) -> None:
    run = run_of(register, feeds, evidence(OLD), 2)
    said = " ".join(report(name).render(run).decode().split())
    assert re.search(r"osv: 15 advisories until 2026-11-01, *(\|-? *)?fetched 2 days ago", said)


def test_each_page_and_sheet_that_lists_flaws_says_the_age_of_their_lists(register: Register, feeds: Path) -> None:
    run = run_of(register, feeds, evidence(OLD), 2)
    with zipfile.ZipFile(io.BytesIO(report("xlsx").render(run))) as book:
        assert any(b"fetched 2 days ago" in book.read(one) for one in book.namelist())
    assert "riskline_feed_age_days 2\n" in report("prometheus").render(run).decode()
    nothing = run_of(register, None, evidence(OLD), 3)
    assert "riskline_feed_age_days NaN\n" in report("prometheus").render(nothing).decode()


def test_a_run_that_could_look_nothing_up_says_so_to_the_board(register: Register, tmp_path: Path) -> None:
    take(tmp_path, "kev", kev_list(tmp_path / "k", NAMES[:1]))
    page = board.render(run_of(register, tmp_path / "feeds", evidence(OLD), 0)).decode()
    assert "Known flaws could not be looked up: no list of them was there." in page


def test_stored_evidence_is_judged_again_by_newer_lists_without_a_visit(
    register: Register, feeds: Path, tmp_path: Path
) -> None:
    run_of(register, feeds, evidence(OLD), 0)
    kept = register.evidence("run-0", "web")
    assert kept is not None
    take(tmp_path, "kev", kev_list(tmp_path / "k2", NAMES))
    planned = plan()
    with Threats(feeds, NOW + timedelta(days=1)) as threats:
        again = pipeline.judge_again(
            planned, pipeline.new_run(planned, POLICY), [(planned.assets[0], kept)], POLICY, threats
        )
    exploits = {control.exploit for (name, id), control in again.controls.items() if name == BASELINE and "/" in id}
    assert exploits == {5}


def test_a_linux_visit_asks_for_what_the_flaws_are_looked_up_with() -> None:
    asked = {
        probe.key
        for probes in make_plan(Inventory("i", (WEB,)), Catalogue(), ["debian-12"]).assets[0].visits.values()
        for probe in probes
    }
    facts = (packages.DPKG_PACKAGES, packages.OFFERS, packages.RELEASE, packages.RUNNING, packages.RPM_PACKAGES)
    assert {fact.probe.key for fact in facts} <= asked


def due_days(register: Register) -> dict[str, int | None]:
    """Control -> days from when it was opened to when it is due."""
    found = entries(register.risks("web"), register.treatments(), register.known(), POLICY, NOW.date())
    return {one.risk.control: (one.due - one.risk.opened_at.date()).days if one.due else None for one in found}


def test_a_flaw_is_due_by_the_table_where_that_is_earlier_than_the_policy(register: Register, feeds: Path) -> None:
    run_of(register, feeds, evidence(OLD), 0)
    days = due_days(register)
    assert days[f"{cve(0)}/openssl"] == 3
    assert days[f"{cve(1)}/openssl"] == 3


def test_within_the_company_only_what_is_exploited_hurries(
    register: Register, feeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_threats_run.WEB", replace(WEB, zone="internal"))
    run = run_of(register, feeds, evidence(OLD), 0)
    assert run.visited[0].asset.zone == "internal"
    days = due_days(register)
    assert days[f"{cve(0)}/openssl"] == 3  # exploited, spreads by itself, takes all
    assert 3 < (days[f"{cve(1)}/openssl"] or 0) <= 60


def test_a_flaw_is_never_counted_as_compliance(register: Register, feeds: Path) -> None:
    run = run_of(register, feeds, evidence(OLD), 0)
    told = {key for (name, _), one in run.controls.items() if name == BASELINE for key in one.references}
    assert {"cve", "advisory", "kev", "ssvc"} <= told
    assert told <= NO_FRAMEWORKS
