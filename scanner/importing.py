"""Assets from lists that an organisation has already: an Ansible inventory, or a table as CSV. Pure.

Nothing secret is taken over: where the list holds a password, the asset gets a reference that names what to set.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from . import load
from .errors import UsageError

MAX_HOSTS = 100_000
MAX_RANGES = 20
_RANGE = re.compile(r"\[(\w{1,9}):(\w{1,9})(?::([1-9]\d{0,8}))?\]", re.ASCII)
_INI = re.compile(r"(?m)^\[[^\]\n]+\][^\S\n]*(#.*)?$")
_YAML = re.compile(r"(?m)^[^\S\n]*\w[\w-]*:[^\S\n]*(#.*)?$")
"""Lines that tell one form of a list of hosts from the other; each ends with its line, or a search takes squares."""
_NO_ID = re.compile(r"[^A-Za-z0-9._-]+")
_JUMP = re.compile(r"(?:-J\s*|ProxyJump[=\s]\s*)([^\s'\"]+)", re.IGNORECASE)
WINDOWS_PASSWORD = "env:RISKLINE_WINDOWS_PASSWORD"  # noqa: S105 - the name of a variable, not a password
COLUMNS = (
    *("id", "address", "access", "user", "port", "owner", "service", "zone", "environment", "criticality"),
    *("groups", "tags"),
)
"""What a table may have; `id` or `address` it must."""


@dataclass(slots=True)
class Found:
    """Lines of assets by id, groups that they name, and what could not be taken over."""

    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


# ── Ansible ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Groups = dict[str, dict[str, Any]]
"""Group -> {"hosts": {name: variables}, "children": [group], "vars": {…}}, the form that all three are brought into."""


def from_ansible(text: str, name: str) -> Found:
    """An Ansible inventory as INI, YAML, or the JSON of `ansible-inventory --list`. Raises UsageError with its line."""
    start = text.lstrip()
    if start.startswith("{"):
        groups = _of_json(text, name)
    elif _INI.search(text) or not _YAML.search(text):
        groups = _of_ini(text, name)
    else:
        groups = {}
        for group, part in load.parse_document(text.encode(), name).items():
            _of_yaml(name, group, part, groups)
    return _assets(groups)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    """A mapping, {} where nothing is written. Raises UsageError where it is something else."""
    if value is not None and not isinstance(value, Mapping):
        raise UsageError(f"{where} must be a mapping, one `name:` a line, and not {_kind(value)}")
    return value or {}


def _listed(value: Any, where: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise UsageError(f"{where} must be a list, and not {_kind(value)}")
    return list(value or [])


def _kind(value: Any) -> str:
    """What something is, in words: its value may be a secret."""
    kinds = ((str, "a text"), (list, "a list"), (Mapping, "a mapping"))
    return next((said for kind, said in kinds if isinstance(value, kind)), "a value")


def _of_json(text: str, name: str) -> Groups:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: {error}") from error
    meta = _table(document.pop("_meta", None), f"{name}: _meta")
    told = _table(meta.get("hostvars"), f"{name}: hostvars")
    variables = {host: dict(_table(lines, f"{name}: hostvars: {host}")) for host, lines in told.items()}
    groups: Groups = {}
    for group, part in document.items():
        part = part if isinstance(part, Mapping) else {"hosts": part}
        hosts, children = (_listed(part.get(kind), f"{name}: {group}: {kind}") for kind in ("hosts", "children"))
        groups[group] = {
            "hosts": {str(host): dict(variables.get(str(host), {})) for host in hosts},
            "children": list(map(str, children)),
            "vars": dict(_table(part.get("vars"), f"{name}: {group}: vars")),
        }
    for host in variables:
        groups.setdefault("all", {"hosts": {}, "children": [], "vars": {}})["hosts"].setdefault(host, variables[host])
    return groups


def _of_yaml(name: str, group: str, part: Any, groups: Groups) -> None:
    where = f"{name}: {group}"
    part = _table(part, where)
    entry = groups.setdefault(group, {"hosts": {}, "children": [], "vars": {}})
    kinds = ("hosts", "children")
    # Ansible takes one bare name for a mapping of it to nothing
    hosts, children = ({one: None} if isinstance(one := part.get(kind), str) else one for kind in kinds)
    for written, variables in _table(hosts, f"{where}: hosts").items():
        for host in _hosts(str(written)):
            entry["hosts"][host] = dict(_table(variables, f"{where}: {written}"))
    entry["vars"] |= _table(part.get("vars"), f"{where}: vars")
    for child, lines in _table(children, f"{where}: children").items():
        entry["children"].append(child)
        _of_yaml(name, child, lines, groups)


def _of_ini(text: str, name: str) -> Groups:
    groups: Groups = {"ungrouped": {"hosts": {}, "children": [], "vars": {}}}
    group, kind = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith(("#", ";")):
            continue
        if bare.startswith("["):
            head = re.match(r"\[([^\]:]+)(?::(children|vars))?\]", bare)
            if head is None:
                raise UsageError(f"{name}:{number}: not a group: {bare[:60]!r}")
            group, kind = head[1].strip(), head[2] or "hosts"
            groups.setdefault(group, {"hosts": {}, "children": [], "vars": {}})
            continue
        try:
            words = shlex.split(bare, comments=True)
        except ValueError as error:
            raise UsageError(f"{name}:{number}: {error}") from error
        if kind == "children":
            groups[group]["children"].append(words[0])
        elif kind == "vars":
            key, _, value = bare.partition("=")
            groups[group]["vars"][key.strip()] = value.strip().strip("'\"")
        else:
            told = dict(word.split("=", 1) for word in words[1:] if "=" in word)
            for host in _hosts(words[0]):
                groups[group]["hosts"].setdefault(host, {}).update(told)
    return groups


def _hosts(written: str) -> list[str]:
    """The hosts of one line. Raises UsageError where they are too many."""
    if len(_RANGE.findall(written)) > MAX_RANGES:
        raise UsageError(f"{written[:60]}: more than {MAX_RANGES} ranges in one name")
    found = list(islice(_spread(written), MAX_HOSTS + 1))
    if len(found) > MAX_HOSTS:
        raise UsageError(f"{written[:60]}: more than {MAX_HOSTS} hosts")
    return found


def _spread(written: str) -> Iterator[str]:
    """'web[01:03].example' -> web01.example, web02.example, web03.example; letters, and steps, too."""
    found = _RANGE.search(written)
    if found is None:
        yield written
        return
    first, last, step = found[1], found[2], int(found[3] or 1)
    if first.isdecimal() and last.isdecimal():
        places: list[str] = [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1, step)[:MAX_HOSTS]]
    elif len(first) == len(last) == 1:
        places = [chr(n) for n in range(ord(first), ord(last) + 1, step)]
    else:
        places = [f"{first}-{last}"]
    for place in places:
        yield from _spread(written[: found.start()] + place + written[found.end() :])


def _assets(groups: Groups) -> Found:
    found = Found()
    above: dict[str, list[str]] = {}
    for group, part in groups.items():
        for child in part["children"]:
            above.setdefault(child, []).append(group)
    for group, part in groups.items():
        chain = _chain(group, above)
        inherited: dict[str, Any] = {}
        for one in ("all", *chain) if "all" not in chain else chain:
            inherited |= groups.get(one, {}).get("vars") or {}
        for host, told in part["hosts"].items():
            _add(found, host, {**inherited, **told}, [one for one in chain if one not in {"all", "ungrouped"}])
            if len(found.assets) > MAX_HOSTS:
                raise UsageError(f"more than {MAX_HOSTS} hosts")
    return found


def _chain(group: str, above: Mapping[str, list[str]]) -> tuple[str, ...]:
    """A group and all those it is part of, the widest first; a circle ends where it closes."""
    chain = [group]
    for one in chain:
        chain += [upper for upper in above.get(one, ()) if upper not in chain]
    return tuple(reversed(chain))


def _add(found: Found, host: str, told: Mapping[str, Any], groups: list[str]) -> None:
    id = _id_of(host)
    connection = str(told.get("ansible_connection", "ssh"))
    user = told.get("ansible_user") or told.get("ansible_ssh_user")
    port = _port(told.get("ansible_port") or told.get("ansible_ssh_port"))
    address = str(told.get("ansible_host") or told.get("ansible_ssh_host") or host)
    access: Any
    if connection in {"winrm", "psrp"}:
        access = {"winrm": _told(user=str(user or "riskline"), password=WINDOWS_PASSWORD, port=port)}
    elif connection == "local":
        access = "local"
    elif connection in {"ssh", "smart", "paramiko", "paramiko_ssh"}:
        ways = _told(user=user, port=port, key=told.get("ansible_ssh_private_key_file"), jump=_jump(host, told, found))
        access = {"ssh": ways} if ways else "ssh"
    else:
        why = f"{host}: reached by {connection}, which Riskline has no way for"
        found.left_out += [why] if why not in found.left_out else []
        return
    before = found.assets.get(id, {})
    entry = {**before, "address": address, "access": access}
    named = list(dict.fromkeys([*before.get("groups", []), *map(_id_of, groups)]))
    if named:
        entry["groups"] = named
        found.groups |= dict.fromkeys(named)
    if connection == "local":
        entry.pop("address")
    found.assets[id] = entry


def _jump(host: str, told: Mapping[str, Any], found: Found) -> str | None:
    """The jump hosts that ssh is told of; what else leads there is named."""
    words = " ".join(str(told.get(f"ansible_ssh_{kind}_args") or "") for kind in ("common", "extra"))
    jump = _JUMP.search(words)
    if jump is None and "proxycommand" in words.lower():
        found.left_out.append(f"{host}: its ProxyCommand; write `jump:` for it if it leads through a host")
    return jump[1] if jump else None


def _told(**lines: Any) -> dict[str, Any]:
    return {name: value for name, value in lines.items() if value is not None}


def _port(value: Any) -> int | None:
    text = str(value or "")
    return int(text) if text.isdecimal() and len(text) < 6 else None


def _id_of(name: str) -> str:
    return _NO_ID.sub("-", name)[:100] or "unnamed"


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def from_csv(text: str, name: str) -> Found:
    """A table with a head line: see COLUMNS. `criticality` is 4 or 3/4/5; `tags` are a=b;c=d; `groups` a;b."""
    plain = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    head = plain.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(plain), delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        return _rows(reader, name)
    except csv.Error as error:
        raise UsageError(f"{name}:{reader.line_num}: {error}") from error


def _rows(reader: csv.DictReader[str], name: str) -> Found:
    heads = [(head or "").strip().lower() for head in reader.fieldnames or []]
    unknown = [head for head in heads if head not in COLUMNS]
    if unknown or not {"id", "address"} & set(heads):
        said = f"there is no column {unknown[0]!r}; " if unknown else "neither `id` nor `address` is a column; "
        raise UsageError(f"{name}:1: {said}known are {', '.join(COLUMNS)}")
    reader.fieldnames = heads
    found = Found()
    for row in reader:
        line = {head: (value or "").strip() for head, value in row.items() if isinstance(head, str)}
        if any(line.values()):
            _take(found, {key: value for key, value in line.items() if value}, f"{name}:{reader.line_num}")
    return found


def _take(found: Found, line: Mapping[str, str], place: str) -> None:
    id = _id_of(line.get("id") or line.get("address", ""))
    if id in found.assets:
        raise UsageError(f"{place}: {id} stands here twice")
    way = line.get("access", "ssh").lower()
    port = _port(line.get("port"))
    ways: dict[str, Any] = {
        "ssh": {"ssh": _told(user=line.get("user"), port=port)} if line.get("user") or port else "ssh",
        "winrm": {"winrm": _told(user=line.get("user", "riskline"), password=WINDOWS_PASSWORD, port=port)},
        "local": "local",
        "aws": "aws",
        "organisation": "organisation",
    }
    if way not in ways:
        raise UsageError(f"{place}: access {way!r} is none of {', '.join(ways)}")
    entry: dict[str, Any] = {"address": line["address"]} if "address" in line else {}
    entry["access"] = ways[way]
    entry |= {key: line[key] for key in ("owner", "service", "zone", "environment") if key in line}
    if "criticality" in line:
        entry["criticality"] = _worth(line["criticality"], place)
    if "groups" in line:
        entry["groups"] = [_id_of(one) for one in re.split(r"[;,|\s]+", line["groups"]) if one]
        found.groups |= dict.fromkeys(entry["groups"])
    if "tags" in line:
        entry["tags"] = dict(one.split("=", 1) for one in re.split(r"[;|]", line["tags"]) if "=" in one)
    found.assets[id] = entry


def _worth(written: str, place: str) -> Any:
    parts = re.split(r"[/;|]", written)
    if all(part.strip() in {"1", "2", "3", "4", "5"} for part in parts) and len(parts) in {1, 3}:
        numbers = [int(part) for part in parts]
        return numbers[0] if len(numbers) == 1 else dict(zip("cia", numbers, strict=True))
    raise UsageError(f"{place}: criticality {written!r} is neither 1 to 5 nor three of them, as in 3/4/5")


# ── as an inventory ──────────────────────────────────────────────────────────────────────────────────────────────────


def as_inventory(found: Found) -> str:
    """The lines as an inventory file: YAML, each value in JSON's form, which YAML reads the same."""
    services = sorted({str(entry["service"]) for entry in found.assets.values() if "service" in entry})
    lines = ["version: 1", ""]
    if services:
        lines += ["services:", *(f"  {_key(name)}: {{}}" for name in services), ""]
    if found.groups:
        lines += ["groups:", *(f"  {_key(name)}: {{}}" for name in found.groups), ""]
    lines.append("assets:")
    for id, entry in found.assets.items():
        lines.append(f"  {_key(id)}:")
        lines += [f"    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) and name not in _WORDS else json.dumps(name)


_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
