"""Estates to score: the worked example of docs/scoring.md, and hypothesis strategies for any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from hypothesis import strategies as st

from scanner.model import (
    Asset,
    Control,
    Criticality,
    Effect,
    Extent,
    Finding,
    Level,
    Outcome,
    Score,
    Vector,
    Zone,
)
from scanner.score import Assessment, Curve, Policy, assess, curve, weaknesses

Controls = Mapping[tuple[str, str], Control]


@dataclass(frozen=True)
class Estate:
    """Assets, each with its findings, and the controls that these are of."""

    pairs: tuple[tuple[Asset, tuple[Finding, ...]], ...]
    controls: Controls

    @property
    def findings(self) -> list[Finding]:
        return [finding for _, findings in self.pairs for finding in findings]

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.outcome is Outcome.FAIL]

    def only(self, keep: Sequence[Finding]) -> Estate:
        """The same assets with these findings of theirs alone."""
        ids = {id(finding) for finding in keep}
        return replace(self, pairs=tuple((a, tuple(f for f in found if id(f) in ids)) for a, found in self.pairs))

    def without(self, gone: Sequence[Finding]) -> Estate:
        """The same estate after these findings are gone."""
        ids = {id(finding) for finding in gone}
        return self.only([finding for finding in self.findings if id(finding) not in ids])

    def with_assets(self, change: Mapping[str, Asset]) -> Estate:
        """The same findings on assets that are different now."""
        return replace(self, pairs=tuple((change.get(a.id, a), found) for a, found in self.pairs))

    def with_controls(self, change: Mapping[tuple[str, str], Control]) -> Estate:
        """The same findings of controls that are different now."""
        return replace(self, controls={**self.controls, **change})

    def swapped(self, old: Finding, new: Finding) -> Estate:
        """The same estate with one finding in place of another."""
        return replace(self, pairs=tuple((a, tuple(new if f is old else f for f in found)) for a, found in self.pairs))

    def with_more(self, asset: str, more: Sequence[Finding]) -> Estate:
        """The same estate with more findings on one asset."""
        return replace(self, pairs=tuple((a, (*f, *more) if a.id == asset else f) for a, f in self.pairs))

    def assessed(self, policy: Policy | None = None) -> Assessment:
        return assess(self.pairs, self.controls, policy or Policy())

    def curve(self, policy: Policy | None = None) -> Curve:
        """All findings as one scope."""
        policy = policy or Policy()
        weak = [w for asset, found in self.pairs for w in weaknesses(asset, found, self.controls, policy)]
        return curve(weak, policy)


def scopes(of: Assessment) -> dict[str, Score]:
    """Every score of an assessment by name."""
    named = {f"service {name}": score for name, score in of.services.items()}
    return {"organisation": of.organisation, **named, **{f"asset {name}": score for name, score in of.assets.items()}}


def control(id: str, cause: str, vector: Vector, exploit: Level, effect: Effect, title: str = "") -> Control:
    """A control of which only the score's fields matter."""
    return Control(
        id, title or id, "", "", check="linux.x", vector=vector, exploit=exploit, effect=effect, root_cause=cause
    )


# ── the worked example ───────────────────────────────────────────────────────────────────────────────────────────────

TOTAL = Effect("total", "total", "total")
PARTIAL = Effect()
C_ONLY = Effect("total", "none", "none")
_EXAMPLE = [
    control("root-login", "ssh.permit-root-login", "network", 4, TOTAL, "Root cannot log in over SSH"),
    control("root-login-2", "ssh.permit-root-login", "network", 3, TOTAL),
    control("tls", "tls.min-version", "network", 2, C_ONLY),
    control("pg-listen", "pg.listen-addresses", "network", 3, TOTAL),
    control("pg-hash", "pg.password-hash", "local", 3, C_ONLY),
    control("samba", "pkg.samba", "network", 5, TOTAL),
    control("smb-signing", "smb.signing", "adjacent", 4, PARTIAL),
    control("audit", "audit.admin-actions", "local", 1, PARTIAL),
]
_HOSTS: list[tuple[str, str, Zone, tuple[Level, Level, Level], list[str]]] = [
    ("web-1", "webshop", "internet", (3, 4, 4), ["root-login", "root-login-2", "tls"]),
    ("web-2", "webshop", "internet", (3, 4, 4), ["root-login"]),
    ("db-1", "webshop", "internal", (5, 5, 4), ["pg-listen", "pg-hash"]),
    ("fs-1", "office", "internal", (4, 3, 3), ["samba", "smb-signing"]),
    ("jump-1", "office", "restricted", (4, 4, 2), ["audit"]),
    ("lab-9", "office", "internal", (3, 3, 3), []),
]
EXAMPLE = Estate(
    tuple(
        (
            Asset(id, service=service, zone=zone, criticality=Criticality(*worth)),
            tuple(Finding(id, "b", name, "", Outcome.FAIL) for name in names),
        )
        for id, service, zone, worth, names in _HOSTS
    ),
    {("b", one.id): one for one in _EXAMPLE},
)


# ── any estate ───────────────────────────────────────────────────────────────────────────────────────────────────────

levels: st.SearchStrategy[Level] = st.sampled_from(get_args(Level))
effects = st.builds(Effect, *(st.sampled_from(get_args(Extent)) for _ in range(3)))
worths = st.builds(Criticality, levels, levels, levels)
zones: st.SearchStrategy[Zone] = st.sampled_from(get_args(Zone))
vectors: st.SearchStrategy[Vector] = st.sampled_from(get_args(Vector))
shares = st.floats(0, 1).filter(lambda share: share == 0 or share > 1e-6)


@st.composite
def controls(draw: st.DrawFn) -> Controls:
    """Up to six controls of up to four causes."""
    number = draw(st.integers(1, 6))
    return {
        ("b", f"c{i}"): control(
            f"c{i}", draw(st.sampled_from(["g0", "g1", "g2", "g3"])), draw(vectors), draw(levels), draw(effects)
        )
        for i in range(number)
    }


@st.composite
def estates(draw: st.DrawFn, least: int = 0) -> Estate:
    """Up to five assets in up to three services, with at least `least` failed findings."""
    known = draw(controls())
    pairs = []
    for number in range(draw(st.integers(1, 5))):
        service = draw(st.sampled_from(["s0", "s1", "s2"]))
        asset = Asset(f"a{number}", service=service, zone=draw(zones), criticality=draw(worths))
        found = []
        for _, name in known:
            for subject in range(draw(st.integers(0, 2))):
                outcome = draw(st.sampled_from([Outcome.FAIL, Outcome.FAIL, Outcome.PASS]))
                share, left = draw(shares), draw(st.sampled_from([1.0, 1.0, 0.3, 0.05]))
                found.append(Finding(asset.id, "b", name, str(subject), outcome, weakness=share, compensation=left))
        pairs.append((asset, tuple(found)))
    made = Estate(tuple(pairs), known)
    if len(made.failed) < least:
        asset, found_now = made.pairs[0]
        name = next(iter(known))[1]
        more = [Finding(asset.id, "b", name, f"more{i}", Outcome.FAIL) for i in range(least)]
        made = replace(made, pairs=((asset, (*found_now, *more)), *made.pairs[1:]))
    return made
