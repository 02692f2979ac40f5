"""Names that are answered wrongly, late or never, lines that delay, lose, drop or break, and proxies unasked for."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scanner import sh
from scanner.errors import HostKeyChanged, TargetError, Unreachable
from scanner.model import Asset
from scanner.transports import Bounds, transport

from .spaces import NAMESPACES, drop, network_of_ones_own
from .sshd import USABLE, WHY, Sshd, sshd

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not USABLE, reason=WHY),
    pytest.mark.skipif(not NAMESPACES, reason="needs root, ip and iptables"),
]
WHO = sh("id -un")
A, AAAA = 1, 28
NAMES = {  # name -> its addresses by type; None is never answered
    "late.test": None,
    "six-first.test": {AAAA: "2001:db8::1", A: "127.0.0.1"},
    "two.test": {A: "127.9.9.9 127.0.0.1"},
    "good.test": {A: "127.0.0.1"},
    "moves.test": {A: "127.0.0.1 then 127.0.0.2 then 127.0.0.1"},
}


@contextlib.contextmanager
def resolver() -> Iterator[None]:
    """A name server at the address that this machine's resolver asks, in a network of its own."""
    (address,) = re.findall(r"^nameserver\s+(\d\S+)", Path("/etc/resolv.conf").read_text(), re.M)[:1] or [""]
    if not address:
        pytest.skip("/etc/resolv.conf names no server to stand in for")
    if not address.startswith("127."):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    said: Counter[tuple[str, int]] = Counter()
    with contextlib.suppress(OSError):
        while True:
            asked, peer = server.recvfrom(4096)
            if not asked:
                return
            answer = _answer(asked, said)
            if answer:
                server.sendto(answer, peer)


def _answer(asked: bytes, said: Counter[tuple[str, int]]) -> bytes | None:
    """said: how often each question was answered before. Source: RFC 1035, section 4."""
    labels, at = [], 12
    while asked[at]:
        labels.append(asked[at + 1 : at + 1 + asked[at]].decode())
        at += 1 + asked[at]
    question = asked[12 : at + 5]
    (kind,) = struct.unpack("!H", asked[at + 1 : at + 3])
    name = ".".join(labels).lower()
    if name in NAMES and NAMES[name] is None:
        return None
    turns = ((NAMES.get(name) or {}).get(kind) or "").split(" then ")
    words = turns[said[name, kind] % len(turns)].split()
    said[name, kind] += 1
    family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
    records = [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(raw)) + raw
               for raw in (socket.inet_pton(family, word) for word in words)]  # fmt: skip
    flags = 0x8180 if name in NAMES else 0x8183  # NXDOMAIN
    return asked[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)


def called(server: Sshd, name: str, limit_s: float = 2.0) -> Asset:
    known = server.folder / f"known-{name}"
    known.write_text(f"[{name}]:{server.port} {server.host_key}\n")
    way = server.asset(known_hosts=(str(known),), connect_timeout_s=limit_s).access
    return Asset(name, name, way)


@pytest.mark.fault("N8")
def test_names_that_nobody_has_or_nobody_answers_for_are_unreachable_in_time() -> None:
    with network_of_ones_own(), resolver(), sshd() as server:
        with pytest.raises(Unreachable, match="not known"):
            transport("ssh").visit(called(server, "nobody.test"), [WHO], Bounds(60))
        with pytest.raises(Unreachable, match="the name was not resolved within 2 s"):
            transport("ssh").visit(called(server, "late.test"), [WHO], Bounds(60))
        assert transport("ssh").visit(called(server, "good.test"), [WHO], Bounds(60))[WHO].text == "root\n"


@pytest.mark.parametrize("name", ["six-first.test", "two.test"])
@pytest.mark.fault("N8")
def test_of_several_addresses_a_dead_one_hides_no_other(name: str) -> None:
    with network_of_ones_own(), resolver(), sshd() as server:
        drop(None, "-d", "127.9.9.9")
        assert transport("ssh").visit(called(server, name, 6), [WHO], Bounds(60))[WHO].text == "root\n"


@pytest.mark.fault("N8")
def test_a_name_that_leads_to_another_machine_meanwhile_is_not_audited_as_the_one_before() -> None:
    with network_of_ones_own(), resolver(), sshd() as server, sshd() as another:
        with far_away(another.port, 0, ("127.0.0.2", server.port)):
            asset = called(server, "moves.test")
            assert transport("ssh").visit(asset, [WHO], Bounds(60))[WHO].text == "root\n"
            with pytest.raises(HostKeyChanged):
                transport("ssh").visit(asset, [WHO], Bounds(60))
            assert transport("ssh").visit(asset, [WHO], Bounds(60))[WHO].text == "root\n"
        assert another.connections == 1 and "Accepted" not in another.log


