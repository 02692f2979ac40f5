"""Windows flaw by flaw: Microsoft's own monthly list against the build and the updates that a machine tells of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scanner.model import Asset, Control, Evidence, Finding, Outcome, Problem, Reply
from scanner.threats import store, windows
from scanner.threats.controls import CLEAN, COVERED, WATCHED
from scanner.threats.findings import Threats, findings, what_is_there
from scanner.threats.guide import issues
from scanner.threats.guide_store import known_months
from scanner.threats.reading import FeedRefused, Limits

from .feeds_of import NOW, ends_list, epss_list, kev_list
from .guide_of import CLIENT, CORE, FULL, HOT, NEWER, OLDER, SERVER, document, fix, flaw, written, zipped

FEED = "Microsoft"
TODAY = NOW.date()
ONE = "CVE-2026-10001"


def reg(value: int | str) -> Reply:
    return Reply(json.dumps({"found": "value", "kind": "x", "value": value}))


def machine(
    revision: int | str | None = 4400,
    build: int | str = "20348",
    updates: Iterable[str] | None = ("KB5066782",),
    installation: str = "Server",
    edition: str = "ServerStandard",
    processor: str = "AMD64",
) -> Evidence:
    """What a visit tells. revision, updates None: that answer was denied."""
    denied = Reply(problem="denied", detail="needs a local administrator")
    listed = [{"Now": "2026-11-23T12:00:00", "Started": "", "Installed": [], "Names": [*(updates or ()), "", "File 1"]}]
    replies = {
        windows.BUILD.probe.key: reg(build),
        windows.REVISION.probe.key: denied if revision is None else reg(revision),
        windows.INSTALLATION.probe.key: reg(installation),
        windows.EDITION.probe.key: reg(edition),
        windows.PROCESSOR.probe.key: reg(processor),
        windows.UPDATES.probe.key: denied if updates is None else Reply(json.dumps(listed)),
    }
    return Evidence("dc", NOW, "0", replies)


def take(folder: Path, *flaws: Any, id: str = "2026-Nov", current: str = "2026-11-20T08:00:00") -> store.Standing:
    source = written(folder / "guide.json", document(list(flaws), id, current))
    return store.take(folder / "feeds", FEED, "guide", source, NOW, Limits())


def judged(
    folder: Path, seen: Evidence, *flaws: Any, later: timedelta = timedelta(), today: date = TODAY
) -> tuple[list[Control], list[Finding]]:
    if flaws:
        take(folder, *flaws)
    with Threats(folder / "feeds", NOW + later) as threats:
        return findings(Asset("dc"), seen, threats, today)


def told(found: list[Finding]) -> list[tuple[str, str, str]]:
    """(CVE and state, outcome, reason) of all but what every asset has."""
    return [
        (one.control.partition("/")[0], one.outcome.value, one.reason)
        for one in found
        if one.control not in {CLEAN, COVERED, WATCHED}
    ]


def only(found: list[Finding], control: str) -> Finding:
    [one] = [each for each in found if each.control == control]
    return one


FLAWED = [(ONE, "fail", "")]
UNSURE = [(ONE, "unknown", "could-not-compare")]
MENDED: list[tuple[str, str, str]] = []


@pytest.mark.parametrize(
    ("revision", "said"), [(4404, FLAWED), (4405, MENDED), (4406, MENDED), (1, FLAWED), (10001, MENDED)]
)
def test_the_build_from_which_on_a_flaw_is_mended_decides(
    tmp_path: Path, revision: int, said: list[tuple[str, str, str]]
) -> None:
    _, found = judged(tmp_path, machine(revision), flaw(ONE, FULL))
    assert told(found) == said
    assert only(found, CLEAN).outcome is (Outcome.NOT_APPLICABLE if said else Outcome.PASS)
    assert only(found, WATCHED).outcome is Outcome.PASS


def test_one_update_is_the_cause_of_all_the_flaws_that_it_mends(tmp_path: Path) -> None:
    many = [flaw(f"CVE-2026-{10000 + n}", FULL) for n in range(14)]
    controls, found = judged(tmp_path, machine(4300), *many)
    assert len(told(found)) == 14
    [cause] = {one.cause for one in controls if "/" in one.id}
    assert cause == "upgrade Windows Server 2022"
    [step] = {one.fix for one in controls if "/" in one.id}
    assert step.startswith("Install KB5068787 (build 20348.4405) or a later cumulative update of Windows Server 2022")
    first = only(found, f"{ONE}/Windows-Server-2022")
    assert (first.observed, first.expected) == ("Windows Server 2022 20348.4300", "20348.4405 or later")
    assert what_is_there(machine(4300))[2] == {first.observed}


def test_a_server_core_and_a_desktop_are_products_of_their_own(tmp_path: Path) -> None:
    take(tmp_path, flaw(ONE, FULL, products=(SERVER,)), flaw("CVE-2026-10002", FULL, products=(CORE,)))
    assert [one[0] for one in told(judged(tmp_path, machine(1))[1])] == [ONE]
    assert [one[0] for one in told(judged(tmp_path, machine(1, installation="Server Core"))[1])] == ["CVE-2026-10002"]


def test_a_server_and_a_client_of_one_build_are_told_apart(tmp_path: Path) -> None:
    take(
        tmp_path,
        flaw(ONE, ("5120233", "10.0.26100.33296", "Security Update", ""), products=(NEWER,)),
        flaw(ONE, ("5124008", "10.0.26100.9445", "Security Update", ""), products=(CLIENT,)),
    )
    server = machine(9445, "26100", ["KB5000001"])
    client = machine(9445, "26100", ["KB5000001"], "Client", "Enterprise")
    assert told(judged(tmp_path, server)[1]) == FLAWED
    assert told(judged(tmp_path, client)[1]) == MENDED
    assert told(judged(tmp_path, machine(9444, "26100", ["KB5000001"], "Client", "Enterprise"))[1]) == FLAWED


def test_what_a_product_is_not_named_for_is_not_its_flaw(tmp_path: Path) -> None:
    other = flaw(ONE, ("5068791", "10.0.17763.8027", "Security Update", ""), products=(OLDER,))
    _, found = judged(tmp_path, machine(1), other, flaw("CVE-2026-10002", FULL))
    assert [one[0] for one in told(found)] == ["CVE-2026-10002"]


# ── hotpatches ──────────────────────────────────────────────────────────────────────────────────────────────────────


azure = partial(machine, edition="ServerTurbine")
"""Of Windows Server 2022, "Datacenter: Azure Edition" alone takes hotpatches."""


@pytest.mark.parametrize(
    ("revision", "updates", "said"),
    [
        (4346, ["KB5068840"], MENDED),  # it takes hotpatches, and has this one
        (4346, None, MENDED),  # the revision is that of the hotpatch
        (4350, ["KB5068840"], MENDED),
        (4350, ["KB5066782"], UNSURE),  # below the update, not below the hotpatch, which the list may leave out
        (4350, None, UNSURE),
        (4345, ["KB5066782"], FLAWED),
        (4345, None, FLAWED),
        (4345, ["KB5068840"], FLAWED),  # listed, and not in force
        (4405, None, MENDED),  # the revision is that of the update
        (4500, ["KB5068787"], MENDED),
        (4500, ["KB5066782"], UNSURE),  # neither this revision nor a hotpatch of it is known, and the base is older
        (4500, ["KB5066782", "KB5099999"], UNSURE),
        (4500, None, UNSURE),  # no update has this revision; it may be a hotpatch that does not hold all
    ],
)
def test_a_hotpatch_mends_below_the_build_of_the_update(
    tmp_path: Path, revision: int, updates: list[str] | None, said: list[tuple[str, str, str]]
) -> None:
    assert told(judged(tmp_path, azure(revision, updates=updates), flaw(ONE, FULL, HOT))[1]) == said


def test_a_hotpatched_machine_lacks_what_only_a_later_update_mends(tmp_path: Path) -> None:
    december = ("5071417", "10.0.20348.4467", "Security Hotpatch Update", "")
    take(tmp_path, flaw(ONE, FULL), flaw("CVE-2026-10002", ("5071547", "10.0.20348.4529", *FULL[2:]), december))
    hotpatched = azure(4467, updates=["KB5066782", "KB5071417"])
    assert told(judged(tmp_path, hotpatched)[1]) == UNSURE  # 4467 is above 4405, and proves nothing
    based = azure(4467, updates=["KB5068787", "KB5071417"])
    assert told(judged(tmp_path, based)[1]) == MENDED


def test_a_machine_that_lists_a_hotpatch_takes_hotpatches_whatever_its_revision(tmp_path: Path) -> None:
    take(tmp_path, flaw(ONE, FULL), flaw("CVE-2026-10002", ("5071417", "10.0.20348.4467", HOT[2], "")))
    assert told(judged(tmp_path, azure(4470, updates=["KB5066782", "KB5071417"]))[1]) == UNSURE
    second = ("CVE-2026-10002", "unknown", "could-not-compare")
    assert told(judged(tmp_path, azure(4470, updates=["KB5066782"]))[1]) == [*UNSURE, second]
    assert told(judged(tmp_path, machine(4470, updates=["KB5066782"]))[1]) == [second]


def test_a_machine_older_than_every_known_hotpatch_may_have_one_that_is_not_known(tmp_path: Path) -> None:
    old = ("5060526", "10.0.20348.4000", "Security Update", "")
    take(tmp_path, flaw(ONE, old), flaw("CVE-2026-10002", FULL, HOT))
    lacks = ("CVE-2026-10002", "fail", "")
    assert told(judged(tmp_path, azure(4100, updates=None))[1]) == [*UNSURE, lacks]
    assert told(judged(tmp_path, machine(4100, updates=None))[1]) == [lacks]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (azure(4500, updates=["KB5099999"]), UNSURE),
        (azure(4500, updates=None), UNSURE),
        (azure(4500, updates=["KB5068787"]), MENDED),  # its base holds it
        (azure(4405, updates=None), MENDED),
        (azure(4404, updates=["KB5099999"]), FLAWED),  # no hotpatch mends it as far as the guide says
        (machine(4500, updates=["KB5099999"]), MENDED),
        (machine(4500, edition="ServerDatacenterEval"), MENDED),
        (machine(4500, edition="ServerOfTomorrow"), UNSURE),
    ],
)
def test_a_hotpatch_that_the_list_does_not_know_is_not_taken_for_an_update(
    tmp_path: Path, seen: Evidence, said: list[tuple[str, str, str]]
) -> None:
    _, found = judged(tmp_path, seen, flaw(ONE, FULL))
    assert told(found) == said
    assert only(found, CLEAN).outcome is (
        Outcome.PASS if said == MENDED else Outcome.UNKNOWN if said == UNSURE else Outcome.NOT_APPLICABLE
    )
    if said == UNSURE:
        [one] = [each for each in found if each.control.startswith(ONE)]
        assert one.detail == "no update known here has build 20348.4500, so it may be a hotpatch that runs"


@pytest.mark.parametrize(
    ("build", "edition", "said"),
    [
        (17763, "ServerDatacenter", False),
        (25398, "ServerDatacenter", False),
        (20348, "ServerStandard", False),
        (20348, "ServerTurbine", True),
        (20348, "", True),
        (22631, "Enterprise", False),
        (26100, "ServerStandard", True),
        (26100, "Enterprise", True),
        (29999, "Enterprise", True),
    ],
)
def test_which_machines_may_take_hotpatches(build: int, edition: str, said: bool) -> None:
    assert windows.may_be_hotpatched(build, edition) is said


def test_a_machine_with_the_build_of_an_update_is_not_taken_for_one_with_hotpatches(tmp_path: Path) -> None:
    between = ("5070000", "10.0.20348.4380", "Security Update", "")  # above the hotpatch, and no hotpatch itself
    _, found = judged(tmp_path, azure(4380, updates=None), flaw(ONE, FULL, HOT), flaw("CVE-2026-10002", between))
    assert told(found) == FLAWED


def test_a_hotpatch_without_a_build_is_told_by_the_list_of_updates(tmp_path: Path) -> None:
    nameless = flaw(ONE, FULL, ("5068840", "", "Security Hotpatch Update", ""))
    take(tmp_path, nameless)
    assert told(judged(tmp_path, azure(4350, updates=["KB5068840"]))[1]) == MENDED
    assert told(judged(tmp_path, azure(4350))[1]) == UNSURE
    assert told(judged(tmp_path, azure(4350, updates=None))[1]) == UNSURE


# ── what neither build nor list can tell ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("revision", "said"), [(4404, FLAWED), (4405, UNSURE), (4500, UNSURE), (4529, MENDED)])
def test_between_two_updates_for_one_flaw_nobody_can_tell(
    tmp_path: Path, revision: int, said: list[tuple[str, str, str]]
) -> None:
    again = ("5071547", "10.0.20348.4529", "Security Update", "5068787")
    assert told(judged(tmp_path, machine(revision), flaw(ONE, FULL, again))[1]) == said


def test_without_the_revision_the_list_of_updates_and_what_they_replace_is_the_second_way(tmp_path: Path) -> None:
    december = ("5071547", "10.0.20348.4529", "Security Update", "5068787")
    take(tmp_path, flaw(ONE, FULL), flaw("CVE-2026-10002", december))
    _, found = judged(tmp_path, machine(None, updates=["KB5071547"]))
    assert told(found) == MENDED  # it replaces KB5068787, which mends the first
    assert only(found, CLEAN).outcome is Outcome.UNKNOWN  # the revision itself is not known
    _, found = judged(tmp_path, machine(None, updates=["KB5068787"]))
    assert told(found) == [("CVE-2026-10002", "unknown", "could-not-compare")]  # a list that leaves out proves nothing


@pytest.mark.parametrize("updates", [None, []])
def test_without_revision_and_list_nothing_is_clean(tmp_path: Path, updates: list[str] | None) -> None:
    _, found = judged(tmp_path, machine(None, updates=updates), flaw(ONE, FULL))
    assert told(found) == []
    assert only(found, CLEAN).outcome is Outcome.UNKNOWN
    [revision] = [one for one in found if one.subject == "revision"]
    assert (revision.outcome, revision.reason) == (Outcome.UNKNOWN, "denied")


def test_an_update_that_waits_for_a_restart_mends_nothing_yet(tmp_path: Path) -> None:
    controls, found = judged(tmp_path, machine(4300, updates=["KB5068787"]), flaw(ONE, FULL))
    [one] = [each for each in found if each.control.startswith(ONE)]
    assert (one.control, one.outcome) == (f"{ONE}/Windows-Server-2022/reboot", Outcome.FAIL)
    [control] = [each for each in controls if each.id == one.control]
    assert control.cause == "restart into the updates of Windows Server 2022"
    assert control.fix.startswith("Restart the machine")


def test_what_an_update_that_waits_would_replace_is_not_mended_by_it(tmp_path: Path) -> None:
    nameless = flaw("CVE-2026-10002", ("5066782", "", "Security Update", ""))
    take(tmp_path, flaw(ONE, FULL), nameless)  # KB5068787 supersedes KB5066782
    waiting = told(judged(tmp_path, machine(4300, updates=["KB5068787"]))[1])
    assert ("CVE-2026-10002", "unknown", "could-not-compare") in waiting
    assert told(judged(tmp_path, machine(4405, updates=["KB5068787"]))[1]) == MENDED


def test_a_flaw_without_an_update_is_a_failure_of_its_own(tmp_path: Path) -> None:
    controls, found = judged(tmp_path, machine(9999), flaw(ONE), flaw("CVE-2026-10002", FULL))
    assert told(found) == [(ONE, "fail", "no-fix")]
    [control] = [each for each in controls if each.id.startswith(ONE)]
    assert control.cause == "no fix for Windows Server 2022"


@pytest.mark.parametrize("build", ["", "10.0.26200.4405", "release notes", "10.0.20348"])
def test_an_update_whose_build_cannot_be_compared_is_unknown_unless_it_is_listed(tmp_path: Path, build: str) -> None:
    take(tmp_path, flaw(ONE, ("5068787", build, "Security Update", "")))
    assert told(judged(tmp_path, machine(9999))[1]) == UNSURE
    assert told(judged(tmp_path, machine(9999, updates=["KB5068787"]))[1]) == MENDED


@pytest.mark.parametrize("build", ["next", "-1", "20348.1", ""])
def test_a_build_that_is_no_number_is_unknown(tmp_path: Path, build: str) -> None:
    _, found = judged(tmp_path, machine(4405, build), flaw(ONE, FULL))
    [one] = found
    assert (one.control, one.outcome, one.reason) == (WATCHED, Outcome.UNKNOWN, "unparsable")


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (machine(1, "99999"), "not-covered"),
        (machine(1, installation="Nano Server"), "not-covered"),
        (machine(1, "22631", installation="Client", processor="MIPS"), "not-covered"),
        (machine(8027, "17763"), "no-feed"),  # a product that this list never speaks of
    ],
)
def test_a_product_that_the_list_does_not_speak_of_is_never_clean(tmp_path: Path, seen: Evidence, reason: str) -> None:
    _, found = judged(tmp_path, seen, flaw(ONE, FULL))
    assert only(found, WATCHED).reason == reason
    assert only(found, CLEAN).outcome is Outcome.UNKNOWN
    assert told(found) == []


@pytest.mark.parametrize("lost", ["build", "installation"])
@pytest.mark.parametrize("problem", ["denied", "timed-out", "absent"])
def test_a_machine_that_does_not_say_which_windows_it_is_is_unknown(
    tmp_path: Path, lost: str, problem: Problem
) -> None:
    probe = {"build": windows.BUILD.probe, "installation": windows.INSTALLATION.probe}[lost]
    seen = machine(4405)
    seen = replace(seen, replies={**seen.replies, probe.key: Reply(problem=problem, detail="x")})
    _, [one] = judged(tmp_path, seen, flaw(ONE, FULL))
    assert (one.control, one.outcome, one.reason) == (WATCHED, Outcome.UNKNOWN, problem)


def test_what_runs_on_windows_is_said_to_be_not_covered(tmp_path: Path) -> None:
    _, found = judged(tmp_path, machine(4405), flaw(ONE, FULL))
    one = only(found, COVERED)
    assert (one.outcome, one.reason, one.subject) == (Outcome.UNKNOWN, "not-covered", "what runs on Windows")
    assert ".NET Framework" in one.detail


# ── age, end, weight ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_old_list_turns_no_known_flaws_into_unknown_and_says_its_age(tmp_path: Path) -> None:
    _, found = judged(tmp_path, machine(4405), flaw(ONE, FULL), later=timedelta(days=9))
    assert (only(found, CLEAN).outcome, only(found, CLEAN).reason) == (Outcome.UNKNOWN, "feed-too-old")
    assert "Microsoft: 1 advisories until 2026-11-20, fetched 9 days ago" in only(found, WATCHED).observed
    assert told(judged(tmp_path, machine(4404), later=timedelta(days=9))[1]) == FLAWED


def test_without_the_list_it_is_said_which_one_is_missing(tmp_path: Path) -> None:
    store.take(tmp_path / "feeds", "kev", "kev", kev_list(tmp_path / "k", [ONE]), NOW, Limits())
    _, found = judged(tmp_path, machine(4405))
    assert (only(found, WATCHED).reason, only(found, CLEAN).outcome) == ("no-feed", Outcome.UNKNOWN)


def test_a_release_that_has_ended_is_no_longer_watched_and_its_flaws_are_told(tmp_path: Path) -> None:
    _, found = judged(tmp_path, machine(4405), flaw(ONE, FULL), today=date(2031, 10, 15))
    assert (only(found, WATCHED).reason, only(found, CLEAN).outcome) == ("no-longer-watched", Outcome.UNKNOWN)
    assert told(judged(tmp_path, machine(1), today=date(2031, 10, 15))[1]) == FLAWED


def test_the_end_of_a_release_is_taken_from_the_stored_list(tmp_path: Path) -> None:
    ended = ends_list(tmp_path / "e", {"windows-server": [("2022", "2026-10-01", None)]}, "2026-11-20T10:00:00Z")
    store.take(tmp_path / "feeds", "ends", "ends", ended, NOW, Limits())
    assert only(judged(tmp_path, machine(4405), flaw(ONE, FULL))[1], WATCHED).reason == "no-longer-watched"


@pytest.mark.parametrize(("edition", "reason"), [("Professional", "no-longer-watched"), ("Enterprise", "")])
def test_the_edition_of_a_client_says_when_it_ends(tmp_path: Path, edition: str, reason: str) -> None:
    mended = flaw(ONE, ("5124008", "10.0.26100.9445", "Security Update", ""), products=(CLIENT,))
    seen = machine(9445, "26100", ["KB5000001"], "Client", edition)
    assert only(judged(tmp_path, seen, mended)[1], WATCHED).reason == reason


def test_kev_epss_and_what_microsoft_says_of_attacks_weigh(tmp_path: Path) -> None:
    names = [f"CVE-2026-1000{n}" for n in range(4)]
    store.take(tmp_path / "feeds", "kev", "kev", kev_list(tmp_path / "k", names[:1]), NOW, Limits())
    store.take(tmp_path / "feeds", "epss", "epss", epss_list(tmp_path / "e", [f"{names[1]},0.2,0.9"]), NOW, Limits())
    attacked = flaw(names[2], FULL, exploited=True)
    local = flaw(names[3], FULL, vector="CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:C")
    controls, _ = judged(tmp_path, machine(1), flaw(names[0], FULL), flaw(names[1], FULL), attacked, local)
    by_name = {one.references["cve"][0]: one for one in controls if "cve" in one.references}
    assert [by_name[one].exploit for one in names] == [5, 4, 5, 3]
    assert [by_name[one].vector for one in names] == ["network", "network", "network", "local"]
    assert ["kev" in by_name[one].references for one in names] == [True, False, False, False]


# ── the list itself ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_bad_record_is_listed_and_the_rest_used(tmp_path: Path) -> None:
    bad: list[Any] = [{"CVE": "CVE-1"}]
    good = [flaw(f"CVE-2026-{20000 + n}", FULL) for n in range(150)]
    found = take(tmp_path, *good, *bad)
    assert (found.records, found.bad) == (150, 1)
    [listed] = store.bad_records(tmp_path / "feeds", FEED)
    assert "not a CVE" in listed.why


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {"CVE": ONE, "Remediations": {"Type": 2}},
        {"CVE": ONE, "ProductStatuses": [{"Type": 3, "ProductID": []}]},
        {"CVE": ONE, "Remediations": [{**fix(*FULL), "ProductID": "11923"}]},
        {**flaw(ONE, FULL), "CVSSScoreSets": [{"Vector": 7, "ProductID": [SERVER]}]},
        {**flaw(ONE, FULL), "CVE": 7},
    ],
)
def test_a_record_of_another_shape_is_listed(tmp_path: Path, record: Any) -> None:
    found = take(tmp_path, flaw("CVE-2026-10002", FULL), record)
    assert (found.records, found.bad) == (1, 1)


@pytest.mark.parametrize(("kind", "said"), [(3, FLAWED), (1, MENDED), ("3", MENDED)])
def test_only_products_that_are_known_to_be_affected_have_the_flaw(
    tmp_path: Path, kind: object, said: list[tuple[str, str, str]]
) -> None:
    named = {**flaw(ONE), "ProductStatuses": [{"Type": kind, "ProductID": [SERVER]}]}
    take(tmp_path, flaw("CVE-2026-10002", FULL), named)
    assert [one[0] for one in told(judged(tmp_path, machine(4405))[1])] == [one[0] for one in said]


def test_an_update_for_a_product_says_that_it_is_affected(tmp_path: Path) -> None:
    _, found = judged(tmp_path, machine(1), {**flaw(ONE, FULL), "ProductStatuses": []})
    assert told(found) == FLAWED


@pytest.mark.parametrize("kind", [0, 1, 3, 5, 6])
def test_only_a_vendors_fix_mends(tmp_path: Path, kind: int) -> None:
    note = {**fix("5068787", "10.0.20348.100", "Security Update", ""), "Type": kind}
    _, found = judged(tmp_path, machine(200, updates=["KB5068787"]), {**flaw(ONE), "Remediations": [note]})
    assert told(found) == [(ONE, "fail", "no-fix")]


def test_a_flaw_weighs_in_each_product_as_it_does_there(tmp_path: Path) -> None:
    weights = [
        {"Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "ProductID": [CORE]},
        {"Vector": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", "ProductID": [SERVER]},
    ]
    take(tmp_path, {**flaw(ONE, FULL), "CVSSScoreSets": weights})
    vectors = [
        [one.vector for one in judged(tmp_path, machine(1, installation=kind))[0] if "/" in one.id]
        for kind in ("Server", "Server Core")
    ]
    assert vectors == [["local"], ["network"]]


def test_what_is_no_flaw_of_windows_is_left_out(tmp_path: Path) -> None:
    found = take(
        tmp_path,
        flaw(ONE, FULL),
        flaw("CVE-2026-10002", ("5120714", "4.8.4690.02", "Security Update", ""), products=("12079-11923",)),
        flaw("CVE-2026-10003", products=("12137-1",)),
        {**flaw(ONE, FULL), "CVE": "ADV990001"},
    )
    assert (found.records, found.bad) == (1, 0)


def test_a_month_takes_the_place_of_its_own_earlier_state_alone(tmp_path: Path) -> None:
    take(tmp_path, flaw(ONE, FULL), id="2026-Oct", current="2026-10-20T08:00:00")
    take(tmp_path, flaw("CVE-2026-10002", FULL))
    take(tmp_path, flaw("CVE-2026-10002", FULL), flaw("CVE-2026-10003", FULL), current="2026-11-21T08:00:00")
    assert {one[0] for one in told(judged(tmp_path, machine(1))[1])} == {ONE, "CVE-2026-10002", "CVE-2026-10003"}
    months = known_months(store.path_of(tmp_path / "feeds", FEED))
    assert {name: flaws for name, (_, flaws) in months.items()} == {"2026-Oct": 1, "2026-Nov": 2}


def test_what_two_months_say_of_one_flaw_is_taken_together(tmp_path: Path) -> None:
    take(tmp_path, flaw(ONE, FULL, exploited=True), id="2026-Oct", current="2026-10-20T08:00:00")
    take(tmp_path, flaw(ONE, HOT))
    controls, found = judged(tmp_path, machine(4346, updates=None))
    assert told(found) == MENDED
    controls, found = judged(tmp_path, machine(1))
    assert told(found) == FLAWED
    assert [one.exploit for one in controls if "/" in one.id] == [5]


def truncated(path: Path) -> Path:
    path.write_text(json.dumps(document([flaw(ONE, FULL)]))[:-40])
    return path


def page(path: Path) -> Path:
    path.write_text("<html><body>Service unavailable</body></html>")
    return path


def nan(path: Path) -> Path:
    path.write_text(json.dumps(document([{**flaw(ONE, FULL), "x": float("nan")}])))
    return path


def nested(path: Path) -> Path:
    path.write_text("[" * 200_000)
    return path


def entities(path: Path) -> Path:
    path.write_text('<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><a>&b;</a>')
    return path


def bomb(path: Path) -> Path:
    return zipped(path, " " * (40 << 20))


def cut(path: Path) -> Path:
    zipped(path, document([flaw(f"CVE-2026-{20000 + n}", FULL) for n in range(50)]))
    path.write_bytes(path.read_bytes()[:-30])
    return path


def twice(path: Path) -> Path:
    return zipped(path, *[document([flaw(f"CVE-2026-{20000 + n}", FULL) for n in range(50)])] * 2)


HOSTILE: list[tuple[Callable[[Path], Path], str]] = [
    (truncated, "not a document of the Security Update Guide"),
    (page, "not a document of the Security Update Guide"),
    (nan, "not a document of the Security Update Guide"),
    (nested, "not a document of the Security Update Guide"),
    (entities, "not a document of the Security Update Guide"),
    (bomb, "more than is allowed"),
    (cut, "not a whole zip archive"),
    (twice, "holds 2026-Nov twice"),
    (lambda p: written(p, document([flaw(ONE, FULL)])), "1 flaws of Windows where there were 50"),
    (lambda p: written(p, document([], current="2026-11-19T08:00:00")), "what is stored of 2026-11-20"),
    (lambda p: written(p, document([flaw(ONE, FULL)], "2027-Jan", "2027-01-13T08:00:00")), "in the future"),
    (lambda p: written(p, document([], "../../etc")), "not a month"),
    (
        lambda p: written(p, document([None, None, *[flaw(f"CVE-2026-{n}", FULL) for n in range(20000, 20050)]])),
        "amiss",
    ),
    (lambda p: written(p, {"value": []}), "not a document of the Security Update Guide"),
]


@pytest.mark.parametrize(("make", "complaint"), HOSTILE)
def test_a_hostile_document_is_refused_and_the_old_one_stays(
    tmp_path: Path, make: Callable[[Path], Path], complaint: str
) -> None:
    old = take(tmp_path, *[flaw(f"CVE-2026-{20000 + n}", FULL) for n in range(50)])
    with pytest.raises(FeedRefused, match=complaint):
        store.take(tmp_path / "feeds", FEED, "guide", make(tmp_path / "hostile"), NOW, Limits())
    assert store.standing(tmp_path / "feeds", FEED) == old
    assert len(told(judged(tmp_path, machine(1))[1])) == 50


def test_a_document_without_any_flaw_of_windows_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="holds no record"):
        take(tmp_path, flaw(ONE, products=("12137-1",)))


def test_an_archive_of_months_is_read_whole(tmp_path: Path) -> None:
    october = document([flaw(ONE, FULL)], "2026-Oct", "2026-10-20T08:00:00")
    archive = zipped(tmp_path / "Microsoft.zip", october, document([flaw("CVE-2026-10002", FULL)]))
    found = store.take(tmp_path / "feeds", FEED, "guide", archive, NOW, Limits(), carried=True)
    assert (found.records, f"{found.fetched_at:%F}") == (2, "2026-11-20")


def test_only_documents_of_months_are_fetched_and_the_newest_alone() -> None:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    listed = [
        {
            "ID": f"{year}-{name}",
            "InitialReleaseDate": f"{year}-{number:02}-10T08:00:00Z",
            "CurrentReleaseDate": f"{year}-{number:02}-20T08:00:00Z",
            "CvrfUrl": f"https://api.msrc.microsoft.com/cvrf/v3.0/document/{year}-{name}",
        }
        for year in (2023, 2024, 2025)
        for number, name in enumerate(months, 1)
    ]
    other = {**listed[0], "ID": "../../../etc/passwd", "InitialReleaseDate": "2026-01-01T08:00:00Z"}
    found = issues(json.dumps({"value": [*listed, other]}).encode())
    assert [one.id for one in found] == [one["ID"] for one in reversed(listed[-24:])]
    for wrong in (b"<html>", b'{"value": [{}]}', b"[]", b'{"value": 7}', b" " * (5 << 20)):
        with pytest.raises(FeedRefused):
            issues(wrong)
