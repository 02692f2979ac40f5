"""The traps between a package and an advisory, each by its name; and what a run says of known flaws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from scanner.exposure.listening import LISTENING
from scanner.model import Asset, Control, Evidence, Finding, Outcome, Problem, Reply
from scanner.threats import packages, store
from scanner.threats.controls import CLEAN, COVERED, WATCHED
from scanner.threats.findings import Threats, findings
from scanner.threats.reading import Limits
from scanner.threats.store import Form
from scanner.threats.support import ENDS, product_of

from .answers import sent
from .feeds_of import NOW, archive, cve, ends_list, epss_list, kev_list, record

DEBIAN = 'ID=debian\nVERSION_ID="12"\n'
ALMA = 'ID=almalinux\nVERSION_ID="9.4"\n'
TODAY = NOW.date()


def row(binary: str, version: str, source: str = "", source_version: str = "", state: str = "ii ") -> str:
    return "\t".join([state, binary, "amd64", version, source or binary, source_version or version])


def offers_of(rows: list[str], origin: str = "Debian") -> str:
    said = [line.split("\t") for line in rows]
    return "".join(f"=\t{origin}\toldstable\t\t{words[1]}\t{words[3]}\tamd64\n" for words in said) + "end\n"


def evidence(
    rows: list[str],
    release: str = DEBIAN,
    offered: str | None = None,
    running: str = "6.1.0-9-amd64",
    rpm: bool = False,
) -> Evidence:
    fact = packages.RPM_PACKAGES if rpm else packages.DPKG_PACKAGES
    replies = {fact.probe.key: sent(fact.probe.key, "".join(f"{line}\n" for line in rows))}
    replies[packages.RELEASE.probe.key] = Reply(release)
    replies[packages.RUNNING.probe.key] = Reply(f"{running}\n")
    if not rpm:
        told = offers_of(rows) if offered is None else offered
        replies[packages.OFFERS.probe.key] = sent(packages.OFFERS.probe.key, told)
    return Evidence("web", NOW, "0", replies)


def judged(
    folder: Path,
    records: list[dict[str, Any]],
    seen: Evidence,
    later: timedelta = timedelta(),
    today: date = TODAY,
    lists: Mapping[str, list[str]] = MappingProxyType({}),
) -> tuple[list[Control], list[Finding]]:
    eco = "AlmaLinux:9" if packages.RPM_PACKAGES.probe.key in seen.replies else "Debian:12"
    filler = record(cve(9999), "never-installed", "1", eco)
    take(folder, "osv", archive(folder / "a.zip", [filler, *records]))
    if "kev" in lists:
        take(folder, "kev", kev_list(folder / "k", lists["kev"]))
    if "epss" in lists:
        take(folder, "epss", epss_list(folder / "e", lists["epss"]))
    with Threats(folder / "feeds", NOW + later) as threats:
        return findings(Asset("web"), seen, threats, today)


def take(folder: Path, form: Form, file: Path) -> None:
    store.take(folder / "feeds", form, form, file, NOW, Limits())


def flaws(found: list[Finding]) -> list[tuple[str, str, str]]:
    """(control, outcome, reason) of all but the three that every asset has."""
    always = {CLEAN, COVERED, WATCHED}
    return [(one.control, one.outcome.value, one.reason) for one in found if one.control not in always]


def only(found: list[Finding], control: str) -> Finding:
    [one] = [each for each in found if each.control == control]
    return one


# ── the twelve traps ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_trap_1_the_source_name_and_version_are_matched_not_the_binarys(tmp_path: Path) -> None:
    seen = evidence([row("libssl3", "3.0.11-1+b1", "openssl", "3.0.11-1")])
    _, found = judged(tmp_path, [record(cve(1), "openssl", "3.0.11-1+b1"), record(cve(2), "libssl3", "9")], seen)
    assert flaws(found) == [(f"{cve(1)}/openssl", "fail", "")]


@pytest.mark.parametrize(("fixed", "open"), [("6.1.192-2", False), ("6.1.192-3", True)])
def test_trap_2_a_signed_kernel_is_held_against_the_unsigned_source(tmp_path: Path, fixed: str, open: bool) -> None:
    rows = [row("linux-image-6.1.0-9-amd64", "6.1.192-2", "linux-signed-amd64", "6.1.192+2")]
    _, found = judged(tmp_path, [record(cve(1), "linux", fixed)], evidence(rows))
    assert bool(flaws(found)) is open


def test_trap_3_a_mended_kernel_that_does_not_run_needs_a_restart(tmp_path: Path) -> None:
    rows = [
        row("linux-image-6.1.0-8-amd64", "6.1.1-1", "linux-signed-amd64", "6.1.1+1"),
        row("linux-image-6.1.0-9-amd64", "6.1.2-1", "linux-signed-amd64", "6.1.2+1"),
        row("linux-image-6.1.0-7-amd64", "6.0.1-1", "linux-signed-amd64", "6.0.1+1"),
    ]
    records = [
        record(cve(1), "linux", "6.1.2-1"),
        record(cve(2), "linux", "6.1.3-1"),
        record(cve(3), "linux", "6.1.1-1"),
    ]
    controls, found = judged(tmp_path, records, evidence(rows, running="6.1.0-8-amd64"))
    assert {one[0] for one in flaws(found)} == {f"{cve(1)}/linux/reboot", f"{cve(2)}/linux"}
    causes = {one.id: one.root_cause for one in controls}
    assert causes[f"{cve(1)}/linux/reboot"] == "restart into the newest kernel"


@pytest.mark.parametrize(
    ("source", "named"), [("linux-signed-6.1-amd64", "linux-6.1"), ("linux-signed-hwe-6.8", "linux-hwe-6.8")]
)
def test_trap_2_a_signed_kernel_of_another_series_is_held_against_that(tmp_path: Path, source: str, named: str) -> None:
    rows = [row("linux-image-6.1.0-9-amd64", "6.1.90-1~deb11u1", source, "6.1.90+1~deb11u1")]
    _, found = judged(tmp_path, [record(cve(1), named, "6.1.94-1~deb11u1")], evidence(rows))
    assert flaws(found) == [(f"{cve(1)}/{named}", "fail", "")]


@pytest.mark.parametrize("binary", ["linux-image-6.1.0-9-amd64-unsigned", "linux-image-unsigned-6.1.0-9-amd64"])
def test_trap_3_a_kernel_without_a_signature_is_the_one_that_runs(tmp_path: Path, binary: str) -> None:
    rows = [row(binary, "6.1.9-1", "linux"), row("linux-image-6.1.0-10-amd64", "6.1.10-1", "linux-signed-amd64")]
    _, found = judged(tmp_path, [record(cve(1), "linux", "6.1.10-1")], evidence(rows, running="6.1.0-9-amd64"))
    assert flaws(found) == [(f"{cve(1)}/linux/reboot", "fail", "")]


@pytest.mark.parametrize("source", ["linux", "linux-6.1"])
@pytest.mark.parametrize(
    "binary",
    ["linux-libc-dev", "linux-headers-6.1.0-9-amd64", "linux-perf", "linux-image-6.1.0-9-amd64-dbg", "bpftool"],
)
def test_trap_4_headers_and_tools_of_a_kernel_hold_no_kernel(tmp_path: Path, binary: str, source: str) -> None:
    _, found = judged(tmp_path, [record(cve(1), source, "9")], evidence([row(binary, "6.1.1-1", source)]))
    assert flaws(found) == []


def test_trap_4_tools_built_of_the_source_of_a_kernel_that_is_there_hold_none(tmp_path: Path) -> None:
    rows = [row("linux-image-6.8-9-riscv", "6.8.2-1", "linux-riscv"), row("tools", "6.8.1-1", "linux-riscv")]
    _, found = judged(tmp_path, [record(cve(1), "linux-riscv", "6.8.2-1")], evidence(rows, running="6.8-9-riscv"))
    assert flaws(found) == []


@pytest.mark.parametrize(
    ("version", "offered"),
    [("8.0-1~bpo12+1", None), ("8.0-1", "=\tGrafana Labs\tstable\t\tcurl\t8.0-1\tamd64\nend\n")],
)
def test_trap_5_a_package_from_elsewhere_is_not_covered(tmp_path: Path, version: str, offered: str | None) -> None:
    _, found = judged(tmp_path, [record(cve(1), "curl", "9")], evidence([row("curl", version)], offered=offered))
    assert flaws(found) == []
    one = only(found, COVERED)
    assert (one.outcome, one.reason, one.subject) == (Outcome.UNKNOWN, "not-covered", "curl")
    assert (only(found, CLEAN).outcome, only(found, CLEAN).reason) == (Outcome.UNKNOWN, "not-covered")


BOOKWORM = f"{DEBIAN}VERSION_CODENAME=bookworm\n"


@pytest.mark.parametrize(
    ("release", "offered", "why"),
    [
        # an archive that is no longer on the list leaves its packages, which are ahead of all that Debian has
        (BOOKWORM, "~ oldstable/bookworm 18.20", "no archive of the distribution has so new a version of it"),
        (BOOKWORM, "= unstable/sid 20.1\n~ oldstable/bookworm 18.20", "it comes from another release, sid"),
        (BOOKWORM, "= stable/trixie 20.1\n~ oldstable/bookworm 18.20", "it comes from another release, trixie"),
        (DEBIAN, "= unstable/ 20.1\n~ oldstable/ 18.20", "it comes from another release, unstable"),
        (BOOKWORM, "= oldstable-backports/bookworm-backports 20.1\n~ oldstable/bookworm 18.20", "it is a backport"),
        (BOOKWORM, "= oldstable-security/bookworm-security 20.1\n= unstable/sid 20.1", ""),
        (BOOKWORM, "= testing/bookworm 20.1", ""),  # the release before it was released
        (BOOKWORM, "~ oldstable/bookworm 20.2", ""),  # behind what Debian has, and Debian's
    ],
)
def test_trap_5_what_only_another_release_or_nobody_here_offers_is_not_covered(
    tmp_path: Path, release: str, offered: str, why: str
) -> None:
    rows = [line.split(" ") for line in offered.splitlines()]
    text = "".join(f"{sign}\tDebian\t{suite}\t\tnodejs\t{version}\tamd64\n" for sign, suite, version in rows) + "end\n"
    seen = evidence([row("nodejs", "20.1")], release, offered=text)
    _, found = judged(tmp_path, [record(cve(1), "nodejs", "18.21"), record(cve(2), "nodejs", "20.3")], seen)
    assert only(found, COVERED).detail.removesuffix(": no advisory here speaks of it") == why
    assert flaws(found) == ([] if why else [(f"{cve(2)}/nodejs", "fail", "")])
    assert only(found, CLEAN).outcome is (Outcome.UNKNOWN if why else Outcome.NOT_APPLICABLE)


@pytest.mark.parametrize("state", ["ii ", "hi ", "iU ", "iF ", "iH ", "iW ", "it ", "rH "])
def test_trap_6_every_state_with_code_on_disk_counts(tmp_path: Path, state: str) -> None:
    _, found = judged(tmp_path, [record(cve(1), "bash", "6")], evidence([row("bash", "5", state=state)]))
    assert flaws(found) == [(f"{cve(1)}/bash", "fail", "")]


@pytest.mark.parametrize("state", ["rc ", "un "])
def test_trap_6_what_was_removed_does_not_count(tmp_path: Path, state: str) -> None:
    _, found = judged(tmp_path, [record(cve(1), "bash", "6")], evidence([row("bash", "5", state=state)]))
    assert flaws(found) == []


def alma(name: str, version: str, label: str = "(none)") -> str:
    return "\t".join([name, version, "x86_64", f"{name}-1-1.src.rpm", "AlmaLinux", label])


@pytest.mark.parametrize(
    ("label", "expected"), [("nodejs:18:8090:abc", ["fail"]), ("nodejs:20:8090:abc", []), ("(none)", [])]
)
def test_trap_7_an_advisory_counts_only_in_its_module_stream(tmp_path: Path, label: str, expected: list[str]) -> None:
    fixed = "1:18.20-1.module_el9.4.0+1+a"
    one = record("ALSA-2026:1", "nodejs", fixed, "AlmaLinux:9", summary="Important: nodejs:18 security update")
    _, found = judged(tmp_path, [one], evidence([alma("nodejs", "1:18.1-1", label)], ALMA, rpm=True))
    assert [outcome for _, outcome, _ in flaws(found)] == expected


def test_trap_7_an_advisory_without_the_epoch_proves_nothing(tmp_path: Path) -> None:
    records = [
        record("ALSA-2026:1", "bind", "9.16-2", "AlmaLinux:9"),
        record("ALSA-2026:2", "bind", "9.15-2", "AlmaLinux:9"),
    ]
    _, found = judged(tmp_path, records, evidence([alma("bind", "32:9.16-1")], ALMA, rpm=True))
    assert flaws(found) == [("ALSA-2026:1/bind/incomparable", "unknown", "could-not-compare")]


@pytest.mark.parametrize(("version", "open"), [("32:9.16-1", True), ("32:9.16-2", True), ("32:9.16-3", False)])
def test_trap_7_the_last_version_that_is_affected_is_so_without_its_epoch_too(
    tmp_path: Path, version: str, open: bool
) -> None:
    events = [{"introduced": "0"}, {"last_affected": "9.16-2"}]
    records = [record("ALSA-2026:1", "bind", None, "AlmaLinux:9", events=events)]
    _, found = judged(tmp_path, records, evidence([alma("bind", version)], ALMA, rpm=True))
    assert [one[1] for one in flaws(found)] == (["unknown"] if open else [])


def test_trap_3_a_mended_kernel_on_disk_is_told_apart_from_a_missing_update(tmp_path: Path) -> None:
    rows = [row(f"linux-image-6.1.0-{n}-amd64", f"6.1.{n}-1", "linux-signed-amd64", f"6.1.{n}+1") for n in (8, 9)]
    controls, found = judged(tmp_path, [record(cve(1), "linux", "6.1.9-1")], evidence(rows, running="6.1.0-8-amd64"))
    assert flaws(found) == [(f"{cve(1)}/linux/reboot", "fail", "")]
    assert [one.fix[:7] for one in controls if one.id.endswith("/reboot")] == ["Restart"]


def test_trap_8_code_that_was_mended_on_disk_and_still_runs_is_told_although_no_flaw_is_listed(tmp_path: Path) -> None:
    _, found = judged(tmp_path, [record(cve(1), "openssl", "3.1")], evidence([row("libssl3", "3.1", "openssl")]))
    assert only(found, CLEAN).outcome is Outcome.PASS
    mapped = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
    old = f"e 1\nl 8 gone {mapped}\nl 9 there {mapped}\nx /proc/8 /usr/sbin/nginx\nby dpkg\nend\n"
    assert LISTENING.parse(old).stale == {"/usr/sbin/nginx": (mapped,)}
    assert LISTENING.parse(old.replace("gone", "there")).stale == {}


def test_trap_9_no_fix_and_no_weight_are_states_of_their_own(tmp_path: Path) -> None:
    records = [
        record(cve(1), "bash", None),
        record(cve(2), "bash", None, urgency="unimportant"),
        record(cve(3), "bash", "0"),
        record(cve(4), "bash", "6"),
    ]
    controls, found = judged(tmp_path, records, evidence([row("bash", "5")]))
    assert flaws(found) == [
        (f"{cve(1)}/bash/no-fix", "fail", "no-fix"),
        (f"{cve(2)}/bash/ignored", "not-applicable", "the distribution holds it to be of no weight"),
        (f"{cve(4)}/bash", "fail", ""),
    ]
    causes = {one.id: one.root_cause for one in controls}
    assert causes[f"{cve(1)}/bash/no-fix"] != causes[f"{cve(4)}/bash"]


def test_trap_10_an_ended_release_or_package_is_not_clean(tmp_path: Path) -> None:
    after = ENDS["Debian:12"] + timedelta(days=1)
    _, found = judged(tmp_path, [], evidence([row("bash", "5")]), today=after)
    assert found[0].reason == "no-longer-watched"
    assert only(found, CLEAN).outcome is Outcome.UNKNOWN
    ended = record(cve(1), "bash", None, urgency="end-of-life")
    _, found = judged(tmp_path, [ended], evidence([row("bash", "5")]))
    assert flaws(found) == [(f"{cve(1)}/bash/unwatched", "unknown", "no-longer-watched")]


def test_trap_11_a_version_that_cannot_be_read_is_said_with_the_string(tmp_path: Path) -> None:
    _, found = judged(tmp_path, [record(cve(1), "bash", "6_x!")], evidence([row("bash", "5")]))
    assert flaws(found) == [(f"{cve(1)}/bash/incomparable", "unknown", "could-not-compare")]
    assert any("6_x!" in one.detail for one in found)
    _, found = judged(tmp_path, [record(cve(1), "bash", "6")], evidence([row("bash", "v5")]))
    assert flaws(found) == [("version/bash/incomparable", "unknown", "could-not-compare")]
    assert any("v5" in one.detail for one in found)


@pytest.mark.parametrize(
    ("version", "open"), [("1.1", True), ("1.2", False), ("2.3", True), ("2.4", False), ("3.1", True)]
)
def test_trap_12_several_ranges_and_the_last_affected_version_count(tmp_path: Path, version: str, open: bool) -> None:
    events = [
        {"introduced": "0"},
        {"fixed": "1.2"},
        {"introduced": "2.0"},
        {"last_affected": "2.3"},
        {"introduced": "3"},
    ]
    one = record(cve(1), "bash", None, events=events)
    _, found = judged(tmp_path, [one], evidence([row("bash", version)]))
    assert bool(flaws(found)) is open


@pytest.mark.parametrize(("version", "open"), [("1.1", True), ("1.2", False), ("2.3", True), ("2.4", False)])
def test_trap_12_events_count_in_the_order_of_versions_whichever_way_they_stand(
    tmp_path: Path, version: str, open: bool
) -> None:
    sorted_up = [{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"fixed": "2.4"}]
    ways = permutations(sorted_up)
    records = [record(cve(number), "bash", None, events=list(events)) for number, events in enumerate(ways)]
    _, found = judged(tmp_path, records, evidence([row("bash", version)]))
    assert len(flaws(found)) == (24 if open else 0)


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [{"type": "GIT", "repo": "https://x", "events": [{"introduced": "0"}]}],
        [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "9.0.0"}]}],
        [{"type": "ECOSYSTEM", "events": [{"fixed": "9"}]}],
        [{"type": "ECOSYSTEM", "events": []}],
    ],
)
def test_trap_12_an_advisory_that_names_no_version_here_is_not_passed_over(tmp_path: Path, ranges: list[Any]) -> None:
    one = record(cve(1), "bash", "6")
    one["affected"][0]["ranges"] = ranges
    _, found = judged(tmp_path, [one], evidence([row("bash", "5")]))
    assert flaws(found) == [(f"{cve(1)}/bash/incomparable", "unknown", "could-not-compare")]
    assert only(found, CLEAN).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(("version", "open"), [("4.9", False), ("5", True), ("5.0", False)])
def test_trap_12_versions_without_a_range_count_one_by_one(tmp_path: Path, version: str, open: bool) -> None:
    one = record(cve(1), "bash", "6")
    one["affected"][0] |= {"ranges": [], "versions": ["5", "5.1"]}
    _, found = judged(tmp_path, [one], evidence([row("bash", version)]))
    assert bool(flaws(found)) is open


@pytest.mark.parametrize(
    ("id", "cves", "open"),
    [
        ("ALBA-2026:1", [], False),
        ("ALEA-2026:1", [], False),
        ("ALBA-2026:1", ["CVE-2026-0001"], True),
        ("ALSA-2026:1", [], True),  # of security, though nobody filled in which flaws
    ],
)
def test_an_update_that_mends_no_flaw_is_none(tmp_path: Path, id: str, cves: list[str], open: bool) -> None:
    one = record(id, "bash", "5.2-1", "AlmaLinux:9", upstream=[], related=cves)
    _, found = judged(tmp_path, [one], evidence([alma("bash", "0:5.1-1")], ALMA, rpm=True))
    assert [one[1] for one in flaws(found)] == (["fail"] if open else [])
    assert only(found, CLEAN).outcome is (Outcome.NOT_APPLICABLE if open else Outcome.PASS)


def test_an_advisory_for_a_distribution_counts_in_each_of_its_releases(tmp_path: Path) -> None:
    records = [record(cve(1), "bash", "6", "Debian"), record(cve(2), "bash", "6", "Debian:13")]
    _, found = judged(tmp_path, records, evidence([row("bash", "5")]))
    assert flaws(found) == [(f"{cve(1)}/bash", "fail", "")]


TRAPS = {
    1: "the advisory names the source, the host the binary",
    2: "a signed kernel has a source and a version of its own",
    3: "the kernel on disk, the newest one and the running one differ",
    4: "headers and tools carry the kernel's source and hold no kernel",
    5: "backports and third parties are not what advisories speak of",
    6: "code is on disk in more states than installed, and after removal it is not",
    7: "epochs that are left out, and streams of modules",
    8: "what is mended on disk still runs",
    9: "no fix yet and no weight are neither a missing update nor clean",
    10: "nobody watches an ended release or package",
    11: "versions that have no place in the order",
    12: "CVEs in several fields, withdrawn advisories, several ranges, last_affected",
}


def test_every_trap_has_a_test_of_its_own() -> None:
    named = {int(name.split("_")[2]) for name in globals() if name.startswith("test_trap_")}
    assert named == set(TRAPS)


@pytest.mark.parametrize("field", ["aliases", "upstream", "related"])
def test_trap_12_a_cve_is_found_in_whichever_field_it_stands(tmp_path: Path, field: str) -> None:
    one = {**record("DSA-1-1", "bash", "6"), "aliases": [], "upstream": [], "related": [], field: ["CVE-2026-0001"]}
    _, controls = judged_controls(tmp_path, one)
    assert controls["DSA-1-1/bash"].references["cve"] == ("CVE-2026-0001",)


def test_trap_12_a_withdrawn_advisory_does_not_count(tmp_path: Path) -> None:
    one = {**record(cve(1), "bash", "6"), "withdrawn": "2026-01-01T00:00:00Z"}
    found, _ = judged_controls(tmp_path, one)
    assert flaws(found) == []


def judged_controls(folder: Path, one: dict[str, Any]) -> tuple[list[Finding], dict[str, Control]]:
    controls, found = judged(folder, [one], evidence([row("bash", "5")]))
    return found, {control.id: control for control in controls}


# ── what a run says ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_known_in_fresh_advisories_is_a_pass(tmp_path: Path) -> None:
    _, found = judged(tmp_path, [], evidence([row("bash", "5")]))
    assert {one.control: one.outcome for one in found} == dict.fromkeys([WATCHED, COVERED, CLEAN], Outcome.PASS)


def test_an_old_feed_turns_nothing_known_into_unknown(tmp_path: Path) -> None:
    _, found = judged(tmp_path, [], evidence([row("bash", "5")]), later=timedelta(days=40))
    assert only(found, CLEAN).outcome is Outcome.UNKNOWN
    assert only(found, CLEAN).reason == "feed-too-old"
    assert "feed 40 days old" in only(found, CLEAN).detail


def test_a_list_that_is_offered_unchanged_for_long_is_not_fresh_however_often_it_is_fetched(tmp_path: Path) -> None:
    take(tmp_path, "osv", archive(tmp_path / "a.zip", [record(cve(1), "zip", "6")]))
    later = NOW + timedelta(days=40)
    store.confirmed(tmp_path / "feeds", "osv", later)
    with Threats(tmp_path / "feeds", later) as threats:
        _, found = findings(Asset("web"), evidence([row("bash", "5")]), threats, TODAY)
    assert (only(found, CLEAN).outcome, only(found, CLEAN).reason) == (Outcome.UNKNOWN, "feed-too-old")
    assert only(found, CLEAN).detail.startswith("nothing new in osv for 62 days")
    assert "fetched 0 days ago" in only(found, WATCHED).observed


@pytest.mark.parametrize("form", ["osv", "kev"])
@pytest.mark.parametrize("part", ["head", "middle"])
def test_a_damaged_list_is_left_out_and_said_and_never_a_pass(tmp_path: Path, form: str, part: str) -> None:
    many = [record(cve(n), f"p{n}", "6") for n in range(900)]
    take(tmp_path, "osv", archive(tmp_path / "a.zip", [record(cve(999), "bash", "6"), *many]))
    take(tmp_path, "kev", kev_list(tmp_path / "k", [f"CVE-2020-{10000 + n}" for n in range(900)]))
    path = store.path_of(tmp_path / "feeds", form)
    content = bytearray(path.read_bytes())
    for at in range(0 if part == "head" else 3 * 4096, len(content) if part == "middle" else 1, 4096):
        content[at : at + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    with Threats(tmp_path / "feeds", NOW) as threats:
        _, found = findings(Asset("web"), evidence([row("bash", "7")]), threats, TODAY)
        said = [*threats.damaged]
    if form == "kev":
        assert (said, only(found, CLEAN).outcome) == (["kev"], Outcome.PASS)
        assert only(found, WATCHED).observed.endswith("; no kev list; no epss list; kev cannot be read")
    else:
        assert only(found, WATCHED).outcome is Outcome.UNKNOWN
        assert only(found, WATCHED).reason == ("no-feed" if part == "head" else "feed-damaged")
        assert not any(one.outcome is Outcome.PASS for one in found if one.control == CLEAN)


def test_a_release_that_no_feed_knows_is_unknown(tmp_path: Path) -> None:
    seen = evidence([row("bash", "5")], release='ID=debian\nVERSION_ID="13"\n')
    _, found = judged(tmp_path, [record(cve(1), "bash", "6")], seen)
    assert (only(found, WATCHED).reason, only(found, CLEAN).outcome) == ("no-feed", Outcome.UNKNOWN)


@pytest.mark.parametrize("problem", ["denied", "truncated", "timed-out", "failed"])
def test_packages_that_could_not_be_read_are_never_a_pass(tmp_path: Path, problem: Problem) -> None:
    seen = evidence([row("bash", "5")])
    replies = {**seen.replies, packages.DPKG_PACKAGES.probe.key: Reply(problem=problem, detail="no")}
    _, found = judged(tmp_path, [], replace(seen, replies=replies))
    assert [(one.outcome, one.reason) for one in found] == [(Outcome.UNKNOWN, problem)]


def test_without_package_lists_nothing_known_is_unknown(tmp_path: Path) -> None:
    _, found = judged(tmp_path, [], evidence([row("bash", "5")], offered="end\n"))
    assert (only(found, COVERED).outcome, only(found, CLEAN).outcome) == (Outcome.UNKNOWN, Outcome.UNKNOWN)


def test_a_kernel_from_elsewhere_is_said(tmp_path: Path) -> None:
    rows = [row("linux-image-6.1.0-9-amd64", "6.1.1-1", "linux-signed-amd64", "6.1.1+1")]
    _, found = judged(tmp_path, [], evidence(rows, running="6.18-custom"))
    assert ("not-covered", "kernel") in {(one.reason, one.subject) for one in found}
    assert only(found, CLEAN).outcome is Outcome.UNKNOWN


def test_one_upgrade_mends_all_advisories_of_a_source(tmp_path: Path) -> None:
    seen = evidence([row("libssl3", "3.0.1", "openssl"), row("openssl", "3.0.1")])
    controls, found = judged(tmp_path, [record(cve(n), "openssl", "3.1") for n in range(14)], seen)
    assert len(flaws(found)) == 14
    assert {one.root_cause for one in controls if "/" in one.id} == {"upgrade openssl"}


def test_one_source_in_two_versions_is_one_finding_that_names_both(tmp_path: Path) -> None:
    seen = evidence([row("libssl3", "3.0.1", "openssl"), row("openssl", "3.0.2"), row("libssl-dev", "3.2", "openssl")])
    _, found = judged(tmp_path, [record(cve(1), "openssl", "3.1")], seen)
    assert flaws(found) == [(f"{cve(1)}/openssl", "fail", "")]
    one = only(found, f"{cve(1)}/openssl")
    assert (one.observed, one.detail) == ("openssl 3.0.1", f"{cve(1)} (also 3.0.2)")


def test_what_is_exploited_now_weighs_most(tmp_path: Path) -> None:
    records = [record(cve(n), "bash", "6") for n in range(3)]
    names = [one.removeprefix("DEBIAN-") for one in (cve(0), cve(1), cve(2))]
    lists = {"kev": [names[0]], "epss": [f"{names[0]},0.001,0.1", f"{names[1]},5e-05,0.1"]}
    controls, _ = judged(tmp_path, records, evidence([row("bash", "5")]), lists=lists)
    assert [one.exploit for one in controls if "/" in one.id] == [5, 1, 4]


@pytest.mark.parametrize("first", ["CVSS_V3", "CVSS_V4"])
def test_a_vector_of_version_4_counts_where_there_is_none_of_version_3(tmp_path: Path, first: str) -> None:
    local = {"type": "CVSS_V4", "score": "CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"}
    older = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
    severity = [local] if first == "CVSS_V4" else [local, older]
    one = record(cve(1), "bash", "6", severity=severity)
    _, controls = judged_controls(tmp_path, one)
    assert controls[f"{cve(1)}/bash"].vector == ("physical" if first == "CVSS_V3" else "local")


def test_a_flaw_is_found_with_the_feed_of_its_own_release_only(tmp_path: Path) -> None:
    _, found = judged(tmp_path, [record(cve(1), "bash", "6", "Debian:13")], evidence([row("bash", "5")]))
    assert flaws(found) == []


def test_evidence_without_packages_says_nothing(tmp_path: Path) -> None:
    assert judged(tmp_path, [], Evidence("net", NOW, "0", {})) == ([], [])


def test_a_list_of_ends_decides_whether_a_release_is_still_watched(tmp_path: Path) -> None:
    ended = ends_list(tmp_path / "ends", {"debian": [("12", "2025-06-10", "2026-10-31")]})
    take(tmp_path, "ends", ended)
    _, found = judged(tmp_path, [], evidence([row("bash", "5")]))
    assert (only(found, WATCHED).reason, only(found, CLEAN).outcome) == ("no-longer-watched", Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("ecosystem", "product"),
    [
        ("Debian:12", ("debian", "12")),
        ("Ubuntu:24.04:LTS", ("ubuntu", "24.04")),
        ("Rocky Linux:9", ("rocky-linux", "9")),
        ("Red Hat:enterprise_linux:9", ("rhel", "9")),
        ("SUSE:Linux Enterprise 15 SP6", ("sles", "15.6")),
        ("openSUSE:Leap 15.6", ("opensuse", "15.6")),
        ("Alpine:v3.20", ("alpine-linux", "3.20")),
        ("", ("", "")),
    ],
)
def test_a_release_is_found_under_the_name_that_the_list_of_ends_has(ecosystem: str, product: tuple[str, str]) -> None:
    assert product_of(ecosystem) == product


# ── other distributions ──────────────────────────────────────────────────────────────────────────────────────────────

RHEL = 'ID="rhel"\nVERSION_ID="9.4"\n'
ROCKY = 'ID="rocky"\nVERSION_ID="9.4"\n'
SLES = 'ID="sles"\nVERSION_ID="15.6"\n'
LEAP = 'ID="opensuse-leap"\nVERSION_ID="15.6"\n'
ALPINE = "ID=alpine\nVERSION_ID=3.22.1\n"
VENDORS = {
    RHEL: "Red Hat, Inc.",
    ROCKY: "Rocky Enterprise Software Foundation",
    SLES: "SUSE LLC <https://www.suse.com/>",
}
VENDORS |= {LEAP: "openSUSE", ALMA: "AlmaLinux"}
BASESYSTEM = "SUSE:Linux Enterprise Module for Basesystem 15 SP6"


def rpm_row(release: str, name: str, version: str, source: str = "", label: str = "(none)") -> str:
    bare = version.partition(":")[2] or version
    return "\t".join([name, version, "x86_64", f"{source or name}-{bare}.src.rpm", VENDORS[release], label])


def found_on(
    folder: Path,
    records: list[dict[str, Any]],
    rows: list[str],
    release: str,
    running: str = "6.1",
    today: date = TODAY,
) -> list[Finding]:
    take(folder, "osv", archive(folder / "a.zip", records))
    with Threats(folder / "feeds", NOW) as threats:
        return findings(Asset("web"), evidence(rows, release, running=running, rpm=True), threats, today)[1]


@pytest.mark.parametrize("part", ["::baseos", "::appstream", "::crb", ""])
def test_red_hats_repositories_are_one_release(tmp_path: Path, part: str) -> None:
    records = [
        record("RHSA-2026:1", "openssl-libs", "1:3.0.7-28.el9", f"Red Hat:enterprise_linux:9{part}"),
        record("RHSA-2026:2", "openssl-libs", "1:3.0.7-99.el8", "Red Hat:enterprise_linux:8::baseos"),
        record("RHSA-2026:3", "openssl-libs", "1:3.0.7-99.el9", "Red Hat:rhel_eus:9.2::baseos"),
    ]
    rows = [rpm_row(RHEL, "openssl-libs", "1:3.0.7-27.el9", "openssl")]
    assert flaws(found_on(tmp_path, records, rows, RHEL)) == [("RHSA-2026:1/openssl-libs", "fail", "")]


@pytest.mark.parametrize("named", ["openssl", "openssl-libs"])
def test_rockys_advisories_may_name_the_source_or_the_package(tmp_path: Path, named: str) -> None:
    records = [record("RLSA-2026:1", named, "1:3.0.7-28.el9", "Rocky Linux:9")]
    rows = [rpm_row(ROCKY, "openssl-libs", "1:3.0.7-27.el9", "openssl")]
    assert flaws(found_on(tmp_path, records, rows, ROCKY)) == [(f"RLSA-2026:1/{named}", "fail", "")]


def test_suses_advisories_name_the_source_in_whichever_module_it_is(tmp_path: Path) -> None:
    records = [
        record("SUSE-SU-2026:1", "openssl-3", "3.1.4-150600.5.9", BASESYSTEM),
        record("SUSE-SU-2026:2", "openssl-3", "3.1.4-150600.9.9", "SUSE:Linux Enterprise Server 15 SP6-LTSS"),
        record("SUSE-SU-2026:3", "openssl-3", "3.1.4-150600.9.9", "SUSE:Linux Enterprise Live Patching 15 SP6"),
        record("SUSE-SU-2026:4", "libopenssl3", "3.1.4-150600.9.9", "SUSE:Linux Enterprise Server 15 SP5"),
    ]
    rows = [rpm_row(SLES, "libopenssl3", "0:3.1.4-150600.5.7", "openssl-3"), rpm_row(SLES, "zip", "0:3.0-2")]
    found = found_on(tmp_path, records, rows, SLES, today=date(2025, 11, 30))
    assert flaws(found) == [("SUSE-SU-2026:1/openssl-3", "fail", "")]


def test_leap_has_packages_of_suse_and_of_opensuse(tmp_path: Path) -> None:
    records = [record("openSUSE-SU-2026:1", "zip", "3.1-1", "openSUSE:Leap 15.6")]
    rows = [rpm_row(LEAP, "zip", "0:3.0-1"), rpm_row(LEAP, "bash", "0:5-1").replace("openSUSE", "SUSE LLC <x>")]
    found = found_on(tmp_path, records, rows, LEAP)
    assert flaws(found) == [("openSUSE-SU-2026:1/zip", "fail", "")]
    assert only(found, COVERED).outcome is Outcome.PASS


@pytest.mark.parametrize("stored", [["SUSE"], ["SUSE", "openSUSE"]])
def test_leap_is_held_against_opensuses_own_archive_though_suses_speaks_of_it_too(
    tmp_path: Path, stored: list[str]
) -> None:
    both = record("SUSE-SU-1", "openssl-3", "3.1-1", "openSUSE:Leap 15.6")
    own = record("openSUSE-SU-1", "vim", "9.9-1", "openSUSE:Leap 15.6")
    for name, records in (("SUSE", [both]), ("openSUSE", [both, own])):
        if name in stored:
            file = archive(tmp_path / f"{name}.zip", records)
            store.take(tmp_path / "feeds", name, "osv", file, NOW, Limits())
    replies = {
        packages.RPM_PACKAGES.probe.key: sent(
            packages.RPM_PACKAGES.probe.key, rpm_row(LEAP, "vim", "0:9.1-1", "vim") + "\n"
        ),
        packages.RELEASE.probe.key: Reply(LEAP),
        packages.RUNNING.probe.key: Reply("6.4.0-150600.23.7-default\n"),
    }
    with Threats(tmp_path / "feeds", NOW) as threats:
        _, found = findings(Asset("web"), Evidence("web", NOW, "0", replies), threats, TODAY)
    if "openSUSE" in stored:
        assert flaws(found) == [("openSUSE-SU-1/vim", "fail", "")]
    else:
        assert (only(found, WATCHED).reason, only(found, CLEAN).outcome) == ("no-feed", Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("release", "ecosystem", "name", "named", "old", "new", "running"),
    [
        (ALMA, "AlmaLinux:9", "kernel-core", "kernel-core", "5.14.0-1.el9", "5.14.0-2.el9", "5.14.0-1.el9.x86_64"),
        (RHEL, "Red Hat:enterprise_linux:9::baseos", "kernel-core", "kernel-core", "5.14.0-1.el9", "5.14.0-2.el9",
         "5.14.0-1.el9.x86_64"),
        (ROCKY, "Rocky Linux:9", "kernel-core", "kernel", "5.14.0-1.el9", "5.14.0-2.el9", "5.14.0-1.el9.x86_64"),
        (SLES, BASESYSTEM, "kernel-default", "kernel-default", "6.4.0-150600.23.7.1", "6.4.0-150600.23.8.1",
         "6.4.0-150600.23.7-default"),
    ],
)  # fmt: skip
def test_of_several_kernels_the_newest_and_the_running_one_count(
    tmp_path: Path, release: str, ecosystem: str, name: str, named: str, old: str, new: str, running: str
) -> None:
    source = "kernel-default" if release == SLES else "kernel"
    rows = [rpm_row(release, name, f"0:{version}", source) for version in (old, new)]
    rows += [rpm_row(release, "kernel-headers", f"0:{old}", source)] if release != SLES else []
    records = [record("SA-1", named, new, ecosystem)]
    found = found_on(tmp_path, records, rows, release, running, today=date(2025, 11, 30))
    assert flaws(found) == [(f"SA-1/{named}/reboot", "fail", "")]
    after = running.replace("-1.el9", "-2.el9").replace("23.7", "23.8")
    assert flaws(found_on(tmp_path, records, rows, release, after, today=date(2025, 11, 30))) == []


def alpine(folder: Path, records: list[dict[str, Any]], database: str, places: str) -> list[Finding]:
    take(folder, "osv", archive(folder / "a.zip", records))
    replies = {
        packages.DPKG_PACKAGES.probe.key: Reply(problem="absent"),
        packages.RPM_PACKAGES.probe.key: Reply(problem="absent"),
        packages.APK_PACKAGES.probe.key: sent(packages.APK_PACKAGES.probe.key, database),
        packages.APK_REPOSITORIES.probe.key: Reply(places),
        packages.RELEASE.probe.key: Reply(ALPINE),
        packages.RUNNING.probe.key: Reply("6.12.30-0-lts\n"),
    }
    with Threats(folder / "feeds", NOW) as threats:
        return findings(Asset("web"), Evidence("web", NOW, "0", replies), threats, TODAY)[1]


OWN = "https://dl-cdn.alpinelinux.org/alpine/v3.22/main\n"


def test_alpines_packages_are_matched_by_origin_in_apks_own_order(tmp_path: Path) -> None:
    database = "P:libssl3\nV:3.5.0_rc2-r1\no:openssl\n\nP:linux-lts\nV:6.12.30-r0\no:linux-lts\n\n"
    records = [
        record("ALPINE-CVE-2026-10001", "openssl", "3.5.0-r0", "Alpine:v3.22"),
        record("ALPINE-CVE-2026-10002", "openssl", "3.5.0_rc1-r9", "Alpine:v3.22"),
        record("ALPINE-CVE-2026-10003", "openssl", "3.9-r0", "Alpine:v3.21"),
        record("ALPINE-CVE-2026-10004", "linux-lts", "6.12.31-r0", "Alpine:v3.22"),
    ]
    found = alpine(tmp_path, records, database, OWN)
    assert {name for name, *_ in flaws(found)} == {"ALPINE-CVE-2026-10001/openssl", "ALPINE-CVE-2026-10004/linux-lts"}
    assert only(found, COVERED).outcome is Outcome.PASS


def test_alpine_with_other_repositories_is_never_clean(tmp_path: Path) -> None:
    records = [record("ALPINE-CVE-2026-10001", "openssl", "3.5.0-r0", "Alpine:v3.22")]
    found = alpine(tmp_path, records, "P:zip\nV:3.0-r1\no:zip\n\n", f"{OWN}@edge https://x/alpine/edge/testing\n")
    assert (only(found, COVERED).reason, only(found, CLEAN).outcome) == ("undetermined", Outcome.UNKNOWN)


def test_a_package_manager_of_another_distribution_is_not_believed(tmp_path: Path) -> None:
    """rpm's host with a dpkg beside it that knows of nothing: no package at all is not "no flaw"."""
    seen = evidence([alma("bash", "0:5.1-1")], ALMA, rpm=True)
    key = packages.DPKG_PACKAGES.probe.key
    both = replace(seen, replies={**seen.replies, key: sent(key, "")})
    one = record("ALSA-2026:1", "bash", "5.2-1", "AlmaLinux:9")
    take(tmp_path, "osv", archive(tmp_path / "a.zip", [one]))
    with Threats(tmp_path / "feeds", NOW) as threats:
        _, found = findings(Asset("web"), both, threats, TODAY)
    assert flaws(found) == [("ALSA-2026:1/bash", "fail", "")]


@pytest.mark.parametrize("release", [DEBIAN, 'ID=strange\nVERSION_ID="1"\n'])
def test_no_package_at_all_is_unknown(tmp_path: Path, release: str) -> None:
    seen = evidence([], release, offered="end\n")
    take(tmp_path, "osv", archive(tmp_path / "a.zip", [record(cve(1), "bash", "6")]))
    with Threats(tmp_path / "feeds", NOW) as threats:
        _, found = findings(Asset("web"), seen, threats, TODAY)
    assert [(one.control, one.outcome) for one in found] == [(WATCHED, Outcome.UNKNOWN)]
