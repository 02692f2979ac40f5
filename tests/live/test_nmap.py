"""The look from outside at real listeners: on loopback, and in network namespaces that the test makes and removes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.inventory import read_inventory
from scanner.model import Finding, Outcome
from scanner.plan import Plan, make_plan
from scanner.transports import Bounds

from . import listeners as speak
from .spaces import NAMESPACES, another_machine, drop

pytestmark = [pytest.mark.live, pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap")]
Said = Mapping[tuple[str, str], Finding]


def look(folder: Path, network: str, select: tuple[str, ...] = ()) -> Said:
    """(control, subject) -> finding, of one asset scanned as `riskline scan` would."""
    return judged(planned(folder, network, select))


def planned(folder: Path, network: str, select: tuple[str, ...] = ()) -> Plan:
    path = folder / "inventory.yaml"
    path.write_text(f"assets: {{lab: {{network: {network}}}}}\n")
    return make_plan(read_inventory(path), Catalogue(), select=select)


def judged(plan: Plan) -> Said:
    (collected,) = collect(plan.assets, Bounds(240))
    findings = Judge().findings(collected.planned, collected.evidence)
    return {(found.control, found.subject): found for found in findings}


def judged_by_nobody(plan: Plan) -> dict[str, str]:
    """ "control subject" -> the outcome and reason that a scan by an ordinary user gives, in a process of its own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        said = judged(plan)
        with os.fdopen(theirs, "w") as told:
            json.dump({" ".join(key): f"{one.outcome.value} {one.reason}".strip() for key, one in said.items()}, told)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as heard:
        found: dict[str, str] = json.load(heard)
    assert os.waitpid(child, 0)[1] == 0
    return found


def outcomes(said: Said, control: str) -> dict[str, Outcome]:
    return {subject: found.outcome for (name, subject), found in said.items() if name == control}


def test_good_and_bad_services_are_told_apart(tmp_path: Path) -> None:
    old = speak.over_tls(
        speak.web, speak.certificate(tmp_path, "old", bits=1024, days=-1), oldest=ssl.TLSVersion.TLSv1,
        ciphers="ALL:@SECLEVEL=0",
    )  # fmt: skip
    new = speak.over_tls(
        speak.web, speak.certificate(tmp_path, "new"), oldest=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE+AESGCM"
    )
    servers = (old, new, speak.telnet, speak.ftp_anonymous, speak.ftp_locked, speak.ftp_broken, speak.ssh_1, speak.web)
    with speak.listening(*servers) as numbers:
        listed = ",".join(map(str, numbers))
        network = f"{{addresses: [127.0.0.1], ports: '{listed}', expected_open: [{numbers[1]}/tcp, 1/tcp]}}"
        said = look(tmp_path, network)
    bad, good, telnet, anonymous, locked, broken, ssh_1, web = (f"127.0.0.1:{number}/tcp" for number in numbers)
    for control in ("TLS-01", "TLS-02", "TLS-03", "CERT-01", "CERT-02", "CERT-04"):
        assert outcomes(said, control) == {bad: Outcome.FAIL, good: Outcome.PASS}, control
    assert outcomes(said, "CERT-03") == {bad: Outcome.FAIL, good: Outcome.FAIL}
    assert outcomes(said, "NET-01") == {
        name: Outcome.PASS if name == good else Outcome.FAIL
        for name in (bad, good, telnet, anonymous, locked, broken, ssh_1, web)
    }
    assert outcomes(said, "NET-02") == {"127.0.0.1:1/tcp": Outcome.FAIL, good: Outcome.PASS}
    assert outcomes(said, "NET-03")[telnet] is Outcome.FAIL
    assert outcomes(said, "NET-04")[anonymous] is Outcome.FAIL
    assert outcomes(said, "NET-05") == {web: Outcome.FAIL}
    expected = {anonymous: Outcome.FAIL, locked: Outcome.PASS, broken: Outcome.UNKNOWN}
    assert outcomes(said, "NET-06") == expected
    assert outcomes(said, "SSH-N6") == {ssh_1: Outcome.FAIL}
    # it speaks no version 2, so that its algorithms could not be asked for
    assert outcomes(said, "SSH-N1") == {ssh_1: Outcome.UNKNOWN}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to listen on port 53")
