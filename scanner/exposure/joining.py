"""Two sides of one host joined: what it says listens, and what looks from outside saw of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from scanner.model import Control, Effect, Finding, Outcome, Zone
from scanner.scoring.policy import Policy
from scanner.viewpoints import HERE, ZONES

from .listening import Listener
from .outside import Port, View
from .rules import BASELINE, OF_HOSTS, RULES, WHOLE
from .sights import FLAWS, Failure, Sight

WHOLE_EFFECT = Effect("total", "total", "total")


@dataclass(frozen=True, slots=True)
class Hit:
    """One rule met on one subject. control: the rule's, weighed by the findings that the path passes through."""

    control: Control
    subject: str
    observed: str
    detail: str
    weakness: float = 1.0


@dataclass(frozen=True, slots=True)
class Joined:
    """What the joined facts say of one asset. seen_from: control id -> zone from which its port was seen open."""

    findings: tuple[Finding, ...] = ()
    controls: Mapping[tuple[str, str], Control] = field(default_factory=dict)
    seen_from: Mapping[str, Zone] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reached:
    """One open port of one view with the sockets behind it."""

    view: View
    port: Port
    by: tuple[Listener, ...]

    @property
    def subject(self) -> str:
        """'10.0.0.5:443/tcp', and from where, unless that is simply here."""
        from_where = f" from {self.view.viewpoint}" if self.view.viewpoint != HERE else ""
        return f"{self.view.at(self.port)}{from_where}"

    @property
    def told(self) -> str:
        """'nginx of package nginx answers at 10.0.0.5:443/tcp, seen open from internet'."""
        who = " and ".join(dict.fromkeys(_who(one) for one in self.by)) or "something"
        return f"{who} answers at {self.view.at(self.port)}, seen open from {self.view.viewpoint}"


def _who(one: Listener) -> str:
    name = one.program.rpartition("/")[2] or "the kernel"
    where = " in a container" if one.foreign else ""
    return f"{name}{where} of package {one.package}" if one.package else f"{name}{where}, of no package,"


def of_host(host: Sight, views: Sequence[View], missed: Sequence[str]) -> Joined:
    """What the rules say of a host that was asked what listens, and that somebody looked at.

    views: of this host alone, by whomever. missed: why some look is not complete.
    """
    looks = [view for view in views if not view.loopback]
    if not host.asked or not (looks or missed) or host.asset.access is None or host.asset.access.local:
        return Joined()
    if host.at_rest:
        why = "a root file system at rest listens nowhere"
        return told(host, [_said(host, rule, Outcome.NOT_APPLICABLE, why) for rule in OF_HOSTS], [])
    doubt = host.unheard or next(iter(missed), "")
    if host.listening is None or not looks:
        return told(host, [unknown(host, rule, doubt) for rule in (WHOLE, *OF_HOSTS)], [])
    reached = [_Reached(v, p, tuple(host.listeners(v, p))) for v in looks for p in sorted(v.open)]
    entries, hits = _hits(host, looks, reached)
    met = {hit.control.id.partition("/")[0] for hit in hits}
    rest = [rule for rule in (WHOLE, *OF_HOSTS) if rule not in met]
    unsure = doubts(host, bool(entries), _of_no_package(reached)) if reached else {}
    whys = {rule: doubt or unsure.get(rule, "") for rule in rest}
    quiet = [unknown(host, rule, why) if why else _said(host, rule, Outcome.PASS) for rule, why in whys.items()]
    if doubt:
        quiet += [unknown(host, rule, doubt, "(not seen)") for rule in OF_HOSTS if rule in met]
    found = told(host, quiet, hits)
    return replace(found, seen_from=_seen_from(host, reached, found.controls))


def _of_no_package(reached: Iterable[_Reached]) -> str:
    """Why nothing is known of the flaws of a program that can be reached; "" where every one is of a package."""
    who = [_who(one) for each in reached for one in each.by if one.program and not one.package]
    return f"not-covered: no advisory speaks of {who[0].rstrip(',')}" if who else ""


def doubts(host: Sight, weak: bool, of_no_package: str = "") -> dict[str, str]:
    """Rule -> why it proves nothing that it was not met. weak: a weak service that can be reached is known."""
    unsure = host.unsure
    flaws = unsure.get("flaws", "") or of_no_package
    ways = "" if weak else flaws or unsure.get("ways", "")
    found = {
        "reachable-flaw": flaws,
        "reach-then-rise": ways or (unsure.get("rises", "") if weak else ""),
        "way-out": ways or (unsure.get("out", "") if weak else ""),
        "unsupported-and-exposed": unsure.get("ended", ""),
    }
    return {rule: why for rule, why in found.items() if why}


_Entries = Sequence[tuple[Control, str, str]]


