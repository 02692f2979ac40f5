"""The printed rights, installed and used: the same verdicts, nothing more allowed, and nothing left behind.

T27, T28, T29 of the catalogue of faults, on a whole host whose root is an overlay.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from scanner.catalogue import Catalogue
from scanner.cli import riskline
from scanner.collect import Collected, collect
from scanner.evaluate import Judge
from scanner.model import Asset, Inventory, Outcome
from scanner.plan import make_plan
from scanner.transports import Bounds
from scanner.transports.posix import COLLECTOR
from tests.live import roots, sshd
from tests.live.overlaid_host import Host, overlaid_host

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(roots.why_not()), reason=roots.why_not() or "-"),
    pytest.mark.skipif(not sshd.USABLE or not shutil.which("unshare"), reason=sshd.WHY),
]
LOGIN_RECORDS = ("var/log/lastlog", "var/log/wtmp", "var/log/btmp", "run/utmp", "run/sudo", "var/lib/sudo")
"""What sshd and sudo note of a login: their own records, and no other file."""
Verdicts = Mapping[str, frozenset[tuple[str, Outcome]]]


@dataclass(frozen=True)
class Visited:
    """A fresh host, what was written to it by one visit of each account, and what each visit said."""

    host: Host
    changed: set[str]
    by: Mapping[str, Verdicts]


@pytest.fixture(scope="module")
def visited() -> Iterator[Visited]:
    """With the rules and the collector that Riskline prints, installed as it says."""
    with overlaid_host() as found:
        install(found)
        before = found.written()
        by = {
            user: verdicts(visit(found.asset(user, sudo=sudo)))
            for user, sudo in (("root", "never"), ("full", "auto"), ("pinned", "collector"))
        }
        after = found.written()
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        yield Visited(found, changed, by)


@pytest.fixture(scope="module")
def host(visited: Visited) -> Host:
    return visited.host


def printed(host: Host, *words: str) -> str:
    inventory = host.folder / "inventory.json.yaml"
    ssh = {"user": "pinned", "port": host.port, "sudo": "collector"}
    one = {"address": "127.0.0.1", "access": {"ssh": ssh}, "baselines": ["debian-12"]}
    inventory.write_text(json.dumps({"version": 1, "assets": {"host": one}}))
    done = CliRunner().invoke(riskline, ["permissions", "-i", str(inventory), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def install(host: Host) -> None:
    collector = host.root / COLLECTOR.lstrip("/")
    collector.write_text(printed(host, "-f", "collector"))
    collector.chmod(0o755)
    rules = {
        "full": printed(host, "-f", "sudoers", "--user", "full"),
        "pinned": printed(host, "-f", "sudoers", "--user", "pinned", "--collector", str(collector)),
    }
    for name, text in rules.items():
        place = host.root / "etc/sudoers.d" / f"riskline-{name}"
        place.write_text(text)
        place.chmod(0o440)
    roots.run_in(host.root, "visudo -c -q")


def visit(asset: Asset) -> Collected:
    (found,) = collect(make_plan(Inventory("lab", (asset,)), Catalogue()).assets, Bounds(200), 1)
    return found


def verdicts(found: Collected) -> Verdicts:
    """Each control's outcomes by subject; not by port, for tests beside this one open and shut some."""
    said: dict[str, set[tuple[str, Outcome]]] = {}
    for one in Judge().findings(found.planned, found.evidence):
        subject = "" if one.subject.endswith(("/tcp", "/udp")) else one.subject
        said.setdefault(one.control, set()).add((subject, one.outcome))
    return {name: frozenset(places) for name, places in said.items()}


def test_the_printed_rights_give_the_verdicts_of_root(visited: Visited) -> None:
    as_root, as_full, as_pinned = (visited.by[user] for user in ("root", "full", "pinned"))
    assert sum(places != {("", Outcome.UNKNOWN)} for places in as_root.values()) > 300
    assert {name: (as_root[name], as_full[name]) for name in as_root if as_root[name] != as_full[name]} == {}
    assert {name: (as_root[name], as_pinned[name]) for name in as_root if as_root[name] != as_pinned[name]} == {}


@pytest.mark.fault("T29")
def test_a_visit_leaves_nothing_but_login_records(visited: Visited) -> None:
    assert {path for path in visited.changed if not path.startswith(LOGIN_RECORDS)} == set()


