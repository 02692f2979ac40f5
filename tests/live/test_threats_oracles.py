"""Known flaws and waiting updates, held against debsecan and apt: the same facts must give the same answer."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from scanner.errors import Unparsable
from scanner.model import Asset, Evidence, Reply, utc_now
from scanner.threats import packages, store
from scanner.threats.findings import Threats, findings
from scanner.threats.reading import Limits
from scanner.threats.versions import deb_key
from tests import advisories_of as made_up
from tests import version_orders as orders
from tests.answers import sent

from .http_server import serving_bytes
from .roots import ENVIRONMENT, debian_root, overlaid, why_not

pytestmark = pytest.mark.live

DEBSECAN = "needs debsecan" if shutil.which("debsecan") is None else ""
APT = why_not() or ("" if shutil.which("gpg") else "needs gpg")


# ── debsecan ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def debsecan_says(source: str, status: Path) -> set[tuple[str, str]]:
    """(CVE, binary package) of every flaw that debsecan finds."""
    words = ["debsecan", "--suite", "bookworm", "--source", source, "--status", str(status), "--format", "simple"]
    done = subprocess.run([*words, "--config", os.devnull], capture_output=True, check=True, text=True, timeout=60)
    return {(cve, binary) for cve, binary in (line.split() for line in done.stdout.splitlines())}


def we_say(feeds: Path, rows: Sequence[tuple[str, str, str, str]], listed: str = "") -> set[tuple[str, str]]:
    """The same of ours. rows: binary, version, source, its version. listed: what dpkg-query says of their states."""
    offered = "".join(f"=\tDebian\toldstable\t\t{binary}\t{version}\tamd64\n" for binary, version, *_ in rows)
    replies = {
        packages.DPKG_PACKAGES.probe.key: sent(packages.DPKG_PACKAGES.probe.key, listed or made_up.dpkg_rows(rows)),
        packages.OFFERS.probe.key: sent(packages.OFFERS.probe.key, f"{offered}end\n"),
        packages.RELEASE.probe.key: Reply('ID=debian\nVERSION_ID="12"\n'),
        packages.RUNNING.probe.key: Reply("6.1.0-9-amd64\n"),
    }
    now = utc_now()
    with Threats(feeds, now) as threats:
        controls, found = findings(Asset("one"), Evidence("one", now, "0", replies), threats, now.date())
    cves = {control.id: control.references.get("cve", ()) for control in controls}
    built: dict[str, list[str]] = {}
    for binary, _, source, of in rows:
        built.setdefault(f"{source} {of}", []).append(binary)
    failed = [one for one in found if one.outcome == "fail"]
    return {
        (cve, binary)
        for one in failed
        for cve in cves[one.control]
        for of in (one.observed.split()[-1], *re.findall(r"\(also (\S+)\)", one.detail))
        for binary in built[f"{one.subject} {of}"]
    }


@pytest.mark.skipif(bool(DEBSECAN), reason=DEBSECAN)
def test_the_flaws_found_are_those_that_debsecan_finds_in_the_same_data(tmp_path: Path) -> None:
    made = made_up.distribution(sources=400, advisories=4000)
    archive = made_up.osv_archive(tmp_path / "all.zip", made)
    store.take(tmp_path / "feeds", "Debian", "osv", archive, utc_now(), Limits())
    with serving_bytes(made_up.debsecan_list(made)) as source:
        for host in range(3):
            rows = made.installed(host, 500)
            status = tmp_path / f"status-{host}"
            status.write_text(made_up.dpkg_status(rows))
            theirs, ours = debsecan_says(f"{source}/", status), we_say(tmp_path / "feeds", rows)
            assert len(theirs) > 300
            assert ours ^ theirs == set()


STATES = (
    *("install ok installed", "hold ok installed", "deinstall ok installed", "install ok unpacked"),
    *("install ok half-installed", "install reinstreq half-installed", "install ok half-configured"),
    *("install ok triggers-awaited", "install ok triggers-pending", "deinstall ok config-files"),
    "purge ok not-installed",
)
VERSIONS = tuple(
    f"{epoch}{upstream}{revision}"
    for epoch in ("", "1:")
    for upstream in ("1.0", "1.0~rc1", "1.0+dfsg", "1.0+really0.9", "10", "1.0a")
    for revision in ("", "-1", "-1+b2", "-1+deb12u3", "-0+deb12u1")
)


def _stanza(binary: str, state: str, version: str, source: str) -> str:
    """One package as dpkg keeps it, with the fields that it wants in that state."""
    extra = {"not-installed": ""}.get(state.split()[2], f"{source}Version: {version}\n")
    if state.split()[2] in {"unpacked", "half-installed", "half-configured", "config-files"}:
        extra += f"Config-Version: {version}\n"
    extra += {"triggers-awaited": "Triggers-Awaited: bin0\n", "triggers-pending": "Triggers-Pending: x\n"}.get(
        state.split()[2], ""
    )
    head = f"Package: {binary}\nStatus: {state}\nMaintainer: a <a@b>\nArchitecture: amd64\n"
    return f"{head}{extra}Description: made up\n\n"


@pytest.mark.skipif(bool(DEBSECAN), reason=DEBSECAN)
def test_in_every_state_that_dpkg_tells_of_debsecan_finds_no_more_and_code_on_disk_counts(tmp_path: Path) -> None:
    """debsecan counts what is installed alone; what is unpacked, or waits for triggers, has code on disk too."""
    chance, built, stanzas = random.Random(5), dict[str, list[str]](), []
    for number in range(600):
        source = f"src{number % 150}"
        built.setdefault(source, []).append(f"bin{number}")
        of = chance.choice((f"Source: {source}\n", f"Source: {source} ({chance.choice(VERSIONS)})\n"))
        stanzas.append(_stanza(f"bin{number}", STATES[number % len(STATES)], chance.choice(VERSIONS), of))
    for name in ("info", "updates", "triggers"):
        (tmp_path / name).mkdir()
    (tmp_path / "status").write_text("".join(stanzas))
    (tmp_path / "info/format").write_text("1\n")
    words = ["dpkg-query", "--admindir", str(tmp_path), "-W", "-f", packages.DPKG]
    rows = subprocess.run(words, capture_output=True, check=True, text=True, timeout=60).stdout.splitlines()
    flaws = tuple(
        made_up.Flaw(f"CVE-2026-{10000 + n}", source, {made_up.HERE: chance.choice((None, *VERSIONS))}, n % 9 == 0)
        for n, source in enumerate(sorted(built) * 3)
    )
    made = made_up.Distribution({source: list(VERSIONS[:8]) for source in built}, built, flaws)
    archive = made_up.osv_archive(tmp_path / "all.zip", made)
    store.take(tmp_path / "feeds", "Debian", "osv", archive, utc_now(), Limits())
    with serving_bytes(made_up.debsecan_list(made)) as source:
        theirs = debsecan_says(f"{source}/", tmp_path / "status")
    states = {name: row[1] for row in rows for name in [row.split("\t")[1]]}
    assert {*states.values()} == {*"iUHFWtc"}
    cells = [row.split("\t") for row in rows if row[1] != "c"]
    there = [(binary, version, name, of) for _, binary, _, version, name, of in cells]
    ours = we_say(tmp_path / "feeds", there, "\n".join(rows))
    assert len(theirs) > 200
    assert theirs - ours == set()
    assert {states[binary] for _, binary in ours - theirs} == {*"UHFWt"}
    assert {states[binary] for _, binary in theirs} == {"i"}


# ── apt ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

ARCHIVES = {
    "stable": "",
    "stable-security": "",
    "stable-backports": "NotAutomatic: yes\nButAutomaticUpgrades: yes\n",
    "experimental": "NotAutomatic: yes\n",
}


def said_in(root: Path, script: str) -> str:
    done = subprocess.run(
        ["chroot", str(root), "/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def versions_near(chance: random.Random, version: str) -> Iterator[str]:
    """Versions just before and after one: with a part more, a number changed, another epoch."""
    for change in ("~rc1", "+b1", "+deb12u9", "-9", ".1", "~", "0"):
        for found in (
            version + change,
            version[:-1] + change,
            f"{chance.randint(0, 2)}:{version.partition(':')[2] or version}",
        ):
            try:
                deb_key(found)
            except Unparsable:
                continue
            yield found


def index(chance: random.Random, installed: list[tuple[str, str, str]]) -> str:
    """A Packages file that offers older, equal and newer versions of some of what is installed, and of what is not."""
    stanzas: list[str] = []
    for binary, arch, version in [*installed, ("not-installed-here", "amd64", "1")]:
        for offered in chance.sample([*versions_near(chance, version), version], chance.choice((0, 1, 1, 2))):
            place = arch if chance.random() < 0.9 else "all"
            stanzas.append(
                f"Package: {binary}\nVersion: {offered}\nInstalled-Size: 1\nMaintainer: M <m@x.invalid>\n"
                f"Architecture: {place}\nDescription: made up\nSize: 1\nFilename: pool/{len(stanzas)}.deb\n"
                f"SHA256: {sha256(f'{binary}{offered}{place}'.encode()).hexdigest()}\n"
            )
    return "\n".join([*dict.fromkeys(stanzas), ""])


def signed_archives(root: Path, seed: int, installed: list[tuple[str, str, str]]) -> None:
    """Put a signed archive of four suites into the root, and name it in its sources.list."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="riskline-gpg-") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run(
            [*gpg, "--quick-generate-key", "archive@example.invalid", "ed25519"], check=True, capture_output=True
        )
        subprocess.run([*gpg, "--output", str(root / "archive.gpg"), "--export"], check=True, capture_output=True)
        for suite, taking in ARCHIVES.items():
            place = root / "archive" / "dists" / suite
            listed = place / "main" / "binary-amd64" / "Packages"
            listed.parent.mkdir(parents=True)
            listed.write_text(index(chance, installed))
            content = listed.read_bytes()
            release = (
                f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nDate: Sun, 01 Nov 2026 10:00:00 UTC\n"
                f"Architectures: amd64\nComponents: main\n{taking}"
                f"SHA256:\n {sha256(content).hexdigest()} {len(content)} main/binary-amd64/Packages\n"
            )
            (place / "Release").write_text(release)
            words = [*gpg, "--clearsign", "--output", str(place / "InRelease"), str(place / "Release")]
            subprocess.run(words, check=True, capture_output=True)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
    lines = [f"deb [signed-by=/archive.gpg] copy:/archive {suite} main" for suite in ARCHIVES]
    shutil.rmtree(root / "etc/apt/sources.list.d", ignore_errors=True)
    (root / "etc/apt/sources.list").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.skipif(bool(APT), reason=APT)
