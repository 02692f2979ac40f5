"""A small fleet on loopback: gateways are entered once per thread, hosts that are busy or dead hold nobody up."""

from __future__ import annotations

import base64
import contextlib
import hmac
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scanner.collect import collect
from scanner.model import Access, Asset, Courtesy, Ssh
from scanner.plan import PlannedAsset
from scanner.probes import sh
from scanner.transports import Bounds, ssh_hosts

from .sshd import USABLE, WHY, Sshd, sshd

pytestmark = [pytest.mark.live, pytest.mark.skipif(not USABLE, reason=WHY)]
WHO = sh("id -un")
ADDRESSES = [f"127.1.0.{n}" for n in range(1, 13)]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Sshd]:
    everywhere = "\nListenAddress ".join(["127.0.0.1", *ADDRESSES])
    with sshd(ListenAddress=everywhere, LogLevel="VERBOSE") as server:
        lines = [f"[{one}]:{server.port} {server.host_key}\n" for one in ["127.0.0.1", *ADDRESSES]]
        server.known_hosts.write_text("".join(lines))
        yield server


def planned(address: str, way: Ssh) -> PlannedAsset:
    return PlannedAsset(Asset(address, address, Access(ssh=way)), (), {"ssh": (WHO,)})


def test_a_gateway_is_entered_once_by_each_thread(fleet: Sshd, tmp_path: Path) -> None:
    with sshd() as gateway:
        (gateway.folder / "authorized_keys").write_text(fleet.key.with_suffix(".pub").read_text())
        known = tmp_path / "known"
        known.write_text(fleet.known_hosts.read_text() + gateway.known_hosts.read_text())
        way = fleet.way(jump=f"plain@127.0.0.1:{gateway.port}", known_hosts=(str(known),))
        before = gateway.log.count("Accepted publickey")
        found = list(collect([planned(one, way) for one in ADDRESSES], Bounds(60), 3))
        assert [one.evidence.replies[WHO.key].text for one in found] == ["root\n"] * len(ADDRESSES)
        assert 1 <= gateway.log.count("Accepted publickey") - before <= 3


