"""Accounts and groups, as the local files name them: passwd(5), group(5), shells(5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from scanner import Absent, Fact, Unparsable, check, file, parse, sh
from scanner import files as texts

NO_LOGIN = ("nologin", "false", "sync", "shutdown", "halt")
"""Last parts of the shells that end a login at once, or do one harmless thing."""
NOBODY = 65534
KEPT = {"shadow", "nowhere", "here"}


@dataclass(frozen=True, slots=True)
class Account:
    """One line of passwd(5). kept: where the password is: "shadow", "nowhere" (empty) or "here", never itself."""

    name: str
    kept: str
    uid: int
    gid: int
    home: str
    shell: str

    @property
    def may_log_in(self) -> bool:
        """Whether the shell is one that a person can work in; an empty field means /bin/sh."""
        return not self.shell or self.shell.rsplit("/", 1)[-1] not in NO_LOGIN


@dataclass(frozen=True, slots=True)
class Group:
    """One line of group(5)."""

    name: str
    gid: int
    members: tuple[str, ...]


def passwd(text: str) -> list[Account]:
    """'root:shadow:0:0:root:/root:/bin/bash\\n' -> [Account('root', 'shadow', 0, 0, '/root', '/bin/bash')].

    Lines that the C library passes over (comments, NIS compat lines, too few fields, no numbers) are passed over too.
    """
    found = []
    reduced = (line.split(":", 2) for line in text.split("\n") if line)
    parse.every(reduced, lambda fields: len(fields) == 3 and fields[1] in KEPT, ":")
    for fields in _rows(text, 6):
        name, kept, uid, gid, _, home, *rest = fields
        if uid.isdecimal() and gid.isdecimal():
            found.append(Account(name, kept, int(uid), int(gid), home, rest[0] if rest else ""))
    if not found:  # nobody can log in to such a system, and somebody did
        raise Unparsable("there is no account in it")
    return found


def group(text: str) -> list[Group]:
    """'adm:x:4:syslog,anna\\n' -> [Group('adm', 4, ('syslog', 'anna'))]. A system without any group is Unparsable."""
    rows = list(_rows(text, 4))
    found = [
        Group(fields[0], int(fields[2]), tuple(filter(None, fields[3].split(","))))
        for fields in rows
        if fields[2].isdecimal()
    ]
    if not found or any(len(fields) > 4 for fields in rows):
        raise Unparsable("there is no group in it" if not found else "a group has four fields, and here is one of more")
    return found


def shell_list(text: str) -> list[str] | None:
    """Paths of /etc/shells, without comments: '# x\\n/bin/sh\\n' -> ['/bin/sh']; None where there is no such file."""
    found = parse.files(text).get("/etc/shells")
    return None if found is None else [line for line in parse.lines(found) if line.startswith("/")]


def _rows(text: str, least: int) -> Iterable[list[str]]:
    for line in text.split("\n"):
        fields = line.lstrip().split(":")
        if len(fields) >= least and fields[0] and fields[0][0] not in "#+-":
            yield fields


# A hash may still stand in passwd(5) itself; it does not leave the target.
REDUCE = r"""
while IFS=: read -r n p r || [ -n "$n" ]; do
  case $p in
    x) p=shadow;;
    '') p=nowhere;;
    *) p=here;;
  esac
  printf '%s:%s:%s\n' "$n" "$p" "$r"
