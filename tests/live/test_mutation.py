"""Each answer of real visits is damaged in every way that is known, and no control turns to pass because of it.

The visits are recorded here and now, one or more for every shipped baseline: of this machine, of roots at rest with the
files of each system, of described Windows machines, of an AWS account, of listeners, and of what people attested.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import (
    Access,
    Asset,
    Aws,
    Baseline,
    Chroot,
    Evidence,
    Inventory,
    Local,
    Network,
    Organisation,
    Reply,
    Winrm,
)
from scanner.plan import PlannedAsset, make_plan
from scanner.transports import Bounds
from tests.damage import damaged, swapped, torn, touched, verdicts
from tests.live import listeners as speak
from tests.live import roots, test_linux_access, test_linux_rhel, test_linux_system, test_linux_ubuntu
from tests.live.moto_seed import seed
from tests.live.moto_server import moto_server
from tests.live.test_windows_releases import BUILDS, of_release
from tests.live.winrm_hardened import hardened
from tests.live.winrm_server import PASSWORD, USER, winrm_server

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(roots.why_not()), reason=roots.why_not() or "-"),
    pytest.mark.skipif(os.geteuid() != 0, reason="what only root can read would be unknown anyway"),
    pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap"),
]
Recording = tuple[PlannedAsset, Evidence]
Visited = tuple[Asset, Sequence[str], Evidence]
"""An asset, the baselines that are named for it, and what it answered."""
CATALOGUE = Catalogue()
EMPTY_IS_A_STATE = {
    "posix:file /etc/motd": "no message of the day is one that tells nothing",
}
"""Questions to which nothing is an answer, and what it says; a framed answer comes whole or not at all."""
NONE_IS_A_STATE = {
    "aws:api elbv2 describe_listeners": "a load balancer without listeners takes no plain text",
    "aws:api rds describe_db_snapshot_attributes": "nobody else may restore any snapshot",
    "aws:api rds describe_db_cluster_snapshot_attributes": "nobody else may restore any snapshot",
}
"""The same for lists of things that belong to another list."""


ANY_IS_AN_ANSWER = {
    "windows:registry ": "a value of the registry is a number or a text, and does not say whose",
    "posix:file /proc/cmdline": "the kernel's arguments are one line of whatever words",
    "posix:file /etc/issue": "what is shown before a login is any text",
    "posix:file /etc/motd": "what is shown after a login is any text",
}
"""Questions to which the answer to another one may be an answer too, and why nothing can tell them apart."""
SAMPLE = 29
"""One swap in so many is tried, always the same ones; all of them where RISKLINE_SWAPS=all is set."""


@dataclass(frozen=True)
class Visits:
    """One kind of visits. record: makes them. at_least: so many good answers and so many passes each; so many fails."""

    name: str
    record: Callable[[ExitStack, Path], Iterator[Visited]]
    at_least: tuple[int, int, int]


def plan_for(asset: Asset, baselines: Sequence[str]) -> PlannedAsset:
    (one,) = make_plan(Inventory("lab", (asset,)), CATALOGUE, list(baselines)).assets
    return one


def visit(*assets: Asset, baselines: Sequence[str] = ()) -> Iterator[Visited]:
    for one in collect([plan_for(asset, baselines) for asset in assets], Bounds(200), 2):
        assert not one.bug
        assert not one.evidence.failures
        yield one.planned.asset, baselines, one.evidence


def debian(stack: ExitStack, _folder: Path) -> Iterator[Visited]:
    root = stack.enter_context(roots.overlaid(roots.debian_root(*test_linux_system.PACKAGES)))
    ways = {"here": Access(local=Local()), "root": Access(chroot=Chroot(str(root)))}
    yield from visit(*(Asset(name, access=way, baselines=("debian-12",)) for name, way in ways.items()))


def kin(stack: ExitStack, _folder: Path) -> Iterator[Visited]:
    """Roots with the files of Ubuntu and of RHEL."""
    for name, scripts in (
        ("ubuntu-24.04", [test_linux_ubuntu.HARDENED]),
        ("rhel-9", [document["base"] for document in test_linux_rhel.DOCUMENTS]),
    ):
        root = stack.enter_context(roots.overlaid(roots.debian_root(*test_linux_access.PACKAGES)))
        for script in scripts:
            roots.run_in(root, script)
        yield from visit(Asset(name, access=Access(chroot=Chroot(str(root)))), baselines=[name])


def windows(stack: ExitStack, _folder: Path) -> Iterator[Visited]:
    """Machines as they are installed, and a hardened one."""
    machines = [(name, of_release(name)) for name in BUILDS]
    machines += [(name, hardened(machine, baseline(name), "domain-controller")) for name, machine in machines[:1]]
    for name, machine in machines:
        server = stack.enter_context(winrm_server(machine))
        way = Winrm(USER, "env:RISKLINE_TEST_PASSWORD", port=server.port, ca_file=server.ca)
        yield from visit(Asset("srv", address="localhost", access=Access(winrm=way)), baselines=[name])


def baseline(name: str) -> Baseline:
    return read_baseline(CATALOGUE.baseline_file(name), CATALOGUE)


def aws(stack: ExitStack, _folder: Path) -> Iterator[Visited]:
    server = stack.enter_context(moto_server(seed))
    keys: dict[str, Any] = {"access_key_id": "env:RISKLINE_TEST_KEY_ID", "secret_access_key": "env:RISKLINE_TEST_KEY"}
    way = Aws(endpoint=server.url, regions=("us-east-1", "eu-west-1"), **keys)
    yield from visit(Asset("cloud", access=Access(aws=way)), baselines=["aws"])


def network(stack: ExitStack, folder: Path) -> Iterator[Visited]:
    old = speak.over_tls(
        speak.web, speak.certificate(folder, "old", bits=1024, days=-1), oldest=ssl.TLSVersion.TLSv1,
        ciphers="ALL:@SECLEVEL=0",
    )  # fmt: skip
    servers = (old, speak.telnet, speak.ftp_anonymous, speak.ssh_1, speak.mail_relay, speak.web)
    numbers = stack.enter_context(speak.listening(*servers))
    look = Network(("127.0.0.1",), ports=",".join(map(str, numbers)), expected_open=(f"{numbers[0]}/tcp", "1/tcp"))
    yield from visit(Asset("lab", address="127.0.0.1", network=look))


def people(_stack: ExitStack, folder: Path) -> Iterator[Visited]:
    lines = [
        f"  - {{asset: board, control: {control.id}, answer: {('yes', 'no', 'not-applicable')[number % 3]},"
        " who: anna, at: 2026-11-01, until: 2027-05-01}\n"
        for number, control in enumerate(baseline("organisation").controls)
    ]
    (folder / "attestations.yaml").write_text("attestations:\n" + "".join(lines).replace("yes,", '"yes",'))
    yield from visit(
        Asset("board", access=Access(organisation=Organisation()), attestations=str(folder / "attestations.yaml")),
        baselines=["organisation"],
    )


KINDS = (
    Visits("debian", debian, (40, 100, 100)),
    Visits("ubuntu and rhel", kin, (80, 250, 150)),
    Visits("windows", windows, (350, 140, 0)),
    Visits("aws", aws, (150, 20, 100)),
    Visits("network", network, (5, 3, 5)),
    Visits("people", people, (5, 2, 2)),
)


def kept(folder: Path, kind: Visits) -> list[Visited]:
    """What was visited, by this process or by another one of the same test run that came first."""
    file = folder / f"{kind.name}.pickle"
    with ExitStack() as stack, file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            (folder / kind.name).mkdir()
            file.write_bytes(pickle.dumps(list(kind.record(stack, folder / kind.name))))
        found: list[Visited] = pickle.loads(file.read_bytes())
        return found


@pytest.fixture(scope="module", params=KINDS, ids=[one.name for one in KINDS])
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Visits, list[Recording]]:
    values = {"RISKLINE_TEST_PASSWORD": PASSWORD, "RISKLINE_TEST_KEY_ID": "testing", "RISKLINE_TEST_KEY": "testing"}
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "recorded"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        visited = kept(folder, request.param)
    return request.param, [(plan_for(asset, names), evidence) for asset, names, evidence in visited]


@pytest.fixture
def recordings(recorded: tuple[Visits, list[Recording]]) -> list[Recording]:
    return recorded[1]


def test_the_recordings_are_worth_damaging(recorded: tuple[Visits, list[Recording]]) -> None:
    kind, recordings = recorded
    answers, passes, others = kind.at_least
    for planned, evidence in recordings:
        good = [reply for reply in evidence.replies.values() if reply.problem is None]
        assert len(good) >= answers, evidence.asset
        before = verdicts(Judge().findings(planned, evidence))
        assert passes <= sum(before.values()) <= len(before) - others, "many could wrongly turn to pass"


def test_every_shipped_baseline_is_among_them() -> None:
    by_name = set(CATALOGUE.baseline_files())
    assert by_name == {"debian-12", "ubuntu-24.04", "rhel-9", "aws", "network", "organisation", *BUILDS}


Damages = Callable[[Evidence], Iterator[tuple[str, str, Evidence]]]


def turned(recordings: list[Recording], damages: Damages) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """What turns to pass by a damage, as (asset, control, damage, question), and what ends in a bug."""
    wrong: set[tuple[str, ...]] = set()
    bugs: set[tuple[str, ...]] = set()
    for planned, evidence in recordings:
        judge = Judge()
        before = verdicts(judge.findings(planned, evidence))
        for key, kind, after in damages(evidence):
            found = judge.findings(touched(planned, key), after)
            bugs |= {(one.control, kind, one.detail[-200:]) for one in found if one.reason == "check-bug"}
            if kind in {"empty", "blank"} and key.startswith(tuple(EMPTY_IS_A_STATE)):
                continue
            if kind == "another document" and key.startswith(tuple(NONE_IS_A_STATE)):
                continue
            passing = [name for name, passes in verdicts(found).items() if passes and not before.get(name)]
            wrong |= {(evidence.asset, name, kind, key[:120]) for name in passing}
    return wrong, bugs


@pytest.mark.fault("T9")
def test_no_damage_turns_a_control_to_pass_or_ends_in_a_bug(recordings: list[Recording]) -> None:
    """Another text, an end that is lost on the way, and the answer to another question."""
    assert turned(recordings, damaged) == (set(), set())
    assert turned(recordings, torn) == (set(), set())
    one_in = 1 if os.environ.get("RISKLINE_SWAPS") == "all" else SAMPLE
    wrong, bugs = turned(recordings, lambda evidence: swapped(evidence, one_in))
    assert {one for one in wrong if not one[3].startswith(tuple(ANY_IS_AN_ANSWER))} == set()
    assert bugs == set()


@pytest.mark.fault("T16")
def test_an_answer_that_was_kept_away_leaves_its_own_controls_unknown(recorded: tuple[Visits, list[Recording]]) -> None:
    """No control that passed by one question alone goes on passing without its answer."""
    tried = 0
    for planned, evidence in recorded[1]:
        judge = Judge()
        before = verdicts(judge.findings(planned, evidence))
        alone = {
            one.control.id: one.terms[0].keys[0]
            for baseline in planned.baselines
            for one in baseline.controls
            if len(one.terms) == 1 and len(one.terms[0].keys) == 1 and not one.when and before.get(one.control.id)
        }
        for key in set(alone.values()):
            for problem in ("denied", "truncated", "timed-out"):
                replies = {**evidence.replies, key: Reply(evidence.replies[key].text, problem)}
                after = verdicts(judge.findings(touched(planned, key), replace(evidence, replies=replies)))
                assert [name for name, by in alone.items() if by == key and after[name]] == []
                tried += 1
    assert tried or recorded[0].name == "people", "what is attested is asked by no check"


@pytest.mark.fault("T18")
def test_far_too_many_users_and_packages_turn_no_control_to_pass() -> None:
    """The answers of such a root are cut at their bounds, and what was cut is not judged."""
    with roots.overlaid(roots.debian_root(*test_linux_access.PACKAGES)) as root:
        asset = Asset("root", access=Access(chroot=Chroot(str(root))))
        ((_, names, evidence),) = visit(asset, baselines=["debian-12"])
        before = verdicts(Judge().findings(plan_for(asset, names), evidence))
        with (root / "etc/passwd").open("a") as users, (root / "etc/shadow").open("a") as hashes:
            users.writelines(f"user{n}:x:{n}:{n}::/home/user{n}:/bin/sh\n" for n in range(2000, 40_000))
            hashes.writelines(f"user{n}:!:19000:0:99999:7:::\n" for n in range(2000, 40_000))
        with (root / "var/lib/dpkg/status").open("a") as packages:
            packages.writelines(
                f"\nPackage: many{n}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
                for n in range(20_000)
            )
        ((_, names, evidence),) = visit(asset, baselines=["debian-12"])
    assert len([one for one in evidence.replies.values() if one.problem == "truncated"]) >= 2
    found = Judge().findings(plan_for(asset, names), evidence)
    assert [name for name, passes in verdicts(found).items() if passes and not before.get(name)] == []
    assert len({one.control for one in found if one.reason == "truncated"}) >= 10
