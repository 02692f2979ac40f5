"""The few facts of one visit that the facts of others are held against: small enough to keep for a whole fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from scanner.errors import Unparsable
from scanner.model import Asset, Control, Evidence, Fact, Finding, Outcome
from scanner.threats import packages

from .keys import KEYS, Key
from .listening import LISTENING, Listener, Listening
from .outside import Outside, View, outside

T = TypeVar("T")
Controls = Mapping[tuple[str, str], Control]
Failure = tuple[Control, Finding]
FLAWS = "vulnerabilities"
UNWATCHED = "advisories-are-fresh"
SERVICES: Mapping[str, tuple[str, ...]] = {"sshd": ("linux.sshd.",)}
"""Program that listens -> beginnings of the checks that look at how it lets people in."""
_EGRESS = {"output", "OUTPUT", "outgoing"}


@dataclass(frozen=True, slots=True)
class Sight:
    """What one visit tells of an asset's exposure.

    listening, keys: None where not known; unheard, unkeyed: then why, "" where nobody asked.
    flaws: package that listens, or whose code is mapped there -> its known flaws. ways_in: failures of what listens.
    rises: local failures that give all rights. ways_out: failures to hold back what goes out. ended: nobody mends it.
    """

    asset: Asset
    listening: Listening | None = None
    unheard: str = ""
    keys: tuple[Key, ...] | None = None
    unkeyed: str = ""
    outside: Outside | None = None
    flaws: Mapping[str, tuple[Failure, ...]] = field(default_factory=dict)
    ways_in: tuple[Failure, ...] = ()
    rises: tuple[Failure, ...] = ()
    ways_out: tuple[Failure, ...] = ()
    ended: tuple[Failure, ...] = ()
    judged_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """Whether the host itself was asked what listens."""
        return self.listening is not None or bool(self.unheard)

    @property
    def at_rest(self) -> bool:
        """Whether it is a root file system, on which nothing can listen."""
        return self.unheard.startswith("not-running")

    def listeners(self, view: View, port: tuple[int, str]) -> list[Listener]:
        """The sockets that a packet to this port of the view may have ended at."""
        known = self.listening
        if known is None:
            return []
        # an address that is not the host's own is translated on the way, to which of its own is not known
        own = view.address in known.addresses
        return [
            one
            for one in known.listeners
            if (one.port, one.protocol) == port and not one.local and (not own or one.accepts(view.address))
        ]


def sight(asset: Asset, evidence: Evidence, findings: Sequence[Finding], controls: Controls) -> Sight:
    """What this visit tells. findings: of this visit, in full; controls: those they were judged by."""
    heard, keyed = _read(evidence, LISTENING), _read(evidence, KEYS)
    listening, keys = heard[0], keyed[0]
    failed = [
        (control, one)
        for one in findings
        if one.outcome is Outcome.FAIL and (control := controls.get((one.baseline, one.control))) is not None
    ]
    names = {one.program.rpartition("/")[2] for one in listening.listeners if not one.local} if listening else set()
    prefixes = tuple(prefix for name in sorted(names) for prefix in SERVICES.get(name, ()))
    return Sight(
        asset,
        listening,
        heard[1],
        keys,
        keyed[1],
        outside(asset, evidence),
        _flaws(evidence, listening, failed) if listening else {},
        tuple(one for one in failed if _looks_at(one[0], (*prefixes, "network.")) and one[0].exploit >= 4),
        tuple(one for one in failed if _gives_all(one[0])),
        tuple(one for one in failed if any(_EGRESS & set(_words(term.given)) for term in one[0].terms)),
        tuple(_ended(findings, failed, controls)),
        {name: _judging(controls, SERVICES[name]) for name in sorted(names & SERVICES.keys())},
    )


def _read(evidence: Evidence, fact: Fact[T]) -> tuple[T | None, str]:
    """The fact's value; or None and why, "" where it was not asked for or is proved absent."""
    reply = evidence.replies.get(fact.probe.key)
    if reply is None or reply.problem == "absent":
        return None, ""
    if reply.problem is not None:
        return None, f"{reply.problem}: {reply.detail}"
    try:
        return fact.parse(reply.text), ""
    except (Unparsable, ValueError, LookupError) as error:
        return None, f"unparsable: {str(error)[:300]}"


def _flaws(evidence: Evidence, listening: Listening, failed: Iterable[Failure]) -> dict[str, tuple[Failure, ...]]:
    """By binary package; an advisory names the source package on Debian and Ubuntu."""
    wanted = {name for one in listening.listeners if not one.local for name in (one.package, *one.libraries)} - {""}
    installed = _read(evidence, packages.DPKG_PACKAGES)[0] or _read(evidence, packages.RPM_PACKAGES)[0] or ()
    named = {one.binary: one.name for one in installed if one.binary in wanted}
    by_name: dict[str, list[Failure]] = {}
    for control, one in failed:
        if one.baseline == FLAWS and control.vector in {"network", "adjacent"}:
            by_name.setdefault(one.subject, []).append((control, one))
    return {binary: tuple(by_name[name]) for binary, name in named.items() if name in by_name}


def _ended(findings: Sequence[Finding], failed: Sequence[Failure], controls: Controls) -> Iterator[Failure]:
    for control, one in failed:
        if any(term.check == "linux.updates.days_of_care_left" for term in control.terms):
            yield control, one
    for one in findings:
        if one.baseline == FLAWS and one.control == UNWATCHED and one.reason == "no-longer-watched":
            found = controls.get((one.baseline, one.control))
            if found is not None:
                yield found, one


def _looks_at(control: Control, prefixes: tuple[str, ...]) -> bool:
    return bool(control.terms) and all(term.check.startswith(prefixes) for term in control.terms)


def _gives_all(control: Control) -> bool:
    effect = control.effect
    return control.vector == "local" and control.exploit >= 4 and (effect.c, effect.i, effect.a) == ("total",) * 3


def _words(given: Mapping[str, object]) -> list[str]:
    return [value for value in given.values() if isinstance(value, str)]


def _judging(controls: Controls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({control.id for control in controls.values() if _looks_at(control, prefixes)}))
