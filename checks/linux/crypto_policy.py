"""The system-wide policy of cryptography: which one is chosen, which one is in force, and what it still allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scanner import Absent, Fact, Undetermined, check, parse
from scanner import files as texts

CHOSEN = "/etc/crypto-policies/config"
IN_FORCE = "/etc/crypto-policies/state/current"
RESOLVED = "/etc/crypto-policies/state/CURRENT.pol"
BACK_ENDS = {
    "client": "/etc/crypto-policies/back-ends/openssh.config",
    "server": "/etc/crypto-policies/back-ends/opensshserver.config",
    "libssh": "/etc/crypto-policies/back-ends/libssh.config",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """chosen, in_force: like DEFAULT:NO-SHA1, "" where unknown. resolved: key (with @scope) -> words; None: no file.

    ssh: back end -> keyword in lower case -> algorithms.
    """

    chosen: str
    in_force: str
    resolved: Mapping[str, tuple[str, ...]] | None
    ssh: Mapping[str, Mapping[str, tuple[str, ...]]]


def policy(text: str) -> Policy:
    """{'/etc/crypto-policies/config': '# x\\nDEFAULT:NO-SHA1\\n'} -> Policy('DEFAULT:NO-SHA1', '', None, {}).

    Source: update-crypto-policies(8), crypto-policies(7).
    """
    found = parse.files(text)
    resolved = _resolved(found[RESOLVED]) if RESOLVED in found else None
    ssh = {name: _ssh(found[path]) for name, path in BACK_ENDS.items() if path in found}
    return Policy(_name(found.get(CHOSEN, "")), _name(found.get(IN_FORCE, "")), resolved, ssh)


def _name(text: str) -> str:
    """'# a comment\\n default:no-sha1 \\n' -> 'DEFAULT:NO-SHA1': the first line that says something."""
    return next((line.upper() for line in parse.lines(text)), "")


def _resolved(text: str) -> dict[str, tuple[str, ...]]:
    """'hash = SHA2-256 SHA1\\ncipher@libssh = AES-256-GCM\\n' -> {'hash': ('SHA2-256', 'SHA1'), 'cipher@libssh': …}."""
    pairs = (line.partition("=") for line in parse.lines(text))
    return {key.strip().lower(): tuple(value.upper().split()) for key, equals, value in pairs if equals}


def _ssh(text: str) -> dict[str, tuple[str, ...]]:
    """'Ciphers aes256-ctr,aes128-ctr\\n', or the same as -oCiphers=… of RHEL 8 -> {'ciphers': ('aes256-ctr', …)}."""
    pairs = re.findall(r"(?:^[ \t]*|-o)([A-Za-z]+)(?:[ \t]+|[ \t]*=[ \t]*)([^\s'\"]+)", text, re.MULTILINE)
    return {key.lower(): tuple(value.lower().split(",")) for key, value in pairs}


POLICY = Fact(texts(CHOSEN, IN_FORCE, RESOLVED, *BACK_ENDS.values()), policy)


@check("linux.crypto_policy.chosen", POLICY)
def chosen(found: Policy) -> str:
    """The policy that the administrator chose, such as DEFAULT:NO-SHA1."""
    if not found.chosen:
        raise Absent("/etc/crypto-policies/config names no policy")
    return found.chosen


@check("linux.crypto_policy.in_force", POLICY)
def in_force(found: Policy) -> str:
    """The policy that the back ends were last made from; the one chosen where nothing is noted down."""
    if not (found.in_force or found.chosen):
        raise Absent("no policy was ever put in force here")
    return found.in_force or found.chosen


@check("linux.crypto_policy.is_applied", POLICY)
def is_applied(found: Policy) -> bool:
    """Whether the policy in force is the one chosen."""
    if not found.chosen or not found.in_force:
        raise Absent("there is no system-wide policy here")
    return found.chosen == found.in_force


@check("linux.crypto_policy.allowed", POLICY)
def allowed(found: Policy, keys: list[str], patterns: list[str]) -> list[str]:
    """What the policy in force allows under one of `keys` (hash, sign, mac …), in any scope, and fits a pattern."""
    if found.resolved is None:
        raise Undetermined("there is no state/CURRENT.pol; `update-crypto-policies` writes it")
    hits = [
        f"{key}: {word}"
        for key, words in found.resolved.items()
        if key.partition("@")[0] in keys
        for word in words
        if any(fnmatchcase(word, pattern) for pattern in patterns)
    ]
    return list(dict.fromkeys(hits))


@check("linux.crypto_policy.number", POLICY)
def number(found: Policy, key: str) -> int:
    """The greatest number that the policy in force gives to `key` (sha1_in_certs) in any scope; 0 where unwritten."""
    if found.resolved is None:
        raise Undetermined("there is no state/CURRENT.pol; `update-crypto-policies` writes it")
    words = [words for name, words in found.resolved.items() if name.partition("@")[0] == key]
    given = [int(word[0]) for word in words if word and re.fullmatch(r"[0-9]{1,9}", word[0])]
    return max(given, default=0)


@check("linux.crypto_policy.ssh_allows", POLICY)
def ssh_allows(found: Policy, keyword: str, patterns: list[str]) -> list[str]:
    """Algorithms of `keyword` (ciphers, macs) that fit a pattern and that a back end for SSH lets programs use.

    A back end that does not name the keyword leaves the program's own choice, which is said as `(default)`.
    """
    if not found.ssh:
        raise Undetermined("there is no back end for SSH below /etc/crypto-policies/back-ends")
    return [
        f"{name}: {word}"
        for name, said in found.ssh.items()
        for word in said.get(keyword, ("(default)",))
        if word == "(default)" or any(fnmatchcase(word, pattern) for pattern in patterns)
    ]
