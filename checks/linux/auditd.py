"""The audit service: its settings, and who may touch its log, its configuration and its programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from scanner import Fact, NotApplicable, Undetermined, check, file, parse, sh

KEYWORDS = frozenset(
    {
        *("local_events", "write_logs", "log_file", "log_group", "log_format", "priority_boost", "flush", "freq"),
        *("num_logs", "name_format", "max_log_file", "max_log_file_action", "verify_email", "action_mail_acct"),
        *("space_left", "space_left_action", "admin_space_left", "admin_space_left_action", "disk_full_action"),
        *("disk_error_action", "q_depth", "overflow_action", "max_restarts", "plugin_dir", "dispatcher"),
    }
)
"""Settings that auditd.conf(5) names, and that one or another of its releases writes into the file."""
What = Literal["log", "log_folder", "settings", "merged", "rules", "programs"]
# The folder of the log is where auditd.conf says; the name is used as a path and nothing else.
LIST = r"""
f=/etc/audit/auditd.conf
l=$(sed -n 's/^[[:space:]]*log_file[[:space:]]*=[[:space:]]*//p' "$f" 2>/dev/null | tail -n 1)
case $l in /*/*) ;; *) l=/var/log/audit/audit.log;; esac
d=${l%/*}
see() { k=$1; shift; find "$@" -printf "$k %m %u %g %p\n" 2>/dev/null; }
[ -d "$d" ] && { see log_folder "$d/" -maxdepth 0; see log "$d/" -maxdepth 1 -type f; }
[ -d /etc/audit ] && see settings /etc/audit/ -maxdepth 2 -type f ! -name '*.rules'
[ -d /etc/audit ] && see merged /etc/audit/ -maxdepth 1 -type f -name '*.rules'
[ -d /etc/audit/rules.d ] && see rules /etc/audit/rules.d/ -maxdepth 1 -type f -name '*.rules'
for p in auditctl aureport ausearch autrace auditd augenrules; do
  for b in /usr/sbin /sbin; do [ -e "$b/$p" ] && { see programs -L "$b/$p" -maxdepth 0; break; }; done
done
:
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of the audit service: what it is, and who may use it."""

    what: str
    mode: int
    user: str
    group: str
    path: str


def settings(text: str) -> Mapping[str, str]:
    """'max_log_file = 8\\n# x\\n' -> {'max_log_file': '8'}: keys and values lower-cased, the last of equal keys.

    Source: auditd.conf(5); both are compared without case.
    """
    pairs = (line.partition("=") for line in text.split("\n") if not line.lstrip().startswith("#"))
    return {key.strip().lower(): value.strip().lower() for key, found, value in pairs if found}


def entries(text: str) -> tuple[Entry, ...]:
    """'log 640 root adm /var/log/audit/audit.log\\n' -> (Entry('log', 0o640, 'root', 'adm', '/var/log/…'),)."""
    rows = parse.every(parse.table(text, 5, " "), lambda row: row[0] in get_args(What) and row[4][:1] == "/")
    return tuple(Entry(what, int(mode, 8), user, group, path) for what, mode, user, group, path in rows)


SETTINGS = Fact(file("/etc/audit/auditd.conf", sudo=True), settings)
ENTRIES = Fact(sh(LIST, sudo=True, marked=True), entries)


@check("linux.auditd.setting", SETTINGS)
def setting(found: Mapping[str, str], key: str, default: str | None = None) -> str | None:
    """What auditd.conf(5) says under `key`, lower-cased, an action without the program that it names.

    default: what counts where it says nothing; unknown where nothing in the file is a setting of the service.
    """
    if default is not None and not KEYWORDS & found.keys():
        raise Undetermined("nothing in auditd.conf is a setting of the audit service")
    said = found.get(key, default)
    return said.split()[0] if said and key.endswith("_action") else said


def _those(found: Iterable[Entry], what: str) -> list[Entry]:
    some = [entry for entry in found if entry.what == what]
    if not some:
        raise NotApplicable(f"the audit service has no {what.replace('_', ' ')} here")
    return some


@check("linux.auditd.wider", ENTRIES)
def wider(found: tuple[Entry, ...], what: What, mode: str) -> list[str]:
    """Entries that give a right beyond the octal `mode`; merged: the rules in /etc/audit itself, not in rules.d."""
    return [f"{one.path} {one.mode:04o}" for one in _those(found, what) if one.mode & ~int(mode, 8)]


@check("linux.auditd.foreign_owner", ENTRIES)
def foreign_owner(found: tuple[Entry, ...], what: What, users: list[str]) -> list[str]:
    """Entries that belong to an account outside `users`."""
    return [f"{one.path} {one.user}" for one in _those(found, what) if one.user not in users]


@check("linux.auditd.foreign_group", ENTRIES)
def foreign_group(found: tuple[Entry, ...], what: What, groups: list[str]) -> list[str]:
    """Entries that belong to a group outside `groups`."""
    return [f"{one.path} {one.group}" for one in _those(found, what) if one.group not in groups]
