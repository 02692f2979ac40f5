"""The inventory file: defaults, groups, services and assets, merged into `Asset` values.

An asset takes, in this order and later ones winning: `defaults`, its groups in the order written, then its own lines.
Mappings are merged key by key, except that a way in (`access`) replaces another way in. Owner and criticality come from
the service where neither the asset nor its groups say them.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from . import addresses, load, members, secrets, viewpoints
from .errors import UsageError
from .load import LocatedDict, LocatedList, complain
from .model import Access, Asset, Courtesy, Criticality, Inventory, Service

_SITE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Names that Windows keeps for its devices: nobody could save a report there under one."""
_SCOPE = re.compile(r"[0-9A-Fa-f:]+%[A-Za-z0-9_.-]{1,15}")
_TOP = ("version", "attestations", "at_once", "defaults", "groups", "services", "assets")
_SECRETS = ("password", "key_passphrase", "access_key_id", "secret_access_key")
_WAYS = tuple(field.name for field in fields(Access))
_LISTS = ("groups", "baselines")

_FOUND = {
    "parts": "`rules` lead to; write `rules`",
    "seen_from": "a scan finds; write `zone`",
    "tags_of": "a scan finds; write `tags`",
}
"""Fields of an asset that nobody writes -> where each comes from, and what to write instead."""


def read_inventory(path: Path) -> Inventory:
    """All assets of the file. Raises UsageError naming every mistake with file:line and a remedy."""
    _refuse_missing(path)
    document = load.read_document(path)
    _refuse_unknown(document)
    services = _services(document)
    defaults = _section(document, "defaults")
    groups = _group_lines(document)
    mistakes: list[str] = []
    assets: list[Asset] = []
    places: list[load.Place] = []
    written = document.get("assets")
    if not isinstance(written, LocatedDict) or not written:
        raise complain(
            document.places.get("assets", document.place), "`assets` must map at least one name to its lines"
        )
    for name, part in written.items():
        try:
            place = written.places[name]
            above = [defaults, *(groups[str(g)] for g in _groups(part) if str(g) in groups)]
            for id, lines in viewpoints.parts(name, part, place, above):
                found = members.listed(_asset(id, lines, place, _normal(defaults), groups, services))
                assets += found
                places += [place] * len(found)
        except UsageError as error:
            mistakes.append(str(error))
    mistakes += _clashes(assets, places)
    assets = _with_attestations(assets, document, path)
    if mistakes:
        raise UsageError("\n".join(mistakes))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    courtesy = load.validate(Courtesy, _section(document, "at_once"), "`at_once`")
    return Inventory(str(path), tuple(assets), services, digest, viewpoints.all_addresses(assets), at_once=courtesy)


def _with_attestations(assets: list[Asset], document: LocatedDict, path: Path) -> list[Asset]:
    """Each asset with the file of attestations that the inventory names, or that lies beside it."""
    named = document.get("attestations")
    beside = path.parent / str(named or "attestations.yaml")
    if named is None and not beside.is_file():
        return assets
    return [replace(asset, attestations=asset.attestations or str(beside)) for asset in assets]


def limit(inventory: Inventory, patterns: Iterable[str]) -> Inventory:
    """Only the assets that any pattern names: an id, a group, a service or `tag=value`, each with shell wildcards.

    Raises UsageError for a pattern that names nothing.
    """
    chosen: dict[str, Asset] = {}
    wanted = list(patterns)
    for pattern in wanted:
        found = [asset for asset in inventory.assets if any(fnmatch.fnmatchcase(n, pattern) for n in _names(asset))]
        if not found:
            raise UsageError(f"--limit {pattern}: no asset, group, service or tag=value of {inventory.path} matches")
        chosen |= {asset.id: asset for asset in found}
    kept = tuple(asset for asset in inventory.assets if not wanted or asset.id in chosen)
    left_out = tuple(asset.id for asset in inventory.assets if wanted and asset.id not in chosen)
    return replace(inventory, assets=kept, left_out=(*inventory.left_out, *left_out))


def valid_address(text: str) -> bool:
    """Whether this is one IP address or host name, and nothing that could be read as an option or more.

    The address of a login may have a scope ("fe80::1%eth0"), which a look from outside refuses.
    """
    if _SCOPE.fullmatch(text):
        text = text.partition("%")[0]
        if not text.lower().startswith("fe80:"):
            return False
    try:
        return addresses.target(text).form != "block"
    except UsageError:
        return False


def _names(asset: Asset) -> list[str]:
    tags = [f"{key}={value}" for key, value in asset.tags.items()]
    return [asset.id, asset.id.partition(viewpoints.MARK)[0], asset.service, *asset.groups, *tags]


