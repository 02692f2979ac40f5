"""File systems of their own and their options: what fstab(5) and mount units say, and what is mounted now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from scanner import Fact, NotApplicable, Unparsable, check, file, parse
from scanner import files as texts

from .services import UNITS, Units

FSTAB = "/etc/fstab"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. options: as written or as in force, in order."""

    point: str
    type: str
    options: tuple[str, ...]
    source: str


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)


def fstab(text: str) -> dict[str, Mount]:
    """'tmpfs /tmp tmpfs nosuid,nodev 0 0\\n' -> {'/tmp': Mount}; the first line of a mount point is the one mounted.

    Lines with fewer than three fields mount nothing; without a fourth field the options are "defaults".
    """
    found: dict[str, Mount] = {}
    for line in text.split("\n"):
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#") or fields[2] == "swap":
            continue
        point = _unescaped(fields[1])
        point = point.rstrip("/") or point
        options = tuple(fields[3].split(",")) if len(fields) > 3 else ("defaults",)
        found.setdefault(point, Mount(point, fields[2], options, FSTAB))
    return found


def unit_mount(path: str, text: str) -> Mount | None:
    """'[Mount]\\nWhat=tmpfs\\nWhere=/tmp\\nOptions=nodev\\n' -> Mount('/tmp', …); None without Where."""
    section = parse.ini(text).get("Mount", {})
    where = section.get("Where", [""])[-1]
    options = tuple(",".join(section.get("Options", ["defaults"])[-1:]).split(","))
    return Mount(where.rstrip("/") or where, section.get("Type", [""])[-1], options, path) if where else None


def configured(text: str) -> tuple[dict[str, Mount], dict[str, Mount]]:
    """The texts of fstab and of the mount units -> (mounts of fstab, mounts by unit's path)."""
    found = parse.files(text)
    made = {path: unit_mount(path, body) for path, body in found.items() if path != FSTAB}
    return fstab(found.get(FSTAB, "")), {path: mount for path, mount in made.items() if mount}


def mountinfo(text: str) -> dict[str, Mount]:
    """'36 35 98:0 / /tmp rw,nodev master:1 - tmpfs tmpfs rw,size=1g\\n' -> {'/tmp': Mount}; the last mount is on top.

    Options are the mount's own, then the file system's. Source: proc_pid_mountinfo(5).
    """
    found: dict[str, Mount] = {}
    for line in filter(None, text.split("\n")):
        left, dash, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if not dash or len(fields) < 6 or len(rest) < 3:
            raise Unparsable(line[:200])
        point = _unescaped(fields[4])
        found[point] = Mount(point, rest[0], (*fields[5].split(","), *rest[2].split(",")), rest[1])
    if not found:
        raise Unparsable("nothing is mounted in it")
    return found


CONFIGURED = Fact(
    texts(
        FSTAB, "/etc/systemd/system/*.mount", "/usr/local/lib/systemd/system/*.mount", "/usr/lib/systemd/system/*.mount"
    ),
    configured,
)
MOUNTED = Fact(file("/proc/self/mountinfo", running=True, max_bytes=4 << 20), mountinfo, fleeting=r"^\d+ \d+ \d+:\d+ ")
_EFFECT = {
    "nodev": ("nodev", "dev"),
    "nosuid": ("nosuid", "suid"),
    "noexec": ("noexec", "exec"),
}
# What mount(8) implies by one word; a later word may take it back.
_IMPLIED = {
    "user": ("noexec", "nosuid", "nodev"),
    "users": ("noexec", "nosuid", "nodev"),
    "owner": ("nosuid", "nodev"),
    "group": ("nosuid", "nodev"),
    "defaults": ("suid", "dev", "exec"),
}


def has(options: tuple[str, ...], wanted: str) -> bool:
    """Whether `wanted` is in force after all options were taken in order: ('nodev', 'dev') has no nodev."""
    state = False
    on, off = _EFFECT.get(wanted, (wanted, ""))
    for word in (word for option in options for word in (*_IMPLIED.get(option, ()), option)):
        if word == on:
            state = True
        elif word == off:
            state = False
    return state


# systemd mounts it at every boot, with these options, unless fstab says otherwise. Source: systemd's mount-setup.c.
SHARED_MEMORY = Mount("/dev/shm", "tmpfs", ("nosuid", "nodev", "strictatime"), "systemd")  # noqa: S108 - only its name


def at_boot(found: tuple[dict[str, Mount], dict[str, Mount]], units: Units, point: str) -> Mount | None:
    """What boot will mount at `point`: fstab's line, else a mount unit's that starts. A unit in /etc outranks fstab."""
    lines, by_unit = found
    for path, mount in by_unit.items():
        name = PurePosixPath(path).name
        starts = units.files.get(name) == path and units.starts(name)
        if mount.point == point and starts and (path.startswith("/etc/") or point not in lines):
            return mount
    return lines.get(point) or (SHARED_MEMORY if point == SHARED_MEMORY.point else None)


@check("linux.mounts.planned", CONFIGURED, UNITS)
def planned(found: tuple[dict[str, Mount], dict[str, Mount]], units: Units, point: str) -> bool:
    """Whether boot will mount a file system of its own at `point`."""
    mount = at_boot(found, units, point)
    return mount is not None and not ({"noauto", "bind", "rbind"} & set(mount.options))


@check("linux.mounts.planned_option", CONFIGURED, UNITS)
def planned_option(found: tuple[dict[str, Mount], dict[str, Mount]], units: Units, point: str, option: str) -> bool:
    """Whether boot will mount `point` with `option`. Not applicable where nothing is to be mounted there."""
    mount = at_boot(found, units, point)
    if mount is None:
        raise NotApplicable(f"nothing says that {point} is a file system of its own")
    return has(mount.options, option)


@check("linux.mounts.mounted", MOUNTED)
def mounted(found: Mapping[str, Mount], point: str) -> bool:
    """Whether `point` is a file system of its own now."""
    return point in found


@check("linux.mounts.option", MOUNTED)
def option(found: Mapping[str, Mount], point: str, option: str) -> bool:
    """Whether `option` is in force on the file system at `point`. Not applicable where it is part of another one."""
    if point not in found:
        raise NotApplicable(f"{point} is no file system of its own")
    return has(found[point].options, option)
