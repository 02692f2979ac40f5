"""A made-up distribution for tests and benchmarks: sources, their versions, advisories about them, and hosts.

Its numbers have the shape of Debian's own: two in five advisories speak of a dozen sources, most of the rest of sources
that a host does not have; one in sixteen has no fix; most binaries are named unlike their source.
"""

from __future__ import annotations

import json
import random
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ECOSYSTEMS = ("Debian:11", "Debian:12", "Debian:13", "Debian:14")
HERE = "Debian:12"
_HEAVY = (
    "chromium", "firefox-esr", "thunderbird", "webkit2gtk", "php8.2", "wireshark", "mariadb", "imagemagick", "gpac",
    "openjdk-17", "qemu", "vim",
)  # fmt: skip
_SIGNS = ("", "", "", "+dfsg", "~rc1", "+ds1", "a", ".0")
_METRICS = {
    "AV": "NNNL", "AC": "LLH", "PR": "NNL", "UI": "NR", "S": "UUC", "C": "NLH", "I": "NLH", "A": "NLH",
}  # fmt: skip
_WORDS = "A flaw in the parser lets an attacker who controls the input read beyond the end of a buffer in memory. "


@dataclass(frozen=True, slots=True)
class Flaw:
    """One advisory. fixed: ecosystem -> version without the flaw (None: there is none). weightless: "unimportant"."""

    cve: str
    source: str
    fixed: dict[str, str | None]
    weightless: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """versions: source -> its versions, rising. binaries: source -> the packages that are built from it."""

    versions: dict[str, list[str]]
    binaries: dict[str, list[str]]
    flaws: tuple[Flaw, ...]

    def installed(self, seed: int, packages: int) -> list[tuple[str, str, str, str]]:
        """A host's packages: (binary, version, source, source version). The same seed gives the same host."""
        chance = random.Random(seed)
        rows: list[tuple[str, str, str, str]] = []
        for source, binaries in self.binaries.items():
            at = 17 if chance.random() < 0.9 else chance.randrange(10, 20)
            version = self.versions[source][at]
            built = f"{version}+b1" if "-" in version and len(source) % 10 == 0 else version
            rows += [(binary, built, source, version) for binary in binaries]
            if len(rows) >= packages:
                break
        return rows[:packages]


def distribution(sources: int = 4000, advisories: int = 45_000, seed: int = 7) -> Distribution:
    """Make one up. Two in five of its advisories speak of twelve sources that every host has."""
    chance = random.Random(seed)
    names = [*_HEAVY, *(f"{chance.choice(('lib', 'python-', 'golang-', ''))}made{n}" for n in range(sources - 12))]
    versions = {name: _versions(chance) for name in names}
    binaries = {name: _binaries(chance, name) for name in names}
    flaws = tuple(_flaw(chance, n, names, versions) for n in range(advisories))
    return Distribution(versions, binaries, flaws)


def _binaries(chance: random.Random, source: str) -> list[str]:
    """One to three packages; four sources of five have none of their own name."""
    own = [source] if chance.random() < 0.2 else []
    return [*own, *(f"{source}-{n}" for n in range(1, chance.randint(2, 4)))]


def _versions(chance: random.Random) -> list[str]:
    """Twenty versions, each later than the one before."""
    epoch = chance.choice(("", "", "", "", "1:", "2:"))
    major, sign, rise = chance.randint(0, 12), chance.choice(_SIGNS), chance.randint(1, 9)
    return [
        f"{epoch}{major}.{n * rise // 3}.{n}{sign}-{1 + n % 3}{'+deb12u' + str(n) if n > 14 else ''}" for n in range(20)
    ]


def _flaw(chance: random.Random, number: int, names: list[str], versions: dict[str, list[str]]) -> Flaw:
    heavy = chance.random() < 0.4
    source = chance.choice(names[:12]) if heavy else chance.choice(names[12:])
    of_source = versions[source]
    late = chance.random() < 0.15

    def end() -> str | None:
        if chance.random() < 0.06:
            return None
        return of_source[chance.randrange(18, 20) if late else chance.randrange(17)]

    year, serial = 2012 + number % 15, 1000 + number // 15
    fixed = {ecosystem: end() for ecosystem in ECOSYSTEMS}
    return Flaw(f"CVE-{year}-{serial}", source, fixed, chance.random() < 0.05)


def _records(made: Distribution) -> Iterator[dict[str, Any]]:
    for number, flaw in enumerate(made.flaws):
        chance = random.Random(number)
        picked = {name: chance.choice(of) for name, of in _METRICS.items()}
        cvss = "CVSS:3.1/" + "/".join(f"{name}:{value}" for name, value in picked.items())
        urgency = "unimportant" if flaw.weightless else "not yet assigned"
        before = made.versions[flaw.source][:8]
        yield {
            "id": f"DEBIAN-{flaw.cve}",
            "details": f"{flaw.cve} {_WORDS * chance.randint(1, 3)}",
            "modified": f"2026-{1 + number % 9:02}-{1 + number % 28:02}T10:00:00Z",
            "published": "2025-11-01T10:00:00Z",
            "upstream": [flaw.cve],
            "severity": [{"type": "CVSS_V3", "score": cvss}],
            "affected": [
                {
                    "package": {"ecosystem": ecosystem, "name": flaw.source, "purl": f"pkg:deb/debian/{flaw.source}"},
                    "ranges": [
                        {
                            "type": "ECOSYSTEM",
                            "events": [{"introduced": "0"}, *([{"fixed": fixed}] if fixed is not None else [])],
                        }
                    ],
                    "versions": before,
                    "ecosystem_specific": {"urgency": urgency},
                }
                for ecosystem, fixed in flaw.fixed.items()
            ],
            "schema_version": "1.7.3",
        }


def osv_archive(path: Path, made: Distribution) -> Path:
    """The advisories as OSV publishes them: one zip archive, one record a file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for record in _records(made):
            opened.writestr(f"{record['id']}.json", json.dumps(record))
    return path


def dpkg_rows(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """A host's packages as our probe reads them."""
    return "".join(f"ii \t{binary}\tamd64\t{version}\t{source}\t{of}\n" for binary, version, source, of in rows)


def dpkg_status(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """A host's packages as dpkg keeps them: /var/lib/dpkg/status."""
    return "".join(
        f"Package: {binary}\nStatus: install ok installed\nPriority: optional\nSection: libs\n"
        f"Architecture: amd64\nSource: {source} ({of})\nVersion: {version}\nDescription: made up\n of one line\n\n"
        for binary, version, source, of in rows
    )


def debsecan_list(made: Distribution, ecosystem: str = HERE) -> bytes:
    """The same advisories for `debsecan --suite`, as Debian's tracker serves them; it leaves out those of no weight.

    Source: debsecan's fetch_data: names, then "package,name's number,flags,fixed version,others", then binaries.
    """
    told = [flaw for flaw in made.flaws if not flaw.weightless]
    lines = ["VERSION 1", *(f"{flaw.cve},,{_WORDS.strip()}" for flaw in told), ""]
    for number, flaw in enumerate(told):
        fixed = flaw.fixed[ecosystem]
        lines.append(f"{flaw.source},{number},S ?{'F' if fixed else ' '},{fixed or ''},")
    lines += ["", *(f"{source},{' '.join(binaries)}" for source, binaries in made.binaries.items()), ""]
    return zlib.compress("\n".join([*lines, ""]).encode())