@pytest.mark.fault("N2")
def test_a_host_behind_a_filter_that_drops_everything_costs_its_connect_time() -> None:
    with network_of_ones_own(), sshd() as server:
        drop(None, "-d", "127.9.9.9")
        there = replace(server.asset(connect_timeout_s=1.0), address="127.9.9.9")
        with pytest.raises(Unreachable, match="no answer in 1 s"):
            transport("ssh").visit(there, [WHO], Bounds(60))


@pytest.mark.parametrize(
    ("after_bytes", "reason"),
    [
        (0, "closed before an SSH greeting"),
        (10, "closed before an SSH greeting"),
        (1000, "the key exchange broke off: the connection was closed"),
    ],
)
@pytest.mark.fault("N3")
def test_a_connection_that_is_reset_before_the_login_is_told_plainly(after_bytes: int, reason: str) -> None:
    with sshd() as server, breaking_off(server, after_bytes) as asset, pytest.raises(TargetError, match=reason):
        transport("ssh").visit(asset, [WHO], Bounds(60))


@pytest.mark.fault("N3")
def test_a_connection_that_is_reset_around_the_end_of_the_key_exchange_is_told_plainly() -> None:
    with sshd() as server:
        for after_bytes in range(1200, 2000, 80):
            with breaking_off(server, after_bytes) as asset, pytest.raises(TargetError) as found:
                transport("ssh").visit(asset, [WHO], Bounds(60))
            assert str(found.value).endswith(": the connection was closed")


@pytest.mark.fault("N3")
def test_a_connection_that_is_reset_in_the_middle_of_an_answer_leaves_what_was_whole() -> None:
    probes = [sh(f"seq {n} {n + 5000}") for n in range(20)]
    with sshd() as server:
        wanted = transport("ssh").visit(server.asset(), probes, Bounds(60))
        with breaking_off(server, 40_000) as asset:
            found = transport("ssh").visit(asset, probes, Bounds(60))
    assert {one.problem for one in found.values()} == {None, "failed"}
    assert all(reply == wanted[probe] for probe, reply in found.items() if reply.problem is None)


@contextlib.contextmanager
def breaking_off(server: Sshd, after_bytes: int) -> Iterator[Asset]:
    """The server behind a line on which both sides are reset when so much came from it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    far = socket.create_connection(("127.0.0.1", server.port))
                    threading.Thread(target=carry, args=(near, far), daemon=True).start()

        def carry(near: socket.socket, far: socket.socket) -> None:
            left = after_bytes
            while left > 0:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(left if one is far else 1 << 16)
                    (near if one is far else far).sendall(data)
                    left -= len(data) if one is far else 0
            for one in (near, far):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()

        threading.Thread(target=accept, daemon=True).start()
        try:
            port = listener.getsockname()[1]
            known = server.folder / "broken"
            known.write_text(f"[127.0.0.1]:{port} {server.host_key}\n")
            yield server.asset(port=port, known_hosts=(str(known),))
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def far_away(port: int, delay_s: float, at: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[int]:
    """A port behind which another one is, so much later in each direction."""
    with socket.create_server(at) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for one, other in ((near, far), (far, near)):
                        threading.Thread(target=_carry, args=(one, other, delay_s), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _carry(one: socket.socket, other: socket.socket, delay_s: float) -> None:
    """Every piece leaves so long after it came, however many are on the way."""
    import queue

    way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def send() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    other.shutdown(socket.SHUT_WR)
                    return
                other.sendall(data)

    threading.Thread(target=send, daemon=True).start()
    with contextlib.suppress(OSError):
        while data := one.recv(1 << 16):
            way.put((time.monotonic() + delay_s, data))
    way.put((time.monotonic() + delay_s, b""))


@pytest.mark.fault("N9")
def test_a_line_that_delays_and_loses_changes_no_answer() -> None:
    """A tenth of a second there and back beside what is lost and sent again: one packet in ten."""
    probes = [sh(f"seq {n} {n + 3000}") for n in range(20)]
    with network_of_ones_own(), sshd() as server, far_away(server.port, 0.15) as port:
        near = transport("ssh").visit(server.asset(), probes, Bounds(100))
        drop(None, "-i", "lo", "-m", "statistic", "--mode", "random", "--probability", "0.1")
        known = server.folder / "far"
        known.write_text(f"[127.0.0.1]:{port} {server.host_key}\n")
        way = server.asset(port=port, known_hosts=(str(known),), connect_timeout_s=60)
        far = transport("ssh").visit(way, probes, Bounds(200))
    assert far == near
    assert {reply.problem for reply in far.values()} == {None}


@pytest.mark.fault("N17")
def test_proxies_of_the_environment_are_not_used_for_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    with sshd() as server, socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in (
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "SOCKS_SERVER",
        ):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert transport("ssh").visit(server.asset(), [WHO], Bounds(60))[WHO].text == "root\n"
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
