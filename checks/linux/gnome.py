"""The graphical login and desktop: what dconf's system database sets and locks, and what GDM's own file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from scanner import Fact, check, parse
from scanner import files as texts

GDM = ("/etc/gdm3/custom.conf", "/etc/gdm3/daemon.conf", "/etc/gdm/custom.conf")


@dataclass(frozen=True, slots=True)
class Dconf:
    """values: '/org/gnome/x/key' -> value as written; locked: keys that no user can change."""

    values: Mapping[str, str]
    locked: frozenset[str]


def dconf(text: str) -> Dconf:
    """{'/etc/dconf/db/local.d/00-x': '[org/gnome/x]\\nkey=true\\n'} -> Dconf({'/org/gnome/x/key': 'true'}, …).

    Files of a folder in the order of their names, later ones win; locks/ names whole keys. Source: dconf(7).
    """
    found = parse.files(text)
    values: dict[str, str] = {}
    locked: set[str] = set()
    for path in sorted(found, key=lambda path: PurePosixPath(path).name):
        if "/locks/" in path:
            locked.update(parse.lines(found[path]))
            continue
        for section, pairs in parse.ini(found[path]).items():
            for key, given in pairs.items():
                values[f"/{section.strip('/')}/{key}"] = given[-1]
    return Dconf(values, frozenset(locked))


SETTINGS = Fact(texts("/etc/dconf/db/*.d/*", "/etc/dconf/db/*.d/locks/*"), dconf)
GDM_FILES = Fact(texts(*GDM), lambda text: [parse.ini(one) for one in parse.files(text).values()])


@check("linux.gnome.setting", SETTINGS)
def setting(found: Dconf, key: str) -> str | None:
    """What the system database sets for `key` (/org/gnome/…), without type and quotes; nothing where it does not."""
    value = found.values.get(key)
    return None if value is None else value.removeprefix("uint32 ").strip().strip("'\"")


@check("linux.gnome.locked", SETTINGS)
def locked(found: Dconf, key: str) -> bool:
    """Whether users cannot change `key`."""
    return any(key == one or (one.endswith("/") and key.startswith(one)) for one in found.locked)


@check("linux.gnome.xdmcp", GDM_FILES)
def xdmcp(found: list[dict[str, dict[str, list[str]]]]) -> bool:
    """Whether GDM lets other hosts log in to its screen over the network."""
    said = [value for one in found for value in one.get("xdmcp", {}).get("Enable", [])]
    return any(value.lower() in {"true", "yes", "1"} for value in said)
