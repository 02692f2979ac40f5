"""Findings of a run in little room: what is held is what was found, and a fleet that says the same takes hardly any."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet import CONTROLS, Estate, judged_by
from scanner import pipeline
from scanner.collect import Collected, make_evidence
from scanner.holding import Alike, Held
from scanner.model import Finding, Outcome, Reply
from scanner.plan import PlannedAsset
from scanner.transports import Bounds

FOUND = st.builds(
    Finding,
    st.just("db1"),
    st.sampled_from(["debian-12", "aws"]),
    st.sampled_from(["A-1", "A-2"]),
    st.text(max_size=3),
    st.sampled_from(Outcome),
    observed=st.text(max_size=3),
    weakness=st.sampled_from([0.5, 1.0]),
    compensation=st.sampled_from([0.5, 1.0]),
)


@given(st.lists(st.lists(FOUND, max_size=5), max_size=5))
def test_what_is_held_is_what_was_found(assets: list[list[Finding]]) -> None:
    alike = Alike()
    for number, findings in enumerate(assets):
        found = tuple(replace(one, asset=f"db{number}") for one in findings)
        held = alike.held(found)
        assert (tuple(held), len(held)) == (found, len(found))
        assert held == found
        assert found == held
        assert hash(held) == hash(found)
        assert held[1:3] == found[1:3]
        assert [held[at] for at in range(len(held))] == list(found)


def test_held_findings_equal_no_others() -> None:
    one, other = Finding("a", "b", "c", "", Outcome.PASS), Finding("a", "b", "c", "", Outcome.FAIL)
    alike = Alike()
    assert alike.held([one]) != alike.held([other])
    assert alike.held([one]) != (one, one)
    assert alike.held([one]) != alike.held([replace(one, asset="z")])


def test_findings_of_several_assets_stay_as_they_are() -> None:
    both = [Finding(name, "b", "c", "", Outcome.PASS) for name in ("a", "z")]
    assert Alike().held(both) is both


def test_a_finished_run_holds_no_finding_of_its_own_for_hosts_that_say_the_same() -> None:
    plan = judged_by(Estate("/srv", 22, 20, 4))
    (probe,) = plan.assets[0].visits["ssh"]

    def engine(
        assets: Sequence[PlannedAsset], bounds: Bounds, at_once: int, stop: threading.Event | None
    ) -> Iterator[Collected]:
        for number, one in enumerate(assets):
            text = f"set.000001 = values\nhost = {number}\n"
            yield Collected(one, make_evidence(one.asset.id, {probe.key: Reply(text)}, {}), 0.1)

    options = pipeline.Options(engine=engine)
    before = _findings_alive()
    run = pipeline.execute(plan, pipeline.new_run(plan, options.policy), None, options)
    assert all(isinstance(one.findings, Held) and len(one.findings) == CONTROLS for one in run.visited)
    assert _findings_alive() - before < 2 * CONTROLS
    assert len({id(one) for one in run.findings}) == 20 * CONTROLS


def _findings_alive() -> int:
    gc.collect()
    return sum(type(one) is Finding for one in gc.get_objects())