done </etc/passwd
"""

ACCOUNTS = Fact(sh(REDUCE, marked=True), passwd, at_use=True)
GROUPS = Fact(file("/etc/group"), group, at_use=True)
SHELLS = Fact(texts("/etc/shells"), shell_list, at_use=True)


@check("linux.accounts.with_uid", ACCOUNTS)
def with_uid(accounts: list[Account], uid: int) -> list[str]:
    """Names of all accounts that have that number."""
    return [account.name for account in accounts if account.uid == uid]


@check("linux.accounts.with_primary_group", ACCOUNTS)
def with_primary_group(accounts: list[Account], gid: int) -> list[str]:
    """Names of all accounts whose primary group has that number."""
    return [account.name for account in accounts if account.gid == gid]


@check("linux.accounts.primary_group", ACCOUNTS)
def primary_group(accounts: list[Account], name: str) -> int:
    """Number of the primary group of one account."""
    for account in accounts:
        if account.name == name:
            return account.gid
    raise Absent(f"there is no account {name}")


@check("linux.accounts.groups_with_gid", GROUPS)
def groups_with_gid(groups: list[Group], gid: int) -> list[str]:
    """Names of all groups that have that number."""
    return [each.name for each in groups if each.gid == gid]


@check("linux.accounts.members", ACCOUNTS, GROUPS)
def members(accounts: list[Account], groups: list[Group], group: str) -> list[str]:
    """Names of all who are in that group: listed members, and accounts whose primary group it is."""
    found = [each for each in groups if each.name == group]
    if not found:
        raise Absent(f"there is no group {group}")
    listed = [name for each in found for name in each.members]
    numbers = {each.gid for each in found}
    return list(dict.fromkeys([*listed, *(account.name for account in accounts if account.gid in numbers)]))


@check("linux.accounts.unshadowed", ACCOUNTS)
def unshadowed(accounts: list[Account]) -> list[str]:
    """Accounts whose passwd line does not send to shadow(5) for the password: an empty or an own one."""
    return [account.name for account in accounts if account.kept != "shadow"]


@check("linux.accounts.groupless", ACCOUNTS, GROUPS)
def groupless(accounts: list[Account], groups: list[Group]) -> list[str]:
    """Accounts whose primary group has no line in group(5)."""
    known = {each.gid for each in groups}
    return [account.name for account in accounts if account.gid not in known]


@check("linux.accounts.shared_uids", ACCOUNTS)
def shared_uids(accounts: list[Account]) -> list[str]:
    """Numbers that several accounts have, with those: '1000: anna, bert'."""
    return _shared((account.uid, account.name) for account in accounts)


@check("linux.accounts.shared_gids", GROUPS)
def shared_gids(groups: list[Group]) -> list[str]:
    """Numbers that several groups have, with those: '100: users, staff'."""
    return _shared((each.gid, each.name) for each in groups)


@check("linux.accounts.doubled_names", ACCOUNTS)
def doubled_names(accounts: list[Account]) -> list[str]:
    """Account names that have more than one line."""
    return _doubled(account.name for account in accounts)


@check("linux.accounts.doubled_groups", GROUPS)
def doubled_groups(groups: list[Group]) -> list[str]:
    """Group names that have more than one line."""
    return _doubled(each.name for each in groups)


@check("linux.accounts.system_logins", ACCOUNTS)
def system_logins(accounts: list[Account], below: int = 1000) -> list[str]:
    """Accounts other than root, numbered below `below` or as nobody, whose shell lets a person work."""
    return [
        account.name
        for account in accounts
        if account.uid and (account.uid < below or account.uid == NOBODY) and account.may_log_in
    ]


@check("linux.accounts.shells", SHELLS)
def shells(listed: list[str] | None) -> list[str]:
    """The shells that /etc/shells offers."""
    if listed is None:
        raise Absent("there is no /etc/shells")
    return listed


@check("linux.accounts.shells_called", SHELLS)
def shells_called(listed: list[str] | None, name: str) -> list[str]:
    """Those of /etc/shells whose last part is `name`: ['/usr/sbin/nologin']."""
    return [shell for shell in listed or [] if shell.rsplit("/", 1)[-1] == name]


def people(accounts: list[Account], from_uid: int = 1000) -> list[Account]:
    """Accounts of persons: numbered from `from_uid` on, not nobody, with a shell to work in."""
    return [each for each in accounts if each.uid >= from_uid and each.uid != NOBODY and each.may_log_in]


def _shared(pairs: Iterable[tuple[int, str]]) -> list[str]:
    names: dict[int, list[str]] = {}
    for number, name in pairs:
        names.setdefault(number, []).append(name)
    return [f"{number}: {', '.join(found)}" for number, found in names.items() if len(found) > 1]


def _doubled(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
