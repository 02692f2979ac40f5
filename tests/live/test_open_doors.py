"""Doors without a lock, at real servers, each open and shut: Samba, Net-SNMP, vsftpd, Redis, memcached, PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.model import Outcome

from . import programs
from .test_exposure import wait_for
from .test_nmap import look, outcomes
from .test_postgresql import programs as postgresql

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nmap"), reason="needs root and nmap"),
    pytest.mark.skipif(bool(programs.MISSING), reason="needs apt"),
]
PACKAGES = ("samba", "snmpd", "vsftpd", "redis-server", "memcached")
CONTROLS = ("NET-06", "NET-07", "NET-09", "SMB-01", "SMB-02")
DOORS = (
    ("NET-06", ":21/tcp"),
    ("NET-07", ":5432/tcp"),
    ("NET-07", ":6379/tcp"),
    ("NET-09", ":161/udp"),
    ("SMB-01", ""),
    ("SMB-02", ""),
)
MEMCACHED = ("NET-07", ":11211/tcp")
"""Open only: one that asks for a password is not told by nmap."""
SAMBA = """
[global]
  interfaces = {address}/8
  bind interfaces only = yes
  server role = standalone server
  disable netbios = yes
  smb ports = 445
  private dir = {folder}
  lock directory = {folder}
  state directory = {folder}
  cache directory = {folder}
  pid directory = {folder}
  ncalrpc dir = {folder}/ncalrpc
  log file = {folder}/samba.log
  server min protocol = {oldest}
  server signing = {signing}
"""


def write(folder: Path, address: str, *, shut: bool) -> list[list[str]]:
    """The configurations of one host, and the commands that start its servers."""
    folder.mkdir()
    signing, oldest = ("mandatory", "SMB2_10") if shut else ("auto", "NT1")
    samba = SAMBA.format(address=address, folder=folder, oldest=oldest, signing=signing)
    (folder / "smb.conf").write_text(samba)
    (folder / "snmpd.conf").write_text(
        f"agentaddress udp:{address}:161\nrocommunity {'Xk29dkeo' if shut else 'public'}\n"
    )
    (folder / "empty").mkdir()
    (folder / "vsftpd.conf").write_text(
        f"listen=YES\nlisten_address={address}\nbackground=NO\nlocal_enable=YES\nftp_username=daemon\n"
        f"anonymous_enable={'NO' if shut else 'YES'}\nsecure_chroot_dir={folder}/empty\nanon_root={folder}/empty\n"
    )
    redis = ["--requirepass", "not-to-be-guessed"] if shut else ["--protected-mode", "no"]
    return [
        ["smbd", "-F", "--no-process-group", "-s", f"{folder}/smb.conf"],
        ["snmpd", "-f", "-Lo", "-I", "-smux", "-C", "-c", f"{folder}/snmpd.conf"],
        ["vsftpd", f"{folder}/vsftpd.conf"],
        ["redis-server", "--bind", address, "--dir", f"{folder}", "--save", "", *redis],
        *([] if shut else [["memcached", "-u", "nobody", "-l", address]]),
    ]


@contextlib.contextmanager
def databases(folder: Path, open_address: str, shut_address: str) -> Iterator[None]:
    """Two PostgreSQL servers: one trusts whoever comes, one asks for a password."""
    place = postgresql()
    assert place, "PostgreSQL's server is not installed; run: make packages"
    folder.mkdir()
    shutil.chown(folder, "postgres")
    with contextlib.ExitStack() as stack:
        for address, method in ((open_address, "trust"), (shut_address, "scram-sha-256")):
            cluster = folder / method
            _as_postgres(place / "initdb", "-D", cluster, "-A", "trust", "-U", "postgres", "--no-sync", "--no-locale")
            (cluster / "pg_hba.conf").write_text(f"host all all all {method}\n")
            words = f"-c listen_addresses={address} -c port=5432 -c unix_socket_directories='' -c fsync=off"
            _as_postgres(place / "pg_ctl", "-D", cluster, "-w", "-l", folder / f"{method}.log", "-o", words, "start")
            stack.callback(_as_postgres, place / "pg_ctl", "-D", cluster, "-m", "immediate", "stop")
        yield


def _as_postgres(*words: object) -> None:
    command = ["runuser", "-u", "postgres", "--", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


@contextlib.contextmanager
def served(open_address: str, shut_address: str) -> Iterator[Path]:
    """All of them, for as long as the block lasts; gives a folder of their own."""
    environment = programs.environment(programs.unpacked(*PACKAGES))
    with tempfile.TemporaryDirectory(prefix="riskline-doors-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers give up root before they read
        commands = [*write(folder / "open", open_address, shut=False), *write(folder / "shut", shut_address, shut=True)]
        with (
            programs.running(folder / "log", environment, *commands),
            databases(folder / "pg", open_address, shut_address),
        ):
            for address in (open_address, shut_address):
                wait_for(address, 21, 445, 5432, 6379)
            yield folder


def without_raw_packets(folder: Path, network: str) -> dict[str, str]:
    """Subject -> outcome of NET-09, by a scan that may not send raw packets."""
    (folder / "ordinary.yaml").write_text(f"assets: {{lab: {{network: {network}}}}}\n")
    words = ["scan", "--inventory", folder / "ordinary.yaml", "--select", "id=NET-09", "--no-record", "-f", "json"]
    program = [str(Path(sys.executable).with_name("riskline")), *map(str, words)]
    done = subprocess.run(["setpriv", "--bounding-set=-net_raw", *program], capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    return {one["subject"]: one["outcome"] for one in json.loads(done.stdout)["findings"] if one["control"] == "NET-09"}


# one test: servers that several tests share would be started by each worker that has one of them
def test_open_doors_fail_with_their_names_and_shut_ones_pass() -> None:
    mark = uuid.uuid4().bytes
    open, shut = (f"127.{100 + mark[0] % 100}.{mark[1]}.{n}" for n in (1, 2))
    with served(open, shut) as folder:
        network = f"{{addresses: [{open}, {shut}], ports: 'T:21,445,5432,6379,11211,U:161'}}"
        said = look(folder, network, tuple(f"id={control}" for control in CONTROLS))
        nobody = f"{open.rpartition('.')[0]}.9"
        snmp = without_raw_packets(folder, f"{{addresses: [{open}, {shut}, {nobody}], ports: 'T:21,U:161'}}")
    for control, at in DOORS:
        found = outcomes(said, control)
        assert (found.get(open + at), found.get(shut + at)) == (Outcome.FAIL, Outcome.PASS), control + at
    # the shut one refuses by silence, which an ordinary user cannot tell from a datagram that was dropped
    assert snmp == {f"{open}:161/udp": "fail", "161/udp": "unknown"}
    named = {at: said["NET-07", open + at].observed for control, at in (*DOORS, MEMCACHED) if control == "NET-07"}
    assert named == {":5432/tcp": "PostgreSQL", ":6379/tcp": "Redis", ":11211/tcp": "Memcached"}
