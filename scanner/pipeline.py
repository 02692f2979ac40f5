"""The pipeline: plan in, run out, each asset judged, scored and recorded as its evidence arrives."""

from __future__ import annotations

import contextlib
import functools
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from . import score, worth
from .collect import Collected, collect, tool_digest, tool_version, uncarried
from .evaluate import Judge
from .exposure import rules
from .exposure.across import Estate, Resolve
from .exposure.joining import Joined
from .exposure.sights import sight
from .holding import Alike
from .model import Control, Evidence, Finding, Outcome, Run, Visited, utc_now
from .plan import Plan, PlannedAsset
from .scoring.standing import OPEN_LISTS, Compensation, compensated, with_last_known
from .transports import Bounds
from .transports.names import addresses_of

if TYPE_CHECKING:
    from .register import Register
    from .threats.findings import Threats

LOG = logging.getLogger("riskline.run")
Progress = Callable[[Visited], None]
Engine = Callable[[Sequence[PlannedAsset], Bounds, int, threading.Event | None], Iterator[Collected]]
"""What visits: `collect`, or what is called like it and gives the same (see engines/)."""
Controls = Mapping[tuple[str, str], Control]


class Memory(Protocol):
    """What is remembered of assets: the register, or NOTHING."""

    def last_known(self, asset: str) -> Sequence[Finding]:
        """What failed when it was last judged, for as long as nothing has shown that it is mended."""
        ...

    def last_controls(self, asset: str) -> Controls:
        """The controls that it alone had when it was last visited."""
        ...

    def compensations(self) -> Mapping[str, Sequence[Compensation]]:
        """What makes weaknesses harder to use, by asset."""
        ...

    def first_seen(self, asset: str) -> Mapping[str, Finding]:
        """What its last visit said of the certificates and host keys that it shows, by subject."""
        ...


class _Nothing:
    def last_known(self, _: str) -> Sequence[Finding]:
        return ()

    def last_controls(self, _: str) -> Controls:
        return {}

    def compensations(self) -> Mapping[str, Sequence[Compensation]]:
        return {}

    def first_seen(self, _: str) -> Mapping[str, Finding]:
        return {}


NOTHING: Memory = _Nothing()
"""What is known of an asset where no register is asked."""