def test_open_resolvers_and_relays_are_told_from_closed_ones(tmp_path: Path) -> None:
    mark = uuid.uuid4().bytes
    first, second = (f"127.{100 + mark[0] % 100}.{mark[1]}.{n}" for n in (1, 2))
    with (
        speak.listening(speak.mail_relay, speak.mail_locked, speak.mail_deferred) as (relay, closed, deferred),
        speak.listening(speak.dns_for_all, address=first, port=53),
        speak.listening(speak.dns_of_its_own, address=second, port=53),
    ):
        network = f"{{addresses: [127.0.0.1, {first}, {second}], ports: '53,{relay},{closed},{deferred}'}}"
        said = look(tmp_path, network, ("id=NET-10", "id=NET-11"))
    assert outcomes(said, "NET-11") == {
        f"127.0.0.1:{relay}/tcp": Outcome.FAIL, f"127.0.0.1:{closed}/tcp": Outcome.PASS,
        f"127.0.0.1:{deferred}/tcp": Outcome.PASS,
    }  # fmt: skip
    assert outcomes(said, "NET-10") == {f"{first}:53/tcp": Outcome.FAIL, f"{second}:53/tcp": Outcome.PASS}


def test_databases_and_clusters_without_a_login_are_told_from_those_with_one(tmp_path: Path) -> None:
    mark = uuid.uuid4().bytes
    first, second = (f"127.{100 + mark[0] % 100}.{mark[1]}.{n}" for n in (1, 2))
    with (
        speak.listening(speak.mysql_open, speak.mysql_locked, speak.etcd_open, speak.web) as (mysql, locked, etcd, web),
        speak.listening(speak.mongo_open, address=first, port=27017),
        speak.listening(speak.mongo_locked, address=second, port=27017),
    ):
        ports = f"{mysql},{locked},{etcd},{web},27017"
        said = look(tmp_path, f"{{addresses: [127.0.0.1, {first}, {second}], ports: '{ports}'}}", ("id=NET-07",))
    assert {subject: (said["NET-07", subject].outcome, said["NET-07", subject].observed) for _, subject in said} == {
        f"127.0.0.1:{mysql}/tcp": (Outcome.FAIL, "MySQL"), f"127.0.0.1:{locked}/tcp": (Outcome.PASS, "none"),
        f"127.0.0.1:{etcd}/tcp": (Outcome.FAIL, "etcd"), f"127.0.0.1:{web}/tcp": (Outcome.PASS, "none"),
        f"{first}:27017/tcp": (Outcome.FAIL, "MongoDB"), f"{second}:27017/tcp": (Outcome.PASS, "none"),
    }  # fmt: skip


