"""`riskline threats`: what became urgent while nothing changed here, what is expected, what ends. No host is asked."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scanner.cli import riskline
from scanner.model import Evidence, Run
from scanner.register import open_register
from scanner.threats import store
from scanner.threats.reading import Limits

from .feeds_of import NOW, archive, cve, ends_list, epss_list, kev_list, record
from .test_threats_matching import evidence, row
from .test_threats_run import run_of

OLD = [row("libssl3", "3.0.1", "openssl"), row("bash", "5.2")]
SLOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"


def name(number: int) -> str:
    return cve(number).removeprefix("DEBIAN-")


def slow(number: int, package: str = "openssl", fixed: str | None = "3.1", **more: Any) -> dict[str, Any]:
    """A flaw that nothing makes urgent by itself."""
    return record(cve(number), package, fixed, severity=[{"type": "CVSS_V3", "score": SLOW}], **more)


class Place:
    """A register, the feeds, and the verb over both; today is the day of NOW."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.feeds = folder / "feeds"
        self.register = folder / "register.db"
        self.serial = 0

    def advisories(self, *records: dict[str, Any]) -> None:
        filler = [record(cve(9000 + n), "never-installed", "1") for n in range(30)]
        self._take("osv", archive(self.folder / "a.zip", [*filler, *records]))

    def exploited(self, *cves: str) -> None:
        self._take("kev", kev_list(self.folder / "k", ["CVE-2020-10000", *cves]))

    def chances(self, rows: dict[str, float], model: str = "v2025.03.14") -> None:
        path = epss_list(self.folder / "e", [f"{cve},{chance:g},0.5" for cve, chance in rows.items()], model=model)
        self._take("epss", path)

    def _take(self, form: Any, file: Path) -> None:
        store.take(self.feeds, form, form, file, NOW, Limits())

    def run(self, seen: Evidence | None = None, day: int = 0, feeds: bool = True) -> Run:
        with contextlib.closing(open_register(str(self.register))) as register:
            return run_of(register, self.feeds if feeds else None, seen or evidence(OLD), day)

    def verb(self, *words: str) -> Result:
        places = ["--register", str(self.register)]
        places += [] if words[0] == "due" else ["--feeds", str(self.feeds)]
        return CliRunner().invoke(riskline, ["threats", words[0], *places, *words[1:]], catch_exceptions=False)

    def told(self, *words: str) -> Any:
        done = self.verb(*words, "--format", "json")
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    def kinds(self, *words: str) -> dict[str, str]:
        return {one["flaw"]: one["kind"] for one in self.told("diff", *words)["changes"]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("scanner.model.utc_now", lambda: NOW)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield Place(tmp_path)


# ── what became urgent ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_flaw_that_is_attacked_since_yesterday_is_told_with_its_date_and_its_remedy(place: Place) -> None:
    place.advisories(slow(1), slow(2))
    place.exploited()
    place.run()
    place.exploited(name(1))
    told = place.told("diff")
    [change] = told["changes"]
    assert (change["kind"], change["flaw"], change["assets"]) == ("exploited", name(1), ["web"])
    assert (change["due"], change["deadline"]) == (f"{NOW.date() + timedelta(days=14)}", "14 days")
    assert told["urgent_assets"] == ["web"]
    said = " ".join(place.verb("diff").output.split())
    assert f"{name(1)} in openssl on web: it is on the list of exploited flaws since 2025-11-01" in said
    assert "Upgrade openssl to 3.1 or later" in said
    assert "1 of 1 assets became urgent: web. No host was contacted." in said
    assert name(2) not in said


def test_where_the_world_learned_nothing_nothing_is_urgent(place: Place) -> None:
    place.advisories(slow(1), record(cve(2), "openssl", "3.1"))
    place.exploited(name(1))
    place.chances({name(2): 0.5})
    place.run()
    assert place.told("diff")["changes"] == []
    assert "\n\nNothing became urgent." in place.verb("diff").output


@pytest.mark.parametrize(
    ("before", "after", "model", "kind"),
    [
        (0.05, 0.12, "v2025.03.14", "likelier"),
        (0.0005, 0.02, "v2025.03.14", "likelier"),
        (0.002, 0.009, "v2025.03.14", None),
        (0.00005, 0.0009, "v2025.03.14", None),
        (0.2, 0.6, "v2025.03.14", None),
        (0.05, 0.9, "v2026.01.01", None),
    ],
)
def test_a_chance_that_jumps_is_told_but_never_across_models(
    place: Place, before: float, after: float, model: str, kind: str | None
) -> None:
    place.advisories(slow(1))
    place.chances({name(1): before})
    place.run()
    place.chances({name(1): after}, model)
    assert place.kinds() == ({name(1): kind} if kind else {})


def test_what_is_published_since_is_urgent_only_where_it_hurries(place: Place) -> None:
    place.advisories(slow(1))
    place.run()
    place.advisories(slow(1), slow(2), record(cve(3), "openssl", "3.1"))
    assert place.kinds() == {name(2): "minor", name(3): "published"}


def test_an_update_that_did_not_exist_yesterday_is_told(place: Place) -> None:
    place.advisories(slow(1, fixed=None))
    place.run()
    place.advisories(slow(1, fixed="3.2"))
    assert place.kinds() == {name(1): "mendable"}


def test_what_was_withdrawn_is_told_as_gone(place: Place) -> None:
    place.advisories(slow(1), slow(2))
    place.run()
    place.advisories(slow(1), slow(2, withdrawn="2026-01-01T00:00:00Z"))
    assert place.kinds() == {name(2): "gone"}


def test_a_feed_that_went_stale_makes_blind_and_nothing_goes_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.advisories(slow(1), slow(2))
    place.run()
    place.advisories(slow(1), slow(2, withdrawn="2026-01-01T00:00:00Z"))
    monkeypatch.setattr("scanner.model.utc_now", lambda: NOW + timedelta(days=40))
    told = place.told("diff")
    assert told["changes"] == []
    assert "40 days old" in told["blind"]["web"]


def test_a_run_that_looked_up_no_flaws_is_no_yesterday(place: Place) -> None:
    place.advisories(record(cve(1), "openssl", "3.1"))
    place.run(feeds=False)
    told = place.told("diff")
    assert (told["changes"], told["blind"]) == ([], {"web": "its known flaws were not looked up then"})


def test_what_we_changed_ourselves_is_no_news_of_the_world(place: Place) -> None:
    place.advisories(slow(1), slow(2, "bash", "6"))
    place.run()
    place.run(evidence([row("libssl3", "3.1", "openssl"), row("bash", "5.2"), row("zip", "1")]), day=1)
    place.advisories(slow(1), slow(2, "bash", "6"), record(cve(3), "zip", "2"))
    place.exploited(name(1), name(2))
    assert place.kinds("--since", "run-0") == {name(2): "exploited"}


def test_yesterday_may_be_named_by_its_date(place: Place) -> None:
    place.advisories(slow(1))
    place.exploited()
    place.run(day=0)
    place.exploited(name(1))
    place.run(day=1)
    assert place.kinds() == {}
    assert place.kinds("--since", f"{NOW.date()}") == {name(1): "exploited"}
    refused = CliRunner().invoke(
        riskline,
        ["threats", "diff", "--register", str(place.register), "--feeds", str(place.feeds), "--since", "2020-01-01"],
    )
    assert "no run on or before 2020-01-01" in str(refused.exception)


def test_without_feeds_it_says_where_to_get_them(place: Place) -> None:
    place.advisories(slow(1))
    place.run()
    refused = CliRunner().invoke(
        riskline, ["threats", "diff", "--register", str(place.register), "--feeds", str(place.folder / "none")]
    )
    assert "riskline feeds update" in str(refused.exception)


# ── by when ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_timetable_has_one_line_for_each_upgrade_and_the_earliest_day(place: Place) -> None:
    place.advisories(slow(1), slow(2), slow(3, "bash", "6"), record(cve(4), "bash", "6"), slow(5, "bash", None))
    place.exploited(name(2))
    place.run()
    lines = {one["cause"]: one for one in place.told("due")}
    days = {cause: one["due"] and (date.fromisoformat(one["due"]) - NOW.date()).days for cause, one in lines.items()}
    assert days == {"upgrade bash": 3, "upgrade openssl": 14, "no fix for bash": 60}
    assert (lines["upgrade openssl"]["decided_by"], lines["upgrade openssl"]["flaws"]) == (name(2), 2)
    assert lines["upgrade openssl"]["answers"] == {
        "exploited": True, "exposed": True, "automatable": False, "total": False, "estimated": True,
    }  # fmt: skip
    said = " ".join(place.verb("due").output.split())
    assert f"{name(2)}: exploited, exposed, not automatable, not takes all (estimated). Upgrade openssl" in said


def test_the_timetable_of_a_run_without_flaws_is_empty(place: Place) -> None:
    place.advisories(slow(1))
    place.run(evidence([row("zip", "1")]))
    assert "No known flaw is open" in place.verb("due").output


# ── what is expected, and what ends ──────────────────────────────────────────────────────────────────────────────────


def test_each_flaw_is_expected_once_and_those_attacked_already_apart(place: Place) -> None:
    place.advisories(*(slow(n) for n in range(6)))
    place.exploited(name(0))
    place.chances({name(n): 0.25 for n in range(5)})
    place.run()
    told = place.told("forecast")
    assert (told["known_flaws"], told["attacked_already"], told["without_a_chance"]) == (6, 1, 1)
    assert (told["expected"]["flaws"], told["expected"]["expected"]) == (4, 1.0)
    said = " ".join(place.verb("forecast").output.split())
    assert "Of the other 4, 0 to 2 will see attacks somewhere in the next 30 days" in said
    assert "No prediction of ours is 30 days old yet" in said
    assert "not of one on your hosts" in said


def test_a_list_of_exploited_flaws_that_ended_long_ago_tells_nothing_of_next_month(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.advisories(slow(1))
    place.exploited()
    place.chances({name(1): 0.25})
    place.run()
    monkeypatch.setattr("scanner.model.utc_now", lambda: NOW + timedelta(days=60))
    assert place.told("forecast")["listings_next_month"] is None
    assert "The list of exploited flaws ends on" in " ".join(place.verb("forecast").output.split())


def test_a_prediction_is_held_against_what_came(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.advisories(slow(1), slow(2))
    place.exploited()
    place.chances({name(1): 0.5, name(2): 0.25})
    place.run()
    place.told("forecast")
    later = NOW + timedelta(days=40)
    entries = [("CVE-2020-10000", "2025-11-01"), (name(1), f"{(NOW + timedelta(days=9)).date()}")]
    listed = {
        "dateReleased": later.isoformat(),
        "count": 2,
        "vulnerabilities": [{"cveID": one, "dateAdded": day} for one, day in entries],
    }
    (place.folder / "k2").write_text(json.dumps(listed))
    store.take(place.feeds, "kev", "kev", place.folder / "k2", later, Limits())
    monkeypatch.setattr("scanner.model.utc_now", lambda: later)
    told = place.told("forecast", "--no-keep")["record"]
    assert (told["predictions"], told["expected"], told["seen"]) == (1, 0.75, 1)
    assert told["brier"] == pytest.approx((0.5**2 + 0.25**2) / 2)
    assert "listed as exploited within their 30 days 1" in " ".join(place.verb("forecast", "--no-keep").output.split())
    assert len(list((place.feeds / "predictions").iterdir())) == 1


def test_the_calendar_lists_what_ended_and_what_ends_within_the_year(place: Place) -> None:
    place.advisories(slow(1))
    for day, release in enumerate(('ID=ubuntu\nVERSION_ID="22.04"\n', 'ID=debian\nVERSION_ID="11"\n')):
        place.run(evidence(OLD, release), day=day)
        [ending] = place.told("calendar")
        assert (ending["release"], ending["ended"]) == (("ubuntu 22.04", False), ("debian 11", True))[day]
        assert ending["assets"] == ["web"]
    assert (
        "debian 11: ended 2026-08-31, 84 days ago: its new flaws are not mended (web)" in place.verb("calendar").output
    )
    place.run(evidence(OLD), day=2)
    assert place.told("calendar") == []
    assert "1 of 1 assets get security updates for longer than 12 months." in place.verb("calendar").output


def test_a_stored_list_of_ends_is_believed_before_the_dates_of_this_program(place: Place) -> None:
    place.advisories(slow(1))
    of: dict[str, list[tuple[str, str | None, str | None]]] = {
        "debian": [("12", "2026-06-10", "2027-01-31")],
        "ubuntu": [("22.04", "2027-04-30", "2032-04-09")],
    }
    store.take(place.feeds, "ends", "ends", ends_list(place.folder / "ends", of), NOW, Limits())
    place.run(evidence(OLD))
    assert [one["day"] for one in place.told("calendar")] == ["2027-01-31"]
    place.run(evidence(OLD, 'ID=ubuntu\nVERSION_ID="22.04"\n'), day=1)
    assert [one["day"] for one in place.told("calendar")] == ["2027-04-30"]
    assert place.told("calendar", "--months", "3") == []


def test_a_release_whose_end_nobody_knows_is_listed(place: Place) -> None:
    place.advisories(slow(1))
    place.run(evidence(OLD, 'ID=solus\nVERSION_ID="4"\n'))
    assert [one["day"] for one in place.told("calendar")] == [None]
    assert "solus 4: nobody has told us when it ends" in place.verb("calendar").output
