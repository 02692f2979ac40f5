"""Kernel settings: what the running kernel holds, and what the files of sysctl.d(5) will set at the next start.

Files are read as systemd-sysctl(8) does: one file per name, /etc before /run, /usr/local/lib and /usr/lib; all names in
one sorted order; a later line overrides an earlier one; a key without pattern outranks every pattern. ufw(8) sets its
own file's keys after that, where it is switched on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from scanner import Absent, Fact, Undetermined, Unparsable, check, parse, sh
from scanner import files as texts

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
VENDOR = ("/usr/lib/sysctl.d", "/lib/sysctl.d")
MAIN = "/etc/sysctl.conf"
UFW = ("/etc/ufw/ufw.conf", "/etc/default/ufw", "/etc/ufw/sysctl.conf")
_ASSIGNMENT = re.compile(r"(-?)\s*([^=\s]+)\s*=\s*(.*)\Z")


@dataclass(frozen=True, slots=True)
class Line:
    """One assignment: a key with dots (a pattern where it has *, ? or [), its value, and the file that says so."""

    key: str
    value: str
    path: str


def dotted(key: str) -> str:
    """A key in the form of sysctl(8): 'net/ipv4/conf/eth0.1/rp_filter' -> 'net.ipv4.conf.eth0/1.rp_filter'.

    Whichever of / and . comes first separates; the other one then stands for itself. Source: sysctl.d(5).
    """
    first = re.search(r"[./]", key)
    return key.translate(str.maketrans("./", "/.")) if first and first.group() == "/" else key


def lines_of(text: str, path: str) -> list[Line]:
    """'-net.ipv4.ip_forward = 0 \\n; x\\n' -> [Line('net.ipv4.ip_forward', '0', path)]. Without = it sets nothing."""
    found = []
    for raw in text.split("\n"):
        bare = raw.strip()
        if not bare or bare[0] in "#;":
            continue
        assignment = _ASSIGNMENT.match(bare)
        if assignment:
            found.append(Line(dotted(assignment[2]), assignment[3].strip(), path))
    return found


def read(text: str) -> tuple[Line, ...]:
    """The reply of all files -> their lines in the order in which they take effect, masked files left out."""
    found = parse.files(text)
    kept: dict[str, str] = {}
    for folder in FOLDERS:
        for path in found:
            if str(PurePosixPath(path).parent) == folder:
                kept.setdefault(PurePosixPath(path).name, path)
    if MAIN in found:
        # Debian links it as 99-sysctl.conf; without that link `sysctl --system` and `sysctl -p` still read it.
        kept.setdefault("99-sysctl.conf", MAIN)
    lines = [line for name in sorted(kept) for line in lines_of(found[kept[name]], kept[name])]
    return (*lines, *_ufw(found))


def _ufw(found: Mapping[str, str]) -> list[Line]:
    """The lines that ufw sets at its start, none where it is off or keeps to itself."""
    on = _shell(found.get(UFW[0], "")).get("ENABLED", "no").lower()
    chosen = _shell(found.get(UFW[1], "")).get("IPT_SYSCTL", "")
    return lines_of(found.get(chosen, ""), chosen) if on == "yes" and chosen in found else []


def _shell(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in parse.lines(text))
    return {key.strip(): value.strip().strip("\"'") for key, found, value in pairs if found}


_ASIDE = ("grep: /proc/sys/", "Binary file /proc/sys/")
"""How grep begins what it says of a value that is no text."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Every key that could be read, and whether root read them (else a missing key may only be hidden)."""

    values: Mapping[str, str]
    as_root: bool


def kernel_values(text: str) -> Kernel:
    """'0\\n/proc/sys/kernel/sysrq:176\\n' -> Kernel({'kernel.sysrq': '176'}, True). All lines of a value count."""
    uid, _, rest = text.partition("\n")
    values: dict[str, str] = {}
    for line in rest.split("\n"):
        path, colon, value = line.removeprefix("/proc/sys/").partition(":")
        if line and not line.startswith(("/proc/sys/", *_ASIDE)):
            raise Unparsable(line[:200])
        if colon and line.startswith("/proc/sys/"):
            key = dotted(path)
            values[key] = f"{values[key]} {value}" if key in values else value
    return Kernel({key: " ".join(value.split()) for key, value in values.items()}, int(uid) == 0)


PERSISTED = Fact(texts(MAIN, *(f"{folder}/*.conf" for folder in FOLDERS), *UFW), read)
# grep leaves out what it may not read; status 2 says no more than that.
RUNNING = Fact(
    sh(
        "id -u; grep -rs . /proc/sys/kernel /proc/sys/net /proc/sys/fs /proc/sys/vm /proc/sys/dev /proc/sys/user || :",
        running=True,
        max_bytes=4 << 20,
        marked=True,
    ),
    kernel_values,
    fleeting=r"^/proc/sys/(kernel/(ns_last_pid|pty/nr|random/(uuid|entropy_avail))"
    r"|fs/(dentry-state|file-nr|inode-(nr|state)|aio-nr)|net/netfilter/nf_conntrack_count):.*",
)


def winner(lines: tuple[Line, ...], key: str) -> Line | None:
    """The line that decides `key`: the last one that names it, else the last pattern that fits."""
    named = [line for line in lines if line.key == key]
    fitting = [line for line in lines if line.key != key and fnmatchcase(key, line.key)]
    return next(reversed(named or fitting), None)


@check("linux.sysctl.persisted", PERSISTED)
def persisted(lines: tuple[Line, ...], key: str) -> str | None:
    """The value that the next start will set for `key`; nothing where no file sets it."""
    line = winner(lines, key)
    return " ".join(line.value.split()) if line else None


@check("linux.sysctl.administered", PERSISTED)
def administered(lines: tuple[Line, ...], key: str) -> list[str]:
    """Every value that files other than the distributor's give to `key`, whether it wins or not.

    One that loses does nothing today; loaded by itself (`sysctl -p FILE`) or under another name, it wins.
    """
    given = [line.value for line in lines if line.key == key and not line.path.startswith(VENDOR)]
    return list(dict.fromkeys(" ".join(value.split()) for value in given))


@check("linux.sysctl.running", RUNNING)
def running(kernel: Kernel, key: str) -> str:
    """The value that the running kernel holds for `key`."""
    if key in kernel.values:
        return kernel.values[key]
    if not kernel.as_root:
        raise Undetermined(f"{key} is not shown to this login; some keys are root's to read")
    raise Absent(f"this kernel has no {key}")