def test_the_pinned_account_may_run_the_collector_and_nothing_else(host: Host) -> None:
    allowed = host.ssh("pinned", f"echo {'a' * 32} | sudo -n {COLLECTOR} | head -c 200")
    assert f"{'a' * 32} UID 0" in allowed.stdout
    for command in ("sudo -n /bin/sh -s", f"sudo -n {COLLECTOR} x", "sudo -n id", "sudo -n cat /etc/shadow"):
        done = host.ssh("pinned", command)
        assert (done.returncode != 0, done.stdout) == (True, ""), command
    for line in ("", "x", "a" * 31, "a" * 33, "$(id)" + "a" * 27, "A" * 32):
        assert host.ssh("pinned", f"printf '%s\\n' '{line}' | sudo -n {COLLECTOR}").stdout == "", line


def test_a_collector_that_was_changed_is_not_run(host: Host) -> None:
    collector = host.root / COLLECTOR.lstrip("/")
    before = collector.read_text()
    try:
        collector.write_text(before + "\necho more\n")
        found = visit(host.asset("pinned", sudo="collector"))
        assert "posix:file /etc/audit/auditd.conf" in found.evidence.replies
        shadow = [r for key, r in found.evidence.replies.items() if "/etc/shadow" in key and key.startswith("posix:sh")]
        assert {reply.problem for reply in shadow} == {"denied"}
    finally:
        collector.write_text(before)


def test_a_collector_for_other_questions_is_named_and_nothing_is_judged_by_it(host: Host) -> None:
    collector, rule = host.root / COLLECTOR.lstrip("/"), host.root / "etc/sudoers.d/riskline-pinned"
    before, before_rule = collector.read_text(), rule.read_text()
    digest = hashlib.sha256(before.encode()).hexdigest()
    other = before.replace("say END", "say 'B 9999'; say END").replace("PLAN ", "PLAN 0")
    try:
        collector.write_text(other)
        rule.chmod(0o640)
        rule.write_text(before_rule.replace(digest, hashlib.sha256(other.encode()).hexdigest()))
        rule.chmod(0o440)
        found = visit(host.asset("pinned", sudo="collector"))
        assert "puts other questions there" in found.evidence.failures["ssh"]
        judged = {key for key, reply in found.evidence.replies.items() if reply.problem is None}
        assert judged == {"posix:visit host-key"}
    finally:
        collector.write_text(before)
        rule.chmod(0o640)
        rule.write_text(before_rule)
        rule.chmod(0o440)


def test_hosts_that_are_asked_different_questions_have_no_collector_in_common(tmp_path: Path) -> None:
    baselines = {"a": "debian-12", "b": "ubuntu-24.04"}
    assets = {name: {"access": {"local": {}}, "baselines": [baseline]} for name, baseline in baselines.items()}
    (tmp_path / "inventory.yaml").write_text(json.dumps({"version": 1, "assets": assets}))
    words = ["permissions", "-i", str(tmp_path / "inventory.yaml"), "-f", "collector"]
    done = CliRunner().invoke(riskline, words)
    assert "not all asked the same" in str(done.exception)


@pytest.mark.fault("T27")
def test_a_host_that_can_write_nothing_is_judged_as_before(visited: Visited) -> None:
    host, before = visited.host, visited.by["root"]
    subprocess.run(["mount", "-o", "remount,ro", str(host.root)], check=True)
    try:
        after = verdicts(visit(host.asset("root", sudo="never")))
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(host.root)], check=True)
    assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == {}


@pytest.mark.fault("T28")
def test_a_host_whose_clock_is_wrong_changes_no_instant_of_ours_and_passes_nothing_more(visited: Visited) -> None:
    host, before = visited.host, visited.by["root"]
    clock = host.root / "usr/bin/date"
    kept = clock.read_bytes()
    try:
        clock.unlink()
        clock.write_text("#!/bin/sh\ncase $* in *%s*) echo 2147483648;; *%Y*) echo 2038-01-19;; *) echo x;; esac\n")
        clock.chmod(0o755)
        began = datetime.now(UTC).replace(microsecond=0)
        found = visit(host.asset("root", sudo="never"))
        assert began <= found.evidence.collected_at <= datetime.now(UTC)
        after = verdicts(found)
    finally:
        clock.write_bytes(kept)
        clock.chmod(0o755)

    def passes(places: frozenset[tuple[str, Outcome]]) -> bool:
        return all(outcome is Outcome.PASS for _, outcome in places)

    assert [
        name for name in after if passes(after[name]) and not passes(before.get(name, frozenset({("", Outcome.FAIL)})))
    ] == []
