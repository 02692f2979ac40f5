"""OpenSSH server: what its files say, first match wins, and what the daemon itself makes of them (`sshd -T`).

The daemon prints its configuration only where it could start: with host keys that it can read and with /run/sshd. Where
it will not (a root at rest, an ordinary login) the files are resolved here, as sshd_config(5) and servconf.c do.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scanner import Absent, Fact, Undetermined, Unparsable, Unwritten, check, parse, sh, stat
from scanner import files as texts
from scanner.parse import Stat

from .sshd_defaults import COMPILED_IN, DEFAULTS
from .sshd_match import EVERY, Connection, holds

MAIN = "/etc/ssh/sshd_config"
POLICY = "/etc/crypto-policies/back-ends/opensshserver.config"
"""What the system-wide policy of Red Hat's systems gives the server; their own drop-in includes it."""
MAX_DEPTH = 16
READ = (MAIN, f"{MAIN}.d/*", "/etc/ssh/*.conf", "/etc/ssh/*/*.conf", POLICY)
_KEYWORD = re.compile(r'[ \t"]*([A-Za-z0-9]+)"?[ \t]*=?[ \t]*(.*)\Z')
_WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^ \t"\']+)')
_TIME = re.compile(r"([0-9]+)([smhdw]?)", re.I)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TIMES = {"logingracetime", "clientaliveinterval"}
_LISTS = {"allowusers", "allowgroups", "denyusers", "denygroups", "hostkey", "port", "listenaddress", "acceptenv"}
_GLOBAL_ONLY = {
    *(
        "ciphers",
        "macs",
        "kexalgorithms",
        "hostkeyalgorithms",
        "logingracetime",
        "maxstartups",
        "usepam",
        "strictmodes",
    ),
    *("permituserenvironment", "port", "listenaddress", "hostkey", "compression", "tcpkeepalive", "usedns"),
    *("printmotd", "printlastlog", "syslogfacility"),
}
"""Keywords that no connection can override: in `Match all` they are as good as outside. Source: servconf.c."""
_SYNONYMS = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "keepalive": "tcpkeepalive",
}
"""Old names that servconf.c still takes."""


@dataclass(frozen=True, slots=True)
class Line:
    """One directive. scope: the criteria of its Match block, "" outside of any. place: its file and line."""

    scope: str
    keyword: str
    words: tuple[str, ...]
    place: str


def directives(text: str) -> list[Line] | None:
    """'Port 22\\nMatch User bob\\n  PermitTTY no\\n' -> [Line('', 'port', ('22',), …), Line('User bob', …), …].

    Include lines are replaced by what they name, in the shell's order, and end their own Match blocks. None where there
    is no sshd_config. Raises Unparsable for an Include of a file that was not read. Source: sshd_config(5).
    """
    found = parse.files(text)
    if MAIN not in found:
        return None
    return list(_read(found, MAIN, "", 0))


def _read(found: dict[str, str], path: str, outer: str, depth: int) -> Iterator[Line]:
    """The lines of one file. outer: criteria of the Match block that includes it, which hold beside its own."""
    if depth > MAX_DEPTH:
        raise Unparsable(f"{path}: Include nested deeper than {MAX_DEPTH}")
    scope = outer
    for number, raw in enumerate(found[path].split("\n"), 1):
        line = raw.strip(" \t\r\f")
        if not line or line.startswith("#"):
            continue
        match = _KEYWORD.match(line)
        if match is None:
            raise Unparsable(f"{path}: {line[:200]}")
        keyword = _SYNONYMS.get(match[1].lower(), match[1].lower())
        words = _words(match[2])
        if keyword == "match":
            own = EVERY if [word.lower() for word in words] == ["all"] else " ".join(words)
            scope = " and ".join(part for part in (outer, own) if part not in {"", EVERY}) or EVERY
        elif keyword == "include":
            for name in _included(found, words):
                yield from _read(found, name, scope, depth + 1)
        else:
            yield Line(scope, keyword, words, f"{path}:{number}")


