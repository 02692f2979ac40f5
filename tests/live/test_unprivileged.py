"""A login without root gives unknowns, never another verdict: one host, one baseline, root and an ordinary user.

The hosts are this machine, and a Debian server with the services that servers have, without an init of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Finding, Inventory, Local, Outcome
from scanner.plan import PlannedAsset, make_plan
from scanner.transports import Bounds
from scanner.transports.posix import Batch
from scanner.transports.process import run

from .roots import debian_root, overlaid, why_not
from .test_linux_system import PACKAGES

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to be both users"
    ),
]
SERVICES = {"openssh-server", "sudo", "auditd", "nftables", "postfix", "nginx-light", "chrony", "rsyslog"}
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]


def findings(planned: PlannedAsset, prefix: Sequence[str]) -> list[Finding]:
    probes = planned.visits["local"]
    batch = Batch(probes, sudo=False)
    stdout, stderr, ended = run([*prefix, "/bin/sh", "-s"], batch.script, Bounds(120), {"PATH": os.defpath})
    answered = batch.replies(stdout, stderr, ended)
    evidence = make_evidence("here", {probe.key: answered[probe] for probe in probes}, {})
    return Judge().findings(planned, evidence)


def planned_here() -> PlannedAsset:
    here = Inventory("i", (Asset("here", access=Access(local=Local()), baselines=("debian-12",)),))
    (planned,) = make_plan(here, Catalogue()).assets
    return planned


def wrong_verdicts(as_root: Sequence[Finding], as_nobody: Sequence[Finding]) -> dict[str, object]:
    """Controls of which an ordinary user is told anything else than root is, unless it is that it cannot be known."""
    root, nobody = _by_control(as_root), _by_control(as_nobody)
    assert root.keys() == nobody.keys()
    assert len(root) >= 60
    differing = {id for id in root if root[id] != nobody[id]}
    assert differing, "an ordinary user can hardly see everything that root sees"
    return {
        id: (root[id], nobody[id])
        for id in differing
        if any(outcome is not Outcome.UNKNOWN for _, outcome in nobody[id] - root[id])
        or all(outcome is not Outcome.UNKNOWN for _, outcome in nobody[id])
    }


@pytest.mark.fault("T16")
def test_without_root_a_control_keeps_its_verdict_or_is_unknown() -> None:
    planned = planned_here()
    assert wrong_verdicts(findings(planned, []), findings(planned, AS_NOBODY)) == {}


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A root with services, /proc and the one device that the script writes to."""
    if why_not():
        pytest.skip(why_not())
    assert set(PACKAGES) >= SERVICES
    with overlaid(debian_root(*PACKAGES)) as root:
        mounts = [(["-t", "proc", "proc"], root / "proc"), (["--bind", "/dev/null"], root / "dev/null")]
        for how, place in mounts:
            subprocess.run(["mount", *how, place], check=True)
        try:
            yield root
        finally:
            for _, place in mounts:
                subprocess.run(["umount", place], check=True)


@pytest.mark.timeout(900)  # the first test of all builds the root
def test_on_a_server_root_knows_all_and_an_ordinary_user_is_told_nothing_wrong(server: Path) -> None:
    planned, chroot = planned_here(), str(shutil.which("chroot"))
    as_root = findings(planned, [chroot, str(server)])
    as_nobody = findings(planned, [chroot, "--userspec=65534:65534", "--groups=", str(server)])
    unknown = {one.control: one.reason for one in as_root if one.outcome is Outcome.UNKNOWN}
    questions = {id for id, reason in unknown.items() if reason == "not-attested"}
    without_init = {id for id, reason in unknown.items() if reason == "not-running"}
    # The root was built without keeping apt's lists: what they would say of updates and flaws cannot be known.
    assert set(unknown) - questions - without_init <= {"UPD-01", "UPD-02", "VUL-01", "VUL-04"}
    assert wrong_verdicts(as_root, as_nobody) == {}


def _by_control(found: Sequence[Finding]) -> dict[str, set[tuple[str, Outcome]]]:
    by_control = defaultdict(set)
    for finding in found:
        by_control[finding.control].add((finding.subject, finding.outcome))
    return dict(by_control)
