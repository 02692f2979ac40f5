"""AIDE, which notices changed files: its record of the good state, and which files it compares in what respect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scanner import Fact, Unparsable, check, parse, sh
from scanner import files as texts

from .audit_rules import place
from .services import ACTIVE_UNITS, FOLDERS, UNITS, Units

# The record may be compressed; where aide.conf names another place, that place alone counts.
DATABASE = r"""
c=/etc/aide/aide.conf
[ -f "$c" ] || c=/etc/aide.conf
p=$(sed -n -E 's/^[[:space:]]*database(_in)?[[:space:]]*=[[:space:]]*file:([^[:space:]]*)[[:space:]]*$/\2/p' "$c" \
  2>/dev/null | tail -n 1)
case $p in
  @@{DBDIR}/*)
    d=$(sed -n -E 's/^[[:space:]]*@@define[[:space:]]+DBDIR[[:space:]]+([^@[:space:]]*)[[:space:]]*$/\1/p' "$c" |
      tail -n 1)
    p=${d:+$d/${p#*/}};;
  *@@*) p=;;
esac
set -- /var/lib/aide/aide.db /var/lib/aide/aide.db.gz
[ -z "$p" ] || set -- "$p"
for f in "$@"; do [ -s "$f" ] && printf 'record %s\n' "$f"; done
:
"""
_ALL_HASHES = {"md5", "sha1", "sha256", "sha512", "rmd160", "tiger", "haval", "gost", "crc32", "whirlpool"}
BUILT_IN = {
    "H": _ALL_HASHES,
    "X": {"acl", "selinux", "xattrs", "e2fsattrs", "caps"},
    "R": {"p", "ftype", "i", "l", "n", "u", "g", "s", "m", "c", "md5", "X"},
    "L": {"p", "ftype", "i", "l", "n", "u", "g", "X"},
    "E": set[str](),
}


@dataclass(frozen=True, slots=True)
class Selected:
    """Which plain paths are compared, in what respects, and which are left out."""

    compared: tuple[tuple[str, frozenset[str]], ...]
    left_out: tuple[str, ...]


def selections(text: str) -> Selected:
    """'Full = p+s\\n/sbin/auditd Full+sha512\\n' -> Selected((('/usr/sbin/auditd', {'p', 's', 'sha512'}),), ()).

    A path is an expression in aide.conf(5); only plain ones are read here, so a path that only a wider expression
    covers is not seen as compared.
    """
    groups: dict[str, set[str]] = {name: set(parts) for name, parts in BUILT_IN.items()}
    compared: list[tuple[str, frozenset[str]]] = []
    left_out: list[str] = []
    for one in parse.files(text).values():
        for line in one.split("\n"):
            bare = line.strip()
            named = re.match(r"([A-Za-z0-9_]+)\s*=\s*([A-Za-z0-9_+><-]+)\Z", bare)
            chosen = re.match(r"=?(/\S*)\s+(?:[a-zA-Z,]+\s+)?([A-Za-z0-9_+><-]+)\Z", bare)
            if named:
                groups[named[1]] = _parts(named[2], groups)
            elif chosen:
                compared.append((_plain(chosen[1]), frozenset(_parts(chosen[2], groups))))
            elif bare.startswith("!/"):
                left_out.append(_plain(bare[1:].split()[0]))
    return Selected(tuple(compared), tuple(left_out))


def _plain(expression: str) -> str:
    return place(expression.rstrip("$").replace("\\", ""))


def _parts(words: str, groups: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    for sign, word in re.findall(r"([+-]?)([A-Za-z0-9_><]+)", words):
        parts = {word} if word not in groups else set(groups[word])
        for nested in parts & groups.keys() - {word}:
            parts |= groups[nested]
        found = found - parts if sign == "-" else found | parts
    return found


# Of cron's tables only the lines that name the program leave the target: others may hold passwords. run-parts starts
# what is executable; crond reads its tables whatever their mode.
TASKS = r"""
grep -H -E '(^|[[:space:]/;&|])aide[[:space:]]' /etc/crontab /etc/cron.d/* /var/spool/cron/root \
  /var/spool/cron/crontabs/root 2>/dev/null | sed 's/^/table /'
for d in /etc/cron.hourly /etc/cron.daily /etc/cron.weekly; do
  [ ! -d "$d" ] || find "$d/" -maxdepth 1 -type f -perm -100 \
    -exec grep -l -E '^[^#]*\baide\b.*(--check|-C|--update|-u)\b' {} + | sed 's/^/script /'
done
:
"""
_COMPARES = {"--check", "-C", "--update", "-u"}


def tasks(text: str) -> list[str]:
    """'table /etc/crontab:0 5 * * * root aide --check\nscript /etc/cron.daily/aide\n' -> what compares the files.

    Of the tables, the lines that start AIDE once a week or more often: day of the month and month must be open; a week
    day may be set. Source: crontab(5).
    """
    found = []
    for line in parse.lines(text):
        kind, _, rest = line.partition(" ")
        path, _, task = rest.partition(":")
        if kind not in {"table", "script"}:
            raise Unparsable(line[:200])
        if kind == "script" or (_weekly(task.strip()) and _compares(task.split())):
            found.append(path if kind == "script" else f"{path}: {task.strip()[:200]}")
    return found


def _compares(words: list[str]) -> bool:
    called = next((place for place, word in enumerate(words) if word.rsplit("/", 1)[-1] == "aide"), len(words))
    return not _COMPARES.isdisjoint(words[called:])


def _weekly(line: str) -> bool:
    if line.startswith("@"):
        return line.split(None, 1)[0] in {"@hourly", "@daily", "@midnight", "@weekly"}
    fields = line.split(None, 5)[:5]
    return len(fields) == 5 and fields[2] in {"*", "*/1"} and fields[3] in {"*", "*/1"} and line[0] in "0123456789*"


