"""Servers of other makers and of other times: visited like any, or told why not."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner import file, files, sh, stat, visit
from scanner.errors import Unreachable
from scanner.model import Access, Asset, Ssh
from scanner.transports import Bounds, transport

from .sshd import USABLE, WHY, dropbear, sshd

pytestmark = [pytest.mark.live, pytest.mark.skipif(not USABLE, reason=WHY)]
WHO = sh("id -un")
HOST_KEY = visit("host-key")
QUESTIONS = (
    *(WHO, HOST_KEY, sh("cat", sudo=True), sh("seq 1 100000", max_bytes=1 << 20), sh("false"), sh("x", of="no-such")),
    *(file("/etc/shadow", sudo=True), file("/none"), files("/etc/pam.d/*"), stat("/etc", "/none")),
)


@pytest.mark.fault("T32")
def test_a_dropbear_gives_the_answers_that_an_openssh_gives() -> None:
    with sshd() as usual:
        wanted = transport("ssh").visit(usual.asset(), QUESTIONS, Bounds(60))
    with dropbear() as other:
        found = transport("ssh").visit(other.asset(), QUESTIONS, Bounds(60))
    of_their_own = {HOST_KEY, file("/etc/shadow", sudo=True)}
    assert {one: found[one] for one in QUESTIONS if one not in of_their_own} == {
        one: wanted[one] for one in QUESTIONS if one not in of_their_own
    }
    assert '"known"' in found[HOST_KEY].text
    assert found[file("/etc/shadow", sudo=True)].text.startswith("root:")


@pytest.mark.fault("T32")
def test_a_server_that_signs_with_sha_1_alone_is_told_so(tmp_path: Path) -> None:
    key = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key], check=True)
    with (
        sshd(HostKey=str(key), HostKeyAlgorithms="ssh-rsa") as old,
        pytest.raises(Unreachable, match="no algorithm in common"),
    ):
        transport("ssh").visit(old.asset(), [WHO], Bounds(30))


@contextlib.contextmanager
def tinyssh(folder: Path) -> Iterator[int]:
    """The port of a tinysshd, which knows one algorithm of each kind, and no older ones."""
    keys = folder / "keys"
    subprocess.run(["tinysshd-makekey", keys], check=True, capture_output=True)
    served: list[subprocess.Popen[bytes]] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                opened, _ = listener.accept()
                with opened:
                    end, words = opened.fileno(), ["tinysshd", str(keys)]
                    served.append(subprocess.Popen(words, stdin=end, stdout=end, stderr=subprocess.DEVNULL))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in served:
                each.kill()
                each.wait()


@pytest.mark.fault("T32")
def test_a_server_that_knows_none_of_our_ciphers_is_told_so(tmp_path: Path) -> None:
    with tinyssh(tmp_path) as port, pytest.raises(Unreachable, match="no algorithm in common"):
        way = Ssh("root", port, str(tmp_path / "none"), config="none", connect_timeout_s=5)
        transport("ssh").visit(Asset("tiny", "127.0.0.1", Access(ssh=way)), [WHO], Bounds(30))
