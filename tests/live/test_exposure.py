"""Both sides of a real machine: sshd and nginx in a network namespace, asked over SSH and looked at from outside."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scanner import pipeline, score
from scanner.catalogue import Catalogue
from scanner.inventory import read_inventory
from scanner.model import Finding, Outcome, Run
from scanner.plan import make_plan
from scanner.register import open_register
from scanner.transports import Bounds

from . import listeners as speak
from .spaces import NAMESPACES, another_machine, drop

MISSING = [name for name in ("nmap", "sshd", "nginx", "ssh-keygen") if not shutil.which(name)]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not NAMESPACES or bool(MISSING), reason=f"needs root, ip, iptables {' '.join(MISSING)}"),
]
SELECT = tuple(f"id={word}" for word in ("LIS-*", "KEY-*", "SSH-20", "SSH-N7", "NET-01", "TLS-01", "CERT-04", "NET-05"))
NGINX = """
pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off; worker_processes 1; events {{}}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 443 ssl; ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.pem;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM; return 204; }}
  server {{ listen 8443 ssl; ssl_certificate {folder}/bad.pem; ssl_certificate_key {folder}/bad.pem;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0; return 204; }}
  server {{ listen [::]:8080 ipv6only=on; return 204; }}
  server {{ listen 6379; return 204; }}
}}
"""
SSHD = """
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
PermitRootLogin prohibit-password
UsePAM no
"""
INVENTORY = """
assets:
  web:
    address: {address}
    zone: restricted
    access: {{ssh: {{user: root, key: {folder}/user_key, known_hosts: [{folder}/known]}}}}
    network: {{ports: '22,443,6379,8080,8443', expected_open: [22/tcp, 443/tcp], from: internet}}
  office:
    network: {{addresses: [{block}], ports: '5000-5001'}}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Two runs; between them the good certificate was replaced. address: of the host; stranger: of nobody's."""

    first: Run
    second: Run
    address: str
    stranger: str


def started(space: str, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["ip", "netns", "exec", space, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_for(address: str, *ports: int) -> None:
    until = time.monotonic() + 20
    for port in ports:
        while True:
            try:
                socket.create_connection((address, port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, f"nothing listens on port {port}"
                time.sleep(0.05)


def prepare(folder: Path, space: str, address: str) -> None:
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    speak.certificate(folder, "good")
    speak.certificate(folder, "bad", bits=1024)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
    (folder / "sshd_config").write_text(SSHD.format(folder=folder))
    (folder / "known").write_text(f"{address} {(folder / 'host_key.pub').read_text()}")
    Path("/run/sshd").mkdir(exist_ok=True)
    drop(space, "-p", "tcp", "--dport", "6379")


def scan(folder: Path) -> Run:
    plan = make_plan(read_inventory(folder / "inventory.yaml"), Catalogue(), select=SELECT)
    with contextlib.closing(open_register(str(folder / "register.db"))) as register:
        begun = pipeline.new_run(plan, score.Policy())
        return pipeline.execute(plan, begun, register, pipeline.Options(Bounds(120)))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("exposure")
    with another_machine() as (space, address), another_machine() as (_, stranger):
        prepare(folder, space, address)
        last = int(stranger.rpartition(".")[2]) - 2
        block = f"{stranger.rpartition('.')[0]}.{last}/30"
        (folder / "inventory.yaml").write_text(INVENTORY.format(folder=folder, address=address, block=block))
        sshd = started(space, shutil.which("sshd") or "sshd", "-D", "-f", str(folder / "sshd_config"))
        nginx = started(space, "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"))
        try:
            wait_for(address, 22, 443, 8443)
            first = scan(folder)
            speak.certificate(folder, "good")
            nginx.send_signal(1)
            until = time.monotonic() + 20
            while ssl.get_server_certificate((address, 443)) not in (folder / "good.pem").read_text():
                assert time.monotonic() < until
                time.sleep(0.1)
            yield Seen(first, scan(folder), address, stranger)
        finally:
            for process in (sshd, nginx):
                process.terminate()
                process.wait(10)


def said(run: Run, rule: str, asset: str = "web") -> dict[str, Finding]:
    return {one.subject: one for one in run.findings if one.control.partition("/")[0] == rule and one.asset == asset}


def failing(run: Run, rule: str, asset: str = "web") -> set[str]:
    return {subject for subject, one in said(run, rule, asset).items() if one.outcome is Outcome.FAIL}


def at(seen: Seen, port: int) -> str:
    return f"{seen.address}:{port}/tcp from internet"


def test_both_sides_were_looked_at(seen: Seen) -> None:
    assert said(seen.first, "seen-from-both-sides")[""].outcome is Outcome.PASS


def test_an_open_port_is_told_with_the_program_and_its_package(seen: Seen) -> None:
    assert failing(seen.first, "unlisted-exposure") == {at(seen, 8443)}
    told = said(seen.first, "unlisted-exposure")[at(seen, 8443)].detail
    assert told.startswith("nginx of package nginx")
    assert "the inventory expects 22/tcp, 443/tcp" in told


def test_what_the_firewall_drops_is_told_and_is_no_shadow(seen: Seen) -> None:
    assert failing(seen.first, "only-the-firewall") == {at(seen, 6379)}
    assert failing(seen.first, "shadow-listener") == set()


def test_a_listener_on_ipv6_only_is_on_the_list_and_not_taken_for_one_on_ipv4(seen: Seen) -> None:
    listed = said(seen.first, "LIS-01")
    assert "[::]:8080/tcp" in listed
    assert "0.0.0.0:8080/tcp" not in listed


def test_good_and_bad_tls_of_one_server_are_told_apart(seen: Seen) -> None:
    outcomes = {subject: one.outcome for subject, one in said(seen.first, "TLS-01").items()}
    assert outcomes == {f"{seen.address}:443/tcp": Outcome.PASS, f"{seen.address}:8443/tcp": Outcome.FAIL}


def test_an_unlisted_machine_in_a_declared_network_is_told(seen: Seen) -> None:
    assert seen.stranger in failing(seen.first, "unknown-asset", "office")
    assert seen.address not in failing(seen.first, "unknown-asset", "office")


def test_the_machine_that_looks_is_told_as_what_it_is(seen: Seen) -> None:
    assert failing(seen.first, "unknown-asset", "office") == {seen.stranger}
    told = [one for one in said(seen.first, "unknown-asset", "office").values() if one.outcome is not Outcome.FAIL]
    assert [(one.outcome, one.reason[:29]) for one in told] == [
        (Outcome.NOT_APPLICABLE, "this is the machine that look")
    ]
    assert told[0].subject.rpartition(".")[0] == seen.stranger.rpartition(".")[0]


def test_a_replaced_certificate_is_told_and_a_host_key_that_stayed_is_not(seen: Seen) -> None:
    changed = said(seen.second, "key-unchanged")
    assert {one.outcome for one in said(seen.first, "key-unchanged").values()} == {Outcome.PASS}
    assert changed[f"{seen.address}:443/tcp certificate"].outcome is Outcome.FAIL
    assert changed[f"{seen.address}:8443/tcp certificate"].outcome is Outcome.PASS
    assert changed[f"{seen.address}:22/tcp ssh-ed25519"].outcome is Outcome.PASS


def test_what_is_seen_open_from_the_internet_is_scored_so(seen: Seen) -> None:
    (web,) = (one.asset for one in seen.first.visited if one.asset.id == "web")
    control = web.seen_from["SSH-20"]
    assert (web.zone, control) == ("restricted", "internet")
