"""What listens on a host, by its own word: socket, process, program, package, and code that was replaced on disk.

Read from /proc, whose numbers no process can forge, by one shell script; `ss` would print process names as they are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from scanner.errors import Unparsable
from scanner.model import Fact
from scanner.probes import sh

Protocol = Literal["tcp", "udp"]

# Rows: e byte order, a own address, s socket, f process of a socket, l mapped code of a process, x its program,
# i and h the file behind it as the process and as the host see it, d owner of a path, u and U sockets of systemd.
# Names end in NUL on the way, so that a line break in one forges no row.
SOCKETS = r"""
printf 'e %s\n' "$(printf '\1\0' | od -An -td2 | tr -d ' ')"
{ ip -o addr show 2>/dev/null | awk '{ print "a", $4 }'; } || :
s=$(for p in tcp tcp6 udp udp6; do
  [ ! -e "/proc/net/$p" ] || awk -v p="$p" 'FNR > 1 && ($4 == "0A" || ($4 == "07" && p ~ /^udp/)) {
    print "s", p, $2, $10 }' "/proc/net/$p" || exit 1
done | head -n 2000) || exit 1
printf '%s\n' "$s"
f=$({ printf '%s\n' "$s"; echo --; find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -lname 'socket:*' \
  -printf '%h %l\n' 2>/dev/null; } | awk '
  $1 == "--" { d = 1; next }
  !d { w["socket:[" $4 "]"] = $4; next }
  $2 in w { split($1, a, "/"); if (!k[a[3], $2]++) print "f", a[3], w[$2] }' | head -n 4000)
printf '%s\n' "$f"
l=$({ printf '%s\n' "$f"; echo --; grep -s -H -E ' r.xp .* /(usr|bin|sbin|lib|lib64|opt)/' /proc/[0-9]*/maps; } | awk '
  $1 == "--" { d = 1; next }
  !d { w[$2] = 1; next }
  { split($1, a, "/"); g = / \(deleted\)$/ ? "gone" : "there" }
  (g == "gone" || a[3] in w) && !k[a[3], $6]++ { print "l", a[3], g, $6 }' | head -n 6000)
printf '%s\n' "$l"
set --
for p in $(printf '%s\n%s\n' "$f" "$l" | awk 'NF { print $2 }' | sort -nu | head -n 500); do
  set -- "$@" "/proc/$p/exe"
done
x=$([ $# = 0 ] || find "$@" -maxdepth 0 -printf 'x %h %l\0' 2>/dev/null | tr '\n\0' '?\n')
printf '%s\n' "$x"
[ $# = 0 ] || stat -L --printf 'i %n %d:%i\n' "$@" 2>/dev/null
q=$({ printf '%s\n' "$x" | sed -n 's/^x [^ ]* //p' | sed 's/ (deleted)$//'; printf '%s\n' "$l" | awk '{ print $4 }'; } |
  grep -E '^/[A-Za-z0-9._+@/:-]+$' | sort -u | head -n 800)
set -- $q
[ $# = 0 ] || stat -L --printf 'h %n %d:%i\n' "$@" 2>/dev/null
t=$(systemctl list-sockets --no-legend --no-pager --full 2>/dev/null |
  awk '$1 ~ /:[0-9]+$/ && $2 ~ /^[A-Za-z0-9@._:-]+\.socket$/ { print "u", $1, $2 }' | head -n 200)
printf '%s\n' "$t"
for u in $(printf '%s\n' "$t" | awk 'NF { print $3 }' | sort -u); do
  g=$(systemctl show -p FragmentPath --value -- "$u" 2>/dev/null) || continue
  printf '%s\n' "$g" | grep -qE '^/[A-Za-z0-9._+@/:-]+$' || continue
  printf 'U %s %s\n' "$u" "$g"
  set -- "$@" "$g"
done
n=$#
if command -v dpkg-query >/dev/null; then
  for p in "$@"; do
    case $p in /usr/*) set -- "$@" "${p#/usr}" ;; /bin/* | /sbin/* | /lib*) set -- "$@" "/usr$p" ;; esac
  done
  [ "$n" = 0 ] || dpkg-query -S "$@" 2>/dev/null |
    sed -n 's/^\([a-z0-9][^ ,:]*\)[^ /]*\(, [^/]*\)*: \(\/.*\)$/d \1 \3/p'
  echo 'by dpkg'
elif command -v rpm >/dev/null; then
  for p in "$@"; do rpm -qf --qf "d %{NAME} $p\n" "$p" 2>/dev/null | grep '^d '; done
  echo 'by rpm'
else
  echo 'by nobody'
fi
echo end
"""
MOST_SOCKETS = 2000
_ROW = re.compile(r"s (tcp|udp)(6?) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) (\d+)\Z")
_GONE = " (deleted)"


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket that waits for others. program: path on the host, "" where no process could be named.

    package: that owns the program (of a socket that systemd holds: its unit); "" where none does. libraries: packages
    of the code that it has mapped. replaced: its files that were replaced on disk since it was started. foreign: the
    program's file is not the host's own of that path, as in a container.
    """

    protocol: Protocol
    address: str
    port: int
    program: str = ""
    package: str = ""
    libraries: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    foreign: bool = False

    @property
    def name(self) -> str:
        """'[::]:443/tcp'."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}/{self.protocol}"

    @property
    def everywhere(self) -> bool:
        """Whether it is bound to all addresses of its family."""
        return ip_address(self.address).is_unspecified

    @property
    def local(self) -> bool:
        """Whether only the host itself can reach it."""
        found = ip_address(self.address)
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        return (mapped or found).is_loopback

    def accepts(self, address: str) -> bool:
        """Whether a packet to this address of the host may end here; [::] takes IPv4 as well, unless told not to."""
        own, other = ip_address(self.address), ip_address(address)
        if own.is_unspecified:
            return own.version == 6 or other.version == 4
        mapped = own.ipv4_mapped if isinstance(own, IPv6Address) else None
        return (mapped or own) == other


@dataclass(frozen=True, slots=True)
class Listening:
    """All that listens on one host. addresses: its own. stale: program -> files it still runs that are gone from disk.

    packaged: whether a package database could be asked.
    """

    listeners: tuple[Listener, ...]
    addresses: frozenset[str]
    stale: Mapping[str, tuple[str, ...]]
    packaged: bool


@dataclass(slots=True)
class _Rows:
    """The rows of the script, by kind."""

    little: bool = True
    addresses: set[str] = field(default_factory=set)
    sockets: list[tuple[str, str, str, str]] = field(default_factory=list)
    holders: dict[str, list[str]] = field(default_factory=dict)
    mapped: dict[str, list[tuple[bool, str]]] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)
    seen_as: dict[str, str] = field(default_factory=dict)
    on_host: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    unit_files: dict[str, str] = field(default_factory=dict)
    by: str = ""


def listening(text: str) -> Listening:
    """'s tcp 00000000:0016 7\\nf 812 7\\nx /proc/812 /usr/sbin/sshd\\n…end' -> Listening((Listener('tcp', …),), …)."""
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        raise Unparsable("the list of sockets could not be read to its end")
    rows = _Rows()
    for line in lines[:-1]:
        if line:
            _take(rows, line)
    if len(rows.sockets) >= MOST_SOCKETS:
        raise Unparsable(f"{MOST_SOCKETS} sockets or more wait here; more than are read")
    if not rows.by:
        raise Unparsable("the list of sockets does not say who was asked about packages")
    found = {one.name: one for one in _listeners(rows)}
    return Listening(tuple(found.values()), frozenset(rows.addresses), _stale(rows), rows.by != "nobody")


def _take(rows: _Rows, line: str) -> None:
    kind, _, rest = line.partition(" ")
    words = rest.split(" ")
    if kind == "s":
        match = _ROW.match(line)
        if not match:
            raise Unparsable(line[:200])
        rows.sockets.append((match[1], match[3], match[4], match[5]))
    elif kind == "e":
        rows.little = words[0] == "1"
    elif kind == "by":
        rows.by = words[0]
    elif kind == "a":
        rows.addresses.add(str(ip_address(words[0].partition("/")[0])))
    elif kind == "f":
        rows.holders.setdefault(words[1], []).append(words[0])
    elif kind == "l":
        rows.mapped.setdefault(words[0], []).append((words[1] == "gone", words[2]))
    elif kind == "x":
        rows.programs[words[0].removeprefix("/proc/")] = rest.partition(" ")[2]
    elif kind == "i":
        rows.seen_as[words[0].removeprefix("/proc/").removesuffix("/exe")] = words[1]
    elif kind == "h":
        rows.on_host[words[0]] = words[1]
    elif kind == "d":
        rows.owners.setdefault(_merged(words[1]), words[0])
    elif kind == "u":
        rows.units[words[0]] = words[1]
    elif kind == "U":
        rows.unit_files[words[0]] = words[1]
    else:
        raise Unparsable(line[:200])


def _merged(path: str) -> str:
    """'/lib/x.so' and '/usr/lib/x.so' are one file on a merged system, whichever of them its package says."""
    return path.removeprefix("/usr") if path.startswith(("/usr/lib", "/usr/bin/", "/usr/sbin/")) else path


def _listeners(rows: _Rows) -> Iterator[Listener]:
    for protocol, address, port, inode in rows.sockets:
        where, number = _address(address, rows.little), int(port, 16)
        kind: Protocol = "tcp" if protocol == "tcp" else "udp"
        holders = rows.holders.get(inode, [])
        # a socket that systemd opened is handed to its service; the service is what answers
        pid = next((p for p in holders if p != "1"), next(iter(holders), ""))
        program = rows.programs.get(pid, "")
        bare = program.removesuffix(_GONE)
        foreign = bool(program) and not program.endswith(_GONE) and rows.seen_as.get(pid) != rows.on_host.get(bare)
        package = "" if foreign else rows.owners.get(_merged(bare), "")
        unit = rows.units.get(f"[{where}]:{number}" if ":" in where else f"{where}:{number}", "")
        if pid == "1":
            package = rows.owners.get(_merged(rows.unit_files.get(unit, "-")), "")
        mapped = [] if foreign else rows.mapped.get(pid, [])
        libraries = {owner for _, path in mapped if (owner := rows.owners.get(_merged(path), ""))} - {package}
        replaced = {path for gone, path in mapped if gone} | ({bare} if program.endswith(_GONE) else set())
        yield Listener(kind, where, number, bare, package, tuple(sorted(libraries)), tuple(sorted(replaced)), foreign)


def _stale(rows: _Rows) -> dict[str, tuple[str, ...]]:
    """Every program, listening or not, that runs code which is no longer on disk; containers are not told apart."""
    found: dict[str, set[str]] = {}
    for pid, mapped in rows.mapped.items():
        gone = {path for was, path in mapped if was}
        if gone:
            program = rows.programs.get(pid, "").removesuffix(_GONE) or f"process {pid}"
            found.setdefault(program, set()).update(gone)
    return {program: tuple(sorted(paths)) for program, paths in sorted(found.items())}


def _address(text: str, little: bool) -> str:
    """'0100007F' -> '127.0.0.1': words of 32 bits as the processor writes them. Source: proc(5)."""
    raw = bytes.fromhex(text)
    words = struct.unpack(f">{len(raw) // 4}I", raw)
    packed = struct.pack(f"{'<' if little else '>'}{len(words)}I", *words)
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))


LISTENING = Fact(
    sh(SOCKETS, sudo=True, running=True, timeout_s=30.0, max_bytes=4 << 20, marked=True),
    listening,
    fleeting=r"^[sflxihd] .*",  # processes, and what they have open
)
