"""What the audit records: by its rules on disk, and by the rules that the kernel holds now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from scanner import Absent, Fact, Truncated, Unparsable, check, parse, sh
from scanner import files as texts

from .audit_rules import NOT_ON_64_BIT, NOT_ON_ARM64, Rule, Rules, comparison, records_call, records_path, rules
from .system import MACHINE
from .walk import WALKED, Walk

MERGED = "/etc/audit/audit.rules"
UNITS = ("/etc/systemd/system/auditd.service", "/usr/lib/systemd/system/auditd.service")
DROP_INS = ("/etc/systemd/system/auditd.service.d", "/usr/lib/systemd/system/auditd.service.d")


def on_disk(text: str) -> Rules:
    """The files that the audit service loads at its start -> Rules.

    augenrules(8) joins rules.d in natural order, with -D first and the last -e last; where the unit loads audit.rules
    by auditctl(8) instead, that file alone counts.
    """
    found = _rule_files(text)
    return rules(found.get(MERGED, "")) if _loads_merged(found) else _joined(found)


def unmerged_on_disk(text: str) -> bool | None:
    """The same files -> whether audit.rules holds other rules than rules.d would give, as augenrules --check says.

    None where there is no file of rules at all.
    """
    found = _rule_files(text)
    if not any(path.endswith(".rules") for path in found):
        return None
    return not _loads_merged(found) and rules(found.get(MERGED, "")) != _joined(found)


def _rule_files(text: str) -> dict[str, str]:
    """The files by their path. A line of rules that begins with no option is Unparsable: auditctl ends its loading at
    an error, so that what follows is not in force. Source: auditctl(8), option -c.
    """
    found = parse.files(text)
    lines = [line for path in found if path.endswith(".rules") for line in parse.lines(found[path])]
    parse.every(lines, lambda line: line.startswith("-"))
    return found


def _loads_merged(found: Mapping[str, str]) -> bool:
    unit = next((path for path in UNITS if path in found), "")
    parts: dict[str, str] = {}
    for folder in DROP_INS:  # a drop-in hides those of its name in later folders
        for path in (path for path in found if path.startswith(f"{folder}/")):
            parts.setdefault(PurePosixPath(path).name, path)
    loads: list[str] = []
    for path in filter(None, [unit, *(parts[name] for name in sorted(parts))]):
        for line in map(str.strip, found[path].split("\n")):
            if line.startswith("ExecStartPost="):
                loads = [*loads, line] if line.partition("=")[2].strip() else []
    return any("auditctl" in line for line in loads) and not any("augenrules" in line for line in loads)


def _joined(found: Mapping[str, str]) -> Rules:
    parts = sorted((path for path in found if "/rules.d/" in path), key=_natural)
    lines = [line for path in parts for line in found[path].split("\n") if line.split()[:1] != ["-D"]]
    return rules("\n".join(lines))


def _natural(path: str) -> list[tuple[bool, int, str]]:
    """'10-base.rules' sorts before '9a.rules' as ls -v does: by number where there is one."""
    pieces = re.findall(r"[0-9]{1,18}|[^0-9]+", PurePosixPath(path).name)
    return [
        (piece[0] not in "0123456789", 0 if piece[0] not in "0123456789" else int(piece), piece) for piece in pieces
    ]


def in_kernel(text: str) -> Rules:
    """`auditctl -l; auditctl -s` -> Rules: '-w /etc/passwd -p wa -k identity\\nenabled 2\\n' has enabled '2'."""
    found = rules(text)
    said = re.findall(r"^enabled (\d)", text, re.MULTILINE)
    if not said:
        raise Unparsable("auditctl -s did not say whether auditing is enabled")
    return Rules(found.rules, said[-1])


FILES = texts("/etc/audit/rules.d/*.rules", MERGED, *UNITS, *(f"{folder}/*.conf" for folder in DROP_INS), sudo=True)
DISK = Fact(FILES, on_disk)
MERGE = Fact(FILES, unmerged_on_disk)
KERNEL = Fact(
    sh("auditctl -l && auditctl -s", of="auditctl", sudo=True, running=True),
    in_kernel,
    fleeting=r"^(pid|lost|backlog) .*",
)
USER = ("auid>=1000", "auid!=unset")


def _arches(machine: str) -> tuple[str, ...]:
    return ("b32",) if re.fullmatch(r"i[3-6]86|armv[5-7].*|arm", machine) else ("b32", "b64")


def _missing_calls(found: Rules, machine: str, calls: list[str], conditions: list[str], exits: list[str]) -> list[str]:
    allowed = [comparison(word[2:]) if word.startswith("C ") else word for word in conditions]
    missing = []
    for arch in _arches(machine):
        for call in calls:
            if (arch == "b64" and call in NOT_ON_64_BIT) or (machine == "aarch64" and call in NOT_ON_ARM64):
                continue
            wanted = [[*allowed, f"exit={code}"] for code in exits] or [allowed]
            if not all(records_call(found, arch, call, one) for one in wanted):
                missing.append(f"{call} ({arch})")
    return missing


@check("linux.audit.unrecorded_calls", DISK, MACHINE)
def unrecorded_calls(
    found: Rules, machine: str, calls: list[str], conditions: list[str] | None = None, exits: list[str] | None = None
) -> list[str]:
    """System calls that the rules on disk do not record. conditions: what may narrow a rule, such as auid>=1000.

    A comparison is written "C uid!=euid". exits: error codes of which each must be recorded.
    """
    return _missing_calls(found, machine, calls, conditions or [], exits or [])


@check("linux.audit.unrecorded_calls_now", KERNEL, MACHINE)
def unrecorded_calls_now(
    found: Rules, machine: str, calls: list[str], conditions: list[str] | None = None, exits: list[str] | None = None
) -> list[str]:
    """System calls that the kernel does not record now; parameters as for unrecorded_calls."""
    return _missing_calls(found, machine, calls, conditions or [], exits or [])


def _missing_paths(found: Rules, machine: str, paths: list[str], perms: str, conditions: list[str] | None) -> list[str]:
    return [path for path in paths if not records_path(found, path, perms, conditions or [], _arches(machine))]


@check("linux.audit.unwatched", DISK, MACHINE)
def unwatched(
    found: Rules, machine: str, paths: list[str], perms: str = "wa", conditions: list[str] | None = None
) -> list[str]:
    """Those of `paths` whose uses of the kinds `perms` (r, w, x, a) the rules on disk do not record."""
    return _missing_paths(found, machine, paths, perms, conditions)


@check("linux.audit.unwatched_now", KERNEL, MACHINE)
def unwatched_now(
    found: Rules, machine: str, paths: list[str], perms: str = "wa", conditions: list[str] | None = None
) -> list[str]:
    """Those of `paths` whose uses of the kinds `perms` the kernel does not record now."""
    return _missing_paths(found, machine, paths, perms, conditions)


@check("linux.audit.unwatched_programs", DISK, MACHINE, WALKED)
def unwatched_programs(found: Rules, machine: str, walk: Walk) -> list[str]:
    """Programs that run with their owner's or group's rights, and whose start the rules on disk do not record."""
    missing = _missing_paths(found, machine, [seen.path for seen in walk.set_id], "x", list(USER))
    if not missing and not walk.complete:
        raise Truncated("the walk over the file systems did not come to its end")
    return missing


@check("linux.audit.locked", DISK)
def locked(found: Rules) -> bool:
    """Whether the rules on disk end by locking themselves until the next start (-e 2)."""
    return found.enabled == "2"


@check("linux.audit.locked_now", KERNEL)
def locked_now(found: Rules) -> bool:
    """Whether nobody, root included, can change the kernel's rules until the next start."""
    return found.enabled == "2"


@check("linux.audit.unmerged", MERGE)
def unmerged(found: bool | None) -> bool:
    """Whether the rules of rules.d are others than those last joined into audit.rules, which is what is loaded."""
    if found is None:
        raise Absent("there is no file of audit rules")
    return found


@check("linux.audit.not_loaded", DISK, KERNEL)
def not_loaded(disk: Rules, kernel: Rules) -> list[str]:
    """Rules on disk that the kernel does not hold now."""
    held = {_flat(one) for one in kernel.rules}
    return [" ".join(filter(None, _flat(one))) for one in disk.rules if _flat(one) not in held]


def _flat(one: Rule) -> tuple[str, ...]:
    calls, conditions, perms = (sorted(part) for part in (one.calls - {"all"}, one.conditions, one.perms))
    return one.action, one.list, one.arch, ",".join(calls), " ".join(conditions), one.path, "".join(perms)
