"""Home folders of persons and root, and the dot files in them: who owns them, and who may use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner import Fact, Unparsable, check, sh

from .accounts import ACCOUNTS, Account, people

# Records end in NUL on the way, so that a line break in a name can forge none. Homes outlive their accounts, and so do
# the passwords in them; where /home is another host's, a look into each of its folders could mount them all.
STATE = r"""
{
while IFS=: read -r n p u g c h s || [ -n "$n" ]; do
  case $u in '' | *[!0-9]* | ???????????*) continue;; esac
  [ "$u" -ge 1000 ] || [ "$u" = 0 ] || continue
  [ "$u" != 65534 ] || continue
  printf 'A %s\0' "$n"
  case $h in /*) [ -e "$h" ] || continue;; *) continue;; esac
  stat -L --printf 'H %a %u %g %F:%n\0' "$h" || exit 1
  set --
  for f in "$h"/.[!.]* "$h"/..?*; do
    if [ -e "$f" ] || [ -L "$f" ]; then set -- "$@" "$f"; fi
  done
  [ $# = 0 ] || stat --printf 'F %a %u %g %F:%n\0' "$@" || exit 1
done </etc/passwd
case $(stat -f -c %T /home 2>/dev/null) in nfs* | autofs* | cifs* | smb* | fuse* | afs*) printf 'Z\0'; exit;; esac
for f in /home/*/.netrc /home/*/.rhosts /home/*/.shosts /home/*/.forward; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  printf 'A %s\0' "${f%/*}"
  stat --printf 'F %a %u %g %F:%n\0' "$f" || exit 1
done
printf 'Z\0'
} | tr '\n\0' '?\n'
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder. kind: as stat(1) says."""

    path: str
    mode: int
    uid: int
    gid: int
    kind: str


@dataclass(frozen=True, slots=True)
class Home:
    """One account's home: its folder (links followed) where there is one; the dot files in it (links not followed)."""

    folder: Entry | None
    dots: tuple[Entry, ...]


def homes(text: str) -> dict[str, Home]:
    """'A anna\\nH 750 1000 1000 directory:/home/anna\\nF 644 …:/home/anna/.profile\\nZ\\n' -> {'anna': Home(…)}."""
    found: dict[str, Home] = {}
    name = ""
    *lines, end = text.removesuffix("\n").split("\n")
    if end != "Z":
        raise Unparsable("the homes could not be read to their end")
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "A":
            name = rest
            found.setdefault(name, Home(None, ()))
        elif kind == "H":
            found[name] = Home(_entry(rest), ())
        elif kind == "F":
            found[name] = Home(found[name].folder, (*found[name].dots, _entry(rest)))
        elif line:
            raise Unparsable(line[:200])
    if not found:
        raise Unparsable("there is no account in it")
    return found


def _entry(text: str) -> Entry:
    mode, uid, gid, rest = text.split(" ", 3)
    kind, _, path = rest.partition(":")
    return Entry(path, int(mode, 8), int(uid), int(gid), kind.replace("regular empty file", "regular file"))


HOMES = Fact(sh(STATE, sudo=True, marked=True), homes)


@check("linux.homes.missing", ACCOUNTS, HOMES)
def missing(accounts: list[Account], found: dict[str, Home]) -> list[str]:
    """Persons whose home is not there, or is no folder: 'anna: /home/anna'."""
    return [f"{who.name}: {who.home or '(none)'}" for who, home in _persons(accounts, found) if not _folder(home)]


@check("linux.homes.of_others", ACCOUNTS, HOMES)
def of_others(accounts: list[Account], found: dict[str, Home]) -> list[str]:
    """Homes that belong to somebody else than their person."""
    return [entry.path for who, entry in _folders(accounts, found) if entry.uid != who.uid]


@check("linux.homes.of_other_groups", ACCOUNTS, HOMES)
def of_other_groups(accounts: list[Account], found: dict[str, Home]) -> list[str]:
    """Homes whose group is not their person's primary group."""
    return [entry.path for who, entry in _folders(accounts, found) if entry.gid != who.gid]


@check("linux.homes.looser_than", ACCOUNTS, HOMES)
def looser_than(accounts: list[Account], found: dict[str, Home], mode: str) -> list[str]:
    """Homes with a permission beyond the octal `mode`: '/home/anna 0755'."""
    return [_with_mode(entry) for _, entry in _folders(accounts, found) if entry.mode & ~int(mode, 8)]


@check("linux.homes.dot_files", HOMES)
def dot_files(found: dict[str, Home], names: list[str]) -> list[str]:
    """Files of those names in the homes of root, of all accounts from 1000 on, and in the folders of /home.

    Whether the account has a shell, or is still there, does not matter: other programs follow these files too.
    """
    seen = [entry for home in found.values() for entry in home.dots if entry.kind != "directory"]
    return list(dict.fromkeys(entry.path for entry in seen if entry.path.rsplit("/", 1)[-1] in names))


@check("linux.homes.dot_files_looser_than", ACCOUNTS, HOMES)
def dot_files_looser_than(accounts: list[Account], found: dict[str, Home], mode: str, name: str = "") -> list[str]:
    """Persons' dot files (those called `name`, where given) with a permission beyond the octal `mode`."""
    return [
        _with_mode(entry)
        for _, entry in _dots(accounts, found)
        if entry.mode & ~int(mode, 8) and name in {"", entry.path.rsplit("/", 1)[-1]}
    ]


@check("linux.homes.dot_files_of_others", ACCOUNTS, HOMES)
def dot_files_of_others(accounts: list[Account], found: dict[str, Home]) -> list[str]:
    """Persons' dot files that belong to somebody else."""
    return [entry.path for who, entry in _dots(accounts, found) if entry.uid != who.uid]


@check("linux.homes.dot_files_of_other_groups", ACCOUNTS, HOMES)
def dot_files_of_other_groups(accounts: list[Account], found: dict[str, Home]) -> list[str]:
    """Persons' dot files whose group is not their person's primary group."""
    return [entry.path for who, entry in _dots(accounts, found) if entry.gid != who.gid]


def _persons(accounts: list[Account], found: dict[str, Home]) -> Iterator[tuple[Account, Home]]:
    for who in people(accounts):
        yield who, found.get(who.name, Home(None, ()))


def _folder(home: Home) -> bool:
    return home.folder is not None and home.folder.kind == "directory"


def _folders(accounts: list[Account], found: dict[str, Home]) -> Iterator[tuple[Account, Entry]]:
    for who, home in _persons(accounts, found):
        if home.folder is not None and _folder(home):
            yield who, home.folder


def _dots(accounts: list[Account], found: dict[str, Home]) -> Iterator[tuple[Account, Entry]]:
    for who, home in _persons(accounts, found):
        yield from ((who, entry) for entry in home.dots if entry.kind == "regular file")


def _with_mode(entry: Entry) -> str:
    return f"{entry.path} {entry.mode:04o}"
