"""Kernel modules: what modprobe.d(5) forbids to load, and what is loaded now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from scanner import Fact, Unparsable, check, parse, sh
from scanner import files as texts

RULES = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
# What follows the program can only be arguments or a comment: the shell that runs the line must not run more than that.
REFUSAL = re.compile(r"/(usr/)?bin/(false|true)(\s+[\w./:$-]+)*\s*(\s#.*)?\Z")


@dataclass(frozen=True, slots=True)
class Configured:
    """install: (pattern, command) in the order of reading; blacklist: names."""

    install: tuple[tuple[str, str], ...]
    blacklist: frozenset[str]


def _kept(found: Mapping[str, str]) -> list[str]:
    """The texts of one file per name, the first folder's, in the order of names. Source: modprobe.d(5)."""
    kept: dict[str, str] = {}
    for folder in RULES:
        for path, text in found.items():
            if str(PurePosixPath(path).parent) == folder:
                kept.setdefault(PurePosixPath(path).name, text)
    return [kept[name] for name in sorted(kept)]


def _name(word: str) -> str:
    return word.replace("-", "_")


def configured(text: str) -> Configured:
    """{'/etc/modprobe.d/x.conf': 'install usb-storage /bin/false'} -> Configured with ('usb_storage', '/bin/false').

    '-' and '_' are one in module names; a backslash joins lines. Source: modprobe.d(5).
    """
    found = parse.files(text)
    install: list[tuple[str, str]] = []
    blacklist: set[str] = set()
    old = [found["/etc/modprobe.conf"]] if "/etc/modprobe.conf" in found else []
    for rules in [*_kept(found), *old]:
        for line in re.sub(r"\\\n", " ", rules).split("\n"):
            words = line.split(None, 2)
            if len(words) == 3 and words[0] == "install":
                install.append((_name(words[1]), words[2].strip()))
            elif len(words) >= 2 and words[0] == "blacklist":
                blacklist.add(_name(words[1]))
    return Configured(tuple(install), frozenset(blacklist))


def held(text: str) -> frozenset[str]:
    """'ext4 1024 1 - Live 0x0\\n--\\nkernel/fs/nfs/nfs.ko\\n' -> {'ext4', 'nfs'}: loaded, and built in."""
    modules, line, builtin = text.partition("--\n")
    if not line:
        raise Unparsable(text[:200])
    names = {line.split()[0] for line in modules.split("\n") if line.split()}
    names |= {PurePosixPath(line.strip()).name.split(".ko")[0] for line in builtin.split("\n") if line.strip()}
    return frozenset(map(_name, names))


RULE_FILES = Fact(texts(*(f"{folder}/*.conf" for folder in RULES), "/etc/modprobe.conf"), configured)
LOADED = Fact(
    sh(
        'cat /proc/modules 2>/dev/null; echo --; cat "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null || :',
        running=True,
        marked=True,
    ),
    held,
)


def radios(text: str) -> tuple[tuple[str, ...], ...]:
    """'wlan0 iwlwifi up\\n' -> (('wlan0', 'iwlwifi', 'up'),); nothing where there is none."""
    found = tuple(parse.table(text, 3, " "))
    if any(state.strip() not in {"up", "down"} for _, _, state in found):
        raise Unparsable(text[:200])
    return found


# A radio in a machine is a device with a folder called wireless; its driver is the module behind it.
WIRELESS = Fact(
    sh(
        'for w in /sys/class/net/*/wireless; do [ -d "$w" ] || continue; i=${w%/wireless}; s=down; '
        '[ "$(( $(cat "$i/flags" 2>/dev/null || echo 0) & 1 ))" = 1 ] && s=up; '
        'm=$(readlink "$i/device/driver/module"); echo "${i##*/} ${m##*/} $s"; done',
        running=True,
        marked=True,
    ),
    radios,
)


@check("linux.modules.refused", RULE_FILES)
def refused(found: Configured, names: list[str]) -> bool:
    """Whether loading each module of `names` runs a command that does nothing instead.

    The first `install` line that fits decides, as modprobe(8) takes it. modules-load.d(5) keeps to it as well.
    """
    return all(_refused(found, _name(name)) for name in names)


def _refused(found: Configured, name: str) -> bool:
    command = next((command for pattern, command in found.install if fnmatchcase(name, pattern)), "")
    return REFUSAL.match(command[:1024]) is not None


@check("linux.modules.blacklisted", RULE_FILES)
def blacklisted(found: Configured, name: str) -> bool:
    """Whether no alias (a plugged-in device, a file system's name) loads the module; its own name still does."""
    return _name(name) in found.blacklist


@check("linux.modules.loaded", LOADED)
def loaded(found: frozenset[str], names: list[str]) -> list[str]:
    """Those of `names` that the running kernel holds, loaded or built in."""
    return [name for name in names if _name(name) in found]


@check("linux.modules.wireless", WIRELESS)
def wireless(found: tuple[tuple[str, ...], ...]) -> list[str]:
    """Wireless interfaces that are switched on, with their driver."""
    return [f"{interface} ({driver})" for interface, driver, state in found if state == "up"]
