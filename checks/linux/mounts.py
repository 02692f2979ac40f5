"""File systems of their own and their options: what fstab(5) and mount units say, and what is mounted now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from scanner import Fact, NotApplicable, Unparsable, check, file, parse
from scanner import files as texts

from .services import UNITS, Units

FSTAB = "/etc/fstab"
FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")


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


@dataclass(frozen=True, slots=True)
class Planned:
    """What boot is told. lines: fstab's, by mount point; units: by their path; dropped_in: last word by unit's name."""

    lines: Mapping[str, Mount]
    units: Mapping[str, Mount]
    dropped_in: Mapping[str, Mapping[str, str]]


def unit_mount(path: str, text: str) -> Mount | None:
    """'[Mount]\\nWhat=tmpfs\\nWhere=/tmp\\nOptions=nodev\\n' -> Mount('/tmp', …); None without Where."""
    section = _mount_section(text)
    where = section.get("Where", "")
    options = tuple(section.get("Options", "defaults").split(","))
    return Mount(where.rstrip("/") or where, section.get("Type", ""), options, path) if where else None


def _mount_section(text: str) -> dict[str, str]:
    return {key: values[-1] for key, values in parse.ini(text.replace("\\\n", " ")).get("Mount", {}).items()}


def configured(text: str) -> Planned:
    """The texts of fstab, of the mount units and of their drop-ins -> Planned.

    Of drop-ins with one name that of the first folder counts; all names in one order, the last word wins; they change
    what fstab says as well, since systemd makes a unit of each of its lines. Source: systemd.unit(5), systemd.mount(5).
    """
    found = parse.files(text)
    units = {path: unit_mount(path, body) for path, body in found.items() if path.endswith(".mount")}
    kept: dict[str, dict[str, str]] = {}
    for folder in FOLDERS:
        for path, body in found.items():
            place = PurePosixPath(path)
            if str(place.parent.parent) == folder and place.suffix == ".conf":
                kept.setdefault(place.parent.name.removesuffix(".d"), {}).setdefault(place.name, body)
    dropped_in = {
        unit: {key: value for name in sorted(bodies) for key, value in _mount_section(bodies[name]).items()}
        for unit, bodies in kept.items()
    }
    return Planned(fstab(found.get(FSTAB, "")), {path: one for path, one in units.items() if one}, dropped_in)


_MOUNT = re.compile(r"\d+ \d+ \d+:\d+ ")


def mountinfo(text: str) -> dict[str, Mount]:
    """'36 35 98:0 / /tmp rw,nodev master:1 - tmpfs tmpfs rw,size=1g\\n' -> {'/tmp': Mount}; the last mount is on top.

    Options are the mount's own, then the file system's. Source: proc_pid_mountinfo(5).
    """
    found: dict[str, Mount] = {}
    for line in filter(None, text.split("\n")):
        left, dash, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if not dash or len(fields) < 6 or len(rest) < 3 or not _MOUNT.match(line):
            raise Unparsable(line[:200])
        point = _unescaped(fields[4])
        found[point] = Mount(point, rest[0], (*fields[5].split(","), *rest[2].split(",")), rest[1])
    if not found:
        raise Unparsable("nothing is mounted in it")
    return found


CONFIGURED = Fact(
    texts(FSTAB, *(f"{folder}/*.mount{below}" for folder in FOLDERS for below in ("", ".d/*.conf"))), configured
)
MOUNTED = Fact(file("/proc/self/mountinfo", running=True, max_bytes=4 << 20), mountinfo, fleeting=r"^\d+ \d+ \d+:\d+ ")
_EFFECT = {
    "nodev": ("nodev", "dev"),
    "nosuid": ("nosuid", "suid"),
    "noexec": ("noexec", "exec"),
}
# What mount(8) implies by one word; a later word may take it back. "defaults" takes nothing back.
_IMPLIED = {
    "user": ("noexec", "nosuid", "nodev"),
    "users": ("noexec", "nosuid", "nodev"),
    "owner": ("nosuid", "nodev"),
    "group": ("nosuid", "nodev"),
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


def unit_name(point: str) -> str:
    """The unit that mounts at `point`: '/var/log' -> 'var-log.mount'. Source: systemd-escape(1)."""
    return (
        re.sub(r"[^A-Za-z0-9:_./]", lambda sign: f"\\x{ord(sign[0]):02x}", point.strip("/")).replace("/", "-")
        + ".mount"
    )


def at_boot(found: Planned, units: Units, point: str) -> Mount | None:
    """What boot will mount at `point`: fstab's line, else a mount unit's that starts; drop-ins change either.

    A unit's file in /etc or /run hides the one that systemd makes of fstab's line; one in /usr is hidden by it.
    Nothing where the unit is masked.
    """
    name = unit_name(point)
    if name in units.masked:
        return None
    chosen = found.lines.get(point)
    path = units.files.get(units.own_name(name), "")
    written = found.units.get(path)
    if written and written.point == point:
        outranks = path.startswith(("/etc/", "/run/"))
        if (chosen and outranks) or (not chosen and units.starts(name)):
            chosen = written
    if chosen is None:
        chosen = SHARED_MEMORY if point == SHARED_MEMORY.point else None
    changed = found.dropped_in.get(name, {}).get("Options")
    return (
        replace(chosen, options=tuple((changed or "defaults").split(","))) if chosen and changed is not None else chosen
    )


@check("linux.mounts.planned", CONFIGURED, UNITS)
def planned(found: Planned, units: Units, point: str) -> bool:
    """Whether boot will mount a file system of its own at `point`, at once or when it is first used."""
    mount = at_boot(found, units, point)
    if mount is None or {"bind", "rbind"} & set(mount.options):
        return False
    return "noauto" not in mount.options or "x-systemd.automount" in mount.options


@check("linux.mounts.planned_option", CONFIGURED, UNITS)
def planned_option(found: Planned, units: Units, point: str, option: str) -> bool:
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
