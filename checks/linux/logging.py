"""rsyslog and the files of /var/log: what is written where, what is sent and taken, and who may read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from scanner import Fact, NotApplicable, Undetermined, check, parse, sh
from scanner import files as texts

_OPENING = re.compile(r"\b(action|module|input|ruleset|template|global|main_queue|parser|lookup_table)\s*\(")
_OBJECT = re.compile(r"\b(action|module|input)\s*\(", re.IGNORECASE)
_PARAMETER = re.compile(r'\b(\w+)\s*=\s*"([^"]*)"')
_SELECTOR = re.compile(r"((?:[a-z0-9*,!=]+\.[a-z0-9*!=]+;)*[a-z0-9*,!=]+\.[a-z0-9*!=]+;?)\s+(?=\S)", re.IGNORECASE)
_INPUTS = {"imtcp", "imudp", "imptcp", "imrelp", "imgssapi"}
FACILITIES = ("auth", "authpriv", "cron", "daemon", "kern", "mail", "syslog", "user")


@dataclass(frozen=True, slots=True)
class Rsyslog:
    """modes: file modes in the order given; listens: inputs from the network; sends: other hosts; rules: selectors.

    modules: what is loaded; targets: the files that something is written to, as far as their names are fixed.
    """

    modes: tuple[str, ...]
    listens: tuple[str, ...]
    sends: tuple[str, ...]
    rules: tuple[str, ...]
    modules: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def rsyslog(text: str) -> Rsyslog:
    """'$FileCreateMode 0640\\nauth.* /var/log/auth.log\\n*.* @@loghost:514\\n' -> Rsyslog(modes=('0640',), …).

    Both the old ($Word, selector action) and the new (module(…), action(…)) way of writing. Source: rsyslog.conf(5).
    """
    read = _Read()
    for one in parse.files(text).values():
        for line in _statements(one):
            _old_way(line, read)
            for kind, given in _objects(line):
                _new_way(kind, given, read)
    parts = (read.modes, read.listens, read.sends, read.rules, read.modules, list(dict.fromkeys(read.targets)))
    return Rsyslog(*map(tuple, parts))


@dataclass(slots=True)
class _Read:
    """What was read so far; fields as in Rsyslog."""

    modes: list[str] = field(default_factory=list)
    listens: list[str] = field(default_factory=list)
    sends: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)


def _old_way(line: str, read: _Read) -> None:
    """'$ModLoad imudp', 'auth.* /var/log/auth.log', '*.* @@loghost:514'."""
    read.modes += re.findall(r"^\$FileCreateMode\s+(0?[0-7]{3,4})", line, re.IGNORECASE)
    read.modules += re.findall(r"^\$ModLoad\s+(\S+)", line, re.IGNORECASE)
    read.listens += re.findall(r"^\$ModLoad\s+(?:\S*/)?(imtcp|imudp|imptcp|imrelp|imgssapi)\b", line, re.IGNORECASE)
    read.listens += re.findall(r"^\$((?:UDP|InputTCP|InputPTCP|InputRELP)ServerRun)\b", line, re.IGNORECASE)
    read.sends += re.findall(r"^[^$#]*?\s@{1,2}(\[?[A-Za-z0-9_.:()\[\]-]+)", line)
    selector = _SELECTOR.match(line)
    if selector:
        read.rules.append(selector[1].lower())
        read.targets += re.findall(r"\A-?(/[^\s;]+)", line[selector.end() :])


def _objects(line: str) -> Iterator[tuple[str, dict[str, str]]]:
    """'*.* action(type="omfwd" Target="a")' -> ('action', {'type': 'omfwd', 'target': 'a'}); the first of equal names.

    Only an action may stand behind something else.
    """
    found = list(_OBJECT.finditer(line))
    ends = [*(each.start() for each in found[1:]), len(line)]
    for here, end in zip(found, ends, strict=False):
        kind = here[1].lower()
        if kind == "action" or here.start() == 0:
            pairs = _PARAMETER.findall(line[here.end() : end])
            yield kind, {name.lower(): value for name, value in reversed(pairs)}


def _new_way(kind: str, given: dict[str, str], read: _Read) -> None:
    if kind in {"action", "module"}:
        read.modes += re.findall(r"\A(0?[0-7]{3,4})\Z", given.get("filecreatemode", ""))
    if kind == "action":
        read.targets += re.findall(r"\A/.+", given.get("file", ""))
        if given.get("type", "").lower() in {"omfwd", "omrelp"}:
            read.sends += filter(None, [given.get("target")])
        return
    name = given.get("load" if kind == "module" else "type", "")
    if name.lower() in _INPUTS:
        read.listens.append(name.lower())
    if kind == "module" and name:
        read.modules.append(name)


def _statements(text: str) -> list[str]:
    """One statement per line: comments dropped, lines joined while a bracket is open or a backslash ends them."""
    statements: list[str] = []
    depth = 0
    for line in text.split("\n"):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if statements and (depth > 0 or statements[-1].endswith("\\")):
            statements[-1] = f"{statements[-1].rstrip(chr(92))} {bare}"[:4096]
        else:
            statements.append(bare[:4096])
        depth = max(0, depth + bare.count("(") - bare.count(")")) if _OPENING.search(statements[-1]) else 0
    return statements


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file below /var/log: who owns it and who may use it."""

    mode: int
    user: str
    group: str
    path: str


