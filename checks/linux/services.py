"""systemd units and SysV scripts: what starts by itself at boot (from the files), and what is active now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from scanner import Fact, Unparsable, check, sh

FOLDERS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""In the order of precedence; a unit's file in an earlier folder hides those in later ones. Source: systemd.unit(5)."""
LIST = (
    "for d in "
    + " ".join(FOLDERS)
    + r"""; do
  [ -d "$d" ] || continue
  case $d in /lib/*) [ -L /lib ] && continue;; esac
  find "$d/" -maxdepth 2 \( -type f -o -type l \) -printf '%y\t%s\t%p\t%l\n'
done
# A removed package leaves its script, which does nothing without its program.
awk '/^Status: / { s = /config-files/ } s && /^ \/etc\/init\.d\// { printf "c\t0\t%s\t\n", $1 }' \
  /var/lib/dpkg/status 2>/dev/null
for s in /etc/rc[2345].d/S[0-9][0-9]*; do
  [ ! -e "$s" ] || printf 'r\t0\t%s\t\n' "$s"
done
"""
)
_KIND = re.compile("[flcr]")
_UNIT = re.compile(r"\S+\.(?:service|socket|timer|mount|path)")
LOADED = {"stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked"}
ACTIVITY = {
    *("active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing"),
}
"""What systemctl prints of a unit's file, and of the unit. Source: `systemctl --state=help`."""
ACTIVE = "systemctl list-units --no-legend --no-pager --plain --full --type=service,socket,timer,mount,path"


@dataclass(frozen=True, slots=True)
class Units:
    """files: unit -> the file that decides it; wanted: units that another unit pulls in; scripts: of SysV, for boot."""

    files: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    masked: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()
    scripts: frozenset[str] = frozenset()

    def own_name(self, unit: str) -> str:
        """The unit that a name stands for: 'sshd.service' -> 'ssh.service'. A circle of names ends where it began."""
        seen = set()
        while unit in self.aliases and unit not in seen:
            seen.add(unit)
            unit = self.aliases[unit]
        return unit

    def starts(self, unit: str) -> bool:
        """Whether boot starts it: some unit wants it (or one of its names), it is there, and nothing masks it.

        A socket, path or timer does not start where the service of its name is masked: it has nothing to hand over to.
        """
        own = self.own_name(unit)
        behind = re.sub(r"\.(socket|path|timer)\Z", ".service", own)
        if {own, unit, behind, self.own_name(behind)} & self.masked:
            return False
        if own.removesuffix(".service") in self.scripts and own not in self.files:
            return True
        wanted = {self.own_name(name) for name in self.wanted}
        return own in wanted and (own in self.files or self._template(own) in self.files)

    @staticmethod
    def _template(unit: str) -> str:
        stem, at, _ = unit.partition("@")
        return f"{stem}@.{unit.rpartition('.')[2]}" if at else unit


def units(text: str) -> Units:
    """'f\\t9\\t/usr/lib/systemd/system/ssh.service\\t\\n' -> Units(files={'ssh.service': '/usr/lib/systemd/system/…'}).

    An empty file or a link to /dev/null masks. A link to another name is an alias. Source: systemd.unit(5).
    """
    files: dict[str, str] = {}
    aliases: dict[str, str] = {}
    decided: set[str] = set()
    masked, wanted, scripts, left_over = set(), set(), set(), set()
    for line in text.split("\n"):
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != 4 or not _KIND.fullmatch(fields[0]) or not fields[1].isdigit() or fields[2][:1] != "/":
            raise Unparsable(line[:200])
        kind, size, path, target = fields
        place = PurePosixPath(path.replace("//", "/"))
        name = place.name
        if kind == "r":
            scripts.add(name[3:])
        elif kind == "c":
            left_over.add(name)
        elif place.parent.suffix in {".wants", ".requires", ".upholds"}:
            wanted.add(name)
        elif str(place.parent) not in FOLDERS or name in decided:
            continue
        elif target == "/dev/null" or (kind == "f" and size == "0"):
            decided.add(name)
            masked.add(name)
        elif kind == "l" and PurePosixPath(target).name != name and PurePosixPath(target).suffix == place.suffix:
            decided.add(name)
            aliases[name] = PurePosixPath(target).name
        else:
            decided.add(name)
            files[name] = path.replace("//", "/")
    return Units(files, aliases, frozenset(masked), frozenset(wanted), frozenset(scripts - left_over))


def unit_states(text: str) -> Mapping[str, str]:
    """'ssh.service loaded active running OpenBSD …\\n' -> {'ssh.service': 'active'}."""
    found = {}
    for line in text.split("\n"):
        words = line.split(None, 4)
        if len(words) >= 4 and _UNIT.fullmatch(words[0]) and words[1] in LOADED and words[2] in ACTIVITY:
            found[words[0]] = words[2]
        elif words:
            raise Unparsable(line[:200])
    return found


UNITS = Fact(sh(LIST, marked=True), units)
ACTIVE_UNITS = Fact(sh(ACTIVE, of="systemctl", running=True, marked=True), unit_states)


@check("linux.services.starting", UNITS)
def starting(found: Units, names: list[str]) -> list[str]:
    """Those of the units `names` that start by themselves at boot."""
    return [name for name in names if found.starts(name)]


@check("linux.services.active", ACTIVE_UNITS)
def active(found: Mapping[str, str], names: list[str]) -> list[str]:
    """Those of the units `names` that are active now."""
    return [name for name in names if found.get(name) in {"active", "activating", "reloading"}]


@check("linux.services.masked", UNITS)
def masked(found: Units, names: list[str]) -> list[str]:
    """Those of the units `names` that nothing can start: a link to /dev/null stands in their place."""
    return [name for name in names if name in found.masked or found.own_name(name) in found.masked]


@check("linux.services.default_target", UNITS)
def default_target(found: Units) -> str:
    """The target that boot aims at: multi-user.target, graphical.target; default.target where nothing was chosen."""
    return found.own_name("default.target")