def test_what_is_not_installed_of_the_hosts_own_archives_is_what_apt_lists() -> None:
    with overlaid(debian_root("openssh-server")) as root:
        query = f"dpkg-query -W -f '{packages.DPKG}'"
        installed = list(packages.on_disk(said_in(root, query)))
        signed_archives(root, 7, installed)
        said_in(root, "apt-get update -o APT::Sandbox::User=root -o Acquire::Languages=none")
        lines = said_in(root, "apt list --upgradable 2>/dev/null").splitlines()
        rows = [re.fullmatch(r"(\S+?)/\S+ (\S+) \S+ \[upgradable from: (\S+)\]", line) for line in lines]
        # apt also lists the installed version itself where an archive describes another build of it: nothing to mend
        theirs = {row[1]: (row[3], row[2]) for row in rows if row and deb_key(row[3]) != deb_key(row[2])}
        ours = packages.behind(installed, packages.offers(said_in(root, packages.OFFERED)))
    assert len(theirs) > 30
    assert len(theirs) < len(installed)
    assert ours == theirs


@pytest.mark.skipif(bool(APT), reason=APT)
def test_an_archive_whose_signature_is_wrong_offers_nothing() -> None:
    with overlaid(debian_root("openssh-server")) as root:
        installed = list(packages.on_disk(said_in(root, f"dpkg-query -W -f '{packages.DPKG}'")))
        signed_archives(root, 7, installed)
        for place in (root / "archive/dists").glob("*/InRelease"):
            place.write_text(place.read_text().replace("Origin: Debian", "Origin: Other"))
            (place.parent / "Release").unlink()
        said_in(root, "apt-get update -o APT::Sandbox::User=root -o Acquire::Languages=none; true")
        assert packages.offers(said_in(root, packages.OFFERED)) == ()
        assert said_in(root, "apt list --upgradable 2>/dev/null").splitlines()[1:] == []


@pytest.mark.skipif(bool(orders.why_no_apt()), reason="needs this machine's own apt")
def test_what_waits_on_this_machine_is_what_its_own_apt_lists() -> None:
    done = subprocess.run(["apt", "list", "--upgradable"], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    rows = re.findall(r"^(\S+?)/\S+ (\S+) (\S+) \[upgradable from: (\S+)\]$", done.stdout, re.MULTILINE)
    shell = ["/bin/sh", "-c"]
    listed = subprocess.run([*shell, packages.OFFERED], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    query = subprocess.run([*shell, f"dpkg-query -W -f '{packages.DPKG}'"], capture_output=True, text=True, check=True)
    ours = packages.behind(packages.on_disk(query.stdout), packages.offers(listed.stdout))
    assert ours == {row[0]: (row[3], row[1]) for row in rows}
