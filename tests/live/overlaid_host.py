"""A whole Debian host of the test's own: its root is an overlay, its sshd listens on loopback, and what was written to
it since any moment can be told."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scanner.model import Access, Asset, Ssh

from . import roots
from .sshd import free_port

PACKAGES = ("openssh-server", "sudo", "libpam-pwquality", "cron", "at", "login", "passwd", "libpam-runtime")
USERS = ("full", "pinned", "plain")
"""Scan accounts: with the full grant of sudo, with the collector alone, with nothing."""


@dataclass(frozen=True)
class Host:
    """A running host. root: its root as it sees it; upper: what differs from the image; folder: our own files."""

    root: Path
    upper: Path
    folder: Path
    port: int

    def asset(self, user: str, **changes: object) -> Asset:
        """This host as an asset, entered by one of its users."""
        known = self.folder / "known_hosts"
        key = " ".join((self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])
        known.write_text(f"[127.0.0.1]:{self.port} {key}\n")
        words: dict[str, object] = {
            "user": user, "port": self.port, "key": str(self.folder / "key"), "known_hosts": (str(known),),
            "config": "none", "connect_timeout_s": 20.0, **changes,
        }  # fmt: skip
        return Asset("host", "127.0.0.1", Access(ssh=Ssh(**words)), baselines=("debian-12",))  # type: ignore[arg-type]

    def written(self) -> dict[str, tuple[int, int, int]]:
        """Everything in the upper layer: path -> mode, size, time of last change in ns; folders without their times."""
        found = {}
        for path in sorted(self.upper.rglob("*")):
            state = path.lstat()
            times = (0, 0) if path.is_dir() and not path.is_symlink() else (state.st_size, state.st_mtime_ns)
            found[str(path.relative_to(self.upper))] = (state.st_mode, *times)
        return found

    def ssh(self, user: str, command: str) -> subprocess.CompletedProcess[str]:
        """What a command says to one of the users, by OpenSSH's own client."""
        options = [f"-p{self.port}", "-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]
        words = ["ssh", "-F", "none", "-i", str(self.folder / "key"), *options, f"{user}@127.0.0.1", command]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def overlaid_host() -> Iterator[Host]:
    """Start one; it is gone at the end, with all that was changed in it."""
    port = free_port()
    with roots.overlaid(roots.debian_root(*PACKAGES)) as root, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        _furnish(root, (folder / "key.pub").read_text())
        begin = (
            f"mount -t proc proc {root}/proc && mount --bind /dev {root}/dev && "
            f"exec chroot {root} /usr/sbin/sshd -D -e -p {port} -o ListenAddress=127.0.0.1 -o UsePAM=no"
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", begin],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            _await(port, process, folder / "log")
            yield Host(root, root.parent / "upper", folder, port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _furnish(root: Path, key: str) -> None:
    (root / "run/sshd").mkdir(parents=True, exist_ok=True)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_text(key)
    roots.run_in(root, "ssh-keygen -A >/dev/null; " + "; ".join(f"useradd -m -s /bin/sh -p '*' {u}" for u in USERS))
    for user in USERS:
        place = root / "home" / user / ".ssh"
        place.mkdir(mode=0o700)
        (place / "authorized_keys").write_text(key)
        roots.run_in(root, f"chown -R {user}: /home/{user}/.ssh")


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
            if probe.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    raise RuntimeError(f"sshd did not start: {log.read_text(errors='replace')[-2000:]}")
