"""nmap's output as a hostile network would have it, and its command line as nobody may bend it."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.addresses import Ports
from scanner.errors import Unparsable, UsageError, VisitFailed
from scanner.model import Asset, Network
from scanner.probes import ports, services, sh
from scanner.transports import Bounds, nmap, nmap_replies, nmap_run
from scanner.transports.nmap_scripts import ALLOWED, MUST_ANSWER, NEEDS, REFUSALS, SILENT_IS_NO, path_of
from scanner.transports.nmap_xml import Host, Port, Reader, Script

HEAD = '<?xml version="1.0"?><!DOCTYPE nmaprun><nmaprun scanner="nmap">'
TAIL = '<runstats><finished time="1" exit="success"/></runstats></nmaprun>'
HOST = (
    '<host><status state="up"/><address addr="127.0.0.9" addrtype="ipv4"/><ports>'
    '<extraports state="closed" count="2"><extrareasons reason="reset" count="2" proto="tcp" ports="1-2"/></extraports>'
    '<port protocol="tcp" portid="22"><state state="open"/>{inside}</port></ports></host>'
)
SILENCE = nmap_replies.Silence(MUST_ANSWER, SILENT_IS_NO, REFUSALS, NEEDS)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text.encode())
    reader.close()
    return reader


def stub(folder: Path, body: str) -> str:
    """A program in nmap's place."""
    path = folder / "nmap"
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def look(*hosts: Host) -> nmap_replies.Look:
    return nmap_replies.Look(hosts, frozenset({"10.0.0.5"}), (), Ports(tcp=((1, 100),)))


def host(*listed: Port) -> Host:
    return Host("10.0.0.5", "", True, False, listed, {})


def test_a_host_is_read_with_the_ports_that_were_summed_up() -> None:
    service = '<service name="ssh" method="probed" extrainfo="protocol 2.0"/>'
    (found,) = read(HEAD + HOST.format(inside=service) + TAIL).hosts
    assert [found.state(number, "tcp") for number in (1, 2, 3, 22)] == ["closed", "closed", "", "open"]
    assert (found.ports[0].service, found.ports[0].extra) == ("ssh", "protocol 2.0")


@pytest.mark.parametrize(
    "text",
    [
        HEAD + HOST.format(inside=""),
        HEAD + "</nmaprun>",
        "<html><body>proxy error</body></html>",
        "",
        HEAD + '<host><status state="up"/></host>' + TAIL,
        HEAD + HOST.format(inside="").replace('portid="22"', 'portid="x"') + TAIL,
        HEAD + HOST.format(inside='<script id="a" output="">' + "<table>" * 60 + "</table>" * 60 + "</script>") + TAIL,
        HEAD.replace("nmaprun>", 'nmaprun [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', 1) + TAIL,
        HEAD.replace("nmaprun>", 'nmaprun [<!ENTITY a SYSTEM "file:///etc/passwd">]>', 1) + TAIL,
    ],
    ids=["truncated", "no-closing-word", "html", "empty", "no-address", "no-number", "deep", "bomb", "external"],
)
@pytest.mark.fault("N15")
def test_output_that_nmap_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(Unparsable):
        read(text)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (f"print({HEAD!r})\nimport time\ntime.sleep(60)", "timed-out"),
        (f"print({HEAD!r})\nwhile True: print(' ' * 65536)", "truncated"),
        (f"print({HEAD + HOST.format(inside='')!r})", "failed"),
        (f"print({HEAD + HOST.format(inside='') + TAIL!r})\nraise SystemExit(3)", "failed"),
        ("import os\nos.kill(os.getpid(), 9)", "failed"),
        (f"print({HEAD + TAIL.replace('success', 'error')!r})", "failed"),
        ("import sys\nsys.stderr.write('x' * 9_000_000)", "truncated"),
    ],
    ids=["hangs", "never-ends", "cut", "status", "killed", "gave-up", "noisy"],
)
@pytest.mark.fault("N15")
def test_a_run_that_does_not_end_well_is_never_complete(tmp_path: Path, body: str, problem: str) -> None:
    seen = nmap_run.run([stub(tmp_path, body)], deadline_s=2.0, max_bytes=1 << 22)
    assert (seen.problem, bool(seen.detail)) == (problem, True)
    assert problem != "failed" or not seen.hosts


