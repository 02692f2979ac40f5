"""Plan: which controls are asked of which asset, and the smallest set of probes that answers them all.

Baselines are compiled once per run: checks looked up, `given` bound into probes, equal questions made one. What comes
out is data; nothing here opens a connection.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import checking, probes, worth
from .baseline import read_baseline
from .catalogue import Catalogue
from .errors import UsageError
from .model import WAYS, Asset, Baseline, Check, Control, Inventory, Kind, Probe, Term

NAMES = ("id", "cis", "cac")
"""The keys of a selection under which a control has a name of its own, and not a company to be in."""


@dataclass(frozen=True, slots=True)
class PlannedTerm:
    """One term ready to be judged. keys: of the probes that its facts read, in the facts' order."""

    term: Term
    check: Check
    keys: tuple[str, ...]
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedControl:
    """One control ready to be judged."""

    control: Control
    terms: tuple[PlannedTerm, ...]
    when: tuple[PlannedTerm, ...]


@dataclass(frozen=True, slots=True)
class PlannedBaseline:
    """A baseline ready to be judged, with the probes that it needs."""

    baseline: Baseline
    when: tuple[PlannedTerm, ...]
    controls: tuple[PlannedControl, ...]
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    """One asset with its baselines. visits: way in → the probes of that one batch."""

    asset: Asset
    baselines: tuple[PlannedBaseline, ...]
    visits: Mapping[str, tuple[Probe, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do, in the order of the inventory."""

    inventory: Inventory
    assets: tuple[PlannedAsset, ...]

    @property
    def baselines(self) -> dict[str, PlannedBaseline]:
        """Every baseline that some asset is held against, by id."""
        return {planned.baseline.id: planned for asset in self.assets for planned in asset.baselines}

    @property
    def scope(self) -> str:
        """SHA-256, in hex, of the assets' ids: two plans for the same assets are the same job."""
        return hashlib.sha256(json.dumps([one.asset.id for one in self.assets]).encode()).hexdigest()

    @property
    def controls(self) -> dict[tuple[str, str], Control]:
        """Every control that may be judged, by (baseline id, control id)."""
        return {(id, found.control.id): found.control for id, one in self.baselines.items() for found in one.controls}


def make_plan(
    inventory: Inventory, catalogue: Catalogue, baselines: Sequence[str] = (), select: Sequence[str] = ()
) -> Plan:
    """The plan for an inventory. baselines: ids or files that replace the assets' own choice where their kind fits.

    select: KEY=VALUE words; a control is kept when, for every KEY named, it has one of the values. Raises UsageError.
    """
    chosen = read_selection(select)
    read = {name: read_baseline(catalogue.baseline_file(name), catalogue) for name in baselines}
    known: dict[str, PlannedBaseline] = {}

    def planned(name: str) -> PlannedBaseline:
        if name not in known:
            baseline = read.get(name) or read_baseline(catalogue.baseline_file(name), catalogue)
            known[name] = plan_baseline(baseline, catalogue, chosen)
        return known[name]

    standard = _standard(inventory, catalogue, planned) if not baselines else {}
    assets = []
    for asset in inventory.assets:
        kinds: set[Kind] = {asset.kind, "network"} if asset.network else {asset.kind}
        names = list(asset.baselines) if asset.baselines and not baselines else list(baselines)
        picked = [planned(name) for name in names if planned(name).baseline.applies_to.kind in kinds]
        if not picked or (not baselines and asset.network and asset.kind != "network"):
            picked += [one for kind in sorted(kinds) for one in standard.get(kind, ()) if one not in picked]
        assets.append(plan_asset(asset, picked))
    _refuse_empty(assets, select)
    return Plan(inventory, tuple(assets))


def _standard(inventory: Inventory, catalogue: Catalogue, planned: Any) -> dict[str, list[PlannedBaseline]]:
    """The shipped and added baselines by kind, only of the kinds that this inventory holds."""
    standard: dict[str, list[PlannedBaseline]] = {}
    present = {asset.kind for asset in inventory.assets if not asset.baselines}
    present |= {"network" for asset in inventory.assets if asset.network}
    for name, file in catalogue.baseline_files().items():
        if peek_kind(file) in present:
            found = planned(name)
            standard.setdefault(found.baseline.applies_to.kind, []).append(found)
    return standard


def peek_kind(file: Path) -> str | None:
    """The kind that a baseline file is for, read from what stands above its controls."""
    from . import load

    head = load.read_head(file, "controls")
    applies = head.get("applies_to") or load.read_document(file).get("applies_to")
    return str(applies.get("kind")) if isinstance(applies, dict) else None


def plan_baseline(baseline: Baseline, catalogue: Catalogue, chosen: Mapping[str, frozenset[str]]) -> PlannedBaseline:
    """Bind the controls that are `chosen` to their checks and probes."""
    found: dict[str, Probe] = {}
    when = tuple(_plan_term(term, catalogue, found) for term in baseline.applies_to.when)
    for control in baseline.controls:
        if control.manual and selected(control, chosen):
            add_probe(found, probes.attestation(control.id))
    controls = tuple(
        PlannedControl(
            control,
            tuple(_plan_term(term, catalogue, found) for term in control.terms),
            tuple(_plan_term(term, catalogue, found) for term in _conditions(control, chosen)),
        )
        for control in baseline.controls
        if selected(control, chosen)
    )
    return PlannedBaseline(baseline, when, controls, tuple(found.values()))


def _conditions(control: Control, chosen: Mapping[str, frozenset[str]]) -> tuple[Term, ...]:
    """Where a control applies: everywhere, where it is one of several ways of doing the same and asked for by name."""
    named = any(chosen.get(key, frozenset()) & set(facets(control, key)) for key in NAMES)
    return () if control.unless_asked and named else control.when


def _plan_term(term: Term, catalogue: Catalogue, found: dict[str, Probe]) -> PlannedTerm:
    check = catalogue.check(term.check)
    accepted = checking.accepts(check)
    keys = []
    for fact in check.facts:
        probe = probes.bind(fact.probe, term.given)
        keys.append(probe.key)
        add_probe(found, probe)
    given = {name: value for name, value in term.given.items() if name in accepted}
    return PlannedTerm(term, check, tuple(keys), given)


def add_probe(found: dict[str, Probe], probe: Probe) -> None:
    """Add a probe, its parents first; equal questions become one that satisfies every asker."""
    if probe.each is not None:
        add_probe(found, probe.each)
    other = found.get(probe.key)
    if other is None:
        found[probe.key] = probe
        return
    found[probe.key] = replace(
        other,
        privileged=other.privileged or probe.privileged,
        running=other.running or probe.running,
        sensitive=other.sensitive or probe.sensitive,
        timeout_s=max(other.timeout_s, probe.timeout_s),
        max_bytes=max(other.max_bytes, probe.max_bytes),
    )


def plan_asset(asset: Asset, baselines: Sequence[PlannedBaseline]) -> PlannedAsset:
    """One asset's visits: the union of its baselines' probes, each given to the way in that can put it."""
    found: dict[str, Probe] = {}
    for one in baselines:
        for probe in one.probes:
            add_probe(found, probe)
    if found and "aws" in asset.ways:
        add_probe(found, worth.TAGS)
    visits = {}
    for way in (*asset.ways, "people"):
        batch = tuple(probe for probe in found.values() if probe.via == WAYS[way])
        if batch:
            visits[way] = batch
    return PlannedAsset(asset, tuple(baselines), visits)


def read_selection(words: Iterable[str]) -> dict[str, frozenset[str]]:
    """['id=SSH-*', 'level=l1-server'] -> {'id': {'SSH-*'}, 'level': {'l1-server'}}. Raises UsageError without '='."""
    chosen: dict[str, set[str]] = {}
    for word in words:
        key, found, value = word.partition("=")
        if not found or not key or not value:
            raise UsageError(f"--select {word}: write KEY=VALUE, such as id=SSH-01, level=l1-server or cis=5.1.20")
        chosen.setdefault(key, set()).add(value)
    return {key: frozenset(values) for key, values in chosen.items()}


def selected(control: Control, chosen: Mapping[str, frozenset[str]]) -> bool:
    """Whether a control has, for every key of `chosen`, one of its values (shell wildcards allowed)."""
    from fnmatch import fnmatchcase

    return all(any(fnmatchcase(h, w) for h in facets(control, key) for w in wanted) for key, wanted in chosen.items())


def facets(control: Control, key: str) -> tuple[str, ...]:
    """What a control has under a selection key: its own fields, or any of its references."""
    own: dict[str, tuple[str, ...]] = {
        "id": (control.id,),
        "level": control.levels,
        "effort": (control.effort,),
        "vector": (control.vector,),
        "root_cause": (control.cause,),
        "check": tuple(term.check for term in control.terms),
    }
    return own[key] if key in own else control.references.get(key, ())


def _refuse_empty(assets: Sequence[PlannedAsset], select: Sequence[str]) -> None:
    if select and not any(one.controls for asset in assets for one in asset.baselines):
        raise UsageError(f"--select {' '.join(select)}: no control of the chosen baselines matches")