def _hits(host: Sight, looks: Sequence[View], reached: Sequence[_Reached]) -> tuple[_Entries, list[Hit]]:
    """Weak services that can be reached, and every rule that is met."""
    flaws = list(_reachable_flaws(host, reached))
    entries = [(hit.control, hit.subject, hit.detail) for hit in flaws] + list(_weak_services(host, reached))
    found = [
        *flaws,
        *_unlisted(host, reached),
        *_shadows(reached),
        *_only_the_firewall(host, looks),
        *_fixed_but_running(reached),
        *_unsupported(host, reached),
        *_rises(host, entries),
        *_ways_out(host, entries),
    ]
    return entries, list({(hit.control.id, hit.subject): hit for hit in found}.values())


# ── the rules ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _reachable_flaws(host: Sight, reached: Iterable[_Reached]) -> Iterator[Hit]:
    for one in reached:
        by_name: dict[str, tuple[str, tuple[Failure, ...]]] = {}
        for listener in one.by:
            for package in (listener.package, *listener.libraries):
                for failure in host.flaws.get(package, ()):
                    by_name.setdefault(failure[1].subject, (package, host.flaws[package]))
        for name, (package, failures) in sorted(by_name.items()):
            worst = max(failures, key=lambda failure: (failure[0].exploit, _weight(failure[0].effect), failure[0].id))
            inside = "" if package in {listener.package for listener in one.by} else f" through {package}"
            many = f"{len(failures)} known flaws" if len(failures) > 1 else "a known flaw"
            detail = (
                f"{one.told}, and has{inside} {many}; the worst: {worst[0].title.removeprefix(f'{name} has no flaw ')}."
            )
            yield Hit(_as(worst[0], "reachable-flaw", name), f"{one.subject} {name}", worst[1].observed, detail)


def _as(cause: Control, rule: str, name: str) -> Control:
    """The rule with the weight and the root cause of a finding that it confirms."""
    made = RULES[rule]
    return replace(
        made,
        id=f"{rule}/{name}",
        title=f"No known flaw of {name} can be reached over the network",
        fix=cause.fix,
        exploit=cause.exploit,
        vector=cause.vector,
        effect=cause.effect,
        root_cause=cause.cause,
        effort=cause.effort,
        references={**made.references, **{key: cause.references[key] for key in ("cve",) if key in cause.references}},
    )


def _weight(effect: Effect) -> int:
    return sum(("none", "partial", "total").index(extent) for extent in (effect.c, effect.i, effect.a))


def _unlisted(host: Sight, reached: Iterable[_Reached]) -> Iterator[Hit]:
    own = host.asset.network.expected_open if host.asset.network else ()
    for one in reached:
        name = f"{one.port[0]}/{one.port[1]}"
        if one.port not in one.view.expected and name not in own:
            expected = ", ".join(sorted(f"{n}/{p}" for n, p in one.view.expected)) or "no port"
            detail = f"{one.told}; the inventory expects {expected}."
            yield Hit(RULES["unlisted-exposure"], one.subject, "open, not listed", detail)


def _shadows(reached: Iterable[_Reached]) -> Iterator[Hit]:
    for one in reached:
        if not one.by:
            service = one.view.open[one.port] or "something that does not name itself"
            detail = (
                f"{one.view.at(one.port)} was seen open from {one.view.viewpoint} ({service}), "
                "and the host lists nothing that listens there."
            )
            yield Hit(RULES["shadow-listener"], one.subject, service, detail)


def _only_the_firewall(host: Sight, looks: Sequence[View]) -> Iterator[Hit]:
    assert host.listening is not None
    for view in looks:
        for one in host.listening.listeners:
            port = (one.port, one.protocol)
            state = view.state(port)
            if one.everywhere and one.accepts(view.address) and state in {"filtered", "closed"}:
                # [::] may be for IPv6 alone, and then a closed IPv4 port says nothing
                if ":" in one.address and ":" not in view.address:
                    continue
                at = _Reached(view, port, (one,))
                detail = f"{_who(one)} listens at {one.name}; from {view.viewpoint} {view.at(port)} is {state}."
                yield Hit(RULES["only-the-firewall"], at.subject, state, detail)


def _fixed_but_running(reached: Iterable[_Reached]) -> Iterator[Hit]:
    for one in reached:
        files = sorted({path for listener in one.by for path in listener.replaced})
        if files:
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            detail = f"{one.told}, and still runs {files[0]}{more}, which was replaced on disk."
            yield Hit(RULES["fixed-but-running"], one.subject, ", ".join(files)[:500], detail)