@pytest.mark.fault("N15")
def test_a_run_leaves_no_process_behind(tmp_path: Path) -> None:
    note = tmp_path / "child"
    fork = f"import os, time\nif os.fork() == 0:\n    open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    nmap_run.run([stub(tmp_path, fork)], deadline_s=2.0, max_bytes=1000)
    child = int(note.read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} still runs")


@pytest.mark.fault("N15")
def test_a_missing_nmap_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VisitFailed, match="apt install nmap"):
        nmap.visit(Asset("a", network=Network(("127.0.0.1",))), [ports()], Bounds(10))


@pytest.mark.parametrize(
    ("version", "words"),
    [("Nmap version 7.10 ( https://nmap.org )", "too old"), ("command not found", "not a working nmap")],
)
def test_another_program_in_nmaps_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, words: str
) -> None:
    stub(tmp_path, f"print({version!r})")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(VisitFailed, match=words):
        nmap.visit(Asset("a", network=Network(("127.0.0.1",))), [ports()], Bounds(10))


@pytest.mark.parametrize("hostile", ["127.0.0.1 -oN {}", "-iL{}", "127.0.0.1\n-oN{}", "$(touch {})", "10.0.0.0/8"])
@pytest.mark.fault("I3")
def test_words_of_the_inventory_never_become_options(tmp_path: Path, hostile: str) -> None:
    target = tmp_path / "written"
    for network in (Network((hostile.format(target),)), Network(("127.0.0.1",), ports=f"1 -oN {target}")):
        with pytest.raises(UsageError):
            nmap.visit(Asset("a", network=network), [ports()], Bounds(10))
    assert not target.exists()


def test_a_question_of_another_kind_is_unsupported_and_sends_nothing() -> None:
    asked = sh("id")
    assert nmap.visit(Asset("a", network=Network(("127.0.0.1",))), [asked], Bounds(10))[asked].problem == "unsupported"


def test_a_script_that_failed_where_it_had_to_speak_is_a_gap() -> None:
    failed = Script("redis-info", "\n  ERROR: Failed to receive data from server\n")
    redis = Port(6379, "tcp", "open", "redis", method="probed", scripts=(failed,))
    reply = nmap_replies.scripts(look(host(redis)), ["redis-info"], SILENCE)
    assert json.loads(reply.text) == []
    assert "Failed to receive" in reply.gaps[0].detail


def test_a_refusal_by_the_service_itself_is_an_answer() -> None:
    refused = Script("redis-info", "\n  ERROR: Authentication required\n")
    redis = Port(6379, "tcp", "open", "redis", method="probed", scripts=(refused,))
    reply = nmap_replies.scripts(look(host(redis)), ["redis-info"], SILENCE)
    assert (json.loads(reply.text)[0]["output"], reply.gaps) == ("", ())


@pytest.mark.parametrize("script", sorted(MUST_ANSWER))
def test_no_script_proves_anything_by_saying_nothing(script: str) -> None:
    tells = {"ssl-cert", "ssl-enum-ciphers"}
    names = {"docker-version": "docker", "http-title": "http", "memcached-info": "memcached",
             "riskline-ftp": "ftp", "riskline-relay": "smtp", "riskline-resolver": "domain",
             "riskline-database": "mysql",
             "riskline-doors": "http", "rdp-enum-encryption": "ms-wbt-server", "redis-info": "redis",
             "ssh-hostkey": "ssh", "ssh2-enum-algos": "ssh", "sshv1": "ssh", "vnc-info": "vnc"}  # fmt: skip
    number = 445 if script.startswith("smb") else 9999
    tunnel = "ssl" if script in tells else ""
    port = Port(number, "tcp", "open", names.get(script, "x"), method="probed", tunnel=tunnel)
    reply = nmap_replies.scripts(look(host(port)), [script], SILENCE)
    assert (reply.text, len(reply.gaps)) == ("[]", 1)


