"""Passwords at rest: their state, kind and age per account, and what new accounts get.

Of /etc/shadow only the kind of hash, whether it can be used, and the dates leave the target; never the hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scanner import Absent, Fact, Undetermined, Unparsable, check, parse, sh
from scanner import files as texts

from .accounts import ACCOUNTS, NO_LOGIN, SHELLS, Account

# Read by the shell itself, so that no other process ever has the hashes in its arguments or its pipe.
REDUCE = r"""
f=/etc/shadow
if [ ! -e "$f" ]; then echo absent; exit 0; fi
echo "today $(($(date +%s) / 86400))"
while IFS=: read -r n p l a b w i e r || [ -n "$n" ]; do
  case $p in
    '') s=empty;;
    '!'* | '*'*) s=locked;;
    *) s=set;;
  esac
  while :; do case $p in '!'* | '*'*) p=${p#?};; *) break;; esac; done
  case $p in
    '') k=none;;
    '$y$'*) k=yescrypt;;
    '$gy$'*) k=gost-yescrypt;;
    '$7$'*) k=scrypt;;
    '$6$'*) k=sha512;;
    '$5$'*) k=sha256;;
    '$2'?'$'* | '$2$'*) k=bcrypt;;
    '$1$'*) k=md5;;
    '$'*) k=other;;
    ?????????????) k=des;;
    *) k=unusable;;
  esac
  printf '%s:%s:%s:%s:%s:%s:%s:%s:%s\n' "$n" "$s" "$k" "$l" "$a" "$b" "$w" "$i" "$e"
done <"$f"
"""


STATES = {"empty", "locked", "set"}
KINDS = {
    *("none", "yescrypt", "gost-yescrypt", "scrypt", "sha512", "sha256", "bcrypt", "md5", "other", "des", "unusable"),
}


@dataclass(frozen=True, slots=True)
class Password:
    """One account's line of shadow(5). state: empty, locked or set; kind: of the hash. Days; None where not set."""

    name: str
    state: str
    kind: str
    changed: int | None
    minimum: int | None
    maximum: int | None
    warning: int | None
    inactive: int | None
    expires: int | None

    @property
    def usable(self) -> bool:
        """Whether somebody could log in with it: set, and of a form that crypt(3) can compare."""
        return self.state == "set" and self.kind != "unusable"


@dataclass(frozen=True, slots=True)
class Shadow:
    """All passwords, and the day (since 1970) on which the target says that it answered."""

    today: int
    passwords: tuple[Password, ...]


def shadow(text: str) -> Shadow | None:
    """'today 20000\\nroot:set:yescrypt:19900:0:99999:7::\\n' -> Shadow(20000, (Password('root', …),)).

    None where there is no /etc/shadow.
    """
    first, _, rest = text.partition("\n")
    if first == "absent":
        return None
    today = int(first.removeprefix("today "))
    rows = parse.every(
        (line.split(":") for line in rest.split("\n") if line),
        lambda row: len(row) == 9 and row[1] in STATES and row[2] in KINDS,
        ":",
    )
    found = [
        Password(row[0], row[1], row[2], *map(_days, row[3:9])) for row in rows if row[0] and row[0][0] not in "#+-"
    ]
    return Shadow(today, tuple(found))


