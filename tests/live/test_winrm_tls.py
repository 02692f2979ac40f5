"""Certificates and versions of TLS that nobody should trust, at openssl's server: refused before a password is sent."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.errors import AuthFailed, TargetError, Unreachable
from scanner.model import Access, Asset, Winrm
from scanner.probes import powershell
from scanner.transports import Bounds, transport

from .sshd import free_port

pytestmark = pytest.mark.live


def chain(folder: Path, bits: int = 2048, digest: str = "sha256", days: int = 1) -> None:
    """An authority (ca.pem), and its certificate for localhost with the key (chain.pem)."""

    def openssl(words: str) -> bytes:
        return subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True).stdout

    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Authority -days 2")
    openssl(
        f"req -new -newkey rsa:{bits} -nodes -keyout own.key -out own.csr -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost"
    )
    made = openssl(f"x509 -req -in own.csr -CA ca.pem -CAkey ca.key -{digest} -days {days} -copy_extensions copy")
    (folder / "chain.pem").write_bytes((folder / "own.key").read_bytes() + made)


@contextlib.contextmanager
def s_server(folder: Path, *words: str) -> Iterator[Winrm]:
    """openssl as a server; what it was sent is in `said`."""
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "chain.pem", "-key", "chain.pem", *words]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen([*command, "-quiet"], cwd=folder, stdin=subprocess.PIPE, stdout=said, stderr=said)
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield Winrm("lab\\auditor", "env:RISKLINE_TEST_PASSWORD", port=port, ca_file=str(folder / "ca.pem"))
        finally:
            process.kill()
            process.wait()


def visit(way: Winrm) -> None:
    transport("winrm").visit(Asset("srv", "localhost", Access(winrm=way)), [powershell("1")], Bounds(5))


WEAK: dict[str, tuple[dict[str, object], tuple[str, ...], type[TargetError], str]] = {
    "expired": ({"days": -1}, (), AuthFailed, "expired"),
    "SHA-1": ({"digest": "sha1"}, ("-cipher", "ALL:@SECLEVEL=0"), AuthFailed, "certificate"),
    "RSA-1024": ({"bits": 1024}, ("-cipher", "ALL:@SECLEVEL=0"), AuthFailed, "certificate"),
    "TLS 1.0": ({}, ("-tls1", "-cipher", "ALL:@SECLEVEL=0"), Unreachable, "TLS|version"),
}


@pytest.mark.parametrize("name", WEAK)
@pytest.mark.fault("N13")
def test_what_nobody_should_trust_is_refused_before_the_password_is_used(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, words, kind, reason = WEAK[name]
    monkeypatch.setenv("RISKLINE_TEST_PASSWORD", "s3cret-of-the-test")
    chain(tmp_path, **made)  # type: ignore[arg-type]
    with s_server(tmp_path, *words) as way, pytest.raises(kind, match=reason):
        visit(way)
    assert b"wsman" not in (tmp_path / "said").read_bytes()


@pytest.mark.fault("N13")
def test_a_certificate_without_a_flaw_is_talked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused above is refused for its flaw."""
    monkeypatch.setenv("RISKLINE_TEST_PASSWORD", "s3cret-of-the-test")
    chain(tmp_path)
    with s_server(tmp_path) as way, pytest.raises(TargetError):
        visit(way)  # openssl takes the request and answers nothing
    assert b"wsman" in (tmp_path / "said").read_bytes()


@pytest.mark.fault("N13")
def test_a_server_that_stalls_in_the_handshake_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKLINE_TEST_PASSWORD", "s3cret-of-the-test")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable):
        way = Winrm("lab\\auditor", "env:RISKLINE_TEST_PASSWORD", port=silent.getsockname()[1])
        transport("winrm").visit(Asset("srv", "localhost", Access(winrm=way)), [powershell("1")], Bounds(1))
