"""A login without root gives unknowns, never another verdict: one host, one baseline, root and an ordinary user."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Finding, Inventory, Local, Outcome
from scanner.plan import PlannedAsset, make_plan
from scanner.transports import Bounds
from scanner.transports.posix import Batch
from scanner.transports.process import run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to be both users"
    ),
]
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]


def findings(planned: PlannedAsset, prefix: Sequence[str]) -> list[Finding]:
    probes = planned.visits["local"]
    batch = Batch(probes, sudo=False)
    stdout, stderr, ended = run([*prefix, "/bin/sh", "-s"], batch.script, Bounds(120), {"PATH": os.defpath})
    answered = batch.replies(stdout, stderr, ended)
    evidence = make_evidence("here", {probe.key: answered[probe] for probe in probes}, {})
    return Judge().findings(planned, evidence)


@pytest.mark.parametrize("baseline", ["debian-12"])
@pytest.mark.fault("T16")
def test_without_root_a_control_keeps_its_verdict_or_is_unknown(baseline: str) -> None:
    here = Inventory("i", (Asset("here", access=Access(local=Local()), baselines=(baseline,)),))
    (planned,) = make_plan(here, Catalogue()).assets
    as_root, as_nobody = (_by_control(findings(planned, prefix)) for prefix in ([], AS_NOBODY))
    assert as_root.keys() == as_nobody.keys()
    assert len(as_root) >= 60
    differing = {id for id in as_root if as_root[id] != as_nobody[id]}
    wrong = {
        id: (as_root[id], as_nobody[id])
        for id in differing
        if any(outcome is not Outcome.UNKNOWN for _, outcome in as_nobody[id] - as_root[id])
        or all(outcome is not Outcome.UNKNOWN for _, outcome in as_nobody[id])
    }
    assert wrong == {}
    assert differing, "an ordinary user can hardly see everything that root sees"


def _by_control(found: Sequence[Finding]) -> dict[str, set[tuple[str, Outcome]]]:
    by_control = defaultdict(set)
    for finding in found:
        by_control[finding.control].add((finding.subject, finding.outcome))
    return dict(by_control)