@contextlib.contextmanager
def sshd(folder: Path, *settings: str) -> Iterator[int]:
    """A real OpenSSH server with these lines of configuration, on loopback."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    with speak.listening(speak.mute) as (number,):
        pass
    lines = [f"HostKey {key}", f"PidFile {folder / 'pid'}", f"Port {number}", "ListenAddress 127.0.0.1", *settings]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    server = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        assert "listening" in server.stderr.readline()
        yield number
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("sshd"), reason="sshd needs root for its own folder")
def test_a_real_sshd_with_weak_algorithms_fails_and_one_with_strong_ones_passes(tmp_path: Path) -> None:
    weak = ("KexAlgorithms diffie-hellman-group14-sha1", "Ciphers aes128-cbc", "MACs hmac-sha1")
    strong = ("KexAlgorithms curve25519-sha256", "Ciphers aes256-gcm@openssh.com", "MACs hmac-sha2-256")
    for settings, outcome in ((weak, Outcome.FAIL), (strong, Outcome.PASS)):
        folder = tmp_path / outcome
        folder.mkdir()
        with sshd(folder, *settings) as number:
            said = look(folder, f"{{addresses: [127.0.0.1], ports: '{number}', expected_open: [{number}/tcp]}}")
        subject = f"127.0.0.1:{number}/tcp"
        for control in ("SSH-N1", "SSH-N3", "SSH-N4"):
            assert outcomes(said, control) == {subject: outcome}, control
        # Ed25519 only, and a greeting of version 2.0
        assert outcomes(said, "SSH-N2") == outcomes(said, "SSH-N6") == {subject: Outcome.PASS}


def test_a_listener_on_ipv6_only_is_seen_there_and_not_on_ipv4(tmp_path: Path) -> None:
    with speak.listening(speak.web, address="::1") as (number,):
        network = f"{{addresses: ['::1', 127.0.0.1], ports: '{number}', expected_open: [{number}/tcp]}}"
        said = look(tmp_path, network, ("id=NET-02",))
    assert outcomes(said, "NET-02") == {f"[::1]:{number}/tcp": Outcome.PASS, f"127.0.0.1:{number}/tcp": Outcome.FAIL}


@pytest.mark.skipif(not NAMESPACES, reason="needs root, ip and iptables")
def test_a_filtered_port_is_not_open_and_a_closed_one_is_said_to_be_closed(tmp_path: Path) -> None:
    with another_machine() as (space, address):
        drop(space, "-p", "tcp", "--dport", "5001")
        said = look(tmp_path, f"{{addresses: [{address}], ports: '5000-5003', expected_open: [5001/tcp, 5002/tcp]}}")
    states = {subject: said["NET-02", subject].observed for subject in outcomes(said, "NET-02")}
    assert states == {f"{address}:5001/tcp": "filtered", f"{address}:5002/tcp": "closed"}
    assert set(outcomes(said, "NET-02").values()) == {Outcome.FAIL}


@pytest.mark.skipif(not NAMESPACES, reason="needs root, ip and iptables")
@pytest.mark.fault("N2", "N15")
def test_a_host_that_drops_everything_passes_nothing(tmp_path: Path) -> None:
    with another_machine() as (space, address):
        drop(space)
        said = look(tmp_path, f"{{addresses: [{address}], ports: '5000-5003', expected_open: [5001/tcp]}}")
    assert said
    assert {found.outcome for found in said.values()} == {Outcome.UNKNOWN}
    assert {found.reason for found in said.values()} == {"unreachable"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user as well")
@pytest.mark.fault("N15")
def test_an_ordinary_users_look_at_tcp_ports_ends_in_the_verdicts_of_roots(tmp_path: Path) -> None:
    with speak.listening(speak.web, speak.web) as numbers:
        listed = ",".join(map(str, numbers))
        network = f"{{addresses: [127.0.0.1], ports: '{listed}', expected_open: [{numbers[0]}/tcp, 1/tcp]}}"
        plan = planned(tmp_path, network, ("id=NET-01", "id=NET-02"))
        as_root, as_nobody = judged(plan), judged_by_nobody(plan)
    told = {" ".join(key): f"{one.outcome.value} {one.reason}".strip() for key, one in as_root.items()}
    assert as_nobody == told
    assert told[f"NET-01 127.0.0.1:{numbers[1]}/tcp"] == "fail"


@pytest.mark.fault("N8")
def test_an_address_that_nobody_has_passes_nothing(tmp_path: Path) -> None:
    said = look(tmp_path, "{addresses: [nobody.invalid], ports: '22'}")
    assert {found.outcome for found in said.values()} == {Outcome.UNKNOWN}


def test_the_certificate_is_judged_by_the_instant_of_the_look(tmp_path: Path) -> None:
    pem = speak.certificate(tmp_path, "short", days=5)
    server = speak.over_tls(speak.web, pem, oldest=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE+AESGCM")
    with speak.listening(server) as (number,):
        said = look(tmp_path, f"{{addresses: [127.0.0.1], ports: '{number}'}}", ("id=CERT-01", "id=CERT-02"))
    subject = f"127.0.0.1:{number}/tcp"
    assert (said["CERT-01", subject].outcome, said["CERT-02", subject].outcome) == (Outcome.PASS, Outcome.FAIL)
