"""A RabbitMQ node of the test's own: free ports, its own cookie, its own folder, TLS only; gone at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
USABLE = os.geteuid() == 0 and (SCRIPTS / "rabbitmq-server").exists() and shutil.which("openssl") is not None
WHY = "needs root, and rabbitmq-server (Debian: apt install rabbitmq-server)"


@dataclass(frozen=True)
class Rabbit:
    """A running node. url: with its password. ca: who signed its certificate; stranger: who did not."""

    url: str
    ca: Path
    stranger: Path


@contextlib.contextmanager
def rabbit(address: str, port: int, inside: Sequence[str] = ()) -> Iterator[Rabbit]:
    """Start a node at this address. inside: the command that enters its network namespace."""
    folder = Path(tempfile.mkdtemp(prefix="riskline-rabbit-"))
    password = secrets.token_hex(16)
    try:
        env = _write(folder, address, port, password)
        log = (folder / "out").open("wb")
        process = subprocess.Popen(
            [*inside, str(SCRIPTS / "rabbitmq-server")], env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _await(process, folder)
            yield Rabbit(f"amqps://test:{password}@{address}:{port}/", folder / "ca.pem", folder / "stranger.pem")
        finally:
            log.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
            _end_of(str(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, address: str, port: int, password: str) -> dict[str, str]:
    _certificates(folder, address)
    lines = [
        "listeners.tcp = none",
        f"listeners.ssl.default = {address}:{port}",
        f"ssl_options.cacertfile = {folder}/ca.pem",
        f"ssl_options.certfile = {folder}/cert.pem",
        f"ssl_options.keyfile = {folder}/key.pem",
        "ssl_options.verify = verify_none",
        "default_user = test",
        f"default_pass = {password}",
        "loopback_users = none",
        "log.file.level = error",
        "disk_free_limit.absolute = 50MB",
    ]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "plugins").write_text("[].\n")
    (folder / ".erlang.cookie").write_text(secrets.token_hex(16))
    (folder / ".erlang.cookie").chmod(0o400)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "RABBITMQ_NODENAME": f"riskline{os.getpid()}@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "made"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        # in a network namespace of its own these are free, whatever this machine runs
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def _certificates(folder: Path, address: str) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    for name in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=broker", "-keyout", "key.pem", "-out", "request.pem")
    (folder / "names").write_text(f"subjectAltName=IP:{address}\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "cert.pem")  # fmt: skip


def _await(process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if b"completed with" in (folder / "out").read_bytes():
            return
        time.sleep(0.1)
    raise RuntimeError(f"RabbitMQ did not start: {(folder / 'out').read_text()[-3000:]}")


def _end_of(mark: str) -> None:
    """End what the node left behind: processes, epmd among them, whose environment names its folder."""
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"HOME={mark}\0".encode() in place.read_bytes() + b"\0":
                os.kill(int(place.parent.name), signal.SIGKILL)
