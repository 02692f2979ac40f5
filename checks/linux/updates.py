"""Updates: what is waiting, where packages come from, how long the release is cared for, and which kernel runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from scanner import Fact, NotApplicable, Undetermined, Unparsable, check, parse, sh
from scanner import files as texts
from scanner.threats.versions import deb_key

# apt itself writes temporary files even when it only simulates, so its lists are read instead: those of the security
# archive alone, and of these only the packages that are installed. grep before awk: the lists may have 100 MB.
WAITING = r"""
l=/var/lib/apt/lists
n=0
for f in "$l"/*[Ss]ecurity*_Packages*; do [ ! -e "$f" ] || n=$((n + 1)); done
a=$(( ($(date +%s) - $(stat -c %Y "$l" 2>/dev/null || echo 0)) / 86400 ))
printf 'lists %s %s\n' "$n" "$a"
for f in "$l"/*[Ss]ecurity*_Packages*; do
  [ -e "$f" ] || continue
  { /usr/lib/apt/apt-helper cat-file "$f" || printf '\nFailed: %s\n' "$f"; } | grep -aE '^(Package|Version|Failed): '
done | { dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n'; echo --; cat; } | awk '
  $0 == "--" { s = 1; next }
  !s { if ($1 ~ /^.i/) have[$2] = $3; next }
  $1 == "Failed:" { print "failed"; exit }
  $1 == "Package:" { p = $2 }
  $1 == "Version:" && p in have && have[p] != $2 { print p, have[p], $2 }
  END { print "end" }'
"""
KERNELS = r"""uname -r; for k in /boot/vmlinuz-*; do [ -e "$k" ] && printf '%s\n' "${k#/boot/vmlinuz-}"; done; :"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Security updates that the package lists know of. lists: how many of them; age_days: since they changed."""

    updates: tuple[str, ...]
    lists: int
    age_days: int


def read_waiting(text: str) -> Waiting:
    """'lists 3 0\\nbash 5.2-1 5.2-2\\nend\\n' -> Waiting(('bash',), 3, 0): installed version, then the archive's."""
    first, _, rest = text.partition("\n")
    words = first.split()
    if words[:1] != ["lists"] or len(words) != 3:
        raise Unparsable(first[:200])
    rows = rest.split("\n")
    if "end" not in rows:
        raise Unparsable("the package lists could not be read to their end")
    newer: dict[str, None] = {}
    for row in rows[: rows.index("end")]:
        name, installed, offered = row.split(" ")
        if deb_key(installed) < deb_key(offered):
            newer[name] = None
    return Waiting(tuple(newer), int(words[1]), int(words[2]))


@dataclass(frozen=True, slots=True)
class Source:
    """One place that packages come from. options: in lower case, such as {'trusted': 'yes', 'signed-by': '/…'}."""

    uri: str
    suite: str
    options: Mapping[str, str]


def sources(text: str) -> tuple[Source, ...]:
    """'deb [signed-by=/k] http://deb.debian.org/debian bookworm main\\n' -> (Source('http://…', 'bookworm', {…}),).

    Both one-line and deb822 style. Source: sources.list(5).
    """
    found: list[Source] = []
    for path, one in parse.files(text).items():
        found += _stanzas(one) if path.endswith(".sources") else _one_line(one)
    return tuple(found)


def _one_line(text: str) -> list[Source]:
    found = []
    for line in parse.lines(text):
        match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            options = dict(word.lower().split("=", 1) for word in (match[1] or "").split() if "=" in word)
            found.append(Source(match[2], match[3], options))
    return found


def _stanzas(text: str) -> list[Source]:
    found = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in stanza.split("\n"):
            if line.startswith("#"):
                continue
            key, colon, value = line.partition(":")
            if line[:1] in {" ", "\t"} and last:
                fields[last] += f" {line.strip()}"
            elif colon:
                last = key.strip().lower()
                fields[last] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
            options = {key: value.lower() for key, value in fields.items()}
            places = [
                (uri, suite) for uri in fields.get("uris", "").split() for suite in fields.get("suites", "").split()
            ]
            found += [Source(uri, suite, options) for uri, suite in places]
    return found


def apt_configuration(text: str) -> Mapping[str, str]:
    """'APT::Periodic::Unattended-Upgrade "1";\\n' -> {'apt::periodic::unattended-upgrade': '1'}: `apt-config dump`."""
    if not text.startswith('APT "'):
        raise Unparsable(text[:200])
    rows = re.findall(r'^(\S+) "(.*)";$', text, re.MULTILINE)
    return {key.lower(): value for key, value in rows if not key.endswith("::")}


def kernels(text: str) -> tuple[str, ...]:
    """'6.1.0-28-amd64\\n6.1.0-31-amd64\\n' -> the running kernel's release, then those installed."""
    found = tuple(word[:200] for word in text.split())
    if not found or not re.match(r"[0-9]+\.[0-9]", found[0]):
        raise Unparsable("uname named no kernel")
    return found


UPDATES = Fact(sh(WAITING, of="apt-get", timeout_s=30.0, marked=True), read_waiting)
SOURCES = Fact(
    texts("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"), sources
)
APT = Fact(sh("apt-config dump", of="apt-config", marked=True), apt_configuration)
TODAY = Fact(sh("date -u +%Y-%m-%d"), lambda text: date.fromisoformat(text.strip()), fleeting=".*")
INSTALLED_KERNELS = Fact(sh(KERNELS, running=True, marked=True), kernels)


@check("linux.updates.waiting", UPDATES)
def waiting(found: Waiting) -> list[str]:
    """Installed packages for which the lists of the security archive hold a newer version."""
    if not found.lists:
        raise Undetermined("this host holds no list of a security archive; `apt update` fetches it")
    return list(found.updates)


@check("linux.updates.list_age_days", UPDATES)
def list_age_days(found: Waiting) -> int:
    """Days since the package lists were last changed."""
    if not found.lists:
        raise Undetermined("this host holds no list of a security archive; `apt update` fetches it")
    return found.age_days


@check("linux.updates.unverified_sources", SOURCES, APT)
def unverified_sources(found: tuple[Source, ...], apt: Mapping[str, str]) -> list[str]:
    """Places whose packages are taken without a checked signature."""
    lax = {"yes", "true", "1", "on"}
    marked = [s for s in found if {s.options.get("trusted"), s.options.get("allow-insecure")} & lax]
    wide = [
        key
        for key in ("apt::get::allowunauthenticated", "acquire::allowinsecurerepositories")
        if apt.get(key, "").lower() in lax
    ]
    return [*(f"{s.uri} {s.suite}" for s in marked), *wide]


@check("linux.updates.suites", SOURCES)
def suites(found: tuple[Source, ...]) -> list[str]:
    """The suites that packages come from: bookworm, bookworm-security …"""
    return sorted({s.suite.rstrip("/") for s in found})


@check("linux.updates.hosts", SOURCES)
def hosts(found: tuple[Source, ...]) -> list[str]:
    """The hosts that packages come from: deb.debian.org …"""
    names = {re.sub(r"^[a-z+]+:(?://)?(?:[^/@]*@)?([^/:]*).*", r"\1", s.uri) for s in found}
    return sorted(name or "this host" for name in names)


@check("linux.updates.apt", APT)
def apt(found: Mapping[str, str], key: str) -> str | None:
    """What APT is told under `key`, such as APT::Periodic::Unattended-Upgrade; nothing where it is not told."""
    return found.get(key.lower())


@check("linux.updates.days_of_care_left", TODAY)
def days_of_care_left(today: date, until: str) -> int:
    """Days until the release gets no more security updates, on the day `until` (YYYY-MM-DD); negative after it."""
    return (date.fromisoformat(until) - today).days


@check("linux.updates.newer_kernels", INSTALLED_KERNELS)
def newer_kernels(found: tuple[str, ...]) -> list[str]:
    """Installed kernels of the running one's flavour that are newer than it."""
    running, *installed = found
    if not installed:
        raise NotApplicable("no kernel is installed in /boot; the running one comes from elsewhere")
    flavour, order = _flavour(running), _order(running)
    return [name for name in installed if _flavour(name) == flavour and _order(name) > order]


def _flavour(release: str) -> str:
    """'6.1.0-28-cloud-amd64' -> 'cloud-amd64'; '5.14.0-427.13.1.el9_4.x86_64' -> 'el.x86_64', as its minor releases."""
    return re.sub(r"\bel[0-9]+(?:_[0-9]+)?", "el", _build(release))


def _build(release: str) -> str:
    return re.sub(r"^[0-9.]+(?:-[0-9.]+)?-?", "", release)


def _order(release: str) -> list[int]:
    version = release[: len(release) - len(_build(release))]
    return [int(number) for number in re.findall(r"[0-9]{1,12}", version)]
