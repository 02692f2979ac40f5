"""The route to a host over SSH: jump hosts, ~/.ssh/config, and servers that are none."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scanner import sh, visit
from scanner.errors import AuthFailed, TargetError, Unreachable
from scanner.model import Access, Asset, Probe, Reply, Ssh
from scanner.transports import Bounds, transport

from .sshd import PASSWORD, USABLE, WHY, Sshd, free_port, sshd, threads_left

pytestmark = [pytest.mark.live, pytest.mark.skipif(not USABLE, reason=WHY)]
WHO = sh("id -un")
HOST_KEY = visit("host-key")


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert threads_left() == []


def go(asset: Asset, bounds: Bounds | None = None) -> Mapping[Probe, Reply]:
    return transport("ssh").visit(asset, [WHO, HOST_KEY], bounds or Bounds(60))


def state(answered: Mapping[Probe, Reply]) -> str:
    return str(json.loads(answered[HOST_KEY].text)["state"])


# ── the route ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_jump_host_is_passed_and_held_to_its_own_host_key(server: Sshd, tmp_path: Path) -> None:
    with sshd() as jump:
        known = tmp_path / "known"
        known.write_text(server.known_hosts.read_text())
        (jump.folder / "authorized_keys").write_text(server.key.with_suffix(".pub").read_text())
        asset = server.asset(jump=f"plain@127.0.0.1:{jump.port}", known_hosts=(str(known),))
        with pytest.raises(AuthFailed, match="is unknown") as refused:
            go(asset)
        assert refused.value.answered == {}
        known.write_text(server.known_hosts.read_text() + jump.known_hosts.read_text())
        found = go(asset)
        assert (found[WHO].text, state(found)) == ("root\n", "known")
        assert "direct-tcpip" in jump.log
        assert jump.sessions == 0


def test_the_password_of_a_host_never_goes_to_its_jump_host(
    server: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with sshd(PasswordAuthentication="yes") as jump:
        known = (str(server.known_hosts), str(jump.known_hosts))
        way = {
            "key": None,
            "password": "env:LAB_PASSWORD",
            "jump": f"plain@127.0.0.1:{jump.port}",
            "known_hosts": known,
        }
        with pytest.raises(AuthFailed, match=f"{jump.port}: nothing to log in with"):
            go(server.asset(**way))
        assert "method password" not in jump.log


@pytest.mark.fault("N12")
def test_a_jump_host_that_cannot_go_on_is_named(server: Sshd) -> None:
    with sshd(AllowTcpForwarding="no") as jump:
        known = (str(server.known_hosts), str(jump.known_hosts))
        (jump.folder / "authorized_keys").write_text(server.key.with_suffix(".pub").read_text())
        with pytest.raises(Unreachable, match="forbids forwarding"):
            go(server.asset(jump=f"plain@127.0.0.1:{jump.port}", known_hosts=known))
    with pytest.raises(Unreachable, match="Connection refused"):
        go(server.asset(jump=f"plain@127.0.0.1:{jump.port}", known_hosts=known))


@pytest.mark.fault("N12")
def test_a_jump_host_that_dies_half_way_leaves_what_was_said(server: Sshd) -> None:
    slow = sh("sleep 100", timeout_s=120)
    with sshd() as jump, ThreadPoolExecutor(1) as pool:
        known = (str(server.known_hosts), str(jump.known_hosts))
        (jump.folder / "authorized_keys").write_text(server.key.with_suffix(".pub").read_text())
        asset = server.asset(jump=f"plain@127.0.0.1:{jump.port}", known_hosts=known)
        before = len(server.sudo_log)
        visiting = pool.submit(transport("ssh").visit, asset, [WHO, slow], Bounds(60))
        until = time.monotonic() + 20
        while len(server.sudo_log) == before and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        jump.signal_sessions(signal.SIGKILL)
        found = visiting.result(30)
    assert (found[WHO].text, found[slow].problem) == ("root\n", "failed")


def test_the_ssh_configuration_is_followed(server: Sshd, tmp_path: Path) -> None:
    included, config = tmp_path / "included", tmp_path / "config"
    included.write_text(f"Host lab*\n  User plain\n  Port {server.port}\n")
    config.write_text(
        f"Include {included.name}\nHost lab1\n  HostName 127.0.0.1\n  IdentityFile {server.key}\n"
        f"  IdentitiesOnly yes\n  HostKeyAlias the-lab\n  UserKnownHostsFile {tmp_path}/known\n"
    )
    (tmp_path / "known").write_text(f"the-lab {server.host_key}\n")
    found = go(Asset("lab1", "lab1", Access(ssh=Ssh(config=str(config)))))
    assert (found[WHO].text, state(found)) == ("plain\n", "known")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Host *\n  ProxyCommand touch {witness}\n", "ProxyCommand in .* is not run"),
        ("Match exec \"touch {witness}\"\n  User root\n", "`Match exec` is not evaluated"),
        ("Host lab\n  Include other\n", "inside a Host or Match block"),
        ("Port twenty\n", "is no port"),
        ("nonsense\n", "cannot be read"),
        ("Include config\n", "in a circle"),
        ("Include conf*\nInclude conf*\nInclude conf*\n", "in a circle"),
        ("Host l\u00e4b\n", "cannot be read"),
    ],
)  # fmt: skip
@pytest.mark.fault("I5")
def test_a_configuration_that_would_run_commands_or_cannot_be_read_is_refused(
    server: Sshd, tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "config").write_text(text.format(witness=tmp_path / "witness"), encoding="latin-1")
    with pytest.raises(Unreachable, match=reason):
        go(server.asset(config=str(tmp_path / "config"), port=None))
    assert not (tmp_path / "witness").exists()


# ── no server, or none that speaks SSH ───────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def fake(talk: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[int]]]:
    """A server that does `talk` with whoever connects: its port, and a list that grows by one with each connection."""
    came: list[int] = []
    stop = threading.Event()

    def handle(opened: socket.socket) -> None:
        with opened, contextlib.suppress(OSError):
            talk(opened)
            while not stop.wait(0.05) and opened.fileno() >= 0:
                pass

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                opened, _ = listener.accept()
                came.append(1)
                threading.Thread(target=handle, args=(opened,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1], came
        finally:
            stop.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def drip(opened: socket.socket) -> None:
    for _ in range(1000):
        opened.sendall(b"x")
        threading.Event().wait(0.05)


def flood(opened: socket.socket) -> None:
    for _ in range(1 << 16):
        opened.sendall(b"x" * 65536)


def lines(opened: socket.socket) -> None:
    for _ in range(1 << 16):
        opened.sendall(b"noise\r\n")
        threading.Event().wait(0.01)


TALKS: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "silence": (lambda opened: None, "no answer within 1 s, before its SSH greeting"),
    "greeting only": (lambda opened: opened.sendall(b"SSH-2.0-x\r\n"), "no answer within 1 s, in the key exchange"),
    "drip": (drip, "before its SSH greeting|no SSH server"),
    "flood": (flood, "no SSH server: .*a line without an end"),
    "lines": (lines, "no SSH server|before its SSH greeting"),
    "old": (lambda opened: opened.sendall(b"SSH-1.5-old\r\n"), "no algorithm in common.*Incompatible version"),
    "garbage": (lambda opened: opened.sendall(b"SSH-2.0-x\r\n" + b"\0\0\0\x0c\x0a" + b"\xff" * 5000), "broke off"),
    "endless": (lambda opened: opened.sendall(b"SSH-2.0-x\r\n\xff\xff\xff\xfc\x0a" + b"\0" * 50), "a packet of 429496"),
    "huge": (lambda opened: opened.sendall(b"SSH-2.0-x\r\n" + b"\xff" * 5000), "broke off|in the key exchange"),
}


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.fault("N10")
def test_a_server_that_does_not_speak_ssh_is_left_in_time(name: str) -> None:
    talk, reason = TALKS[name]
    with fake(talk) as (port, _), pytest.raises(Unreachable, match=reason):
        go(Asset("x", "127.0.0.1", Access(ssh=Ssh(port=port, config="none", connect_timeout_s=1.0))))


@pytest.mark.fault("T31", "N3")
def test_a_server_that_hangs_up_at_once_is_tried_a_few_times() -> None:
    def hang_up(opened: socket.socket) -> None:
        opened.shutdown(socket.SHUT_RDWR)

    with fake(hang_up) as (port, came):
        with pytest.raises(Unreachable, match="closed before an SSH greeting"):
            go(Asset("x", "127.0.0.1", Access(ssh=Ssh(port=port, config="none"))))
        assert len(came) == 4


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "Connection refused"),
        ("::1", "Connection refused|Cannot assign|unreachable"),
        ("no-such-host.invalid", "no-such-host.invalid: "),
        ("a" * 70 + ".example", "a.example: "),
        ("..", "no valid host name|not found|: "),
    ],
)
@pytest.mark.fault("N1")
def test_a_host_that_is_not_there_is_unreachable(address: str, reason: str) -> None:
    with pytest.raises(Unreachable, match=reason) as gone:
        go(Asset("x", address, Access(ssh=Ssh(port=free_port(), config="none", connect_timeout_s=5.0))))
    assert isinstance(gone.value, TargetError)
    assert gone.value.problem == "unreachable"


@pytest.mark.fault("T32")
def test_a_server_without_an_algorithm_in_common_is_told_so() -> None:
    with sshd(Ciphers="chacha20-poly1305@openssh.com") as old, pytest.raises(Unreachable, match="no algorithm in"):
        go(old.asset())
