"""Which system this is, by its own account in os-release(5), and what hardware name its kernel goes by."""

from __future__ import annotations

import re
import shlex

from scanner import Absent, Fact, Unparsable, check, parse, sh
from scanner import files as texts

PLACES = ("/etc/os-release", "/usr/lib/os-release")
MAX_LINE = 4096


def os_release(text: str) -> dict[str, str]:
    """'ID=debian\\nVERSION_ID="12"\\n' in the first place that exists -> {'ID': 'debian', 'VERSION_ID': '12'}.

    Values follow the shell's quoting, without expansion; the last of equal keys wins. Source: os-release(5).
    """
    found = parse.files(text)
    read: dict[str, str] = {}
    for line in parse.lines(next((found[place] for place in PLACES if place in found), "")):
        key, equals, value = line.partition("=")
        if not equals or len(line) > MAX_LINE or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key.strip()):
            raise Unparsable(line[:200])
        read[key.strip()] = "".join(shlex.split(value, comments=False))
    if read and not {"ID", "NAME"} & read.keys():
        raise Unparsable("an os-release without ID and NAME is none of any system")
    return read


RELEASE = Fact(texts(*PLACES), os_release)


def hardware(text: str) -> str:
    """'x86_64\\n' -> 'x86_64': one word. Source: uname(1), option -m."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{1,63}\n?", text):
        raise Unparsable(text[:200])
    return text.strip()


MACHINE = Fact(sh("uname -m"), hardware)


@check("linux.system.release", RELEASE)
def release(found: dict[str, str], key: str) -> str | None:
    """What os-release says under `key` (ID, VERSION_ID, VARIANT_ID …); nothing where it does not say."""
    if not found:
        raise Absent("there is no os-release file")
    return found.get(key)


@check("linux.system.family", RELEASE)
def family(found: dict[str, str]) -> list[str]:
    """The system's own ID and those that it says it is like, nearest first: ['rocky', 'rhel', 'centos']."""
    if not found:
        raise Absent("there is no os-release file")
    return [*filter(None, [found.get("ID")]), *found.get("ID_LIKE", "").split()]


@check("linux.system.machine", MACHINE)
def machine(found: str) -> str:
    """The hardware name of the running kernel, as uname(1) prints it: x86_64, aarch64."""
    return found
