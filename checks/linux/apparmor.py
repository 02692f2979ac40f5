"""AppArmor: which profiles bind their programs, by the files that boot loads and by what the kernel holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner import Absent, Fact, Undetermined, Unparsable, check, file, sh

# A profile's head holds its flags; the rest of the file is not needed. One awk reads all files: there may be hundreds.
LIST = r"""
cd /etc/apparmor.d 2>/dev/null || { echo absent; exit 0; }
for f in *; do
  [ -f "$f" ] || continue
  case $f in *.dpkg-* | *.rpm* | *~ | .*) continue;; esac
  s=
  [ -e "disable/$f" ] || [ -L "disable/$f" ] && s=$s,disabled
  [ -e "force-complain/$f" ] || [ -L "force-complain/$f" ] && s=$s,complain
  printf '%s\t%s\n' "$f" "$s"
done | awk -F '\t' '{
  h = ""
  while ((r = (getline l < ("./" $1))) > 0) {
    if (l ~ /^[ \t\r]*(#.*)?$/) continue
    if (h != "" && l ~ /^[ \t]*[{]/) print $1 "\t" $2 "\t" h " {"
    h = ""
    if (l ~ /^[ \t]*(profile[ \t]|hat[ \t]|\^|\/|@[{]|"|[{]).*[{][ \t\r]*(#.*)?$/) print $1 "\t" $2 "\t" l
    else if (l ~ /^[ \t]*(profile[ \t]|hat[ \t]|\^|\/|@[{]|")/ && l !~ /[,}][ \t\r]*(#.*)?$/) h = l  # brace below
  }
  if (r < 0) print "unreadable: " $1
  close("./" $1)
}'
"""


_STATES = {"", ",disabled", ",complain", ",disabled,complain"}


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile and its mode: enforce, complain, disabled, kill, prompt or unconfined."""

    name: str
    mode: str


def profiles(text: str) -> tuple[Profile, ...] | None:
    """'usr.bin.x\\t\\tprofile x /usr/bin/x flags=(complain) {\\n' -> (Profile('x', 'complain'),).

    None where there is no such folder. Source: apparmor.d(5), aa-disable(8), aa-complain(8).
    """
    if text.strip() == "absent":
        return None
    found = []
    for line in filter(None, text.split("\n")):
        fields = line.split("\t", 2)
        if len(fields) != 3 or fields[1] not in _STATES:
            raise Unparsable(line[:200])
        head = fields[2].strip()
        flags = re.search(r"(?:flags\s*=\s*|\s)\(([^)]*)\)\s*\{", head)
        words = re.split(r"[,\s]+", flags[1]) if flags else []
        name = re.sub(r"^(profile|hat)\s+", "", head).split()[0].strip('"')
        states = fields[1].split(",")
        chosen = next((word for word in ("disabled", "complain") if word in states), "")
        mode = chosen or next((w for w in ("complain", "unconfined", "kill", "prompt") if w in words), "enforce")
        found.append(Profile(name, mode))
    return tuple(found)


def loaded(text: str) -> tuple[Profile, ...]:
    """'/usr/sbin/chronyd (enforce)\\n' -> (Profile('/usr/sbin/chronyd', 'enforce'),)."""
    found = []
    for line in filter(None, text.split("\n")):
        match = re.match(r"(.+) \(([a-z]+)\)\Z", line)
        if not match:
            raise Unparsable(line[:200])
        found.append(Profile(match[1], match[2]))
    return tuple(found)


PROFILES = Fact(sh(LIST, sudo=True, marked=True), profiles)
IN_KERNEL = Fact(file("/sys/kernel/security/apparmor/profiles", sudo=True, running=True), loaded)


@check("linux.apparmor.outside", PROFILES)
def outside(found: tuple[Profile, ...] | None, modes: list[str]) -> list[str]:
    """Profiles on disk whose mode is none of `modes`; without any profile nothing is bound, and this is Absent."""
    if not found:
        raise Absent("there is no /etc/apparmor.d" if found is None else "there is no profile in /etc/apparmor.d")
    return [f"{one.name} ({one.mode})" for one in found if one.mode not in modes]


@check("linux.apparmor.outside_now", IN_KERNEL)
def outside_now(found: tuple[Profile, ...], modes: list[str]) -> list[str]:
    """Profiles in the kernel whose mode is none of `modes`."""
    if not found:
        raise Undetermined("the kernel holds no profile, whatever stands on the disk")
    return [f"{one.name} ({one.mode})" for one in found if one.mode not in modes]
