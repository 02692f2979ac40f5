"""Each answer of real visits is damaged in every way that is known, and no control turns to pass because of it.

The visits are recorded here and now: of this machine, and of a Debian root at rest with many services in it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Chroot, Evidence, Finding, Inventory, Local, Outcome, Problem, Reply
from scanner.plan import PlannedAsset, PlannedTerm, make_plan
from scanner.transports import Bounds
from tests.live import roots
from tests.live.test_linux_system import PACKAGES

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(roots.why_not()), reason=roots.why_not() or "-"),
    pytest.mark.skipif(os.geteuid() != 0, reason="what only root can read would be unknown anyway"),
]
Recording = tuple[PlannedAsset, Evidence]
PROBLEMS: tuple[Problem, ...] = ("denied", "failed", "truncated", "timed-out", "unparsable")
EMPTY_IS_A_STATE = {
    "posix:sh ss -Hlntu": "nothing listens",
    "posix:sh find /var/log": "no log was written yet",
    "posix:sh for w in /sys/class/net": "there is no radio",
    "posix:file /etc/motd": "no message of the day is one that tells nothing",
    "posix:sh for d in /etc/systemd/system.control": "there is no unit, in an image without systemd",
}
"""Questions to which nothing is an answer, and what it says; a framed answer comes whole or not at all."""


@pytest.fixture(scope="module")
def recordings() -> Iterator[list[Recording]]:
    with roots.overlaid(roots.debian_root(*PACKAGES)) as root:
        ways = {"here": Access(local=Local()), "root": Access(chroot=Chroot(str(root)))}
        assets = tuple(Asset(name, access=way, baselines=("debian-12",)) for name, way in ways.items())
        plan = make_plan(Inventory("lab", assets), Catalogue())
        yield [(one.planned, one.evidence) for one in collect(plan.assets, Bounds(200), 2)]


def damages(text: str) -> Iterator[tuple[str, Reply | None]]:
    """What may come instead of an answer; None is no answer at all."""
    yield "missing", None
    for problem in PROBLEMS:
        yield problem, Reply(text[: len(text) // 2], problem, "damaged on purpose")
    yield "empty", Reply("")
    yield "blank", Reply("\n")
    yield "garbage", Reply("%&/()=? garbage § 12 : = , ; x\n" * 3)
    yield "hostile bytes", Reply("\x1b[2J\u202e\ufffd\udcff\x07\n\t\x9b")
    yield "NUL", Reply("\0" * 50)
    if text:
        yield "NUL inside", Reply("\0".join(text[at : at + 7] for at in range(0, min(len(text), 20_000), 7)))
    yield "huge", Reply("A" * (1 << 18))
    yield "huge, in lines", Reply("a b\n" * (1 << 14))
    yield "a page of an error", Reply("<html><body>502 Bad Gateway</body></html>\n")
    yield "a usage message", Reply("sh: 1: x: not found\nUsage: x [-a]\n")
    yield "another document", Reply("[]")
    yield "nothing as a document", Reply("null")


def damaged(evidence: Evidence) -> Iterator[tuple[str, str, Evidence]]:
    """Name of the question, kind of damage, and the evidence with that one answer damaged."""
    for key, reply in evidence.replies.items():
        for kind, instead in damages(reply.text):
            replies = {**evidence.replies, key: instead} if instead else {**evidence.replies}
            if instead is None:
                del replies[key]
            yield key, kind, replace(evidence, replies=replies)


def touched(planned: PlannedAsset, key: str) -> PlannedAsset:
    """What is planned, narrowed to the controls that the answer to one question may change."""

    def asks(terms: tuple[PlannedTerm, ...]) -> bool:
        return any(key in term.keys for term in terms)

    return replace(planned, baselines=tuple(
        one if asks(one.when) else replace(one, controls=tuple(c for c in one.controls if asks((*c.when, *c.terms))))
        for one in planned.baselines
    ))  # fmt: skip


def verdicts(found: list[Finding]) -> Mapping[str, bool]:
    """Control -> whether it passes: all that it says is a pass."""
    said: dict[str, list[bool]] = defaultdict(list)
    for one in found:
        said[one.control].append(one.outcome is Outcome.PASS)
    return {control: all(passes) for control, passes in said.items()}


def test_the_recordings_are_worth_damaging(recordings: list[Recording]) -> None:
    for planned, evidence in recordings:
        good = [reply for reply in evidence.replies.values() if reply.problem is None]
        assert len(good) >= 40, evidence.asset
        before = verdicts(Judge().findings(planned, evidence))
        assert 100 < sum(before.values()) < len(before) - 100, "many pass, and many could wrongly turn to pass"


@pytest.mark.fault("T9")
def test_no_damage_turns_a_control_to_pass_or_ends_in_a_bug(recordings: list[Recording]) -> None:
    wrong, bugs = set(), set()
    for planned, evidence in recordings:
        judge = Judge()
        before = verdicts(judge.findings(planned, evidence))
        for key, kind, after in damaged(evidence):
            found = judge.findings(touched(planned, key), after)
            bugs |= {(one.control, kind, one.detail[-200:]) for one in found if one.reason == "check-bug"}
            if kind in {"empty", "blank"} and key.startswith(tuple(EMPTY_IS_A_STATE)):
                continue
            turned = [name for name, passes in verdicts(found).items() if passes and not before.get(name)]
            wrong |= {(evidence.asset, name, kind, key[:120]) for name in turned}
    assert wrong == set()
    assert bugs == set()


@pytest.mark.fault("T16")
def test_an_answer_that_was_kept_away_leaves_its_own_controls_unknown(recordings: list[Recording]) -> None:
    """No control that passed by one question alone goes on passing without its answer."""
    for planned, evidence in recordings:
        judge = Judge()
        before = verdicts(judge.findings(planned, evidence))
        alone = {
            one.control.id: one.terms[0].keys[0]
            for baseline in planned.baselines
            for one in baseline.controls
            if len(one.terms) == 1 and len(one.terms[0].keys) == 1 and not one.when and before.get(one.control.id)
        }
        assert len(alone) > 40
        for key in set(alone.values()):
            for problem in ("denied", "truncated", "timed-out"):
                replies = {**evidence.replies, key: Reply(evidence.replies[key].text, problem)}
                after = verdicts(judge.findings(planned, replace(evidence, replies=replies)))
                assert [name for name, by in alone.items() if by == key and after[name]] == []
