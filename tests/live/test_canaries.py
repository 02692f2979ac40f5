"""R3: secrets of fifty kinds on a target and in the inventory's references are seen in nothing that comes out.

One scan in a process of its own, of a Debian root that is full of them and of an SSH server that is logged in to with
them; then everything it wrote, said, kept and handed to its children is searched.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shlex
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text

from scanner.redaction import MARK
from scanner.register import open_register
from tests.canaries import CANARIES, Canary
from tests.live import roots, sshd

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(roots.why_not()), reason=roots.why_not() or "-"),
    pytest.mark.skipif(not sshd.USABLE, reason=sshd.WHY),
]
ROOT = Path(__file__).parent.parent.parent
RAW = ("etc/motd", "etc/issue", "etc/environment", "etc/profile.d/app.sh", "etc/login.defs", "etc/security/app.conf")
COMMENTED = (
    "etc/sudoers.d/app", "etc/ssh/sshd_config.d/app.conf", "etc/pam.d/app", "etc/sysctl.d/app.conf", "etc/fstab",
    "etc/apt/sources.list.d/app.list", "etc/rsyslog.d/app.conf", "etc/postfix/main.cf", "etc/default/useradd",
    "etc/modprobe.d/app.conf", "etc/systemd/journald.conf.d/app.conf", "etc/audit/rules.d/app.rules", "etc/group",
    "etc/nftables.conf", "etc/issue.net", "etc/chrony/chrony.conf", "etc/security/pwquality.conf", "boot/grub/grub.cfg",
)  # fmt: skip
FORMATS = ("html", "json", "csv", "markdown", "sarif", "junit", "ocsf", "board", "xlsx", "oscal", "prometheus")
LOGIN = "canary-login-correct horse battery"
PASSPHRASE = "canary-passphrase-Tq8Lm4"
MANAGED = "canary-managed-Zx6Vn2"
OWN = tuple(Canary(value, value, value) for value in (LOGIN, PASSPHRASE, MANAGED))
BUG = """
from scanner import Fact, check, file

@check("own.bug.raises", Fact(file("/etc/motd"), str))
def raises(found: str) -> str:
    raise RuntimeError(found)
"""
BASELINE = """
id: own
version: "1"
title: Own
applies_to: {kind: linux}
controls:
  - {id: BUG-1, title: A check that fails, why: It shows what it holds., fix: None., check: own.bug.raises,
     expect: {equals: x}}
  - {id: TXT-1, title: A text that is shown, why: It shows what it holds., fix: None., check: linux.files.text,
     given: {path: /etc/motd}, expect: {equals: x}}