def _refuse_missing(path: Path) -> None:
    try:
        path.stat()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: {error.strerror}; copy inventory.example.yaml to begin") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _refuse_unknown(document: LocatedDict) -> None:
    for key in document:
        if key not in _TOP:
            close = difflib.get_close_matches(key, _TOP, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(_TOP)}"
            raise complain(document.places[key], f"there is no section {key!r}; {hint}")
    if document.get("version", 1) != 1:
        raise complain(document.places["version"], "only `version: 1` is known to this release")


def _section(document: LocatedDict, name: str) -> LocatedDict:
    section = document.get(name)
    if section is None:
        return LocatedDict(document.place)
    if not isinstance(section, LocatedDict):
        raise complain(document.places[name], f"`{name}` must be a mapping")
    return section


def _group_lines(document: LocatedDict) -> dict[str, LocatedDict]:
    """Name of each group -> its lines; a group may be there for its name alone."""
    section = _section(document, "groups")
    found = {}
    for name, part in section.items():
        place = section.places[name]
        if part is not None and not isinstance(part, LocatedDict):
            raise complain(place, f"the group {name!r} must be a mapping of lines that its assets share")
        found[name] = LocatedDict(place) if part is None else _normal(part)
    return found


def _services(document: LocatedDict) -> dict[str, Service]:
    services = {}
    section = _section(document, "services")
    for name, part in section.items():
        entry = _normal(part if isinstance(part, LocatedDict) else LocatedDict(section.places[name]))
        entry = load.merge(entry, LocatedDict(entry.place, {"id": name}))
        services[name] = load.validate(Service, entry, f"service {name!r}")
    return services


def _asset(
    name: str,
    part: Any,
    place: load.Place,
    defaults: LocatedDict,
    groups: Mapping[str, LocatedDict],
    services: Mapping[str, Service],
) -> Asset:
    label = f"asset {name!r}"
    bare = name.partition(viewpoints.MARK)[0]
    if not _ID.fullmatch(bare):
        raise complain(
            place,
            f"asset {name[:110]!r}: an id has up to 100 letters, digits, dots, dashes and underscores, no dot last",
        )
    if _DEVICE.fullmatch(bare):
        raise complain(place, f"{label}: Windows keeps this name for a device; take another one")
    if not isinstance(part, LocatedDict):
        raise complain(place, f"{label} needs lines of its own, at least `access` or `network`")
    own = _normal(part)
    merged = defaults
    for group in own.get("groups") or ():
        if group not in groups:
            raise complain(own.places["groups"], f"{label}: there is no group {group!r}{_close(str(group), groups)}")
        merged = _over(merged, groups[str(group)])
    merged = _over(merged, own)
    merged = load.merge(merged, LocatedDict(place, {"id": name}))
    _refuse_secrets(merged, label)
    asset = load.validate(Asset, merged, label)
    return _settle(asset, merged, place, services)


def _settle(asset: Asset, merged: LocatedDict, place: load.Place, services: Mapping[str, Service]) -> Asset:
    """What one asset's lines mean together: exactly one way in, an address, its service's owner and criticality."""
    label = f"asset {asset.id!r}"
    count = sum(getattr(asset.access, name) is not None for name in _WAYS) if asset.access else 0
    if count == 0 and asset.network is None:
        raise complain(place, f"{label} has no 'access'; add one of {', '.join(_WAYS)}, or a 'network' part")
    if count > 1:
        raise complain(merged.places["access"], f"{label} has {count} ways in; keep one of {', '.join(_WAYS)}")
    if asset.address is None and asset.access and (asset.access.ssh or asset.access.winrm):
        asset = replace(asset, address=asset.id)
    if asset.site and not _SITE.fullmatch(asset.site):
        raise complain(merged.places["site"], f"{label}: a site has up to 40 small letters, digits and dashes")
    if asset.address is not None and not valid_address(asset.address):
        raise complain(
            merged.places.get("address", place),
            f"{label}: {addresses.bare(asset.address)!r} is no IP address or host name",
        )
    _refuse_odd_way(asset, merged, place)
    if asset.network is not None:
        viewpoints.refuse_odd(asset, merged, place)
    for name, why in _FOUND.items():
        if name in merged:
            raise complain(merged.places[name], f"{label}: `{name}` is what {why}")
    asset = _with_rules(asset, merged, place, services)
    wrong = members.mistake(asset)
    if wrong:
        raise complain(merged.places["access"], f"{label}: {wrong}")
    if services and asset.service not in services and asset.service != "unassigned":
        at = merged.places.get("service", place)
        raise complain(at, f"{label}: there is no service {asset.service!r}{_close(asset.service, services)}")
    service = services.get(asset.service)
    if service and "criticality" not in merged:
        asset = replace(asset, criticality=service.criticality or Criticality())
    if service and asset.owner is None:
        asset = replace(asset, owner=service.owner)
    return viewpoints.as_seen(asset)