@pytest.mark.parametrize(("left_out", "gaps"), [(Ports(), []), (Ports(udp=((161, 161),)), ["161/udp"])])
def test_a_port_that_was_wanted_and_not_looked_at_proves_nothing(left_out: Ports, gaps: list[str]) -> None:
    seen = replace(look(host(Port(22, "tcp", "open"))), left_out=left_out)
    reply = nmap_replies.scripts(seen, ["riskline-snmp"], SILENCE)
    assert [gap.subject for gap in reply.gaps] == gaps


@pytest.mark.parametrize(
    ("said", "rows", "gaps"),
    [
        ({"communities": "public"}, [("10.0.0.5", 161, "udp", "snmp")], []),
        ({"closed": "yes"}, [], []),
        (None, [], ["161/udp"]),
    ],
)
def test_an_ordinary_user_learns_of_snmp_what_the_host_itself_says(
    said: dict[str, str] | None, rows: list[tuple[str, int, str, str]], gaps: list[str]
) -> None:
    scripts = (Script("riskline-snmp", "", said),) if said else (Script("riskline-snmp", "ERROR: x"),)
    one = replace(host(Port(22, "tcp", "open")), scripts=scripts)
    reply = nmap_replies.scripts(replace(look(one), left_out=Ports(udp=((161, 161),))), ["riskline-snmp"], SILENCE)
    found = [(row["host"], row["port"], row["protocol"], row["service"]) for row in json.loads(reply.text)]
    assert (found, [gap.subject for gap in reply.gaps]) == (rows, gaps)


def test_an_open_port_that_names_no_service_is_a_gap_among_services() -> None:
    reply = nmap_replies.services(look(host(Port(99, "tcp", "open", "tcpwrapped", method="probed"))))
    assert (reply.text, [gap.subject for gap in reply.gaps]) == ("[]", ["10.0.0.5:99/tcp"])
    assert services().via == "nmap"


def test_a_service_that_nmap_has_no_name_for_is_named_by_the_script_that_it_answered() -> None:
    said = Script("riskline-doors", "", {"asked": "16", "open": "etcd"})
    unnamed = Port(2379, "tcp", "open", "etcd-client", method="table", scripts=(said,))
    (row,) = json.loads(nmap_replies.services(look(host(unnamed))).text)
    assert row["service"] == "http"
    stores = nmap_replies.scripts(look(host(unnamed)), ["redis-info", "riskline-doors"], SILENCE)
    assert ([one["structured"]["open"] for one in json.loads(stores.text)], stores.gaps) == (["etcd"], ())
    failed = Port(2379, "tcp", "open", "etcd-client", scripts=(Script("riskline-doors", "ERROR: / was not answered"),))
    assert len(nmap_replies.services(look(host(failed))).gaps) == 1


def test_every_rule_about_silence_is_about_a_script_that_may_run() -> None:
    assert {*MUST_ANSWER, *SILENT_IS_NO, *REFUSALS, *NEEDS} <= ALLOWED


@pytest.mark.parametrize("script", sorted(one for one in ALLOWED if one.startswith("riskline-")))
def test_a_script_of_our_own_is_there_and_sends_nothing_but_what_it_says(script: str) -> None:
    path = Path(path_of(script))
    assert path.is_absolute()
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("--")]
    assert 'categories = {"safe", "discovery"}' in lines
    code = "\n".join(lines[lines.index('license = "Apache-2.0"') :])
    assert not re.search(r"\b(DATA|STOR|LIST|DELETE|PUT|io\.open|os\.execute|dofile)\b", code)


@pytest.mark.fault("N15")
def test_a_host_that_seems_open_everywhere_is_not_judged() -> None:
    tarpit = [Port(number, "tcp", "open") for number in range(1, 301)]
    gap = nmap_replies.silence(host(*tarpit, Port(161, "udp", "open|filtered")))
    assert gap is not None
    assert gap.problem == "failed"
