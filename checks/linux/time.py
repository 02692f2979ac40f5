"""The clock: which service keeps it, from whom it takes the time, and as which account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from scanner import Fact, Undetermined, check, parse
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
LEADS = {"include": "", "confdir": ".conf", "sourcedir": ".sources"}
"""The directives that lead to more files, and how the names of those end."""
# What DHCP told lies in /run; it is gone after the next start.
BROUGHT_ALONG = ("/etc/chrony/", "/etc/chrony.d", "/run/")


@dataclass(frozen=True, slots=True)
class Chrony:
    """From whom chrony takes the time, and the account that it is told to run as ("" for its own default).

    unread: what its files lead to and the visit did not bring along.
    """

    sources: tuple[str, ...]
    user: str
    unread: tuple[str, ...]


def _directives(left: dict[str, str], path: str, unread: list[str]) -> Iterator[list[str]]:
    """The words of each line of `path`, and of the files that it leads to, in the order of reading; each file once."""
    for line in left.pop(path, "").split("\n"):
        words = line.split()
        if not words or words[0][0] in "!;#%":
            continue
        word = words[0].lower()
        yield [word, *words[1:]]
        if word not in LEADS:
            continue
        for place in words[1:]:
            pattern = f"{place.rstrip('/')}/*{LEADS[word]}" if LEADS[word] else place
            fitting = [other for other in left if PurePosixPath(other).match(pattern)]
            if not fitting and not place.startswith(BROUGHT_ALONG):
                unread.append(place)
            for other in sorted(fitting):
                yield from _directives(left, other, unread)


def chrony(text: str) -> Chrony:
    """{'/etc/chrony/chrony.conf': 'pool a iburst\\nuser _chrony\\n'} -> Chrony(('a',), '_chrony', ()).

    Directives are read without case; '!', ';', '#' and '%' start a comment line; `include`, `confdir` and `sourcedir`
    lead to more. Source: chrony.conf(5).
    """
    found: Mapping[str, str] = parse.files(text)
    sources: list[str] = []
    unread: list[str] = []
    user = ""
    main = next((path for path in MAIN if path in found), MAIN[0])
    for words in _directives(dict(found), main, unread):
        if words[0] in {"server", "pool", "peer"} and len(words) > 1:
            sources.append(words[1])
        elif words[0] == "user" and len(words) > 1:
            user = words[1]
    for path in OPTIONS:
        said = re.findall(
            r"^[ \t]*(?:DAEMON_OPTS|OPTIONS)=.*?-u[ \t]*([A-Za-z0-9_-]+)", found.get(path, ""), re.MULTILINE
        )
        user = said[-1] if said else user
    return Chrony(tuple(sources), user, tuple(unread))


TIMESYNCD = settings_of("timesyncd.conf")
CHRONY = Fact(
    texts(
        *MAIN,
        "/etc/chrony/*.conf",
        "/etc/chrony/conf.d/*.conf",
        "/etc/chrony/sources.d/*.sources",
        "/etc/chrony.d/*.conf",
        *OPTIONS,
    ),
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
    if found.unread and not found.sources:
        raise Undetermined(f"chrony's file leads to {found.unread[0]}, which was not read")
    return list(found.sources)


@check("linux.time.chrony_user", CHRONY)
def chrony_user(found: Chrony) -> str:
    """The account that chrony is told to run as; "" where it takes the distribution's default, never root."""
    return found.user
