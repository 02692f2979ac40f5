"""The few facts of one visit that the facts of others are held against: small enough to keep for a whole fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from scanner import own_answer
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
NONE = "none"
"""How a list of tools is told that names none."""
_CARE = ("linux.updates.days_of_care_left",)
_EGRESS = {"output", "OUTPUT", "outgoing"}


@dataclass(frozen=True, slots=True)
class Sight:
    """What one visit tells of an asset's exposure.

    listening, keys: None where not known; unheard, unkeyed: then why, "" where nobody asked.
    flaws: package that listens, or whose code is mapped there -> its known flaws. ways_in: failures of what listens.
    rises: local failures that give all rights. ways_out: failures to hold back what goes out. ended: nobody mends it.
    unsure: which of "flaws", "ways", "rises", "out" and "ended" may hold more than is told, and why.
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
    unsure: Mapping[str, str] = field(default_factory=dict)

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
        tuple(one for one in failed if _holds_back(one[0])) or tuple(one for one in failed if _unfiltered(*one)),
        tuple(_ended(findings, failed, controls)),
        {name: _judging(controls, SERVICES[name]) for name in sorted(names & SERVICES.keys())},
        _unsure(findings, controls, (*prefixes, "network."), _listening_packages(evidence, listening)),
    )


def _read(evidence: Evidence, fact: Fact[T]) -> tuple[T | None, str]:
    """The fact's value; or None and why, "" where it was not asked for or is proved absent."""
    reply = evidence.replies.get(fact.probe.key)
    if reply is None or reply.problem == "absent":
        return None, ""
    if reply.problem is not None:
        return None, f"{reply.problem}: {reply.detail}"
    try:
        return fact.parse(own_answer.own(fact.probe.key, reply.text)), ""
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


def _listening_packages(evidence: Evidence, listening: Listening | None) -> frozenset[str]:
    """What listens for others, as the package manager and as advisories name it."""
    wanted = {name for one in (listening.listeners if listening else ()) for name in (one.package, *one.libraries)}
    installed = _read(evidence, packages.DPKG_PACKAGES)[0] or _read(evidence, packages.RPM_PACKAGES)[0] or ()
    return frozenset((wanted | {one.name for one in installed if one.binary in wanted}) - {""})


def _unsure(
    findings: Sequence[Finding], controls: Controls, prefixes: tuple[str, ...], wanted: frozenset[str]
) -> dict[str, str]:
    """What could not be told, by kind: nothing of a kind proves nothing then."""
    judged = [(control, one) for one in findings if (control := controls.get((one.baseline, one.control))) is not None]
    looked_up = [one for one in findings if one.baseline == FLAWS]
    watched = next((one for one in looked_up if one.control == UNWATCHED), None)
    told = {
        "flaws": "no-feed: known flaws were not looked up" if watched is None else _why([watched]),
        "ways": _why(one for control, one in judged if _looks_at(control, prefixes) and control.exploit >= 4),
        "rises": _why(one for control, one in judged if _gives_all(control)),
        "out": _way_out_unknown(judged),
        "ended": "" if _end_is_known(judged, watched) else "undetermined: when its release ends is not known",
    }
    told["flaws"] = told["flaws"] or _why(one for one in looked_up if one.subject in wanted)
    return {kind: why for kind, why in told.items() if why}


def _why(findings: Iterable[Finding]) -> str:
    """Why the first of them that is unknown is so: 'denied: SSH-20: needs root'; "" where all are known."""
    found = next((one for one in findings if one.outcome is Outcome.UNKNOWN), None)
    return f"{found.reason}: {found.control}: {found.detail}"[:300] if found else ""


def _way_out_unknown(judged: Sequence[Failure]) -> str:
    """Unless one control says that something is held back, or that nothing is."""
    about = [one for control, one in judged if _holds_back(control)]
    if any(one.outcome in {Outcome.PASS, Outcome.FAIL} for one in about) or any(_unfiltered(*each) for each in judged):
        return ""
    return _why(about) or "not-collected: nothing here judges what goes out"


def _end_is_known(judged: Iterable[Failure], watched: Finding | None) -> bool:
    if watched is not None and (watched.outcome is Outcome.PASS or watched.reason == "feed-too-old"):
        return True
    return any(_looks_at(control, _CARE) and one.outcome in {Outcome.PASS, Outcome.FAIL} for control, one in judged)


def _holds_back(control: Control) -> bool:
    return any(_EGRESS & set(_words(term.given)) for term in control.terms)


def _unfiltered(control: Control, finding: Finding) -> bool:
    """Whether it was found that nothing sets a packet filter at all: nothing is held back then."""
    return _looks_at(control, ("linux.firewall.tool",)) and finding.outcome is Outcome.FAIL and finding.observed == NONE


def _ended(findings: Sequence[Finding], failed: Sequence[Failure], controls: Controls) -> Iterator[Failure]:
    for control, one in failed:
        if _looks_at(control, _CARE):
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
