"""The clock: which service keeps it, from whom it takes the time, and as which account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scanner import Fact, check, parse
from scanner import files as texts

from .services import UNITS, Units
from .systemd import Settings, settings_of

KEEPERS = {
    "systemd-timesyncd": ("systemd-timesyncd.service",),
    "chrony": ("chrony.service", "chronyd.service"),
    "ntp": ("ntp.service", "ntpd.service"),
    "ntpsec": ("ntpsec.service",),
    "openntpd": ("openntpd.service",),
}
MAIN = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
OPTIONS = ("/etc/default/chrony", "/etc/sysconfig/chronyd")


@dataclass(frozen=True, slots=True)
class Chrony:
    """From whom chrony takes the time, and the account that it is told to run as ("" for its own default)."""

    sources: tuple[str, ...]
    user: str


def chrony(text: str) -> Chrony:
    """{'/etc/chrony/chrony.conf': 'pool a iburst\\nuser _chrony\\n'} -> Chrony(('a',), '_chrony').

    Directives are read without case; '!', ';', '#' and '%' start a comment line. Source: chrony.conf(5).
    """
    found: Mapping[str, str] = parse.files(text)
    sources: list[str] = []
    user = ""
    for path, one in found.items():
        if path in OPTIONS:
            continue
        for line in one.split("\n"):
            words = line.split()
            if len(words) < 2 or words[0][0] in "!;#%":
                continue
            if words[0].lower() in {"server", "pool", "peer"}:
                sources.append(words[1])
            elif words[0].lower() == "user":
                user = words[1]
    for path in OPTIONS:
        said = re.findall(
            r"^[ \t]*(?:DAEMON_OPTS|OPTIONS)=.*?-u[ \t]*([A-Za-z0-9_-]+)", found.get(path, ""), re.MULTILINE
        )
        user = said[-1] if said else user
    return Chrony(tuple(sources), user)


TIMESYNCD = settings_of("timesyncd.conf")
CHRONY = Fact(
    texts(*MAIN, "/etc/chrony/conf.d/*.conf", "/etc/chrony/sources.d/*.sources", "/etc/chrony.d/*.conf", *OPTIONS),
    chrony,
)


@check("linux.time.keeper", UNITS)
def keeper(found: Units) -> str:
    """The service that keeps the clock from boot on; several joined by " and "; "none" where there is none."""
    return " and ".join(name for name, units in KEEPERS.items() if any(map(found.starts, units))) or "none"


@check("linux.time.timesyncd", TIMESYNCD)
def timesyncd(found: Settings, key: str) -> str | None:
    """What systemd-timesyncd is told under `key`; nothing where it is left to its default."""
    return found.get("Time", {}).get(key)


@check("linux.time.timesyncd_sources", TIMESYNCD)
def timesyncd_sources(found: Settings) -> list[str]:
    """The servers that systemd-timesyncd is told to ask: NTP, then FallbackNTP."""
    section = found.get("Time", {})
    return [*section.get("NTP", "").split(), *section.get("FallbackNTP", "").split()]


@check("linux.time.chrony_sources", CHRONY)
def chrony_sources(found: Chrony) -> list[str]:
    """The servers and pools that chrony is told to ask."""
    return list(found.sources)


@check("linux.time.chrony_user", CHRONY)
def chrony_user(found: Chrony) -> str:
    """The account that chrony is told to run as; "" where it takes the distribution's default, never root."""
    return found.user
