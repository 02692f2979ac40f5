"""sudo: what the sudoers files say, in the order in which sudo reads them.

`@include` and `@includedir` (also with '#') are followed; of a folder, names with a dot or ending in '~' are passed
over. Of Defaults that hold for the same scope, the last wins; a list of them may stand on one line. Source: sudoers(5).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner import Absent, Fact, Unparsable, check, parse, stat
from scanner import files as texts
from scanner.parse import Stat

MAIN = "/etc/sudoers"
MAX_DEPTH = 128
_INCLUDE = re.compile(r'[@#](include|includedir)[ \t]+"?([^"]*?)"?[ \t]*\Z')
_DEFAULTS = re.compile(
    r"Defaults(?:([@:!>])[ \t]*((?:[^ \t,\\]|\\.)+(?:[ \t]*,[ \t]*(?:[^ \t,\\]|\\.)+)*))?[ \t]+(.*)\Z"
)
_OPTION = re.compile(
    r'(?:(?<!!)(!+)[ \t]*)?([a-z_0-9]+)[ \t]*(?:([-+]?=)[ \t]*("(?:[^"\\]|\\.)*"|(?:[^ \t,\\"]|\\.)*))?'
)
_TAG = re.compile(r"(?:\A|[\s:,=)])(NOPASSWD|PASSWD)[ \t]*:")
_ALIAS = re.compile(r"(User|Runas|Host|Cmnd|Cmd)_Alias\b")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a Defaults line. scope: "" for everybody, else as written (":anna"). value: None where negated."""

    scope: str
    name: str
    value: str | None
    place: str


@dataclass(frozen=True, slots=True)
class Sudoers:
    """All options in order, and the rules (who may run what) as written, by place."""

    options: tuple[Option, ...]
    rules: tuple[tuple[str, str], ...]


def sudoers(text: str) -> Sudoers | None:
    """'Defaults use_pty\\n%sudo ALL=(ALL) NOPASSWD: ALL\\n' -> its option and its rule; None where there is no file."""
    found = parse.files(text)
    if MAIN not in found:
        return None
    options: list[Option] = []
    rules: list[tuple[str, str]] = []
    for place, line in _lines(found, MAIN, 0):
        match = _DEFAULTS.match(line)
        if match:
            options += _options(f"{match[1] or ''}{match[2] or ''}", match[3], place)
        elif not _ALIAS.match(line):
            rules.append((place, line))
    return Sudoers(tuple(options), tuple(rules))


def _lines(found: dict[str, str], path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        raise Unparsable(f"{path}: includes nested deeper than {MAX_DEPTH}")
    for number, raw in enumerate(found[path].replace("\\\n", "  ").split("\n"), 1):
        include = _INCLUDE.match(raw.strip())
        if include:
            for name in _included(found, include[1], include[2]):
                yield from _lines(found, name, depth + 1)
            continue
        line = _without_comment(raw).strip()
        if line:
            yield f"{path}:{number}", line


def _without_comment(line: str) -> str:
    """The line up to a '#' that begins a comment: not one in quotes, behind a backslash, or before a user id."""
    quoted = False
    for place, sign in enumerate(line):
        if line[place - 1 : place] == "\\":
            continue
        if sign == '"':
            quoted = not quoted
        elif sign == "#" and not quoted and not re.match(r"#-?[0-9]", line[place:]):
            return line[:place]
    return line


def _included(found: dict[str, str], word: str, target: str) -> Iterator[str]:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(MAIN), target.replace("\\ ", " ")))
    if word == "includedir":
        if not re.fullmatch(rf"{MAIN}\.[^/*?\[]+", path):
            raise Unparsable(f"@includedir {target}: that folder was not read")
        yield from (
            name for name in sorted(found) if name.startswith(f"{path}/") and _taken(name.removeprefix(f"{path}/"))
        )
    elif path in found:
        yield path
    else:
        raise Unparsable(f"@include {target}: that file was not read")


def _taken(name: str) -> bool:
    return "/" not in name and "." not in name and not name.endswith("~")


def _options(scope: str, text: str, place: str) -> Iterator[Option]:
    for match in _OPTION.finditer(text):
        negated = len(match[1] or "") % 2 == 1
        value = match[4] or ""
        bare = value[1:-1] if value.startswith('"') else value.replace("\\", "")
        yield Option(scope, match[2], None if negated else bare, place)


SUDO = Fact(stat("/usr/bin/sudo"), parse.stats, at_use=True)
SUDOERS = Fact(texts(MAIN, f"{MAIN}.*", f"{MAIN}.*/*", sudo=True), sudoers, at_use=True)


@check("linux.sudo.option", SUDO, SUDOERS)
def option(_: dict[str, Stat | None], found: Sudoers | None, name: str) -> dict[str, str | None]:
    """The value of a Defaults option for everybody ("on" for a bare word, "off" negated, nothing where it is not set).

    Each narrower scope (a user, host, command or target user) that says something else is a subject of its own, and so
    is each line that a later one overrides with a different value, since only their order keeps it from being in force.
    """
    lines = [
        (each, "off" if each.value is None else each.value or "on") for each in _of(found).options if each.name == name
    ]
    said: dict[str, str | None] = {"": None, **{each.scope: value for each, value in lines}}
    overridden = ((each, value) for each, value in lines if value != said[each.scope])
    return said | {f"overridden, {each.place}": value for each, value in overridden}


@check("linux.sudo.negated", SUDO, SUDOERS)
def negated(_: dict[str, Stat | None], found: Sudoers | None, name: str) -> list[str]:
    """Places where Defaults switch an option off, for anybody: ['/etc/sudoers.d/deploy:1 (:deploy)']."""
    return [
        f"{each.place} ({each.scope})" if each.scope else each.place
        for each in _of(found).options
        if each.name == name and each.value is None
    ]


@check("linux.sudo.without_password", SUDO, SUDOERS)
def without_password(_: dict[str, Stat | None], found: Sudoers | None) -> list[str]:
    """Rules that let somebody run something without a password: the tag NOPASSWD, as written."""
    return [
        f"{place} {line}" for place, line in _of(found).rules if any(tag == "NOPASSWD" for tag in _TAG.findall(line))
    ]


def _of(found: Sudoers | None) -> Sudoers:
    if found is None:
        raise Absent(f"there is no {MAIN}")
    return found
