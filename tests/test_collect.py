"""Collecting: whose turn it is, what a stop stops, and that nothing is held for longer than it is needed."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import collect as collecting
from scanner.collect import collect
from scanner.errors import Unreachable
from scanner.model import (
    Access,
    Asset,
    Aws,
    Courtesy,
    Evidence,
    Gap,
    Local,
    Network,
    Probe,
    Reply,
    Ssh,
    answers_digest,
    is_digest_of,
    utc_now,
)
from scanner.plan import PlannedAsset
from scanner.probes import sh
from scanner.transports import Bounds
from scanner.turns import Turns, lanes, network_of

QUESTION = sh("true")


def planned(asset: Asset) -> PlannedAsset:
    return PlannedAsset(asset, (), {"ssh": (QUESTION,)})


def host(address: str, jump: str | None = None) -> PlannedAsset:
    return planned(Asset(address, address, Access(ssh=Ssh(jump=jump, config="none"))))


class Wire:
    """Stands where a network would be: counts who is visited, and how many at once in each lane."""

    def __init__(self, rest_s: float = 0.0) -> None:
        self.rest_s = rest_s
        self.visited: list[str] = []
        self.schedulers: set[int] = set()
        self.most: Counter[object] = Counter()
        self._now: Counter[object] = Counter()
        self._lock = threading.Lock()
        self.let = threading.Event()
        self.let.set()

    def visit(self, asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
        shared = (*lanes(asset), "all")
        with self._lock:
            self.visited.append(asset.id)
            self.schedulers.add(os.sched_getscheduler(0))
            self._now.update(shared)
            for lane in shared:
                self.most[lane] = max(self.most[lane], self._now[lane])
        assert self.let.wait(30)
        time.sleep(self.rest_s)
        with self._lock:
            self._now.subtract(shared)
        if asset.address == "192.0.2.66":
            raise Unreachable("nobody there")
        if asset.address == "192.0.2.67":
            raise RuntimeError("a transport's own mistake")
        return {probe: Reply("fine") for probe in probes}


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    found = Wire()
    monkeypatch.setattr(collecting, "transport", lambda way: found)
    return found


# ── whose turn it is ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_asset_is_visited_once_and_no_lane_meets_more_than_it_may(wire: Wire) -> None:
    wire.rest_s = 0.002
    hosts = [host(f"10.0.{n % 2}.{n}") for n in range(1, 41)]
    hosts += [host(f"10.9.{n}.1", jump="gate.example.org") for n in range(20)]
    found = list(collect(hosts, Bounds(), 32, courtesy=Courtesy(network=3, gateway=2)))
    assert sorted(one.planned.asset.id for one in found) == sorted(one.asset.id for one in hosts)
    assert Counter(wire.visited).most_common(1)[0][1] == 1
    assert wire.most["network", "10.0.0.0/24"] <= 3
    assert wire.most["network", "10.0.1.0/24"] <= 3
    assert wire.most["gateway", "gate.example.org:22"] <= 2


def test_a_full_network_does_not_hold_up_another_one(wire: Wire) -> None:
    wire.let.clear()
    hosts = [host(f"10.0.0.{n}") for n in range(1, 9)] + [host("10.5.5.5")]
    came = collect(hosts, Bounds(), 8, courtesy=Courtesy(network=2))
    taking = threading.Thread(target=lambda: list(came))
    taking.start()
    until = time.monotonic() + 20
    while len(wire.visited) < 3 and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.05)  # and nobody else begins
    begun = sorted(wire.visited)
    wire.let.set()
    taking.join(20)
    assert begun == ["10.0.0.1", "10.0.0.2", "10.5.5.5"]
    assert len(wire.visited) == 9


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=60),
    st.integers(1, 4),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_turns_never_stall_and_never_exceed(
    places: list[tuple[int, int]], network: int, gateway: int, random: object
) -> None:
    fleet = [
        planned(
            Asset(f"h{n}", f"10.0.{net}.{n + 1}", Access(ssh=Ssh(config="none", jump=f"g{gate}" if gate else None)))
        )
        for n, (net, gate) in enumerate(places)
    ]
    turns = Turns(fleet, Courtesy(network=network, gateway=gateway))
    under_way: list[PlannedAsset] = []
    done: list[str] = []
    while True:
        while (one := turns.next()) is not None:
            under_way.append(one)
            now = Counter(lane for each in under_way for lane in lanes(each.asset))
            assert all(count <= (network if lane[0] == "network" else gateway) for lane, count in now.items())
        if not under_way:
            break
        ended = under_way.pop(random.randrange(len(under_way)))  # type: ignore[attr-defined]
        turns.over(ended)
        done.append(ended.asset.id)
    assert sorted(done) == sorted(one.asset.id for one in fleet)


def test_what_visits_share_is_named() -> None:
    assert network_of("10.1.2.3") == "10.1.2.0/24"
    assert network_of("10.1.2.0/28") == "10.1.2.0/24"
    assert network_of("10.1.0.0/22") == "10.1.0.0/22"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("DB1.example.org") == "example.org"
    role = Aws(role="arn:aws:iam::123456789012:role/audit")
    assert lanes(Asset("a", access=Access(aws=role))) == (("account", "123456789012"),)
    assert lanes(Asset("a", access=Access(local=Local()))) == ()
    assert lanes(Asset("n", network=Network(("10.0.0.1", "10.0.0.2")))) == (("network", "10.0.0.0/24"),)
    jumped = host("10.1.2.3", jump="me@gate:2222,second").asset
    assert lanes(jumped) == (("network", "10.1.2.0/24"), ("gateway", "gate:2222"), ("gateway", "second:22"))


# ── what is held, and for how long ───────────────────────────────────────────────────────────────────────────────────


def test_no_more_is_visited_than_the_reader_can_take(wire: Wire) -> None:
    came = collect([host(f"10.{n}.0.1") for n in range(50)], Bounds(), 4)
    next(came)
    time.sleep(0.1)
    assert len(wire.visited) <= 1 + 2 * 4
    assert len(list(came)) == 49


def test_a_reader_that_leaves_ends_the_collection_and_no_other(wire: Wire) -> None:
    stop = threading.Event()
    came = collect([host(f"10.{n}.0.1") for n in range(50)], Bounds(), 4, stop)
    next(came)
    came.close()  # type: ignore[attr-defined]
    visited = len(wire.visited)
    assert visited <= 1 + 2 * 4
    assert not stop.is_set()
    time.sleep(0.05)
    assert len(wire.visited) == visited
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("visit")]


def test_after_a_stop_no_visit_begins_and_those_under_way_count(wire: Wire) -> None:
    stop = threading.Event()
    came = collect([host(f"10.{n}.0.1") for n in range(50)], Bounds(), 4, stop)
    next(came)
    stop.set()
    rest = list(came)
    assert len(rest) + 1 == len(wire.visited) < 50


def test_what_fails_is_evidence_and_loses_no_other(wire: Wire) -> None:
    found = {c.planned.asset.id: c for c in collect([host(f"192.0.2.{n}") for n in (65, 66, 67, 68)], Bounds())}
    problems = {id: one.evidence.replies[QUESTION.key].problem for id, one in found.items()}
    expected = {"192.0.2.65": None, "192.0.2.66": "unreachable", "192.0.2.67": "check-bug", "192.0.2.68": None}
    assert problems == expected
    assert "a transport's own mistake" in found["192.0.2.67"].bug


def test_a_way_that_is_not_asked_is_not_entered(wire: Wire) -> None:
    (found,) = collect([replace(host("10.0.0.1"), visits={})], Bounds())
    assert found.evidence.replies == {}
    assert wire.visited == []


def test_visits_take_the_processor_from_nobody_and_the_run_itself_goes_on_as_it_was(wire: Wire) -> None:
    before = os.sched_getscheduler(0)
    list(collect([host("10.0.0.1"), host("10.0.0.2")], Bounds(), 2))
    assert wire.schedulers == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) == before


# ── the digest of what was answered ──────────────────────────────────────────────────────────────────────────────────

LONG = "größer \ud800 " * 20_000
SAID = {"a": Reply(LONG, took_s=1.0), "b": Reply("x", gaps=(Gap("eu", "denied", "why"),)), "c": Reply(problem="absent")}


@pytest.mark.parametrize(
    "other",
    [
        {**SAID, "a": Reply(LONG + "x")},
        {**SAID, "b": Reply("x", gaps=(Gap("eu", "denied", "because"),))},
        {**SAID, "c": Reply(problem="absent", detail="not there")},
        {**SAID, "c": Reply()},
        {"a": SAID["b"], "b": SAID["a"], "c": SAID["c"]},
        {key: reply for key, reply in SAID.items() if key != "c"},
    ],
)
def test_the_digest_of_answers_tells_any_two_apart(other: Mapping[str, Reply]) -> None:
    assert answers_digest("db1", SAID, {}) != answers_digest("db1", other, {})


def test_the_digest_of_answers_is_of_the_asset_too_and_not_of_how_long_it_took() -> None:
    taken = answers_digest("db1", SAID, {})
    assert taken == answers_digest("db1", {**SAID, "a": Reply(LONG, took_s=2.0)}, {})
    assert taken != answers_digest("db2", SAID, {})
    assert taken != answers_digest("db1", SAID, {"ssh": "denied"})


def test_a_digest_by_the_rule_of_before_still_stands_for_its_answers() -> None:
    evidence = Evidence("db1", utc_now(), "0.1.0", SAID, {"nmap": "failed: why"})
    gap = {"subject": "eu", "problem": "denied", "detail": "why"}
    plain: dict[str, object] = {"text": "", "problem": None, "detail": "", "took_s": 0, "gaps": []}
    said = {
        "a": {**plain, "text": LONG},
        "b": {**plain, "text": "x", "gaps": [gap]},
        "c": {**plain, "problem": "absent"},
    }
    text = json.dumps(["db1", said, {"nmap": "failed: why"}], sort_keys=True)
    assert is_digest_of(hashlib.sha256(text.encode()).hexdigest(), evidence)
    assert is_digest_of(answers_digest("db1", SAID, {"nmap": "failed: why"}), evidence)
    assert not is_digest_of(hashlib.sha256(text.encode()).hexdigest(), replace(evidence, asset="db2"))
