"""One walk over the local file systems: files that everybody may change, that nobody owns, that run as somebody else.

The walk stops after MAX_ENTRIES names or when its time is up; container storage, other hosts' and virtual file systems
are left out. What it found until then is a finding; that it found nothing is only known when it came to its end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scanner import Fact, Truncated, Unparsable, check, sh

MAX_ENTRIES = 500_000
MAX_EXAMPLES = 50
MAX_SET_ID = 1000
ENTRIES = "@ENTRIES@"
LOOK = (
    r"""
m=/proc/self/mounts
if [ -r $m ]; then
  set -f
  IFS='
'
  for d in $(while IFS=' ' read -r _ p t _; do
    case $t in ext[234] | xfs | btrfs | f2fs | zfs | jfs | reiserfs | bcachefs) ;;
      overlay) case $p in */merged | */rootfs) continue;; esac;;  # the root of a container, wherever it is kept
      tmpfs) case $p in /tmp | /var/tmp | /dev/shm) ;; *) continue;; esac;;
      *) continue;;
    esac
    case $p in /proc/* | /sys/* | /run/* | /snap/* | /var/lib/docker/* | /var/lib/containers/*) continue;; esac
    case $p in /etc/hostname | /etc/hosts | /etc/resolv.conf) continue;; esac
    printf '%b\n' "$p"
  done <$m | sort -u); do set -- "$@" "$d"; done
  unset IFS
fi
x=-xdev
[ $# -gt 0 ] || { set -- /; x=; }  # at rest there is no list of mounts, and all that is mounted belongs to the root
find "$@" $x \( -path /proc -o -path /sys -o -path /run/user -o -path /var/lib/docker -o -path /var/lib/containers \
  -o -path /var/lib/containerd -o -path /var/lib/kubelet -o -path /var/lib/lxc -o -path /var/lib/lxd \
  -o -path /var/lib/machines -o -path /var/lib/rancher -o -path '/home/*/.local/share/containers/storage' \
  -o -path /root/.local/share/containers/storage -o -path /var/snap -o -path /snap \) -prune \
  -o -printf '%y %m %U %G %p\0' 2>/dev/null |
  tr '\n\0' '?\n' | awk '
  NR > """
    + ENTRIES
    + r""" { print "T"; exit }
  {
    if (!($3 in u)) u[$3] = 0
    if (!($4 in g)) g[$4] = 0
    if (u[$3]++ < 20) print "u", $0
    if (g[$4]++ < 20) print "g", $0
    if ($1 != "l" && $2 ~ /[2367]$/ && w++ < 500) print "w", $0
    if ($1 == "f" && length($2) == 4 && $2 >= 2000 && s++ < """
    + str(MAX_SET_ID)
    + r""") print "s", $0
  }
  END { for (i in u) print "U", i; for (i in g) print "G", i; print "E", NR }' | while IFS= read -r l; do
  case $l in
    'U '*) getent passwd "${l#U }" >/dev/null 2>&1 && echo "known $l";;
    'G '*) getent group "${l#G }" >/dev/null 2>&1 && echo "known $l";;
    *) printf '%s\n' "$l";;
  esac
done
"""
)


def script(entries: int = MAX_ENTRIES) -> str:
    """The walk, for so many names at most."""
    return LOOK.replace(ENTRIES, str(entries))


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry. kind: one letter as find(1) says: f, d, s, p …"""

    kind: str
    mode: int
    uid: int
    gid: int
    path: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What one walk saw. complete: it came to its end within its bounds."""

    world_writable: tuple[Seen, ...]
    set_id: tuple[Seen, ...]
    unowned: tuple[Seen, ...]
    ungrouped: tuple[Seen, ...]
    complete: bool


def walk(text: str) -> Walk:
    """'w f 666 0 0 /etc/x\\nu f 644 7 7 /y\\nknown G 7\\nE 2\\n' -> Walk with /etc/x open and /y unowned."""
    rows: dict[str, list[Seen]] = {"u": [], "g": [], "w": [], "s": []}
    known: set[str] = set()
    ended = cut = False
    for line in text.split("\n"):
        word, _, rest = line.partition(" ")
        if word in rows:
            rows[word].append(_seen(rest))
        elif word == "known":
            known.add(rest)
        elif word == "E":
            ended = True
        elif line and word != "T":
            raise Unparsable(line[:200])
        cut = cut or word == "T"
    if not ended:
        raise Unparsable("the walk broke off")
    return Walk(
        tuple(rows["w"]),
        tuple(rows["s"]),
        tuple(seen for seen in rows["u"] if f"U {seen.uid}" not in known),
        tuple(seen for seen in rows["g"] if f"G {seen.gid}" not in known),
        not cut,
    )


def _seen(text: str) -> Seen:
    if not re.match(r"\S+ [0-7]+ [0-9]+ [0-9]+ ", text):
        raise Unparsable(text[:200])
    kind, mode, uid, gid, path = text.split(" ", 4)
    return Seen(kind, int(mode, 8), int(uid), int(gid), path)


WALKED = Fact(sh(script(), sudo=True, timeout_s=60.0, marked=True), walk)


@check("linux.walk.world_writable", WALKED)
def world_writable(found: Walk) -> list[str]:
    """Files that everybody may change, and folders where everybody may delete what others made (no sticky bit)."""
    open_ones = [
        seen for seen in found.world_writable if seen.kind == "f" or (seen.kind == "d" and not seen.mode & 0o1000)
    ]
    return _named(found, open_ones)


@check("linux.walk.unowned", WALKED)
def unowned(found: Walk) -> list[str]:
    """Files whose owner is no account that this system knows; up to 20 of each such number."""
    return _named(found, found.unowned)


@check("linux.walk.ungrouped", WALKED)
def ungrouped(found: Walk) -> list[str]:
    """Files whose group is none that this system knows; up to 20 of each such number."""
    return _named(found, found.ungrouped)


@check("linux.walk.set_id", WALKED)
def set_id(found: Walk, known: list[str]) -> list[str]:
    """Programs that run as their owner or group, whoever starts them, beyond the patterns in `known`."""
    if len(found.set_id) >= MAX_SET_ID:
        raise Truncated(f"there are {MAX_SET_ID} such programs or more")
    others = [seen for seen in found.set_id if not any(fnmatchcase(seen.path, pattern) for pattern in known)]
    return _named(found, others)


def _named(found: Walk, seen: list[Seen] | tuple[Seen, ...]) -> list[str]:
    if not seen and not found.complete:
        raise Truncated(f"none among the first {MAX_ENTRIES} names, and the walk went no further")
    return [each.path for each in seen[:MAX_EXAMPLES]]