def _words(rest: str) -> tuple[str, ...]:
    """'a "b c" # d' -> ('a', 'b c'): quotes group, a word that begins with '#' ends the line."""
    words = []
    for match in _WORD.finditer(rest):
        if match[3] is not None and match[3].startswith("#"):
            break
        words.append(next(group for group in match.groups() if group is not None))
    return tuple(words)


def _included(found: dict[str, str], patterns: tuple[str, ...]) -> Iterator[str]:
    """Paths that the patterns of one Include name, of those that were read."""
    for pattern in patterns:
        full = posixpath.normpath(posixpath.join(posixpath.dirname(MAIN), pattern))
        if not any(_globbed(full, seen) for seen in READ[1:]):
            raise Unparsable(f"Include {pattern}: outside the folders that were read")
        yield from sorted(path for path in found if _globbed(path, full))


def _globbed(path: str, pattern: str) -> bool:
    """Whether the shell would expand `pattern` to `path`: no wildcard matches a slash."""
    same = path.count("/") == pattern.count("/")
    return same and fnmatch.fnmatchcase(path, pattern)


def in_force(text: str) -> dict[str, list[str]] | None:
    """The output of `sshd -T`: 'port 22\\nport 2222\\n' -> {'port': ['22', '2222']}; None where it would not say."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        if not re.fullmatch(r"[a-z0-9]+", keyword):
            raise Unparsable(line[:200])
        found.setdefault(keyword, []).append(value)
    if found and "port" not in found:
        raise Unparsable("sshd -T names no port")
    return found or None


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Who owns one file of the server's folder, and who may use it."""

    mode: int
    owner: str
    group: str


def key_files(text: str) -> dict[str, KeyFile]:
    """'600 root root /etc/ssh/ssh_host_rsa_key\\n' -> {'/etc/ssh/ssh_host_rsa_key': KeyFile(0o600, 'root', 'root')}."""
    return files_below(text, "/etc/ssh/")


def files_below(text: str, folder: str) -> dict[str, KeyFile]:
    """The same for the files right in one folder; one of another place is Unparsable."""
    rows = list(parse.table(text, 4, separator=" "))
    parse.every((row[3] for row in rows), lambda path: path.startswith(folder) and "/" not in path.removeprefix(folder))
    return {path: KeyFile(int(mode, 8), owner, group) for mode, owner, group, path in rows}


DAEMON = Fact(stat("/usr/sbin/sshd"), parse.stats)
CONFIGURED = Fact(texts(*READ), directives)
# sshd -T fails where the daemon could not start; the files are then resolved without it.
EFFECTIVE = Fact(sh("sshd -T 2>/dev/null || exit 0", of="sshd", marked=True), in_force)

HOST_KEYS = Fact(
    sh(
        'for f in /etc/ssh/*_key /etc/ssh/*.pub; do [ ! -f "$f" ] || stat -L -c \'%a %U %G %n\' "$f"; done',
        marked=True,
    ),
    key_files,
)

View = Literal["effective", "configured", "both"]