def _days(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None


def login_defs(text: str) -> dict[str, str] | None:
    """'PASS_MAX_DAYS 365\\n' -> {'PASS_MAX_DAYS': '365'}; the last of equal names wins. None where there is no file.

    A value ends at a quote or at the line's end; '#' starts a comment only at a line's start. Source: getdef.c.
    """
    found = parse.files(text).get("/etc/login.defs")
    if found is None:
        return None
    read = {}
    for line in found.split("\n"):
        name, _, value = line.strip(" \t").replace("\t", " ").partition(" ")
        if name and not name.startswith("#"):
            read[name] = value.lstrip(' "').split('"', 1)[0].rstrip()
    return read


def useradd(text: str) -> dict[str, str]:
    """'INACTIVE=30\\n' -> {'INACTIVE': '30'}; the last of equal names wins. Source: get_defaults in useradd.c.

    A name counts at a line's start only, and a value with a blank behind it is refused by useradd.
    """
    found = parse.files(text).get("/etc/default/useradd", "")
    return {name: value for name, value in re.findall(r"^([A-Z_]+)=(.*)$", found, re.M) if value == value.rstrip()}


# The file may hold the password of a directory in another section; only this one setting leaves the target.
CRYPT_STYLE = r"""
f=/etc/libuser.conf
if [ ! -e "$f" ]; then echo absent; exit 0; fi
echo present
awk '/^[ \t]*\[/ { here = /^[ \t]*\[defaults\]/ } here && /^[ \t]*crypt_style[ \t]*=/' "$f"
"""


def libuser(text: str) -> str | None:
    """'present\ncrypt_style = sha512\n' -> 'sha512', the last one, "" where none is set; None without the file."""
    first, *rest = parse.lines(text) or [""]
    if first not in {"absent", "present"}:
        raise Unparsable(text[:200])
    if first == "absent":
        return None
    return rest[-1].partition("=")[2].strip().lower() if rest else ""


SHADOW = Fact(sh(REDUCE, sudo=True, marked=True), shadow, at_use=True)
LOGIN_DEFS = Fact(texts("/etc/login.defs"), login_defs, at_use=True)
USERADD = Fact(texts("/etc/default/useradd"), useradd, at_use=True)
LIBUSER = Fact(sh(CRYPT_STYLE), libuser, at_use=True)

Age = Literal["minimum", "maximum", "warning", "inactive"]


@check("linux.passwords.login_setting", LOGIN_DEFS)
def login_setting(found: dict[str, str] | None, key: str) -> str | None:
    """What /etc/login.defs sets for `key`, which is what new accounts get; nothing where it does not."""
    if found is None:
        raise Absent("there is no /etc/login.defs")
    return found.get(key)


@check("linux.passwords.new_home_mode", LOGIN_DEFS)
def new_home_mode(found: dict[str, str] | None) -> str | None:
    """The permissions that UMASK in /etc/login.defs leaves to new folders: '0750'; nothing where it is not set."""
    if found is None:
        raise Absent("there is no /etc/login.defs")
    mask = found.get("UMASK", "")
    return f"{0o777 & ~int(mask, 8):04o}" if re.fullmatch(r"[0-7]{1,4}", mask) else None


@check("linux.passwords.useradd_setting", USERADD)
def useradd_setting(found: dict[str, str], key: str) -> str | None:
    """What /etc/default/useradd sets for `key`; nothing where it does not."""
    return found.get(key)


@check("linux.passwords.libuser_hash", LIBUSER)
def libuser_hash(found: str | None) -> str:
    """How the tools of libuser hash new passwords: crypt_style in libuser.conf, lower-cased; "" where it is not set."""
    if found is None:
        raise Absent("there is no /etc/libuser.conf")
    return found


@check("linux.passwords.ages", SHADOW)
def ages(found: Shadow | None, age: Age) -> dict[str, int | None]:
    """Days that each account with a usable password has under `age`; nothing where the field is empty."""
    return {each.name: getattr(each, age) for each in _known(found) if each.usable}


@check("linux.passwords.ages_beyond", SHADOW)
def ages_beyond(found: Shadow | None, age: Age, at_least: int, at_most: int) -> list[str]:
    """Accounts with a usable password whose days under `age` are not set, or outside those bounds: 'anna: 99999'."""
    return list(_beyond(found, age, at_least, at_most))


def _beyond(found: Shadow | None, age: Age, at_least: int, at_most: int) -> Iterator[str]:
    for each in _known(found):
        days: int | None = getattr(each, age)
        if each.usable and (days is None or not at_least <= days <= at_most):
            yield f"{each.name}: {'not set' if days is None else days}"


@check("linux.passwords.changed_in_future", SHADOW)
def changed_in_future(found: Shadow | None) -> list[str]:
    """Accounts that have a password, locked or not, whose last change lies after the target's own today."""
    known = _known(found)
    assert found is not None
    return [
        each.name
        for each in known
        if each.changed is not None and each.changed > found.today and each.kind not in {"none", "unusable"}
    ]


@check("linux.passwords.with_state", SHADOW)
def with_state(found: Shadow | None, state: Literal["empty", "locked", "set"]) -> list[str]:
    """Accounts whose password is in that state."""
    return [each.name for each in _known(found) if each.state == state]


@check("linux.passwords.state", SHADOW)
def state(found: Shadow | None, name: str) -> str:
    """State of one account's password: empty, locked, set, or unusable (not a form that could ever match)."""
    for each in _known(found):
        if each.name == name:
            return "unusable" if each.state == "set" and not each.usable else each.state
    raise Absent(f"/etc/shadow has no line for {name}")


@check("linux.passwords.kinds", SHADOW)
def kinds(found: Shadow | None) -> list[str]:
    """The kinds of hash that usable passwords have, each once: ['yescrypt', 'sha512']."""
    return list(dict.fromkeys(each.kind for each in _known(found) if each.usable))


@check("linux.passwords.unlocked_without_shell", ACCOUNTS, SHADOW, SHELLS)
def unlocked_without_shell(accounts: list[Account], found: Shadow | None, listed: list[str] | None) -> list[str]:
    """Accounts other than root whose shell is not one that /etc/shells offers, and whose password is not locked."""
    valid = {shell for shell in listed or [] if shell.rsplit("/", 1)[-1] not in NO_LOGIN}
    open_to = {each.name for each in _known(found) if each.state != "locked"}
    return [
        account.name
        for account in accounts
        if account.uid and (account.shell or "/bin/sh") not in valid and account.name in open_to
    ]


@check("linux.passwords.unlocked_system", ACCOUNTS, SHADOW)
def unlocked_system(accounts: list[Account], found: Shadow | None, below: int = 1000) -> list[str]:
    """Accounts other than root, numbered below `below`, whose password is not locked: set, or empty."""
    open_to = {each.name for each in _known(found) if each.state != "locked"}
    return [account.name for account in accounts if 0 < account.uid < below and account.name in open_to]


def _known(found: Shadow | None) -> tuple[Password, ...]:
    if found is None:
        raise Undetermined("there is no /etc/shadow")
    return found.passwords
