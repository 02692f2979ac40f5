"""A described machine, changed until it meets a baseline; what a control asks for is read from the control."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from scanner.model import Baseline, Control, Term
from tests.live.winrm_host import DOMAIN, PRODUCT, Machine

NUMBERS = {"yes": 1, "no": 0, "block": 4, "allow": 2, "not-configured": 2}
DEFENDER = {"block": 1, "audit": 2, "warn": 6, "off": 0}
PATHS = {"quoted": r'"C:\Program Files\a\b.exe" -k', "open": r"C:\Program Files\a\b.exe -k"}
SHORT = {"S-1-1-0": "WD"}
RUNNING = {"credential-guard": 1}
MASKS = {"success": 1, "failure": 2}


def good(expect: Mapping[str, Any]) -> Any:
    """A value that meets an expectation: {'at_least': 14} -> 14; for text patterns, a text without its wild cards."""
    for word in ("equals", "at_least", "at_most"):
        if word in expect:
            return expect[word]
    if "one_of" in expect:
        return expect["one_of"][0]
    if "matches" in expect:
        return str(expect["matches"]).replace("(?i)", "").replace(".*", "")
    if "empty" in expect:
        return [] if expect["empty"] else "a notice"
    if "none_of" in expect or "subset_of" in expect:
        return list(expect.get("subset_of", []))[:1]
    return list(expect.get("contains_all", [expect.get("contains")]))


def bad(expect: Mapping[str, Any]) -> Any:
    """A value just beside an expectation: {'at_least': 14} -> 13; a list with one too many, or one too few."""
    fine = good(expect)
    if isinstance(fine, bool):
        return not fine
    if "subset_of" in expect or "none_of" in expect or expect.get("empty") is True:
        return [*fine, *list(expect.get("none_of", ["S-1-1-0"]))[:1]]
    if isinstance(fine, list):
        return fine[:-1]
    if expect.get("empty") is False:
        return ""
    if isinstance(fine, str):
        words = {"block": "audit", "yes": "no", "no": "yes", "Running": "Stopped", "quoted": "open", "Disabled": "Auto"}
        return words.get(fine, "other")
    if "at_most" in expect:
        return expect["at_most"] + 1
    return fine - 1 if "at_least" in expect else max(expect.get("one_of", [fine])) + 1


def role_of(control: Control) -> str:
    """The role that a control is for, "" for both."""
    for term in control.when:
        if term.check == "windows.release.role":
            return str(term.expect["equals"])
    return ""


def hardened(machine: Machine, baseline: Baseline, role: str = "member-server") -> Machine:
    """A copy of the machine that meets every control of the baseline that is for its role."""
    made = machine.copy()
    made.set(PRODUCT, "ProductType", {"member-server": "ServerNT", "domain-controller": "LanmanNT"}[role])
    made.users.setdefault(f"{DOMAIN}-1105", {})
    for control in baseline.controls:
        if role_of(control) in {"", role}:
            for term in control.terms if not control.any else control.terms[:1]:
                meet(made, term)
    return made


def meet(machine: Machine, term: Term) -> None:
    """Change the machine so that the term holds."""
    put(machine, term, good(term.expect))


def put(machine: Machine, term: Term, value: Any) -> None:
    """Change the machine so that the term's check observes `value`. Raises LookupError for an unknown check."""
    room, name = term.check.removeprefix("windows.").split(".")
    {
        "registry": _registry,
        "policy": _policy,
        "audit": _audit,
        "services": _services,
        "firewall": _firewall,
        "defender": _defender,
        "accounts": _accounts,
        "smb": _smb,
        "tls": _tls,
        "features": _features,
        "updates": _updates,
        "protection": _protection,
        "tasks": _tasks,
    }[room](machine, name, dict(term.given), value)


def _registry(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    kind = str(given.get("type", ""))
    if name == "entries":
        joined = given.get("separator")
        kind, value = ("String", str(joined).join(value)) if joined else ("MultiString", value)
    elif kind == "String":
        value = str(value)
    if str(given["key"]).startswith("HKU\\*\\"):
        for hive in machine.users.values():
            hive[str(given["key"])[6:], str(given["value"])] = (kind or "DWord", value)
    else:
        machine.set(str(given["key"]), str(given["value"]), value, kind)


def _policy(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    if name == "right":
        machine.rights[str(given["privilege"])] = list(value)
    else:
        machine.access[str(given["key"])] = value


def _audit(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    machine.audit[str(given["guid"]).upper()] = sum(MASKS[word] for word in value)


def _services(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    if name == "command_line":
        machine.services["odd"] = machine.services["Spooler"] | {"PathName": PATHS[value]}
        return
    entry = machine.services.setdefault(
        str(given["service"]), {"StartMode": "Auto", "State": "Running", "StartName": "x", "PathName": "x.exe"}
    )
    entry[{"start": "StartMode", "state": "State"}[name]] = value


def _firewall(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    machine.firewall[str(given["profile"]).title()][str(given["setting"])] = NUMBERS.get(value, value)


def _defender(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    if name == "rule":
        machine.preferences["Rules"].append(str(given["guid"]))
        machine.preferences["Actions"].append(DEFENDER[value])
    elif name == "status":
        machine.status[str(given["name"])] = value
    elif name == "preference":
        machine.preferences[str(given["name"])] = value
    else:
        machine.preferences["Exclusions"] = value


def _accounts(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    users = {str(user["Sid"]).rsplit("-", 1)[-1]: user for user in machine.local_users}
    if name == "builtin_enabled":
        users[str(given["rid"])]["Enabled"] = value
    elif name == "builtin_name":
        users[str(given["rid"])]["Name"] = "".join(value) or f"name-{given['rid']}"
    elif name == "password_required":
        users["1001"]["PasswordRequired"] = value
    else:
        machine.administrators = value


def _smb(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    if name == "share_access":
        allowed = "".join(f"(A;;FA;;;{SHORT.get(sid, sid)})" for sid in value)
        machine.shares = [{"Name": "own", "Special": False, "Sddl": f"O:SYG:SYD:{allowed}(A;;FA;;;BA)"}]
    else:
        {"server": machine.smb_server, "client": machine.smb_client}[name][str(given["setting"])] = value


def _tls(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    if name == "enabled":
        machine.set(str(given["key"]), "Enabled", int(value))
    else:
        machine.suites = [suite for suite in machine.suites if str(given["part"]) not in suite.split("_")]
        machine.suites += [f"TLS_RSA_WITH_{given['part']}_SHA" for _ in value]


def _features(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    machine.features[str(given["feature"])] = value


def _updates(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    then = datetime.fromisoformat(machine.ages["Now"]) - timedelta(days=value)
    if name == "age_days":
        machine.ages["Installed"] = [f"{then:%m/%d/%Y}"]
    elif name == "days_of_care_left":
        machine.ages["Now"] = machine.ages["Now"] if value >= 0 else "2036-01-01T10:00:00"
    else:
        machine.ages["Started"] = then.isoformat()


def _protection(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    if name == "isolated":
        machine.guard = [{"Status": 2, "Running": [RUNNING[word] for word in value]}]
    else:
        machine.volumes = [{"Drive": "C:", "Type": 0, "Protection": int(value)}]


def _tasks(machine: Machine, name: str, given: dict[str, Any], value: Any) -> None:
    who = "BU" if value else "BA"
    machine.tasks = [{"Name": r"\Backup", "Path": r"C:\Tools\backup.exe", "Sddl": f"O:BAG:SYD:(A;;FA;;;{who})"}]