class _AskedOnce:
    """A memory whose answer about an asset is kept while the run lasts, less what today's findings have closed."""

    def __init__(self, known: Memory) -> None:
        self._known = known
        self._kept: dict[str, Sequence[Finding]] = {}

    def last_known(self, asset: str) -> Sequence[Finding]:
        if asset not in self._kept:
            self._kept[asset] = _eased(self._known.last_known(asset), asset, self)
        return self._kept[asset]

    def last_controls(self, asset: str) -> Controls:
        return self._known.last_controls(asset)

    def first_seen(self, asset: str) -> Mapping[str, Finding]:
        return self._known.first_seen(asset)

    @functools.cached_property
    def _compensations(self) -> Mapping[str, Sequence[Compensation]]:
        return self._known.compensations()

    def compensations(self) -> Mapping[str, Sequence[Compensation]]:
        return self._compensations

    def judged(self, one: Visited) -> None:
        """What is still open beside the asset's findings is all that its totals need."""
        self._kept[one.asset.id] = with_last_known(one.findings, self.last_known(one.asset.id))[len(one.findings) :]


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is carried out. at_once: visits at the same time. done: asset ids that a resumed run already holds.

    threats: the stored feeds, open, where known flaws are looked for. engine: what carries the visits out.
    """

    bounds: Bounds = field(default_factory=Bounds)
    at_once: int = 32
    policy: score.Policy = field(default_factory=score.Policy)
    done: frozenset[str] = frozenset()
    threats: Threats | None = None
    engine: Engine = collect


def new_run(plan: Plan, policy: score.Policy) -> Run:
    """A run that has begun and holds nothing yet. Its id tells the second: 20261123T154003Z-5f3a9c07."""
    started = datetime.now(UTC)  # to the microsecond: a gate's run may begin in the second of the run before it
    nothing = score.assess([], {}, policy)
    return Run(
        id=f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        started_at=started,
        finished_at=None,
        tool_version=tool_version(),
        inventory=plan.inventory.path,
        inventory_digest=plan.inventory.digest,
        baselines={id: planned.baseline.digest for id, planned in plan.baselines.items()},
        controls=plan.controls,
        visited=(),
        services={},
        organisation=nothing.organisation,
        risks=(),
        state="running",
        policy=asdict(policy),
        scope=plan.scope,
        tool_digest=tool_digest(),
    )


def execute(
    plan: Plan,
    run: Run,
    register: Register | None,
    options: Options,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Run:
    """Visit and judge everything that is planned and not yet done. Gives the finished run; `stop` makes it partial."""
    if options.threats is not None:
        run = replace(run, feeds=options.threats.digests())
    if register is not None and not options.done:
        register.begin(run)
    judge = Judge()
    known = _AskedOnce(register if register is not None else NOTHING)
    alike = Alike()
    visited: dict[str, Visited] = {}

    def hold(one: Visited) -> None:
        visited[one.asset.id] = replace(one, findings=alike.held(one.findings))

    for before in run.visited:
        hold(before)
    estate = Estate(plan.inventory)
    if register is not None:
        _remember(estate, run, register)
    to_visit = [planned for planned in plan.assets if planned.asset.id not in options.done]

    def kept(collected: Collected) -> Visited:
        one = judged(collected, judge, run, options.policy, known, options.threats, estate)
        if register is not None:
            register.store(run.id, one, collected.evidence)
        return one

    for collected in options.engine(to_visit, options.bounds, options.at_once, stop):
        one: Visited | None = None
        with contextlib.suppress(MemoryError):  # it may say more than this machine can judge or store
            one = kept(collected)
        if one is None:
            judge = Judge()  # what it remembers of answers may be what fills the memory
            collected = uncarried(collected.planned)
            one = kept(collected)
        hold(one)
        known.judged(one)
        _tell(one)
        if progress is not None:
            progress(one)
    for one in together(estate, visited, run, options.policy, known):
        hold(one)
        known.judged(one)
        if register is not None:
            register.amend(run.id, one)
    ordered = [visited[p.asset.id] for p in plan.assets if p.asset.id in visited]
    state: Literal["complete", "partial"] = "complete" if len(ordered) == len(plan.assets) else "partial"
    finished = finish(run, ordered, options.policy, state, known)
    if register is not None:
        register.finish(finished)
    return finished


def judged(
    collected: Collected,
    judge: Judge,
    run: Run,
    policy: score.Policy,
    known: Memory = NOTHING,
    threats: Threats | None = None,
    estate: Estate | None = None,
) -> Visited:
    """One asset's evidence as findings and score. A failure that could not be judged again still counts.

    estate: takes what this visit tells of the asset's exposure, to be held against what others tell.
    """
    asset = worth.valued(collected.planned.asset, collected.evidence)
    findings = list(judge.findings(collected.planned, collected.evidence))
    own: dict[tuple[str, str], Control] = {}
    if threats is not None:
        from .threats.findings import findings as flaws
        from .threats.said import BASELINE

        controls, found = flaws(asset, collected.evidence, threats, threats.now.date())
        findings += found
        own = {(BASELINE, control.id): control for control in controls}
    if estate is not None:
        seen = sight(asset, collected.evidence, findings, {**run.controls, **own})
        at = collected.evidence.collected_at.date()
        joined = estate.take(seen, known.first_seen(asset.id), known.last_known(asset.id), at)
        findings += joined.findings
        own |= joined.controls
        asset = replace(asset, seen_from=joined.seen_from)
    if asset.tags_of:
        asset = worth.labelled(asset, {finding.subject for finding in findings})
    findings = _eased(findings, asset.id, known)
    before = known.last_known(asset.id)
    own |= _carried(run, own, findings, before, known)
    controls_now = {**run.controls, **own}
    return Visited(
        asset=asset,
        baselines=tuple(dict.fromkeys(finding.baseline for finding in findings if finding.baseline)),
        findings=tuple(findings),
        score=score.score_asset(asset, _standing(controls_now, findings, before), controls_now, policy),
        collected_at=collected.evidence.collected_at,
        failures=collected.evidence.failures,
        took_s=collected.took_s,
        evidence_digest=collected.evidence.digest,
        controls=own,
    )


def _eased(findings: Sequence[Finding], asset: str, known: Memory) -> list[Finding]:
    """The findings with what compensates them today."""
    return compensated(findings, known.compensations().get(asset, ()), utc_now().date())


def _remember(estate: Estate, run: Run, register: Register) -> None:
    """Take what the visits that a resumed run already holds told of exposure."""
    for one in run.visited:
        evidence = register.evidence(run.id, one.asset.id)
        if evidence is not None:
            kept = [finding for finding in one.findings if finding.baseline != rules.BASELINE]
            seen = sight(one.asset, evidence, kept, {**run.controls, **one.controls})
            before = register.last_known(one.asset.id)
            estate.take(seen, register.first_seen(one.asset.id), before, evidence.collected_at.date())


def together(
    estate: Estate,
    visited: Mapping[str, Visited],
    run: Run,
    policy: score.Policy,
    known: Memory,
    resolve: Resolve = addresses_of,
) -> Iterator[Visited]:
    """The assets of which all visits together say more than their own did, judged and scored with it."""
    for id, joined in estate.joined(known.last_known, resolve):
        if id in visited:
            yield _amended(visited[id], joined, run, policy, known)


def _amended(one: Visited, joined: Joined, run: Run, policy: score.Policy, known: Memory) -> Visited:
    asset = replace(one.asset, seen_from=joined.seen_from)
    kept = [finding for finding in one.findings if finding.baseline != rules.BASELINE]
    findings = [*kept, *_eased(joined.findings, asset.id, known)]
    before = known.last_known(asset.id)
    own = {key: control for key, control in one.controls.items() if key[0] != rules.BASELINE} | dict(joined.controls)
    own |= _carried(run, own, findings, before, known)
    now = {**run.controls, **own}
    of = score.score_asset(asset, _standing(now, findings, before), now, policy)
    return replace(one, asset=asset, findings=tuple(findings), controls=own, score=of)


def _carried(run: Run, own: Controls, now: Sequence[Finding], before: Sequence[Finding], known: Memory) -> Controls:
    """The asset's own controls of its last visit whose failures still stand because nobody could look again."""
    wanted = {(one.baseline, one.control) for one in before if one.baseline in OPEN_LISTS}
    wanted -= {*run.controls, *own}
    if not wanted:
        return {}
    judged = {id(one) for one in now}
    open = {(one.baseline, one.control) for one in with_last_known(now, before) if id(one) not in judged}
    return {key: control for key, control in known.last_controls(before[0].asset).items() if key in open & wanted}