def _refuse_odd_way(asset: Asset, merged: LocatedDict, place: load.Place) -> None:
    """Raise UsageError with the line of a port or jump host that is none."""
    access = asset.access or Access()
    jumps = (access.ssh and access.ssh.jump) or "none"
    looks: list[tuple[str, str, Callable[[], object]]] = [
        ("ssh", "port", lambda: access.ssh and access.ssh.port is not None and addresses.port(access.ssh.port)),
        ("winrm", "port", lambda: access.winrm and access.winrm.port is not None and addresses.port(access.winrm.port)),
        (
            "ssh",
            "jump",
            lambda: jumps.lower() == "none" or [addresses.gateway(one.strip()) for one in jumps.split(",")],
        ),
    ]
    for way, key, look in looks:
        try:
            look()
        except UsageError as error:
            lines = merged["access"].get(way)
            at = lines.places.get(key, place) if isinstance(lines, LocatedDict) else place
            raise complain(at, f"asset {asset.id!r}: {error}") from None


def _groups(part: Any) -> list[Any]:
    found = part.get("groups") if isinstance(part, LocatedDict) else None
    return [] if found is None else list(found) if isinstance(found, LocatedList) else [found]


def _with_rules(asset: Asset, merged: LocatedDict, place: load.Place, services: Mapping[str, Service]) -> Asset:
    """The rules, each with the criticality that it sets, or that of the service which it names."""
    settled = []
    for rule in asset.rules:
        at, worth = merged.places.get("rules", place), rule.set
        if worth.criticality is None and worth.service is None:
            raise complain(
                at, f"asset {asset.id!r}: a rule must set `criticality`, or the `service` that lends its own"
            )
        if worth.service is not None and worth.service not in services:
            raise complain(
                at, f"asset {asset.id!r}: there is no service {worth.service!r}{_close(worth.service, services)}"
            )
        if worth.criticality is None and worth.service is not None:
            worth = replace(worth, criticality=services[worth.service].criticality or Criticality())
        settled.append(replace(rule, set=worth))
    return replace(asset, rules=tuple(settled))


def _over(under: LocatedDict, over: LocatedDict) -> LocatedDict:
    """Merge, but let another way in replace the one below instead of standing beside it."""
    below, above = under.get("access"), over.get("access")
    if isinstance(below, LocatedDict) and isinstance(above, LocatedDict) and set(below) != set(above):
        under = load.merge(LocatedDict(under.place), under)
        under.pop("access")
    return load.merge(under, over)


def _normal(part: LocatedDict) -> LocatedDict:
    """The short forms unfolded: `access: local`, `chroot: DIR`, `criticality: 4`, `groups: web`, numbers as tags."""
    normal = load.merge(LocatedDict(part.place), part)
    for key in _LISTS:
        if normal.get(key) is not None:
            normal[key] = load.as_list(normal[key], normal.places[key])
    access = normal.get("access")
    place = normal.places.get("access", part.place)
    if isinstance(access, str):
        access = LocatedDict(place, {access: None})
        access.places[next(iter(access))] = place
    if isinstance(access, LocatedDict):
        normal["access"] = _normal_access(access, place)
    if isinstance(normal.get("criticality"), int):
        normal["criticality"] = LocatedDict(place, dict.fromkeys("cia", normal["criticality"]))
    for rule in normal.get("rules") or ():
        worth = rule.get("set") if isinstance(rule, LocatedDict) else None
        if isinstance(worth, LocatedDict) and isinstance(worth.get("criticality"), int):
            worth["criticality"] = LocatedDict(rule.place, dict.fromkeys("cia", worth["criticality"]))
    tags = normal.get("tags")
    if isinstance(tags, LocatedDict):
        for key, value in tags.items():
            tags[key] = load.written(value)
    network = normal.get("network")
    if isinstance(network, LocatedDict):
        viewpoints.normal(network)
    return normal


def _normal_access(access: LocatedDict, place: load.Place) -> LocatedDict:
    normal = load.merge(LocatedDict(access.place), access)
    for way, value in normal.items():
        if value is None and way in _WAYS:
            normal[way] = LocatedDict(normal.places.get(way, place))
        elif way == "chroot" and isinstance(value, str):
            normal[way] = LocatedDict(normal.places.get(way, place), {"path": value})
        if isinstance(normal[way], LocatedDict):
            for key in ("regions", "known_hosts", "accounts", "profiles"):
                if normal[way].get(key) is not None:
                    normal[way][key] = load.as_list(normal[way][key], normal[way].places[key])
    return normal