@check("linux.sshd.setting", DAEMON, CONFIGURED, EFFECTIVE)
def setting(
    _: dict[str, Stat | None],
    lines: list[Line] | None,
    effective: dict[str, list[str]] | None,
    key: str,
    view: View = "both",
    default_is_enough: bool = False,
    connection: Connection | None = None,
) -> dict[str, str | Unwritten | None]:
    """The value of the sshd_config(5) keyword `key` as sshd prints it (times in seconds), and in every Match block.

    view: "configured" is what the files set, nothing where they do not; "effective" counts the compiled-in default
    too; "both" is the value in force where the files set it, and every line that another one overrides with a
    different value, since only their order keeps it from being in force. default_is_enough: with "both", a good
    default need not be written down. connection: only what holds for it, as `sshd -T -C` says ({user: bob}).
    """
    written = _written(lines, key)
    value: str | Unwritten | None = written.get("")
    if view != "configured" and effective is not None and (value is not None or view == "effective"):
        said = effective.get(key)
        value = _normal(key, tuple(said)) if said else None
    elif view == "effective" and value is None:
        if key not in DEFAULTS:
            raise Undetermined(f"{key} is not set in the files, and sshd could not be asked for its default")
        value = DEFAULTS[key]
    elif view == "both" and value is None:
        said = (effective or {}).get(key)
        by_default = _normal(key, tuple(said)) if said else DEFAULTS.get(key)
        value = by_default if default_is_enough or by_default is None else Unwritten(by_default)
    if connection is not None:
        return {"": _in_blocks(lines or [], key, connection) or value}
    overridden = _overridden(lines or [], key, written.get("")) if view == "both" else {}
    return {"": value, **{scope: said for scope, said in written.items() if scope}, **overridden}


@check("linux.sshd.startups", DAEMON, CONFIGURED, EFFECTIVE)
def startups(
    daemon: dict[str, Stat | None],
    lines: list[Line] | None,
    effective: dict[str, list[str]] | None,
    part: Literal["begin", "rate", "full"],
    view: View = "both",
) -> dict[str, str | None]:
    """One part of MaxStartups: connections from which on some are refused, percent refused, all refused.

    A value of another form stays as it is. Source: sshd_config(5).
    """
    found = _as_written(setting.observe(daemon, lines, effective, key="maxstartups", view=view))
    place = {"begin": 0, "rate": 1, "full": 2}[part]
    return {scope: _three(value)[place] if value is not None else None for scope, value in found.items()}


@check("linux.sshd.algorithms", DAEMON, CONFIGURED, EFFECTIVE)
def algorithms(
    daemon: dict[str, Stat | None], lines: list[Line] | None, effective: dict[str, list[str]] | None, key: str
) -> dict[str, list[str]]:
    """The algorithms that sshd offers under `key` (ciphers, macs, kexalgorithms), best first, and overridden lines.

    A list that begins with '+', '-' or '^' changes the compiled-in one, as sshd resolves it.
    """
    found = _as_written(setting.observe(daemon, lines, effective, key=key, view="both"))
    if found[""] is None:
        found = {**found, "": " ".join((effective or {}).get(key, [])) or ""}
    return {scope: _resolved(key, value or "") for scope, value in found.items()}


@check("linux.sshd.people", DAEMON, CONFIGURED)
def people(_: dict[str, Stat | None], lines: list[Line] | None) -> list[str]:
    """Which of AllowUsers, AllowGroups, DenyUsers and DenyGroups limit every login: ['allowgroups']."""
    wanted = ("allowusers", "allowgroups", "denyusers", "denygroups")
    return [key for key in wanted if _written(lines, key).get("")]


@check("linux.sshd.exposed_key", HOST_KEYS)
def exposed_key(found: dict[str, KeyFile]) -> dict[str, str]:
    """Per private host key: "closed" where root alone has it (or root and the key group, reading), else who has it."""
    return {
        path: "closed" if _closed(key) else f"mode {key.mode:04o}, owner {key.owner}, group {key.group}"
        for path, key in found.items()
        if not path.endswith(".pub")
    }


@check("linux.sshd.public_key_mode", HOST_KEYS)
def public_key_mode(found: dict[str, KeyFile]) -> dict[str, str]:
    """Permission bits of each public host key, in octal."""
    return {path: f"{key.mode:04o}" for path, key in found.items() if path.endswith(".pub")}


def _closed(key: KeyFile) -> bool:
    # Red Hat's ssh-keysign reads the keys as the group ssh_keys
    beyond = 0o137 if key.group == "ssh_keys" else 0o177
    return key.owner == "root" and key.group in {"root", "ssh_keys"} and not key.mode & beyond


def _as_written(found: object) -> dict[str, str | None]:
    assert isinstance(found, dict)
    return {scope: None if isinstance(value, Unwritten) else value for scope, value in found.items()}


