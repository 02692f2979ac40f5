"""Rules of the kernel's audit, read from files and from `auditctl -l` into one form, and what they cover.

A rule covers an event when nothing in it is narrower than what is asked: fewer conditions record more. Source:
auditctl(8), augenrules(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

FIELD = re.compile(r"([a-z0-9_]+)\s*(!=|>=|<=|&=|=|>|<|&)\s*(.*)\Z")
UNSET = {"unset", "4294967295", "-1"}
# System calls that this architecture never had: auditctl(8) cannot record them there, and nothing can call them.
NOT_ON_ARM64 = frozenset(
    {"open", "creat", "chmod", "chown", "lchown", "unlink", "rename", "link", "symlink", "mknod", "mkdir", "rmdir"}
    | {"create_module", "query_module"}
)
NOT_ON_64_BIT = frozenset({"stime"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. list, action: exit, always …; conditions without arch, key, path and perm, each in one spelling."""

    list: str
    action: str
    arch: str = ""
    calls: frozenset[str] = frozenset()
    conditions: frozenset[str] = frozenset()
    path: str = ""
    perms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules in order; enabled: the last word of -e (2 locks until the next start), "" where nothing says."""

    rules: tuple[Rule, ...]
    enabled: str = ""


def place(path: str) -> str:
    """A path in one spelling: '/var/run/utmp' -> '/run/utmp', '/sbin/kmod' -> '/usr/sbin/kmod'; no slash at the end."""
    path = re.sub(r"/+", "/", path).rstrip("/") or "/"
    path = re.sub(r"^/var/run(?=/|$)", "/run", path)
    return re.sub(r"^/(bin|sbin|lib|lib64)(?=/)", r"/usr/\1", path)


def condition(text: str) -> str:
    """One condition in one spelling: 'auid!=4294967295' -> 'auid!=unset', 'a0=0x0' -> 'a0=0'."""
    found = FIELD.match(text)
    if not found:
        return text
    name, operator, value = found[1], found[2], found[3].strip()
    if name in {"auid", "uid", "euid", "sessionid", "ses"} and value in UNSET:
        value = "unset"
    elif re.fullmatch(r"0x[0-9a-fA-F]{1,16}", value):
        value = str(int(value, 16))
    return f"{name}{operator}{value}"


def comparison(text: str) -> str:
    """A comparison of two fields in one spelling: 'euid!=uid' and 'uid!=euid' -> 'compare:euid!=uid'."""
    found = re.match(r"([a-z_]+)(!=|=)([a-z_]+)\Z", text)
    if not found:
        return f"compare:{text}"
    left, right = sorted((found[1], found[3]))
    return f"compare:{left}{found[2]}{right}"


def rule(words: list[str]) -> Rule | None:
    """'-a always,exit -F arch=b64 -S chmod -k x'.split() -> Rule; None for words that are no rule (-D, -b, -f …)."""
    kind = action = arch = path = ""
    calls: set[str] = set()
    perms: set[str] = set()
    conditions: set[str] = set()
    for option, value in pairwise(words):
        if option in {"-a", "-A"}:
            pair = value.split(",")
            action = next((word for word in pair if word in {"always", "never"}), "")
            kind = next((word for word in pair if word not in {"always", "never"}), "")
        elif option == "-w":
            kind, action, path = kind or "exit", action or "always", place(value)
        elif option == "-S":
            calls.update(filter(None, value.split(",")))
        elif option == "-p":
            perms.update(value)
        elif option == "-C":
            conditions.add(comparison(value))
        elif option == "-F":
            name, _, rest = value.partition("=")
            if name == "arch":
                arch = {"x86_64": "b64", "aarch64": "b64", "i386": "b32", "i686": "b32"}.get(rest, rest)
            elif name in {"path", "dir"}:
                path = place(rest)
            elif name == "perm":
                perms.update(rest)
            elif name != "key":
                conditions.add(condition(value))
    if not kind or not action:
        return None
    if path and not perms and "-w" in words:
        perms = set("rwxa")
    return Rule(kind, action, arch, frozenset(calls), frozenset(conditions), path, frozenset(perms))


def rules(text: str) -> Rules:
    """Lines of a rules file, or of `auditctl -l` -> Rules. A line that -D removes is not in force."""
    found: list[Rule] = []
    enabled = ""
    for line in text.split("\n"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "-D":
            found.clear()
        elif words[0] == "-e" and len(words) > 1:
            enabled = words[1]
        else:
            one = rule(words)
            if one:
                found.append(one)
    return Rules(tuple(found), enabled)


def silenced(found: Rules) -> bool:
    """Whether audit is off, or a rule without conditions keeps every call from being recorded."""
    blanket = [r for r in found.rules if r.action == "never" and not (r.conditions or r.path or r.calls - {"all"})]
    return found.enabled == "0" or any(r.list in {"task", "exit"} and not r.arch for r in blanket)


def allows(conditions: Iterable[str], allowed: Iterable[str]) -> bool:
    """Whether every condition is one that may narrow the event; 'auid>=500' is wider than 'auid>=1000'."""
    permitted = set(allowed)
    lowest = [int(word[6:]) for word in permitted if re.fullmatch(r"auid>=\d+", word)]

    def fits(word: str) -> bool:
        wider = re.fullmatch(r"auid(>=|>)(\d{1,10})", word)
        if wider and lowest:
            return int(wider[2]) + (wider[1] == ">") <= min(lowest)
        return word in permitted

    return all(fits(word) for word in conditions)


def records_call(found: Rules, arch: str, call: str, allowed: Iterable[str]) -> bool:
    """Whether some rule records `call` of that width, narrowed by nothing but `allowed`."""
    permitted = {condition(word) if not word.startswith("compare:") else word for word in allowed}
    if silenced(found):
        return False
    return any(
        r.list == "exit"
        and r.action == "always"
        and not r.path
        and not r.perms
        and r.arch in {arch, "" if arch == "b64" else arch}
        and (call in r.calls or "all" in r.calls)
        and allows(r.conditions, permitted)
        for r in found.rules
    )


def records_path(found: Rules, path: str, perms: str, allowed: Iterable[str], arches: Iterable[str]) -> bool:
    """Whether uses of `path` of the kinds `perms` (r, w, x, a) are recorded, for every width of program."""
    permitted = [condition(word) for word in allowed]
    wanted = place(path)
    if silenced(found):
        return False
    fitting = [
        r
        for r in found.rules
        if r.list == "exit"
        and r.action == "always"
        and (r.path == wanted or wanted.startswith(r.path.rstrip("/") + "/"))
        and r.path
        and (not r.perms or set(perms) <= r.perms)
        and not r.calls - {"all"}
        and allows(r.conditions, permitted)
    ]
    return all(any(r.arch in {"", arch} for r in fitting) for arch in arches)
