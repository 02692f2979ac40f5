"""An sshd of the test's own on loopback: its own host keys, users, sudo rules, and a log that tells what it was asked.

The users live in a mount namespace that only this sshd sees: its own /etc/passwd, /etc/shadow, /etc/sudoers.d and
homes are bound over the machine's, which are never written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from scanner.model import Access, Asset, Ssh

MISSING = [name for name in ("sshd", "ssh-keygen", "unshare", "sudo", "openssl") if not shutil.which(name)]
USABLE = os.geteuid() == 0 and not MISSING
WHY = f"needs root{', and ' + ', '.join(MISSING) if MISSING else ''} to start an sshd with users of its own"
PASSWORD = "correct horse battery staple"
USERS = {  # name -> login shell
    "root": "/bin/sh",
    "audit": "/bin/bash",  # may sudo
    "plain": "/bin/sh",
    "closed": "/usr/sbin/nologin",
    "chatty": "/bin/bash",  # its .bashrc talks
    "torn": "{folder}/torn",
    "odd": "{folder}/odd",  # a shell with a syntax of its own
    "csh": "/bin/tcsh",
    "fish": "/usr/bin/fish",
}
SHELLS = {
    "torn": '#!/bin/sh\n[ "$1" = -c ] && shift\nexec /bin/sh {folder}/on-login\n',
    "odd": '#!/bin/sh\ncase "$2" in *[\\;\\|\\&\\$\\`\\(\\{{]*) echo "odd: syntax error" >&2; exit 1;; esac\nexec $2\n',
}


@dataclass
class Sshd:
    """A running server. log: everything it said. folder: its files, readable by its users."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    key: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        """The server's log at level VERBOSE."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def sudo_log(self) -> list[str]:
        """One line for each sudo."""
        path = self.folder / "sudo.log"
        return [line for line in path.read_text().splitlines() if "COMMAND=" in line] if path.exists() else []

    @property
    def connections(self) -> int:
        """How often somebody connected, apart from the start-up test."""
        return self.log.count("Connection from ") - 1

    @property
    def sessions(self) -> int:
        """How many sessions began."""
        return self.log.count("Starting session: ")

    @property
    def host_key(self) -> str:
        """The public host key: 'ssh-ed25519 AAAA…'."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file that names this server."""
        path = self.folder / "known_hosts"
        if not path.exists():
            path.write_text(f"[127.0.0.1]:{self.port} {self.host_key}\n")
        return path

    def way(self, **changes: object) -> Ssh:
        """An access that works, with some of it changed."""
        words: dict[str, object] = {
            "user": "audit",
            "port": self.port,
            "key": str(self.key),
            "known_hosts": (str(self.known_hosts),),
            "config": "none",
            "connect_timeout_s": 10.0,
        }
        return Ssh(**{**words, **changes})  # type: ignore[arg-type]

    def asset(self, **changes: object) -> Asset:
        """This server as an asset."""
        return Asset("lab", "127.0.0.1", Access(ssh=self.way(**changes)))

    def on_login(self, script: str) -> None:
        """What the user `torn` gets instead of the command that it asked for."""
        path = self.folder / "on-login"
        path.write_text(script)
        path.chmod(0o755)

    def signal_sessions(self, number: signal.Signals) -> None:
        """Send a signal to sshd's own processes of all sessions, not to what they started."""
        for pid in _below(self.pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "sshd":
                    os.kill(pid, number)

    @property
    def pid(self) -> int:
        """The listening process: sshd itself; `unshare` execs into it."""
        return self.process.pid


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def sshd(**settings: str) -> Iterator[Sshd]:
    """Start a server with these sshd_config(5) settings on top of the usual ones; it is gone at the end."""
    start = "/usr/sbin/sshd -D -f {folder}/sshd_config -E {folder}/log"
    with _users(settings) as folder, _running(folder, start, settings) as server:
        yield server


@contextlib.contextmanager
def dropbear() -> Iterator[Sshd]:
    """The same users, host key and way in, at another maker's server."""
    with _users({}) as folder:
        keys = (folder / "host_key", folder / "dropbear_key")
        subprocess.run(["dropbearconvert", "openssh", "dropbear", *keys], check=True, capture_output=True)
        for home in (folder / "home").iterdir():
            (home / ".ssh").mkdir(mode=0o700)
            shutil.copy(folder / "key.pub", home / ".ssh" / "authorized_keys")
            for made in (home / ".ssh", home / ".ssh" / "authorized_keys"):
                shutil.chown(made, home.stat().st_uid, home.stat().st_gid)
        start = "dropbear -F -E -s -p 127.0.0.1:{port} -r dropbear_key -P dropbear.pid 2>>log"
        with _running(folder, start, {}) as server:
            yield server


@contextlib.contextmanager
def _users(settings: Mapping[str, str]) -> Iterator[Path]:
    """A folder with keys, users and an sshd_config; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="riskline-sshd-"))
    folder.chmod(0o755)
    try:
        _write(folder, settings)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(folder: Path, command: str, settings: Mapping[str, str]) -> Iterator[Sshd]:
    """A server among these users, started in the folder on a port of its own."""
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(f"Port {port}\n{config.read_text()}")
    process = subprocess.Popen(
        ["unshare", "--mount", "/bin/sh", "-c", f"{_bound(folder)} && exec {command.format(port=port, folder=folder)}"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    server = Sshd(folder, port, process, folder / "key", settings)
    try:
        _await(server)
        yield server
    finally:
        _stop(server)


def _bound(folder: Path) -> str:
    """What a shell in a mount namespace of its own does so that only it sees the users."""
    over = {"passwd": "/etc/passwd", "shadow": "/etc/shadow", "group": "/etc/group", "sudoers": "/etc/sudoers"}
    binds = "".join(f"mount --bind {folder}/etc/{name} {place} && " for name, place in over.items())
    privsep = f"mkdir -p /run/sshd && mount --bind {folder}/empty /run/sshd"
    return f"{binds}{privsep}"


def _write(folder: Path, settings: Mapping[str, str]) -> None:
    for name in ("etc", "home", "empty"):
        (folder / name).mkdir(mode=0o755)
    for name in ("host_key", "key", "other_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    for name, text in SHELLS.items():
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    _write_users(folder)
    words = {
        "ListenAddress": "127.0.0.1",
        "HostKey": f"{folder}/host_key",
        "PidFile": "none",
        "AuthorizedKeysFile": f"{folder}/authorized_keys",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "yes",
        "LogLevel": "DEBUG1",
        "MaxStartups": "100:30:200",
        **settings,
    }
    (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in words.items()))
    shutil.copy(folder / "key.pub", folder / "authorized_keys")


def _write_users(folder: Path) -> None:
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], capture_output=True, check=True, text=True
    ).stdout.strip()
    passwd, shadow, group = [], [], ["root:x:0:"]
    for number, (name, shell) in enumerate(USERS.items()):
        uid = 0 if name == "root" else 60000 + number
        home = folder / "home" / name
        home.mkdir(mode=0o755)
        os.chown(home, uid, uid)
        passwd.append(f"{name}:x:{uid}:{uid}::{home}:{shell.format(folder=folder)}")
        shadow.append(f"{name}:{hashed}:19000:0:99999:7:::")
        group += [f"{name}:x:{uid}:"] if uid else []
    passwd.append("sshd:x:59999:59999::/run/sshd:/usr/sbin/nologin")
    noise = "echo you have mail; echo and a warning >&2; printf '\\n0123 HELLO RAW\\n'\n"
    for name in (".bashrc", ".profile", ".bash_profile"):
        (folder / "home" / "chatty" / name).write_text(noise)
    rules = f"Defaults logfile={folder}/sudo.log\nroot ALL=(ALL) ALL\naudit ALL=(root) NOPASSWD: /bin/sh -s\n"
    texts = {"passwd": passwd, "shadow": shadow, "group": group}
    for name, lines in texts.items():
        (folder / "etc" / name).write_text("\n".join(lines) + "\n")
    (folder / "etc" / "sudoers").write_text(rules)
    (folder / "etc" / "shadow").chmod(0o600)
    (folder / "etc" / "sudoers").chmod(0o440)


def _await(server: Sshd) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and server.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1) as probe:
            if probe.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    log = server.folder / "log"
    raise RuntimeError(f"sshd did not start: {log.read_text()[-2000:] if log.exists() else 'no log'}")


def _stop(server: Sshd) -> None:
    """End the listener and its sessions: each session has a process group of its own."""
    for pid in [*_below(server.pid), server.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait(10)


def _below(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, check=False)
    direct = [int(word) for word in found.stdout.split()]
    return [deeper for child in direct for deeper in _below(child)] + direct


def threads_left() -> list[threading.Thread]:
    """Connections that have not ended; one that is just ending on a busy machine is given its time."""
    until = time.monotonic() + 10
    while True:
        left: list[threading.Thread] = [
            one for one in threading.enumerate() if isinstance(one, paramiko.Transport) and one.is_alive()
        ]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.05)
