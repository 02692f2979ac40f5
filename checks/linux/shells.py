"""What a login shell is told: umask, idle time-out and search path, as the start-up files set them.

The files are read, never run: an assignment counts wherever it stands, since which branch a shell takes cannot be known
from outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from scanner import Fact, check, parse, sh
from scanner import files as texts

Place = Literal["profile", "bashrc"]
PLACES: dict[Place, re.Pattern[str]] = {
    "profile": re.compile(r"/etc/profile(\.d/[^/]+\.sh)?"),
    "bashrc": re.compile(r"/etc/(bash\.)?bashrc"),
}
_UMASK = re.compile(r"(?:^|[;&|(){}]|\b(?:then|else|do)\b)[ \t]*umask(?:[ \t]+-[Sp]+)*[ \t]+(?!-)([^\s;&|#)}]+)")
_TMOUT = re.compile(r"(?:^|[;&\s])TMOUT=[\"']?([^\s;&\"'#]*)")
_PATH = re.compile(r"(?:^|[;&\s])(?:ENV_SUPATH[ \t]+)?PATH(\+?)=(\"[^\"]*\"|'[^']*'|[^\s;&#]*)")
_CLASSES = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}


Scripts = dict[str, list[str]]


def scripts(text: str) -> Scripts:
    """{path: its lines without comments}, joined where a backslash ends one."""
    return {
        path: [re.sub(r"(^|\s)#.*", "", line) for line in found.replace("\\\n", "").split("\n")]
        for path, found in parse.files(text).items()
    }


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a search path, links followed. kind: as stat(1) says; "" where there is nothing of that name."""

    mode: int
    uid: int
    kind: str


def folders(text: str) -> dict[str, Folder]:
    """'755 0 directory:/usr/bin\\n' -> {'/usr/bin': Folder(0o755, 0, 'directory')}."""
    found = {}
    for mode, uid, rest in parse.table(text, 3, separator=" "):
        kind, _, path = rest.partition(":")
        found[path] = Folder(int(mode, 8), int(uid), kind)
    return found


# The path's folders are taken from the files by the target itself, so that their state comes in the same answer. The
# names are only ever handed to stat as quoted arguments.
STATE = r"""
for f in /etc/login.defs /etc/environment /etc/profile /etc/profile.d/*.sh /etc/bash.bashrc /etc/bashrc \
  /root/.profile /root/.bash_profile /root/.bash_login /root/.bashrc; do
  [ ! -f "$f" ] || sed -n '/^[[:space:]]*#/!{/PATH+*=/p;}' "$f"
done | tr ":;=\"'\`(){}$& \t" '\n' | sed -n '/^\//p' | sort -u | head -n 200 | while IFS= read -r d; do
  if [ -e "$d" ]; then stat -L -c '%a %u %F:%n' "$d"; else printf '0 0 :%s\n' "$d"; fi
done
"""

SYSTEM = Fact(
    texts(
        "/etc/profile", "/etc/profile.d/*.sh", "/etc/bash.bashrc", "/etc/bashrc", "/etc/environment", "/etc/login.defs"
    ),
    scripts,
)
ROOTS = Fact(texts("/root/.profile", "/root/.bash_profile", "/root/.bash_login", "/root/.bashrc", sudo=True), scripts)
FOLDERS = Fact(sh(STATE, sudo=True, marked=True), folders)


@check("linux.shells.new_file_mode", SYSTEM)
def new_file_mode(found: Scripts, place: Place) -> str | None:
    """The permissions that the umasks of a place leave to new folders, all of them together: '0750'.

    Nothing where no umask is set there.
    """
    return _left(line for _, line in _of(found, place))


@check("linux.shells.root_masks_looser_than", ROOTS)
def root_masks_looser_than(found: Scripts, mode: str) -> list[str]:
    """The umasks of root's own start-up files that leave new folders more than the octal `mode`, with their files."""
    return [
        f"{path}: umask {said}"
        for path, lines in found.items()
        for line in lines
        for said in _UMASK.findall(line)
        if (mask := _mask(said)) is not None and 0o777 & ~mask & ~int(mode, 8)
    ]


def _left(lines: Iterable[str]) -> str | None:
    masks = [said for line in lines for said in _UMASK.findall(line)]
    left = [0o777 & ~mask for mask in map(_mask, masks) if mask is not None]
    if not left:
        return None
    mode = 0
    for each in left:
        mode |= each
    return f"{mode:04o}"


@check("linux.shells.timeout", SYSTEM)
def timeout(found: Scripts) -> str | None:
    """Seconds until an idle shell ends: the longest TMOUT of the system's files; '0' where one of them means never.

    Nothing where no file sets it; text where a value is no number.
    """
    said = [value for place in ("profile", "bashrc") for _, line in _of(found, place) for value in _TMOUT.findall(line)]
    odd = [value for value in said if not re.fullmatch(r"0*[1-9][0-9]{0,8}", value)]
    return odd[0] if odd else max(said, key=int, default=None)


