"""The graphical login and desktop: what dconf's system database sets and locks, and what GDM's own file says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from scanner import Fact, check, parse
from scanner import files as texts

VALUE = re.compile(r"true|false|(uint32\s+)?\d{1,12}|'[^']*'|\"[^\"]*\"")
"""What dconf(1) takes: a word without quotes is a mistake, and then nothing of the file counts."""
GDM = ("/etc/gdm3/custom.conf", "/etc/gdm3/daemon.conf", "/etc/gdm/custom.conf")


@dataclass(frozen=True, slots=True)
class Database:
    """values: '/org/gnome/x/key' -> value as written; locked: keys, or paths that end in /, that stay as they are."""

    values: Mapping[str, str]
    locked: frozenset[str]


@dataclass(frozen=True, slots=True)
class Dconf:
    """profiles: 'user' -> the databases that its sessions read, highest first; databases by the names used there."""

    profiles: Mapping[str, tuple[str, ...]]
    databases: Mapping[str, Database]


def dconf(text: str) -> Dconf:
    """{'/etc/dconf/profile/user': 'user-db:user\\nsystem-db:local\\n', '/etc/dconf/db/local.d/00-x': '[a]\\nb=true\\n'}
    -> Dconf({'user': ('system-db:local',)}, {'system-db:local': Database({'/a/b': 'true'}, frozenset())}).

    Without a profile sessions read no database but the user's own. Files of a database in the order of their names,
    later ones win; locks/ names whole keys. Source: dconf(7).
    """
    found = parse.files(text)
    profiles: dict[str, tuple[str, ...]] = {}
    for folder in PROFILES:
        for path in found:
            if str(PurePosixPath(path).parent) == folder:
                lines = parse.lines(found[path])
                read = tuple(line for line in lines if line.startswith(("system-db:", "file-db:")))
                profiles.setdefault(PurePosixPath(path).name, read)
    names = {PurePosixPath(path).parts[4].removesuffix(".d") for path in found if path.startswith("/etc/dconf/db/")}
    databases = {f"system-db:{name}": _database(found, f"/etc/dconf/db/{name}.d/") for name in names}
    return Dconf(profiles, {**databases, GREETER: _database(found, *GREETER_PLACES)})


def _database(found: Mapping[str, str], *below: str) -> Database:
    values: dict[str, str] = {}
    locked: set[str] = set()
    for path in sorted((path for path in found if path.startswith(below)), key=lambda path: PurePosixPath(path).name):
        if "/locks/" in path:
            locked.update(parse.lines(found[path]))
            continue
        for section, pairs in parse.ini(found[path]).items():
            for key, given in pairs.items():
                values[f"/{section.strip('/')}/{key}"] = given[-1]
    return Database(values, frozenset(locked))


PROFILES = ("/etc/dconf/profile", "/usr/local/share/dconf/profile", "/usr/share/dconf/profile")
GREETER = "file-db:/usr/share/gdm/greeter-dconf-defaults"
# GDM makes that database at its start; Debian links the administrator's file into the folder that it is made of.
GREETER_PLACES = ("/usr/share/gdm/dconf/", "/etc/gdm3/greeter.dconf-defaults")
SETTINGS = Fact(
    texts(
        *(f"{folder}/*" for folder in PROFILES),
        *("/etc/dconf/db/*.d/*", "/etc/dconf/db/*.d/locks/*"),
        *("/usr/share/gdm/dconf/*", "/usr/share/gdm/dconf/locks/*", "/etc/gdm3/greeter.dconf-defaults"),
    ),
    dconf,
)
GDM_FILES = Fact(texts(*GDM), lambda text: [parse.ini(one) for one in parse.files(text).values()])


def _read(found: Dconf, profile: str) -> list[Database]:
    return [found.databases[name] for name in found.profiles.get(profile, ()) if name in found.databases]


def _holds(database: Database, key: str) -> bool:
    return any(key == one or (one.endswith("/") and key.startswith(one)) for one in database.locked)


@check("linux.gnome.setting", SETTINGS)
def setting(found: Dconf, key: str, profile: str) -> str | None:
    """What sessions of `profile` (user, gdm) get for `key` (/org/gnome/…), without type and quotes; nothing if unset.

    A lock in a lower database leaves out what higher ones say. A bare number is of a type that no key of GNOME takes.
    """
    read = _read(found, profile)
    first = max((place for place, one in enumerate(read) if _holds(one, key)), default=0)
    value = next((one.values[key] for one in read[first:] if key in one.values), None)
    if value is None or not VALUE.fullmatch(value):
        return None
    if value.isdigit():
        return f"{value}, which is no uint32"
    return " ".join(value.removeprefix("uint32").strip().strip("'\"").replace("\\n", " ").split())


@check("linux.gnome.locked", SETTINGS)
def locked(found: Dconf, key: str, profile: str) -> bool:
    """Whether users cannot change `key` in sessions of `profile`."""
    return any(_holds(one, key) for one in _read(found, profile))


@check("linux.gnome.xdmcp", GDM_FILES)
def xdmcp(found: list[dict[str, dict[str, list[str]]]]) -> bool:
    """Whether GDM lets other hosts log in to its screen over the network."""
    said = [value for one in found for value in one.get("xdmcp", {}).get("Enable", [])]
    return any(value.lower() in {"true", "yes", "1"} for value in said)