def _unsupported(host: Sight, reached: Sequence[_Reached]) -> Iterator[Hit]:
    if host.ended and reached:
        control, finding = host.ended[0]
        ports = ", ".join(dict.fromkeys(one.subject for one in reached))
        why = finding.detail or f"{control.title}: {finding.observed}"
        made = RULES["unsupported-and-exposed"]
        cause = control.cause if finding.outcome is Outcome.FAIL else made.cause
        yield Hit(replace(made, root_cause=cause), "", ports[:500], f"{why}, and can be reached at {ports}."[:2000])


def _weak_services(host: Sight, reached: Sequence[_Reached]) -> Iterator[tuple[Control, str, str]]:
    """Failures of what can be reached: of the program that listens, or of what it says over the network."""
    for one in reached:
        names = {listener.program.rpartition("/")[2] for listener in one.by}
        judged = {id for name in names for id in host.judged_by.get(name, ())}
        for control, finding in host.ways_in:
            if control.id in judged or finding.subject == one.view.at(one.port):
                yield control, one.subject, f"{one.told}, and this is not so: {control.title}."


def _rises(host: Sight, entries: Sequence[tuple[Control, str, str]]) -> Iterator[Hit]:
    """The strongest way in that does not give all rights by itself, with the strongest local way to them."""
    small = [entry for entry in entries if entry[0].effect != WHOLE_EFFECT]
    if small and host.rises:
        control, subject, told = max(small, key=lambda entry: (entry[0].exploit, entry[1], entry[0].id))
        rise, finding = max(host.rises, key=lambda failure: (failure[0].exploit, failure[0].id))
        made = replace(RULES["reach-then-rise"], exploit=control.exploit, root_cause=control.cause)
        how = f"{rise.title} is not so ({finding.observed})"
        if finding.baseline == FLAWS:
            how = f"{finding.observed} has the flaw {', '.join(rise.references.get('cve', ())[:3]) or rise.id}"
        detail = f"{told} Whoever gets in there can gain all rights: {how}."
        yield Hit(made, "", subject, detail, Policy().exploit_steps[rise.exploit - 1])


def _ways_out(host: Sight, entries: Sequence[tuple[Control, str, str]]) -> Iterator[Hit]:
    if entries and host.ways_out:
        _, subject, told = max(entries, key=lambda entry: (entry[0].exploit, entry[1], entry[0].id))
        gap = host.ways_out[0][0]
        made = replace(RULES["way-out"], root_cause=gap.cause)
        yield Hit(made, "", subject, f"{told} Nothing holds back what goes out: {gap.title} is not so.")


# ── what they come to ────────────────────────────────────────────────────────────────────────────────────────────────


def told(host: Sight, quiet: Sequence[Finding], hits: Sequence[Hit]) -> Joined:
    """Findings that fail nothing, and hits as findings that fail, with the controls that they were judged by."""
    controls = {one.control: replace(RULES[one.control.partition("/")[0]], id=one.control) for one in quiet}
    findings = list(quiet)
    for hit in hits:
        controls[hit.control.id] = hit.control
        findings.append(
            Finding(
                host.asset.id,
                BASELINE,
                hit.control.id,
                hit.subject[:1000],
                Outcome.FAIL,
                observed=hit.observed[:500],
                detail=hit.detail[:4000],
                weakness=hit.weakness,
            )
        )
    return Joined(tuple(findings), {(BASELINE, name): control for name, control in controls.items()})


def _said(host: Sight, rule: str, outcome: Outcome, reason: str = "", subject: str = "", detail: str = "") -> Finding:
    return Finding(host.asset.id, BASELINE, rule, subject, outcome, reason, detail=detail)


def unknown(host: Sight, rule: str, why: str, subject: str = "") -> Finding:
    """why: 'denied: sudo wants a password' -> UNKNOWN for the reason `denied`."""
    reason, _, detail = why.partition(": ")
    return _said(host, rule, Outcome.UNKNOWN, reason or "not-collected", subject, detail)


def _seen_from(host: Sight, reached: Iterable[_Reached], own: Mapping[tuple[str, str], Control]) -> dict[str, Zone]:
    """Control -> the zone that an open port puts it in, where it is about that port and the viewpoint is a zone."""
    found: dict[str, Zone] = {}
    for one in reached:
        zone = ZONES.get(one.view.viewpoint)
        if zone is None:
            continue
        names = {listener.program.rpartition("/")[2] for listener in one.by}
        concerned = {id for name in names for id in host.judged_by.get(name, ())}
        for listener in one.by:
            for package in (listener.package, *listener.libraries):
                concerned |= {control.id for control, _ in host.flaws.get(package, ())}
        concerned |= {id for _, id in own if id.partition("/")[0] != "only-the-firewall"}
        for id in concerned:
            found[id] = min(zone, found.get(id, zone), key=list(ZONES).index)
    return found