@check("linux.shells.timeout_is_fixed", SYSTEM)
def timeout_is_fixed(found: Scripts) -> bool:
    """Whether users cannot change TMOUT, nor shed it by a shell in the shell: it is made read-only, and exported."""
    lines = [line for place in PLACES for _, line in _of(found, place)]
    return any(_declared(line, "readonly", "r") for line in lines) and any(
        _declared(line, "export", "x") for line in lines
    )


def _declared(line: str, word: str, letter: str) -> bool:
    """Whether TMOUT is named behind `word`, or behind a declare with the option `letter`: 'declare -xr TMOUT=900'."""
    for part in re.split(r"[;&#]", line):
        words = part.split()
        places = (place for place, each in enumerate(words) if each == word or letter in _options(words, place))
        first = next(places, len(words))
        if re.search(r"\bTMOUT\b", " ".join(words[first + 1 :])):
            return True
    return False


def _options(words: list[str], place: int) -> str:
    """The letters of the options of a declare or typeset at `place`: 'rx' of 'declare -r -x'; none for other words."""
    if words[place] not in {"declare", "typeset"}:
        return ""
    return "".join(takewhile(lambda each: re.fullmatch(r"-\w+", each) is not None, words[place + 1 :]))


@check("linux.shells.root_path_flaws", SYSTEM, ROOTS)
def root_path_flaws(system: Scripts, roots: Scripts) -> list[str]:
    """Parts of root's search path that are empty, '.', or not absolute, with the file that sets them."""
    return [
        f"{path}: {part or '(empty)'}"
        for path, value in _paths(system, roots)
        for part in value.split(":")
        if not part.startswith(("/", "$", "~"))
    ]


@check("linux.shells.root_path_no_folders", SYSTEM, ROOTS, FOLDERS)
def root_path_no_folders(system: Scripts, roots: Scripts, seen: dict[str, Folder]) -> list[str]:
    """Parts of root's search path that are no folders, or are not there."""
    return [name for name, folder in _seen(system, roots, seen) if folder.kind != "directory"]


@check("linux.shells.root_path_not_roots", SYSTEM, ROOTS, FOLDERS)
def root_path_not_roots(system: Scripts, roots: Scripts, seen: dict[str, Folder]) -> list[str]:
    """Folders of root's search path that do not belong to root."""
    return [name for name, folder in _seen(system, roots, seen) if folder.kind == "directory" and folder.uid]


@check("linux.shells.root_path_writable", SYSTEM, ROOTS, FOLDERS)
def root_path_writable(system: Scripts, roots: Scripts, seen: dict[str, Folder]) -> list[str]:
    """Folders of root's search path into which the group or everybody may write."""
    return [name for name, folder in _seen(system, roots, seen) if folder.kind == "directory" and folder.mode & 0o022]


def _of(found: Scripts, place: Place) -> Iterator[tuple[str, str]]:
    for path, lines in found.items():
        if PLACES[place].fullmatch(path):
            yield from ((path, line) for line in lines)


def _paths(system: Scripts, roots: Scripts) -> Iterator[tuple[str, str]]:
    """Every search path that root's shells may get: file and value, without quotes."""
    for path, lines in (*system.items(), *roots.items()):
        for line in lines:
            if path == "/etc/login.defs" and not line.lstrip().startswith("ENV_SUPATH"):
                continue
            for more, value in _PATH.findall(line):
                bare = value.strip("\"'")
                yield path, bare.removeprefix(":") if more else bare


def _seen(system: Scripts, roots: Scripts, seen: dict[str, Folder]) -> Iterator[tuple[str, Folder]]:
    values = [value for _, value in _paths(system, roots)]
    named = {part.rstrip("/") or "/" for value in values for part in value.split(":") if part[:1] == "/"}
    for name, folder in seen.items():
        if (name.rstrip("/") or "/") in named:
            yield name, folder


def _mask(text: str) -> int | None:
    """'027' or 'u=rwx,g=rx,o=' -> 0o027; None for what is neither (a variable)."""
    bare = text.strip("\"'")
    if re.fullmatch(r"[0-7]{1,4}", bare):
        return int(bare, 8) & 0o777
    if not re.fullmatch(r"(?:[ugoa]*=[rwx]*)(?:,[ugoa]*=[rwx]*)*", bare):
        return None
    left = 0o777
    for clause in bare.split(","):
        who, _, what = clause.partition("=")
        classes = bits = 0
        for sign in who or "a":
            classes |= _CLASSES[sign]
        for sign in what:
            bits |= _BITS[sign]
        left = left & ~classes | bits & classes
    return 0o777 & ~left
