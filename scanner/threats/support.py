"""Until when releases get free security updates, and which of ours end within the next months. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

# The last day with free security updates. Sources: wiki.debian.org/LTS, ubuntu.com/about/release-cycle,
# wiki.almalinux.org/release-notes, wiki.rockylinux.org/rocky/version, access.redhat.com/support/policy/updates/errata,
# suse.com/lifecycle, alpinelinux.org/releases, learn.microsoft.com/lifecycle/products
ENDS: Mapping[str, date] = {
    "Debian:10": date(2024, 6, 30),
    "Debian:11": date(2026, 8, 31),
    "Debian:12": date(2028, 6, 30),
    "Debian:13": date(2030, 6, 30),
    "Ubuntu:20.04:LTS": date(2025, 5, 31),
    "Ubuntu:22.04:LTS": date(2027, 4, 30),
    "Ubuntu:24.04:LTS": date(2029, 4, 30),
    "AlmaLinux:8": date(2029, 3, 1),
    "AlmaLinux:9": date(2032, 5, 31),
    "AlmaLinux:10": date(2035, 5, 31),
    "Rocky Linux:8": date(2029, 5, 31),
    "Rocky Linux:9": date(2032, 5, 31),
    "Rocky Linux:10": date(2035, 5, 31),
    "Red Hat:enterprise_linux:8": date(2029, 5, 31),
    "Red Hat:enterprise_linux:9": date(2032, 5, 31),
    "Red Hat:enterprise_linux:10": date(2035, 5, 31),
    "SUSE:Linux Enterprise 15 SP5": date(2024, 12, 31),
    "SUSE:Linux Enterprise 15 SP6": date(2025, 12, 31),
    "SUSE:Linux Enterprise 15 SP7": date(2031, 7, 31),
    "openSUSE:Leap 15.6": date(2026, 4, 30),
    "Alpine:v3.19": date(2025, 11, 1),
    "Alpine:v3.20": date(2026, 4, 1),
    "Alpine:v3.21": date(2026, 11, 1),
    "Alpine:v3.22": date(2027, 5, 1),
    "Windows Server:2016": date(2027, 1, 12),
    "Windows Server:2019": date(2029, 1, 9),
    "Windows Server:2022": date(2031, 10, 14),
    "Windows Server:2025": date(2034, 10, 10),
    "Windows Server:23H2": date(2025, 10, 24),
    "Windows:10-22h2": date(2025, 10, 14),
    "Windows:11-23h2-w": date(2025, 11, 11),
    "Windows:11-23h2-e": date(2026, 11, 10),
    "Windows:11-24h2-w": date(2026, 10, 13),
    "Windows:11-24h2-e": date(2027, 10, 12),
    "Windows:11-25h2-w": date(2027, 10, 12),
    "Windows:11-25h2-e": date(2028, 10, 10),
}
_PRODUCTS: Mapping[str, str] = {
    "Debian": "debian",
    "Ubuntu": "ubuntu",
    "AlmaLinux": "almalinux",
    "Rocky Linux": "rocky-linux",
    "Red Hat": "rhel",
    "SUSE": "sles",
    "openSUSE": "opensuse",
    "Alpine": "alpine-linux",
    "Windows Server": "windows-server",
    "Windows": "windows",
}
"""Ecosystem -> the product's name on endoflife.date."""
YEAR = timedelta(days=365)


def product_of(ecosystem: str) -> tuple[str, str]:
    """'Ubuntu:24.04:LTS' -> ('ubuntu', '24.04'), 'SUSE:Linux Enterprise 15 SP6' -> ('sles', '15.6')."""
    family, _, rest = ecosystem.partition(":")
    if family.startswith("Windows"):
        return _PRODUCTS[family], rest
    numbers = re.findall(r"[0-9]+(?:\.[0-9]+)?", rest)
    return _PRODUCTS.get(family, ""), ".".join(numbers) if family == "SUSE" else next(iter(numbers), "")


def free_until(ecosystem: str, day: date | None, extended: date | None) -> date | None:
    """Until when updates cost nothing: Debian's extended support (LTS) is free, that of others is sold."""
    return (extended or day) if ecosystem.startswith("Debian:") else day


@dataclass(frozen=True, slots=True)
class Ending:
    """A release that gets no security updates after `day`. day None: nobody has told us when it ends."""

    release: str
    day: date | None
    assets: tuple[str, ...]

    def ended(self, today: date) -> bool:
        """Whether it is over."""
        return self.day is not None and self.day < today


def calendar(
    releases: Iterable[tuple[str, str, date | None]], today: date, ahead: timedelta = YEAR
) -> tuple[Ending, ...]:
    """(asset, release, its last day) -> what has ended, what ends within `ahead`, and last what nobody knows."""
    found: dict[tuple[str, date | None], list[str]] = {}
    for asset, release, day in releases:
        if day is None or day <= today + ahead:
            found.setdefault((release, day), []).append(asset)
    endings = [Ending(release, day, tuple(sorted(assets))) for (release, day), assets in found.items()]
    return tuple(sorted(endings, key=lambda one: (one.day or date.max, one.release)))