def _refuse_secrets(merged: LocatedDict, label: str) -> None:
    access = merged.get("access")
    if isinstance(access, LocatedDict):
        for word in access:
            if word not in _WAYS and not word.isidentifier():  # else told as a key that there is not, and shown
                known = ", ".join(_WAYS)
                raise complain(access.places.get(word, access.place), f"{label}: `access` is none of {known}")
    for way in access.values() if isinstance(access, LocatedDict) else ():
        for field in _SECRETS if isinstance(way, LocatedDict) else ():
            if way.get(field) is not None:
                try:
                    secrets.refuse_literal(str(way[field]), field)
                except UsageError as error:
                    raise complain(way.places.get(field, way.place), f"{label}: {error}") from None
        for field in ("key", "ca_file") if isinstance(way, LocatedDict) else ():
            if "-----BEGIN" in str(way.get(field)):
                said = f"{label}: `{field}` is the path of a file, not what stands in it"
                raise complain(way.places.get(field, way.place), said)


def _clashes(assets: Iterable[Asset], places: Sequence[load.Place]) -> list[str]:
    """Assets whose ids are the same, or alike but for their case: in no file, table or ticket are they told apart."""
    mistakes = []
    for number, id, other in members.alike(assets):
        said = (
            "is there twice, with those that its lines stand for"
            if id == other
            else f"differs from {other!r} only in case"
        )
        mistakes.append(str(complain(places[number], f"asset {id!r} {said}; rename one")))
    return mistakes


def _close(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are: {', '.join(names) or 'none'}"


def inventory_schema() -> dict[str, Any]:
    """The JSON Schema of an inventory file, for editors: everything the model knows, plus the short forms."""
    asset = load.json_schema(Asset)
    definitions = asset.pop("$defs")
    for name in ("id", *_FOUND):
        asset["properties"].pop(name)
    text_or_list = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    look = definitions["Network"]["properties"]
    look["from"] = look["viewpoint"]
    for key in ("addresses", "expected_open", "fingerprints"):
        look[key] = text_or_list
    several = {"type": "array", "items": {"$ref": "#/$defs/Network"}, "description": "one for each place, with `from`"}
    asset["properties"]["network"]["anyOf"] = [*asset["properties"]["network"]["anyOf"], several]
    asset["required"] = []
    short = {"enum": ["local", "aws", "organisation"], "description": "a way in without settings of its own"}
    chroot = definitions["Access"]["properties"]["chroot"]
    chroot["anyOf"] = [{"type": "string"}, *chroot["anyOf"]]
    for way in ("local", "aws", "ssh", "organisation"):
        definitions["Access"]["properties"][way]["description"] = "empty for defaults"
    asset["properties"]["access"]["anyOf"] = [short, *asset["properties"]["access"]["anyOf"]]
    for key in _LISTS:
        asset["properties"][key] = text_or_list
    level = {"type": "integer", "minimum": 1, "maximum": 5, "description": "the same for c, i and a"}
    asset["properties"]["criticality"] = {"anyOf": [level, {"$ref": "#/$defs/Criticality"}]}
    definitions["Worth"]["properties"]["criticality"] = {"anyOf": [level, {"$ref": "#/$defs/Criticality"}]}
    asset["properties"]["tags"] = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
    definitions["Asset"] = asset
    service = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "owner": {"type": "string"},
            "description": {"type": "string"},
            "criticality": asset["properties"]["criticality"],
        },
    }
    level_of_courtesy = {"type": "integer", "minimum": 1, "maximum": 64}
    part = {"$ref": "#/$defs/Asset"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Riskline inventory",
        "type": "object",
        "additionalProperties": False,
        "required": ["assets"],
        "properties": {
            "version": {"const": 1},
            "attestations": {"type": "string", "description": "a YAML file beside this one: what people attested"},
            "at_once": {
                "type": "object",
                "additionalProperties": False,
                "description": "at most so many visits at once to one network, through one jump host, to one account",
                "properties": dict.fromkeys(("network", "gateway", "account"), level_of_courtesy),
            },
            "defaults": part,
            "groups": {"type": "object", "additionalProperties": part},
            "services": {"type": "object", "additionalProperties": {"anyOf": [service, {"type": "null"}]}},
            "assets": {"type": "object", "minProperties": 1, "additionalProperties": part},
        },
        "$defs": definitions,
    }
