"""Configuration files of systemd's own programs: one main file, then drop-ins by name; the last assignment wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from scanner import Fact, parse
from scanner import files as texts

FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
Settings = Mapping[str, Mapping[str, str]]


def merged(found: Mapping[str, str], name: str) -> Settings:
    """The texts of `name` and its drop-ins -> {section: {key: value}}; an empty value gives the default back.

    The main file is the first one there is; a drop-in hides those of its name in later folders; all drop-ins in one
    sorted order. Source: systemd-system.conf(5), "Configuration directories and precedence".
    """
    main = next((found[f"{folder}/{name}"] for folder in FOLDERS if f"{folder}/{name}" in found), "")
    kept: dict[str, str] = {}
    for folder in FOLDERS:
        for path, text in found.items():
            if str(PurePosixPath(path).parent) == f"{folder}/{name}.d":
                kept.setdefault(PurePosixPath(path).name, text)
    settings: dict[str, dict[str, str]] = {}
    for text in [main, *(kept[key] for key in sorted(kept))]:
        for section, pairs in parse.ini(text.replace("\\\n", " ")).items():
            for key, values in pairs.items():
                settings.setdefault(section, {})[key] = values[-1]
    return {section: {k: v for k, v in pairs.items() if v} for section, pairs in settings.items()}


def reader(name: str) -> Callable[[str], Settings]:
    """A parser of the reply of all files called `name`, such as journald.conf."""

    def read(text: str) -> Settings:
        return merged(parse.files(text), name)

    return read


def settings_of(name: str) -> Fact[Settings]:
    """The fact of what systemd's configuration `name` says: settings_of("journald.conf")."""
    places = [place for folder in FOLDERS for place in (f"{folder}/{name}", f"{folder}/{name}.d/*.conf")]
    return Fact(texts(*places), reader(name))
