"""A control says which view it wants: what is in force, what the next start will take, or both."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from checks.linux import audit, boot, modules, mounts, services, sysctl, system
from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.errors import UsageError
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Baseline, Fact, Local, Outcome, Term
from scanner.plan import plan_asset, plan_baseline
from scanner.views import VIEWS

from .answers import sent

CATALOGUE = Catalogue()
UNIT = "f\t9\t/usr/lib/systemd/system/{0}\t\nl\t9\t/etc/systemd/system/multi-user.target.wants/{0}\t/x/{0}\n"
SPACE = "0\n/proc/sys/kernel/randomize_va_space:{}\n"
ACTIVE = "{}.service loaded active running x\n"
MOUNT = "36 35 98:0 / /tmp rw,{} - tmpfs tmpfs rw\n"
RULES = "-a always,exit -F arch=b64 -S adjtimex -k x\n-a always,exit -F arch=b32 -S adjtimex -k x\n"
GRUB = "== /boot/grub/grub.cfg\nlinux /vmlinuz {0}\n== /etc/default/grub\nGRUB_CMDLINE_LINUX={0}\n"


def one_file(path: str, text: str) -> str:
    return json.dumps({path: text})


def fstab(option: str) -> str:
    return one_file("/etc/fstab", f"x /tmp tmpfs {option} 0 0\n")


Side = tuple[Fact[Any], str, str]
# Kind of setting -> control, what is written down (good, bad) and what is in force (good, bad).
TWO_SIDES: dict[str, tuple[str, Side, Side]] = {
    "kernel setting": (
        "KERN-01",
        (sysctl.PERSISTED, one_file("/etc/sysctl.d/a.conf", "kernel.randomize_va_space = 2\n"), "{}"),
        (sysctl.RUNNING, SPACE.format(2), SPACE.format(1)),
    ),
    "unit": (
        "SVC-04a",
        (services.UNITS, UNIT.format("ssh.service"), UNIT.format("named.service")),
        (services.ACTIVE_UNITS, ACTIVE.format("ssh"), ACTIVE.format("named")),
    ),
    "mount": (
        "MNT-01b",
        (mounts.CONFIGURED, fstab("nodev"), fstab("rw")),
        (mounts.MOUNTED, MOUNT.format("nodev"), MOUNT.format("noatime")),
    ),
    "rule of the audit": (
        "AUD-23a",
        (audit.DISK, one_file("/etc/audit/rules.d/a.rules", RULES), "{}"),
        (audit.KERNEL, RULES + "enabled 1\n", "No rules\nenabled 1\n"),
    ),
    "kernel module": (
        "MOD-01",
        (modules.RULE_FILES, one_file("/etc/modprobe.d/a.conf", "install cramfs /bin/false\nblacklist cramfs\n"), "{}"),
        (modules.LOADED, "ext4 1024 1 - Live 0x0\n--\n", "cramfs 1024 1 - Live 0x0\n--\n"),
    ),
    "argument of the kernel": (
        "AUD-03",
        (boot.GRUB, GRUB.format("audit=1"), GRUB.format("quiet")),
        (boot.NOW, "root=x audit=1\n", "root=x\n"),
    ),
}
BESIDE = {
    services.UNITS.probe.key: "",
    system.MACHINE.probe.key: "x86_64\n",
    system.RELEASE.probe.key: one_file("/etc/os-release", "ID=debian\nVERSION_ID=12\n"),
}
AT_USE = {"login rule": "PAM-02", "rule of sudo": "SUDO-04", "password's age": "PWD-01b", "mode of a file": "FILE-05c"}


@cache
def viewed(view: str) -> Baseline:
    """debian-12 with that view of every control named here."""
    names = [*(control for control, _, _ in TWO_SIDES.values()), *AT_USE.values(), "SSH-20"]
    return company([f"  - id: {name}\n    given: {{view: {view}}}\n" for name in names])


@cache
def shipped() -> Baseline:
    return read_baseline(CATALOGUE.baseline_file("debian-12"), CATALOGUE)


def company(controls: list[str]) -> Baseline:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "company.yaml"
        head = "id: company\nversion: '1'\ntitle: x\napplies_to: {kind: linux}\nextends: debian-12\ncontrols:\n"
        file.write_text(head + "".join(controls))
        return read_baseline(file, CATALOGUE)


def terms_of(baseline: Baseline, id: str) -> tuple[Term, ...]:
    return next(one for one in baseline.controls if one.id == id).terms


def outcome(baseline: Baseline, control: str, texts: dict[str, str]) -> Outcome:
    one = plan_baseline(baseline, CATALOGUE, {"id": frozenset({control})})
    plan = plan_asset(Asset("host", access=Access(local=Local())), [one])
    replies = {key: sent(key, text) for key, text in {**BESIDE, **texts}.items()}
    (found,) = Judge().findings(plan, make_evidence("host", replies, {}))
    assert found.outcome in {Outcome.PASS, Outcome.FAIL}, found
    return found.outcome


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", TWO_SIDES)
def test_a_view_judges_its_own_side_and_both_need_both(kind: str, view: str) -> None:
    control, (written, *texts), (in_force, *states) = TWO_SIDES[kind]
    for good_written in (True, False):
        for good_now in (True, False):
            sides = {"configured": good_written, "effective": good_now}
            replies = {written.probe.key: texts[not good_written], in_force.probe.key: states[not good_now]}
            wanted = all(sides[side] for side in VIEWS[view])
            assert (outcome(viewed(view), control, replies) is Outcome.PASS) is wanted, sides


@pytest.mark.parametrize("view", ["configured", "effective"])
@pytest.mark.parametrize("kind", TWO_SIDES)
def test_the_configured_view_asks_nothing_of_the_running_system(kind: str, view: str) -> None:
    checks = [CATALOGUE.check(term.check) for term in terms_of(viewed(view), TWO_SIDES[kind][0])]
    assert checks
    assert {any(fact.probe.running for fact in check.facts) for check in checks} == {view == "effective"}


@pytest.mark.parametrize("kind", TWO_SIDES)
def test_without_a_view_both_sides_are_judged(kind: str) -> None:
    control, (written, *texts), (in_force, *states) = TWO_SIDES[kind]
    for good_written, good_now in ((True, True), (True, False), (False, True)):
        replies = {written.probe.key: texts[not good_written], in_force.probe.key: states[not good_now]}
        assert (outcome(shipped(), control, replies) is Outcome.PASS) is (good_written and good_now)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", AT_USE)
def test_what_is_read_anew_at_each_use_is_the_same_in_every_view(kind: str, view: str) -> None:
    assert terms_of(viewed(view), AT_USE[kind]) == terms_of(shipped(), AT_USE[kind])


@pytest.mark.parametrize("view", VIEWS)
def test_sshd_is_told_the_view(view: str) -> None:
    assert {term.given["view"] for term in terms_of(viewed(view), "SSH-20")} == {view}


@pytest.mark.parametrize(
    ("control", "view", "complaint"),
    [
        ("KERN-01", "persistent", "there is no view 'persistent'; known: effective, configured, both"),
        ("LOG-20", "effective", "none of its checks shows what is effective"),
    ],
)
def test_a_view_that_no_check_shows_is_refused(control: str, view: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        company([f"  - id: {control}\n    given: {{view: {view}}}\n"])
    assert complaint in str(refused.value)