def entries(names: Sequence[str], marker: str = "", hashed: bool = False) -> str:
    """Lines of known_hosts, each with a key of its own that no server has."""
    kind = b"ssh-ed25519"
    lines = []
    for number, name in enumerate(names):
        blob = len(kind).to_bytes(4) + kind + (32).to_bytes(4) + number.to_bytes(32)
        if hashed:
            salt = number.to_bytes(20)
            parts = (salt, hmac.digest(salt, name.encode(), "sha1"))
            name = "|1|" + "|".join(base64.b64encode(one).decode() for one in parts)
        lines.append(f"{marker}{name} {kind.decode()} {base64.b64encode(blob).decode()}\n")
    return "".join(lines)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The length of each text that is parsed from now on."""
    lengths: list[int] = []
    parse = ssh_hosts.parse

    def noted(text: str, known: ssh_hosts.KnownHosts | None = None) -> ssh_hosts.KnownHosts:
        lengths.append(len(text))
        return parse(text, known)

    monkeypatch.setattr(ssh_hosts, "parse", noted)
    return lengths


@pytest.mark.fault("I8")
@pytest.mark.parametrize("form", ["plain", "hashed", "revoked", "certified"])
def test_a_hundred_thousand_known_hosts_are_read_once_a_run(
    fleet: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    names = [f"host{number}.example" for number in range(100_000)]
    marker = {"revoked": "@revoked ", "certified": "@cert-authority "}.get(form, "")
    known = tmp_path / "known"
    own = fleet.known_hosts.read_text()
    known.write_text(entries(names, marker, form == "hashed") + own)
    lengths = counted(monkeypatch)
    way = fleet.way(known_hosts=(str(known),))
    found = list(collect([planned(one, way) for one in ADDRESSES[:4]], Bounds(120), 2))
    assert [one.evidence.replies[WHO.key].text for one in found] == ["root\n"] * 4
    assert lengths == [known.stat().st_size]


@pytest.mark.fault("I8")
def test_hosts_that_are_learned_cost_the_reading_of_their_own_lines(
    fleet: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tmp_path / "known"
    known.write_text(entries([f"host{number}.example" for number in range(100_000)]))
    before = known.stat().st_size
    lengths = counted(monkeypatch)
    way = fleet.way(known_hosts=(str(known),), host_keys="accept-new")
    found = list(collect([planned(one, way) for one in ADDRESSES], Bounds(120), 4))
    assert [one.evidence.replies[WHO.key].text for one in found] == ["root\n"] * len(ADDRESSES)
    learned = known.read_text()[before:]
    assert sorted(learned.splitlines(keepends=True)) == sorted(
        f"[{one}]:{fleet.port} {fleet.host_key}\n" for one in ADDRESSES
    )
    assert sum(lengths) <= known.stat().st_size
    with known.open("r+") as opened:  # what changed in its midst is read anew
        opened.write("@")
    assert ssh_hosts.read(known) != ssh_hosts.KnownHosts()
    assert lengths[-1] == known.stat().st_size


def test_a_gateway_that_drops_its_connections_is_entered_again(fleet: Sshd, tmp_path: Path) -> None:
    import signal

    with sshd() as gateway:
        (gateway.folder / "authorized_keys").write_text(fleet.key.with_suffix(".pub").read_text())
        known = tmp_path / "known"
        known.write_text(fleet.known_hosts.read_text() + gateway.known_hosts.read_text())
        way = fleet.way(jump=f"plain@127.0.0.1:{gateway.port}", known_hosts=(str(known),))
        came = collect([planned(one, way) for one in ADDRESSES[:6]], Bounds(60), 1)
        found = [next(came), next(came), next(came)]
        gateway.signal_sessions(signal.SIGKILL)
        found += came
        answered = Counter(one.evidence.replies[WHO.key].text for one in found)
        # a visit that is under way when its gateway falls may be lost with it; no later one is
        assert answered["root\n"] >= 5
        assert len(found) == 6


@pytest.mark.fault("T31")
def test_a_busy_server_that_turns_callers_away_is_visited_all_the_same() -> None:
    with sshd(MaxStartups="3:100:3") as server:
        way = server.way()
        hosts = [PlannedAsset(Asset(f"h{n}", "127.0.0.1", Access(ssh=way)), (), {"ssh": (WHO,)}) for n in range(8)]
        found = list(collect(hosts, Bounds(60), 4, courtesy=Courtesy(network=4)))
        answered = [one for one in found if one.evidence.replies[WHO.key].text == "root\n"]
        assert len(answered) >= 7, [one.evidence.failures for one in found]


def test_a_server_that_turns_callers_away_by_a_reset_is_tried_again() -> None:
    came = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def turn_away() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    caller.recv(100)  # its greeting; what is thrown away unread, or lingers not, makes a reset
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    caller.close()
                    came.append(1)

        turning = threading.Thread(target=turn_away)
        turning.start()
        way = Ssh(port=server.getsockname()[1], config="none", known_hosts=())
        host = PlannedAsset(Asset("busy", "127.0.0.1", Access(ssh=way)), (), {"ssh": (WHO,)})
        (found,) = collect([host], Bounds(30))
        server.shutdown(socket.SHUT_RDWR)
        turning.join(10)
    assert len(came) == 4
    assert "closed before an SSH greeting came" in found.evidence.failures["ssh"]


@pytest.mark.fault("P4")
def test_dead_hosts_are_reported_and_hold_nobody_up(fleet: Sshd) -> None:
    with socket.socket() as full:
        full.bind(("127.2.0.1", 0))
        full.listen(0)  # whoever comes after the queue is full is never answered: as good as switched off
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.2.0.1", port))
        dead = fleet.way(port=port, connect_timeout_s=1.0)
        hosts = [planned(one, fleet.way()) for one in ADDRESSES[:6]]
        hosts += [PlannedAsset(Asset(f"dead{n}", "127.2.0.1", Access(ssh=dead)), (), {"ssh": (WHO,)}) for n in range(6)]
        found = {one.planned.asset.id: one for one in collect(hosts, Bounds(60), 12)}
        for one in waiting:
            one.close()
    assert [found[one].evidence.replies[WHO.key].text for one in ADDRESSES[:6]] == ["root\n"] * 6
    for n in range(6):
        assert found[f"dead{n}"].evidence.replies[WHO.key].problem == "unreachable"
        assert "no answer in 1 s" in found[f"dead{n}"].evidence.failures["ssh"]