def _written(lines: list[Line] | None, key: str) -> dict[str, str]:
    """What the files set for `key`: scope -> value. The first line of a scope wins, except where lines add up."""
    if lines is None:
        raise Absent(f"there is no {MAIN}")
    found: dict[str, str] = {}
    for line in _about(lines, key):
        scope = "" if line.scope == EVERY and key in _GLOBAL_ONLY else line.scope
        # OpenSSH 9.2 lets a later MaxStartups win; either way the other line is named as overridden
        if scope not in found or key == "maxstartups":
            found[scope] = _normal(key, line.words)
        elif key in _LISTS:
            found[scope] += f" {_normal(key, line.words)}"
    if EVERY in found:
        found[""] = found.pop(EVERY)
    return found


def _in_blocks(lines: list[Line], key: str, connection: Connection) -> str | None:
    """What the Match blocks that hold for a connection set for `key`: the first of them, or all where lines add up."""
    if key in _GLOBAL_ONLY:
        return None
    said = [line for line in _about(lines, key) if line.scope and holds(line.scope, connection)]
    return " ".join(_normal(key, line.words) for line in (said if key in _LISTS else said[:1])) or None


def _overridden(lines: list[Line], key: str, first: str | None) -> dict[str, str]:
    """Lines for every connection that say something else than the one in force: place -> value.

    The system-wide policy is written by a tool, for those who do not decide themselves: it may be overridden.
    """
    if key in _LISTS:
        return {}
    written = (line for line in _about(lines, key) if not line.place.startswith(f"{POLICY}:"))
    general = [line for line in written if line.scope in {"", EVERY}]
    said = {f"overridden, {line.place}": _normal(key, line.words) for line in general}
    return {place: value for place, value in said.items() if value != first}


def _about(lines: list[Line], key: str) -> Iterator[Line]:
    return (line for line in lines if line.keyword == key and line.words)


def _normal(key: str, words: tuple[str, ...]) -> str:
    """A value as `sshd -T` prints it."""
    if key in _TIMES:
        return _seconds(words[0])
    if key == "loglevel":
        return {"QUIET": "SILENT", "DEBUG": "DEBUG1"}.get(words[0].upper(), words[0].upper())
    if key == "maxstartups" and words[0].isdecimal():
        return f"{words[0]}:30:{words[0]}"
    text = " ".join(words) if key in _LISTS else words[0]
    text = text.lower() if text.lower() in {"yes", "no", "none", "prohibit-password", "without-password"} else text
    return "without-password" if text == "prohibit-password" else text


def _seconds(text: str) -> str:
    """'1h30m' -> '5400'; what is no time stays as it is. Source: sshd_config(5), TIME FORMATS."""
    if not re.fullmatch(r"(?:[0-9]{1,9}[smhdw]?){1,6}", text, re.I):
        return text
    return str(sum(int(count) * _SECONDS[unit.lower()] for count, unit in _TIME.findall(text)))


def _three(text: str) -> tuple[str, str, str]:
    """'10:30:60' -> ('10', '30', '60')."""
    parts = text.split(":")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (text, text, text)


def _resolved(key: str, text: str) -> list[str]:
    """'-*sha1*,umac-64@openssh.com' -> the compiled-in list without those. Source: kex_assemble_names in kex.c."""
    if key not in COMPILED_IN:
        raise Undetermined(f"sshd could not be asked, and what it offers unasked under {key} is not known")
    standard = COMPILED_IN[key]
    if not text:
        return standard
    names = [name for name in text.lstrip("+-^").split(",") if name]
    if text[0] == "+":
        return [*standard, *(name for name in names if name not in standard)]
    if text[0] == "-":
        return [name for name in standard if not any(fnmatch.fnmatchcase(name, pattern) for pattern in names)]
    if text[0] == "^":
        return [*names, *(name for name in standard if name not in names)]
    return names
