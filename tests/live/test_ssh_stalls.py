"""A server that speaks SSH well and then stops: at the login, at the session, at the command, or a byte at a time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from scanner import sh, visit
from scanner.errors import TargetError, Unreachable, VisitFailed
from scanner.model import Access, Asset, Ssh
from scanner.transports import Bounds, transport

pytestmark = pytest.mark.live
WHO = sh("id -un")
HOST_KEY = visit("host-key")


class Staller(paramiko.ServerInterface):
    """Lets everybody in, and stops at one stage until `release` is set."""

    def __init__(self, stage: str, release: threading.Event) -> None:
        self.stage = stage
        self.release = release

    def _reach(self, stage: str) -> None:
        if stage == self.stage:
            self.release.wait(60)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._reach("login")
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self._reach("session")
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._reach("command")
        threading.Thread(target=self._drip, args=(channel,), daemon=True).start()
        return True

    def _drip(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError):
            while not self.release.wait(0.02):
                channel.send(b"x")
                channel.send_stderr(b"y")


@contextlib.contextmanager
def stalling(stage: str, folder: Path) -> Iterator[Asset]:
    """A server that stalls at a stage: "login", "session", "command", or "output" (one byte at a time, for ever)."""
    release = threading.Event()
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(folder / "key"))
    served: list[paramiko.Transport] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                opened, _ = listener.accept()
                served.append(paramiko.Transport(opened))
                served[-1].add_server_key(key)
                served[-1].start_server(threading.Event(), Staller(stage, release))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (folder / "known").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        threading.Thread(target=serve, daemon=True).start()
        way = Ssh(
            "me", port, str(folder / "key"), config="none", known_hosts=(str(folder / "known"),), connect_timeout_s=1
        )
        try:
            yield Asset("stalls", "127.0.0.1", Access(ssh=way))
        finally:
            release.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for each in served:
                each.close()


@pytest.mark.parametrize(
    ("stage", "kind", "reason"),
    [
        ("login", Unreachable, "login was not answered in time"),
        ("session", VisitFailed, "gave no session in time"),
        ("command", VisitFailed, "gave no session in time"),
        ("output", VisitFailed, "did not answer in time"),
    ],
)
@pytest.mark.fault("N4")
def test_a_server_that_stalls_is_left_at_the_deadline(
    tmp_path: Path, stage: str, kind: type[TargetError], reason: str
) -> None:
    with stalling(stage, tmp_path) as asset, pytest.raises(kind, match=reason) as left:
        transport("ssh").visit(asset, [WHO, HOST_KEY], Bounds(4))
    assert '"known"' in left.value.answered[HOST_KEY].text


@pytest.mark.fault("T5")
def test_output_a_byte_at_a_time_is_cut_at_the_byte_limit_too(tmp_path: Path) -> None:
    with stalling("output", tmp_path) as asset, pytest.raises(VisitFailed, match="did not run /bin/sh"):
        transport("ssh").visit(asset, [WHO], Bounds(100, max_bytes=50))