def _standing(controls: Controls, findings: Sequence[Finding], known: Sequence[Finding]) -> list[Finding]:
    """What stands: today's findings, and earlier failures of the same controls that nobody could look at today."""
    return with_last_known(findings, [one for one in known if (one.baseline, one.control) in controls])


def finish(
    run: Run,
    visited: Sequence[Visited],
    policy: score.Policy,
    state: Literal["complete", "partial"],
    known: Memory = NOTHING,
) -> Run:
    """The run with its totals."""
    controls = dict(run.controls)
    for one in visited:
        controls |= one.controls
    # one asset after the other: all of their findings at once would be most of the memory that a run takes
    pairs = ((one.asset, _standing(controls, one.findings, known.last_known(one.asset.id))) for one in visited)
    total = score.assess(pairs, controls, policy)
    return replace(
        run,
        controls=controls,
        finished_at=datetime.now(UTC),
        visited=tuple(visited),
        services=total.services,
        organisation=total.organisation,
        risks=total.risks,
        state=state,
        inherent=total.inherent,
    )


def judge_again(
    plan: Plan,
    run: Run,
    evidence: Iterable[tuple[PlannedAsset, Evidence]],
    policy: score.Policy,
    threats: Threats | None = None,
) -> Run:
    """A new run's verdicts from stored evidence; nothing is contacted."""
    judge, estate = Judge(), Estate(plan.inventory)
    visited = {
        planned.asset.id: judged(Collected(planned, each, 0.0), judge, run, policy, NOTHING, threats, estate)
        for planned, each in evidence
    }
    visited |= {one.asset.id: one for one in together(estate, visited, run, policy, NOTHING)}
    state: Literal["complete", "partial"] = "complete" if len(visited) == len(plan.assets) else "partial"
    return finish(run, list(visited.values()), policy, state)


def exit_code(run: Run, fail_on: float | None, policy: score.Policy) -> int:
    """0 clean, 1 a finding at or above `fail_on` (its own expected yearly loss; None never), 3 incomplete, 4 a bug."""
    is_blind, is_too_dear = run.state != "complete", False
    for one in run.visited:
        findings = list(one.findings)
        if any(finding.reason == "check-bug" for finding in findings):
            return 4
        is_blind = is_blind or any(finding.outcome is Outcome.UNKNOWN for finding in findings)
        if fail_on is not None and not is_too_dear:
            weak = score.weaknesses(one.asset, findings, run.controls, policy)
            is_too_dear = any(policy.attempts * each.v * each.l >= fail_on for each in weak)
    return 1 if is_too_dear else 3 if is_blind else 0


def _tell(one: Visited) -> None:
    counts = {outcome.value: 0 for outcome in Outcome}
    for finding in one.findings:
        counts[finding.outcome.value] += 1
    LOG.info(
        "%s judged: %s", one.asset.id, ", ".join(f"{number} {name}" for name, number in counts.items()), extra=counts
    )
    for way, why in one.failures.items():
        LOG.warning("%s could not be visited by %s: %s", one.asset.id, way, why)
