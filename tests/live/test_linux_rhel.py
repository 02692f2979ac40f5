"""rhel-9 on a real root with that system's files: each state says what the controls say."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import make_evidence
from scanner.evaluate import Judge
from scanner.load import read_document
from scanner.model import Access, Asset, Chroot, Inventory
from scanner.plan import Plan, make_plan
from scanner.transports import Bounds, transport

from .roots import debian_root, overlaid, run_in, why_not
from .test_linux_access import PACKAGES

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it runs"),
]

DOCUMENTS = [read_document(Path(__file__).parent / "states" / f"rhel_{name}.yaml") for name in ("access", "system")]
STATES: list[dict[str, Any]] = [{"base": one["base"], **state} for one in DOCUMENTS for state in one["states"]]
VERDICTS = ("pass", "fail", "not-applicable", "unknown")


@cache
def plan(patterns: tuple[str, ...]) -> Plan:
    asset = Asset("root", access=Access(chroot=Chroot("/")))
    return make_plan(Inventory("test", (asset,)), Catalogue(), ["rhel-9"], [f"id={word}" for word in patterns])


def judged(root: Path, patterns: tuple[str, ...]) -> dict[str, list[str]]:
    """Control → its verdicts and what was seen, for a root at rest, through the transport that image audits use."""
    planned = plan(patterns).assets[0]
    asset = Asset("root", access=Access(chroot=Chroot(str(root))))
    replies = transport("chroot").visit(asset, planned.visits["chroot"], Bounds())
    evidence = make_evidence("root", {probe.key: reply for probe, reply in replies.items()}, {})
    found: dict[str, list[str]] = {}
    for each in Judge().findings(planned, evidence):
        said = f"{each.outcome.value}: {each.subject} {each.observed} {each.reason} {each.detail}"
        found.setdefault(each.control, []).append(said)
    return found


def fits(said: list[str], verdict: str) -> bool:
    """A control with several subjects fails where one of them does, and is good where all are."""
    hits = [one.startswith(f"{verdict}:") for one in said]
    return any(hits) if verdict == "fail" else all(hits)


@pytest.mark.parametrize("state", STATES, ids=[state["name"] for state in STATES])
def test_a_control_says_what_the_state_of_the_root_is(state: dict[str, Any]) -> None:
    wanted = {pattern: verdict for verdict in VERDICTS for pattern in state.get(verdict, [])}
    with overlaid(debian_root(*PACKAGES)) as root:
        run_in(root, "\n".join([state["base"], state.get("before", ""), state["script"]]))
        found = judged(root, tuple(wanted))
    unused = [pattern for pattern in wanted if not any(fnmatchcase(control, pattern) for control in found)]
    assert not unused, f"no control is called {unused}"
    wrong = {
        control: said
        for control, said in found.items()
        for pattern, verdict in wanted.items()
        if fnmatchcase(control, pattern) and not fits(said, verdict)
    }
    assert not wrong