def log_files(text: str) -> tuple[LogFile, ...]:
    """'640 root adm /var/log/auth.log\\n' -> (LogFile(0o640, 'root', 'adm', '/var/log/auth.log'),)."""
    rows = parse.every(parse.table(text, 4, " "), lambda row: row[3].startswith("/var/log/"))
    return tuple(LogFile(int(mode, 8), user, group, path) for mode, user, group, path in rows)


RSYSLOG = Fact(texts("/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf", sudo=True), rsyslog)
FILES = Fact(sh(r"find /var/log -type f -printf '%m %u %g %p\n'", sudo=True, max_bytes=4 << 20, marked=True), log_files)


@check("linux.logging.file_mode", RSYSLOG)
def file_mode(found: Rsyslog) -> str:
    """Every permission bit that rsyslog gives to the files it makes, in octal; its default is 0644."""
    bits = 0
    for mode in found.modes or ("0644",):
        bits |= int(mode, 8)
    return f"{bits:04o}"


@check("linux.logging.listens", RSYSLOG)
def listens(found: Rsyslog) -> list[str]:
    """What makes rsyslog take messages from the network."""
    return list(dict.fromkeys(found.listens))


@check("linux.logging.sends_to", RSYSLOG)
def sends_to(found: Rsyslog) -> list[str]:
    """The hosts that rsyslog sends messages to."""
    return list(dict.fromkeys(found.sends))


@check("linux.logging.modules", RSYSLOG)
def modules(found: Rsyslog) -> list[str]:
    """The modules that rsyslog loads, without their folder and ending: ['imuxsock', 'imjournal']."""
    return [name.rsplit("/", 1)[-1].removesuffix(".so") for name in found.modules]


@check("linux.logging.unwritten", RSYSLOG)
def unwritten(found: Rsyslog) -> list[str]:
    """Kinds of messages (auth, cron, kern …) that no line of rsyslog's configuration takes."""
    return [name for name in FACILITIES if not any(_takes(rule, name) for rule in found.rules)]


def _takes(rule: str, facility: str) -> bool:
    """Whether a selector takes a facility: '*.*;auth,authpriv.none' takes cron, but not auth."""
    taken = False
    for part in filter(None, rule.split(";")):
        names, _, level = part.rpartition(".")
        if facility in names.split(",") or "*" in names.split(","):
            taken = level not in {"none", "!*"}
    return taken


def _those(found: tuple[LogFile, ...], patterns: list[str], but: list[str] | None) -> list[LogFile]:
    return [
        one
        for one in found
        if any(fnmatchcase(one.path, pattern) for pattern in patterns)
        and not any(fnmatchcase(one.path, pattern) for pattern in but or [])
    ]


@check("linux.logging.wider", FILES)
def wider(found: tuple[LogFile, ...], patterns: list[str], mode: str, but: list[str] | None = None) -> list[str]:
    """Log files that match `patterns` (and none of `but`) and give a right beyond the octal `mode`."""
    return [f"{one.path} {one.mode:04o}" for one in _those(found, patterns, but) if one.mode & ~int(mode, 8)]


@check("linux.logging.foreign_owner", FILES)
def foreign_owner(
    found: tuple[LogFile, ...], patterns: list[str], users: list[str], but: list[str] | None = None
) -> list[str]:
    """Log files that match `patterns` (and none of `but`) and belong to an account outside `users`."""
    return [f"{one.path} {one.user}" for one in _those(found, patterns, but) if one.user not in users]


@check("linux.logging.foreign_group", FILES)
def foreign_group(
    found: tuple[LogFile, ...], patterns: list[str], groups: list[str], but: list[str] | None = None
) -> list[str]:
    """Log files that match `patterns` (and none of `but`) and belong to a group outside `groups`."""
    return [f"{one.path} {one.group}" for one in _those(found, patterns, but) if one.group not in groups]


def _targets(found: Rsyslog, seen: tuple[LogFile, ...]) -> list[LogFile]:
    """The files that rsyslog writes, of those that are there. Raises Undetermined for one that was not looked for."""
    if not found.rules and not found.targets:
        raise NotApplicable("rsyslog writes nothing here")
    outside = [path for path in found.targets if not path.startswith(("/var/log/", "/dev/"))]
    if outside:
        raise Undetermined(f"rsyslog writes {outside[0][:200]}, which is not below /var/log")
    return [one for one in seen if one.path in found.targets]


@check("linux.logging.targets_wider", RSYSLOG, FILES)
def targets_wider(found: Rsyslog, seen: tuple[LogFile, ...], mode: str) -> list[str]:
    """Files that rsyslog writes, and that give a right beyond the octal `mode`."""
    return [f"{one.path} {one.mode:04o}" for one in _targets(found, seen) if one.mode & ~int(mode, 8)]


@check("linux.logging.targets_foreign_owner", RSYSLOG, FILES)
def targets_foreign_owner(found: Rsyslog, seen: tuple[LogFile, ...], users: list[str]) -> list[str]:
    """Files that rsyslog writes, and that belong to an account outside `users`."""
    return [f"{one.path} {one.user}" for one in _targets(found, seen) if one.user not in users]


@check("linux.logging.targets_foreign_group", RSYSLOG, FILES)
def targets_foreign_group(found: Rsyslog, seen: tuple[LogFile, ...], groups: list[str]) -> list[str]:
    """Files that rsyslog writes, and that belong to a group outside `groups`."""
    return [f"{one.path} {one.group}" for one in _targets(found, seen) if one.group not in groups]
