"""System controls of debian-12 on a real Debian root: each state says what the controls must say of it at rest."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.load import read_document
from scanner.model import Access, Asset, Chroot, Control, Finding, Inventory, Outcome
from scanner.plan import Plan, PlannedAsset, make_plan
from scanner.transports import Bounds, transport
from scanner.transports.posix import Batch
from scanner.transports.process import run

from .roots import ENVIRONMENT, debian_root, overlaid, run_in, why_not

# The first test of all builds the root, which takes minutes on a slow machine.
pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it runs"),
]

PACKAGES = (
    *("systemd", "systemd-sysv", "kmod", "procps", "acl", "auditd", "audispd-plugins", "nftables", "ufw", "postfix"),
    *("nginx-light", "chrony", "rsyslog", "logrotate", "systemd-journal-remote", "apparmor", "apparmor-utils", "aide"),
    *("aide-common", "grub-common", "cron", "login", "passwd", "openssh-server", "sudo"),
)
STATES: list[dict[str, Any]] = read_document(Path(__file__).parent / "states" / "system.yaml")["states"]
VERDICTS = ("pass", "fail", "not-applicable", "unknown")


@cache
def plan(patterns: tuple[str, ...]) -> Plan:
    asset = Asset("root", access=Access(chroot=Chroot("/")))
    # As patterns, not as names: what is asked for by name is judged whichever of several ways was chosen.
    words = [f"id={word}" if "*" in word else f"id=[{word[0]}]{word[1:]}" for word in patterns]
    return make_plan(Inventory("test", (asset,)), Catalogue(), ["debian-12"], words)


def judged(root: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Control → its verdict and what was seen, for a root at rest, through the transport that image audits use."""
    planned = plan(patterns).assets[0]
    asset = Asset("root", access=Access(chroot=Chroot(str(root))))
    replies = transport("chroot").visit(asset, planned.visits["chroot"], Bounds())
    evidence = make_evidence("root", {probe.key: reply for probe, reply in replies.items()}, {})
    found = Judge().findings(planned, evidence)
    return {each.control: f"{each.outcome.value}: {each.observed} {each.reason} {each.detail}" for each in found}


def controls() -> Iterator[Control]:
    asset = Asset("root", access=Access(chroot=Chroot("/")))
    yield from make_plan(Inventory("test", (asset,)), Catalogue(), ["debian-12"]).controls.values()


def settings() -> Iterator[dict[str, str]]:
    """Every kernel setting that a control wants, and a good value of it."""
    for control in controls():
        term = control.terms[0] if control.terms else None
        if term and term.check == "linux.sysctl.persisted":
            good = next(iter(term.expect.values()))
            key = term.given["key"]
            yield {
                "key": key,
                "value": str(good[0] if isinstance(good, list) else good),
                "slashed": key.replace(".", "/"),
            }


def modules() -> Iterator[dict[str, str]]:
    """Every kernel module that a control wants refused."""
    for control in controls():
        if control.terms and control.terms[0].check == "linux.modules.refused":
            for name in control.terms[0].given["names"]:
                yield {"module": name, "underscored": name.replace("-", "_")}


def script(state: dict[str, Any]) -> str:
    """What is done to the root: `before`, then `script` (for each setting or module where it says so), then `after`."""
    rows = {"setting": settings, "module": modules}.get(state.get("each", ""))
    body = state["script"]
    if rows:
        filled = []
        for row in rows():
            one = body
            for name, value in row.items():
                one = one.replace(f"{{{name}}}", value)
            filled.append(one)
        body = "\n".join(filled)
    return "\n".join([state.get("before", ""), body, state.get("after", "")])


@pytest.mark.parametrize("state", STATES, ids=[state["name"] for state in STATES])
def test_a_control_says_what_the_state_of_the_root_is(state: dict[str, Any]) -> None:
    wanted = {pattern: verdict for verdict in VERDICTS for pattern in state.get(verdict, [])}
    with overlaid(debian_root(*PACKAGES)) as root:
        run_in(root, script(state))
        found = judged(root, tuple(wanted))
    unused = [pattern for pattern in wanted if not any(fnmatchcase(control, pattern) for control in found)]
    assert not unused, f"no control is called {unused}"
    wrong = {
        control: said
        for control, said in found.items()
        for pattern, verdict in wanted.items()
        if fnmatchcase(control, pattern) and not said.startswith(f"{verdict}:")
    }
    assert not wrong


def test_a_root_at_rest_leaves_no_system_control_unknown_but_those_about_the_running_system() -> None:
    ours = ("KERN-*", "MOD-*", "MNT-*", "SVC-*", "AUD-*", "LOG-*", "FW-*", "BOOT-*", "TIME-*")
    with overlaid(debian_root(*PACKAGES)) as root:
        found = judged(root, ours)
    unknown = {control: said for control, said in found.items() if said.startswith("unknown:")}
    assert len(found) > 300
    assert not [control for control, said in unknown.items() if "not-running" not in said]


def in_a_container(root: Path, planned: PlannedAsset) -> dict[str, Finding]:
    """Control → its finding, for a root in which nothing runs but the script: namespaces of its own, no init."""
    batch = Batch(planned.visits["chroot"], sudo=False)
    namespaces = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root / 'proc'}", "chroot", str(root)]
    stdout, stderr, ended = run([*namespaces, "/bin/sh", "-s"], batch.script, Bounds(), ENVIRONMENT)
    replies = batch.replies(stdout, stderr, ended)
    evidence = make_evidence("root", {probe.key: reply for probe, reply in replies.items()}, {})
    return {each.control: each for each in Judge().findings(planned, evidence)}


def test_a_container_without_init_is_judged_by_its_files_and_says_what_it_cannot_know() -> None:
    rule = "-a always,exit -F arch=b{} -S adjtimex -k x\\n"
    planned = plan(("*",)).assets[0]
    with overlaid(debian_root(*PACKAGES)) as root:
        run_in(
            root, f"printf -- '{rule.format(64)}{rule.format(32)}' > /etc/audit/rules.d/a.rules; systemctl mask nginx"
        )
        found = in_a_container(root, planned)
    assert {found[control].outcome for control in ("AUD-23a", "SVC-19a")} == {Outcome.PASS}
    assert found["AUD-23b"].outcome is Outcome.FAIL
    unknown = {id: one for id, one in found.items() if one.outcome is Outcome.UNKNOWN}
    # the package lists of this root were thrown away, and people answer NET-01
    told = {
        id: f"{one.reason}: {one.detail}" for id, one in unknown.items() if not id.startswith(("UPD-", "VUL-", "NET-"))
    }
    assert {id: why for id, why in told.items() if not why.startswith("not-running: ")} == {}