"""
SPY = """
import json, os, sys
def seen(event, words):
    if event in {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"}:
        argv, environment = (words[1], words[3]) if event == "subprocess.Popen" else (words[1], words[-1])
        kept = dict(os.environ) if environment is None else dict(environment)
        with open(os.environ["SPY"], "a") as log:
            log.write(json.dumps([event, repr(words[0]), repr(argv), repr(kept)]) + "\\n")
sys.addaudithook(seen)
from scanner.cli import main
main(sys.argv[1:])
"""


@dataclass(frozen=True)
class Scan:
    """What one scan left behind: its folder, and what it said."""

    folder: Path
    stdout: str
    stderr: str

    @property
    def register(self) -> str:
        return str(self.folder / "register.db")


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scan]:
    folder = tmp_path_factory.mktemp("canaries")
    (folder / "out").mkdir()
    (folder / "own" / "own").mkdir(parents=True)
    (folder / "own" / "own" / "__init__.py").write_text("")
    (folder / "own" / "own" / "bug.py").write_text(BUG)
    (folder / "own.yaml").write_text(BASELINE)
    (folder / "vault").write_text(f"#!/bin/sh\necho '{MANAGED}'\n")
    (folder / "vault").chmod(0o700)
    with roots.overlaid(roots.debian_root("openssh-server")) as root, sshd.sshd(PasswordAuthentication="yes") as server:
        plant(root)
        shadow = server.folder / "etc" / "shadow"
        hashed = subprocess.run(["openssl", "passwd", "-6", LOGIN], capture_output=True, check=True, text=True)
        shadow.write_text(f"audit:{hashed.stdout.strip()}:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\n")
        locked = ["ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-f", str(folder / "key")]
        subprocess.run(locked, check=True)
        (folder / "inventory.yaml").write_text(inventory(folder, root, server))
        yield run(folder)


def of_kind(name: str) -> Canary:
    return next(one for one in CANARIES if one.kind == name)


def plant(root: Path) -> None:
    """Every canary in every kind of file that is read: as a line of its own, or as a comment."""
    for place, begin in [*((place, "") for place in RAW), *((place, "# ") for place in COMMENTED)]:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.exists() else ""
        lines = [begin + one.text.replace("\n", f"\n{begin}") for one in CANARIES]
        path.write_text(before + "\n".join(lines) + "\n")
    with (root / "etc/shadow").open("a") as shadow:
        shadow.write(of_kind("sha512crypt").text + "\n")
    (root / "etc/passwd").write_text((root / "etc/passwd").read_text() + "old:cAnaryDEShash:1500:1500::/:/bin/sh\n")
    (root / "usr/bin/apt-config").unlink(missing_ok=True)
    refused = of_kind("address").text
    (root / "usr/bin/apt-config").write_text(f"#!/bin/sh\necho 'refused: {refused}' >&2\nexit 9\n")
    (root / "usr/bin/apt-config").chmod(0o755)


def inventory(folder: Path, root: Path, server: sshd.Sshd) -> str:
    """A root at rest, and logins by password, by a locked key, by a password manager that knows a wrong one."""
    ssh = {"user": "audit", "port": server.port, "known_hosts": [str(server.known_hosts)], "config": "none"}
    ways = {
        "by-password": {**ssh, "password": "env:CANARY_LOGIN"},
        "by-key": {**ssh, "key": str(folder / "key"), "key_passphrase": "env:CANARY_PASSPHRASE"},
        "by-manager": {**ssh, "password": f"command:{folder / 'vault'}"},
    }
    assets: dict[str, object] = {
        name: {"address": "127.0.0.1", "access": {"ssh": way}, "baselines": ["own"]} for name, way in ways.items()
    }
    assets["root"] = {"access": {"chroot": str(root)}, "baselines": ["debian-12", "own"]}
    return json.dumps({"version": 1, "assets": assets})


def run(folder: Path) -> Scan:
    formats = {"markdown": "md", "prometheus": "prom"}
    words = ["scan", "-i", "inventory.yaml", "--register", "register.db", "--checks", "own", "--baselines", "own.yaml"]
    words += ["-vv", "--json-log", "-o", "out/report.html"]
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SPY": str(folder / "children"),
        "CANARY_LOGIN": LOGIN,
        "CANARY_PASSPHRASE": PASSPHRASE,
        "XDG_STATE_HOME": str(folder / "state"),
    }
    reports = [
        ["report", "--register", "register.db", "-f", name, "-o", f"out/report.{formats.get(name, name)}.{name}"]
        for name in FORMATS
    ]
    said = [
        subprocess.run(
            [sys.executable, "-c", SPY, *line],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        for line in (words, *reports)
    ]
    return Scan(folder, "".join(one.stdout for one in said), "".join(one.stderr for one in said))


def found_in(said: str) -> list[str]:
    """Kinds of canaries that a text holds, in any form."""
    forms = {
        form: one.kind
        for one in (*CANARIES, *OWN)
        for form in (
            one.value,
            json.dumps(one.value)[1:-1],
            quote(one.value, safe=""),
            base64.b64encode(one.value.encode()).decode().rstrip("="),
            shlex.quote(one.value),
        )
    }
    return sorted({kind for form, kind in forms.items() if form in said})


def stored(path: str) -> Iterator[str]:
    """Every cell of a register's database, unpacked where it is packed."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        for (table,) in connection.execute(text("select name from sqlite_master where type = 'table'")).all():
            for row in connection.execute(text(f'select * from "{table}"')):
                for value in row:
                    if isinstance(value, bytes):
                        with contextlib.suppress(zlib.error):
                            value = zlib.decompress(value)
                    yield value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    engine.dispose()


def test_the_scan_saw_what_was_planted_and_tells_fingerprints(scan: Scan) -> None:
    """Without this, all others could pass on an empty run."""
    told = json.loads(Path(scan.folder / "out/report.json.json").read_text())
    assert {"root", "by-password", "by-key", "by-manager"} <= {one["id"] for one in told["assets"]}, scan.stderr[-3000:]
    register = open_register(scan.register)
    evidence = register.evidence(register.runs()[0].id, "root")
    register.close()
    assert evidence is not None
    with_marks = [key for key, reply in evidence.replies.items() if MARK.search(reply.text + reply.detail)]
    assert len(with_marks) >= 15, with_marks
    marks = [set(MARK.findall(evidence.replies[key].text)) for key in with_marks]
    assert max(map(len, marks)) >= 30
    motd, issue = (set(MARK.findall(evidence.replies[f"posix:file /etc/{name}"].text)) for name in ("motd", "issue"))
    assert motd == issue, "the same secrets in two places have the same fingerprints"


@pytest.mark.fault("R3")
def test_no_canary_is_in_what_was_said_logged_or_traced(scan: Scan) -> None:
    assert "check-bug" in scan.stdout + scan.stderr + (scan.folder / "out/report.html").read_text()
    assert found_in(scan.stdout) == []
    assert found_in(scan.stderr) == []


@pytest.mark.fault("R3")
def test_no_canary_is_in_any_report_or_export(scan: Scan) -> None:
    written = sorted((scan.folder / "out").iterdir())
    assert len(written) == len(FORMATS) + 1, scan.stderr[-2000:]
    for path in written:
        assert found_in(path.read_bytes().decode(errors="replace")) == [], path.name


@pytest.mark.fault("R3")
def test_no_canary_is_in_the_database(scan: Scan) -> None:
    cells = list(stored(scan.register))
    assert sum(map(len, cells)) > 100_000, "it was read at all"
    assert sorted({kind for cell in cells for kind in found_in(cell)}) == []
    raw = b"".join(path.read_bytes() for path in scan.folder.glob("register.db*")).decode(errors="replace")
    assert found_in(raw) == []


@pytest.mark.fault("R3")
def test_no_canary_is_in_the_arguments_or_environment_of_a_child(scan: Scan) -> None:
    """All but the environment of the password manager's own command: it may need what the user gave it."""
    children = [json.loads(line) for line in (scan.folder / "children").read_text().splitlines()]
    assert len(children) >= 2
    hits = [
        one[:3] for one in children if found_in(json.dumps(one[:3])) or ("vault" not in one[2] and found_in(one[3]))
    ]
    assert hits == []