def records(text: str) -> list[str]:
    """'record /var/lib/aide/aide.db\\n' -> ['/var/lib/aide/aide.db']; nothing where there is none."""
    found = parse.lines(text)
    if any(not line.startswith("record /") for line in found):
        raise Unparsable(text[:200])
    return [line.removeprefix("record ") for line in found]


TIMERS_LIST = (
    "for d in "
    + " ".join(FOLDERS)
    + r"""; do
  case $d in /lib/*) [ -L /lib ] && continue;; esac
  grep -H -E '^[[:space:]]*ExecStart[[:space:]]*=.*aide' "$d"/*.service 2>/dev/null
  grep -H -E '^[[:space:]]*Unit[[:space:]]*=' "$d"/*.timer 2>/dev/null
done
:
"""
)
_OTHER_COMMANDS = {
    *("--init", "-i", "--dry-init", "-n", "--config-check", "-D", "--compare", "-E", "--list", "--path-check"),
}


@dataclass(frozen=True, slots=True)
class Timed:
    """What timers would start. services: files of services that compare files by AIDE; units: timer's file -> unit."""

    services: frozenset[str]
    units: Mapping[str, str]


def timed(text: str) -> Timed:
    """'/usr/lib/systemd/system/x.service:ExecStart=/usr/bin/aide --check\n…' -> Timed({'/usr/lib/…/x.service'}, {}).

    Without a command AIDE compares; Debian's own script does so too. Source: aide(1), aide-common.
    """
    services, units = set(), {}
    for line in parse.lines(text):
        path, _, assignment = line.partition(":")
        name, is_there, value = assignment.partition("=")
        if not is_there or not path.startswith("/"):
            raise Unparsable(line[:200])
        if name.strip() == "Unit":
            units[path] = value.strip()
        elif _starts_comparison(value.split()):
            services.add(path)
    return Timed(frozenset(services), units)


def _starts_comparison(words: list[str]) -> bool:
    names = [word.lstrip("-@:+!").rsplit("/", 1)[-1] for word in words]
    called = next((place for place, name in enumerate(names) if name in {"aide", "aide.wrapper"}), None)
    return "dailyaidecheck" in names or (called is not None and _OTHER_COMMANDS.isdisjoint(words[called:]))


SCHEDULED = Fact(sh(TASKS, sudo=True), tasks)
SELECTED = Fact(texts("/etc/aide/aide.conf", "/etc/aide/aide.conf.d/*", "/etc/aide.conf", sudo=True), selections)
RECORD = Fact(sh(DATABASE, sudo=True), records)


TIMED = Fact(sh(TIMERS_LIST), timed)


@check("linux.integrity.database", RECORD)
def database(found: list[str]) -> bool:
    """Whether AIDE's record of the good state is there, and not empty."""
    return bool(found)


@check("linux.integrity.unprotected", SELECTED)
def unprotected(found: Selected, paths: list[str], attributes: list[str]) -> list[str]:
    """Those of `paths` that are not compared in all of `attributes`, by a line of their own."""
    good = {path for path, parts in found.compared if set(attributes) <= parts} - set(found.left_out)
    return [path for path in paths if place(path) not in good]


@check("linux.integrity.scheduled", SCHEDULED)
def scheduled(found: list[str]) -> list[str]:
    """What makes cron compare the files by AIDE once a week or more often: lines of its tables, and scripts."""
    return found


@check("linux.integrity.timers", UNITS, TIMED)
def timers(units: Units, found: Timed) -> list[str]:
    """The timers that boot starts, and that start a comparison of the files by AIDE."""
    return [name for name in _comparing(units, found) if units.starts(name)]


@check("linux.integrity.timers_now", UNITS, TIMED, ACTIVE_UNITS)
def timers_now(units: Units, found: Timed, states: Mapping[str, str]) -> list[str]:
    """The timers that are active now, and that start a comparison of the files by AIDE."""
    return [name for name in _comparing(units, found) if states.get(name) == "active"]


def _comparing(units: Units, found: Timed) -> list[str]:
    """Timers whose unit, by default the service of their name, compares files. Source: systemd.timer(5)."""
    own = {name: path for name, path in units.files.items() if name.endswith(".timer")}
    started = {name: found.units.get(path) or f"{name.removesuffix('.timer')}.service" for name, path in own.items()}
    return [name for name, unit in started.items() if units.files.get(units.own_name(unit)) in found.services]
