"""What every renderer says of a run, worked out once: findings with their weight, worst first; gaps with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, get_type_hints

from scanner import score
from scanner.inert import printable
from scanner.model import AcceptedRisk, Charge, Control, Finding, Outcome, Risk, Run, Score, Visited

NEXT_STEP: Mapping[str, str] = {
    "unreachable": "Check name, network path and firewall from here to the asset, then scan again.",
    "auth-failed": "Check the scan account's credential and, for SSH, the host key (see the message).",
    "denied": "Grant the scan account the right that is named; `riskline permissions` lists all of them.",
    "failed": "Read the message: the question was put, and no proper answer came.",
    "timed-out": "The asset answered too slowly; scan it alone, or raise --visit-deadline.",
    "truncated": "There was more than is safe to read or look through; look at the asset by hand.",
    "throttled": "The cloud's interface was too busy; scan again later or fewer accounts at once.",
    "not-running": "This needs a running system; scan the host itself rather than its image.",
    "unsupported": "This way in cannot answer the question; the message says what could.",
    "unparsable": "The answer has a shape that is not known; please report it with the first line shown.",
    "check-bug": "A mistake in the check itself; please report it with the text shown.",
    "absent": "What the control is about is not there; say in the baseline what that means.",
    "no-baseline": "Name a baseline for this asset in the inventory (`baselines:`).",
    "not-collected": "The stored evidence lacks this answer; scan again.",
    "undetermined": "The facts do not decide; look at the asset by hand.",
    "no-feed": "Run `riskline feeds update`, then `riskline evaluate latest`.",
    "feed-too-old": "Run `riskline feeds update`, then `riskline evaluate latest`.",
    "feed-damaged": "Run `riskline feeds update`, then `riskline evaluate latest`.",
    "no-longer-watched": "Move to a release that gets updates: nobody reports flaws of this one any more.",
    "not-covered": "Follow the announcements of whoever makes the package, or install the distribution's own.",
    "could-not-compare": "Read the two versions in the message and compare them by hand.",
    "not-attested": "A person has to answer: `riskline attest`.",
    "attestation-expired": "The answer is too old: give it anew with `riskline attest`.",
}
"""Reason → what to do next. The reasons are those of the design, all of them."""


FLAWS, FEED = "vulnerabilities", "advisories-are-fresh"
"""The baseline of known flaws, and its control that says how fresh the advisories are."""
BEARING: Mapping[str, str] = {
    "valid": "in force",
    "expiring": "end soon",
    "expired": "have ended",
    "unused": "no longer needed",
}
"""State of an acceptance → how it stands."""


@dataclass(frozen=True, slots=True)
class Row:
    """One finding with its control. loss: what it alone is expected to cost a year; 0 unless it failed."""

    finding: Finding
    control: Control | None
    loss: float

    @property
    def title(self) -> str:
        """The control's title, or what stands for it where there is no control."""
        return self.control.title if self.control else "A baseline is written for this system"


@dataclass(frozen=True, slots=True)
class Gap:
    """Unknown findings of one reason on one asset. detail: of the first one."""

    asset: str
    reason: str
    detail: str
    count: int
    next_step: str


def policy_of(run: Run) -> score.Policy:
    """The policy that the run was scored by."""
    return _revive(score.Policy, run.policy)  # type: ignore[no-any-return]


def _revive(kind: Any, value: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    return kind(
        **{
            name: _revive(hints[name], entry) if is_dataclass(hints[name]) else entry
            for name, entry in value.items()
            if name in known
        }
    )


def rows(run: Run, visited: Visited) -> list[Row]:
    """One asset's findings: failed ones first, by what they cost; then unknown, passed, not applicable."""
    policy, findings = policy_of(run), list(visited.findings)
    loss = {
        id(weak.finding): policy.attempts * weak.v * weak.l
        for weak in score.weaknesses(visited.asset, findings, run.controls, policy)
    }
    made = [
        Row(finding, run.controls.get((finding.baseline, finding.control)), loss.get(id(finding), 0.0))
        for finding in findings
    ]
    order = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2, Outcome.NOT_APPLICABLE: 3}
    return sorted(made, key=lambda row: (order[row.finding.outcome], -row.loss))


def whole(run: Run) -> list[Visited]:
    """The assets with all that counts in their scores: also what failed before and nobody could look at again."""
    still: dict[str, list[Finding]] = {}
    for one in run.history.standing if run.history else ():
        still.setdefault(one.asset, []).append(one)
    return [
        replace(one, findings=(*one.findings, *still[one.asset.id])) if one.asset.id in still else one
        for one in run.visited
    ]


def worst_rows(run: Run) -> dict[tuple[str, str], Row]:
    """(service, root cause) → its failed finding that costs most: whose fix to show for the whole."""
    found: dict[tuple[str, str], Row] = {}
    for visited in whole(run):
        for row in rows(run, visited):
            if row.finding.outcome is Outcome.FAIL and row.control is not None:
                key = (visited.asset.service, row.control.cause)
                if key not in found or row.loss > found[key].loss:
                    found[key] = row
    return found


def owners(run: Run, assets: Iterable[str]) -> str:
    """Who owns these assets, by name: 'Data team, Platform team'; empty where nobody does."""
    wanted = set(assets)
    return ", ".join(sorted({one.asset.owner for one in run.visited if one.asset.id in wanted and one.asset.owner}))


def charge(run: Run, risk: Risk) -> Charge | None:
    """Who deals with a risk until when; None where no register is kept or nothing is known."""
    if run.history is None:
        return None
    key = (risk.service, risk.root_cause)
    return next((one for one in run.history.charges if (one.service, one.root_cause) == key), None)


def borne(run: Run) -> dict[tuple[str, str, str], AcceptedRisk]:
    """(asset, control, subject as it is shown) → the acceptance of it that holds today."""
    held = run.history.accepted if run.history else ()
    return {(one.asset, one.control, printable(one.subject)): one for one in held if one.state in {"valid", "expiring"}}


def feeds(run: Run) -> list[str]:
    """What the known flaws were looked up in, with its age: 'Debian: 45231 advisories until 2026-11-20, fetched …'."""
    found = {one.observed or one.detail for one in run.findings if one.control == FEED and one.baseline == FLAWS}
    return sorted(found - {""})


def feed_ages_days(run: Run) -> list[int]:
    """How old the lists were that known flaws were looked up in; empty where there was none."""
    return [int(days) for one in feeds(run) for days in re.findall(r"fetched (\d+) days ago", one)]


def counts(visited: Visited) -> dict[str, int]:
    """Findings by outcome: {'pass': 12, 'fail': 3, …}."""
    found = {outcome.value: 0 for outcome in Outcome}
    for finding in visited.findings:
        found[finding.outcome.value] += 1
    return found


def gaps(run: Run) -> list[Gap]:
    """What could not be judged, by asset and reason, the largest first."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in run.findings:
        if finding.outcome is Outcome.UNKNOWN:
            found.setdefault((finding.asset, finding.reason), []).append(finding)
    made = [
        Gap(asset, reason, group[0].detail, len(group), NEXT_STEP.get(reason, ""))
        for (asset, reason), group in found.items()
    ]
    return sorted(made, key=lambda gap: -gap.count)


def not_visited(run: Run) -> list[tuple[str, str, str]]:
    """(asset, way in, why) for each visit that failed as a whole."""
    return [(one.asset.id, way, why) for one in run.visited for way, why in one.failures.items()]


def verdict(run: Run) -> str:
    """The run in one sentence, for somebody who reads no further."""
    policy, total = policy_of(run), run.organisation
    bearable = policy.tolerances.organisation
    if not run.visited or not (total.judged or total.expected_loss):
        return "Nothing could be judged, so nothing is known of the risk."
    if total.expected_loss > bearable:
        said = f"The risk is above what was agreed: {amount(total.expected_loss, policy)} expected loss a year"
        said += f", where {amount(bearable, policy)} are bearable."
    else:
        said = f"The risk is within what was agreed: {amount(total.expected_loss, policy)} expected loss a year"
        said += f" of {amount(bearable, policy)} that are bearable."
    if total.coverage < 0.95:
        said += f" Only {seen(total)} of what applies could be judged, so the true figure may be higher."
    return said


def levels(run: Run) -> str:
    """What is held back, what is, and what is left beside what somebody bears; "" where that is not known.

    'Without any of the controls 310 points a year would be expected; today it is 41, of which 3 are accepted.'
    """
    now, policy = run.organisation.expected_loss, policy_of(run)
    if run.inherent is None or not run.inherent.expected_loss:
        return ""
    said = f"With none of the controls in place {amount(run.inherent.expected_loss, policy)} a year would be expected"
    said += f"; today it is {amount(now, policy)}"
    left = run.history.untreated if run.history else None
    if left is not None and now - left > 1e-9 * now:
        said += f", and {amount(left, policy)} without what is accepted"
    return f"{said}."


def amount(value: float, policy: score.Policy) -> str:
    """An expected loss for people: 3 digits, never a false zero: '0.42 points', '< 0.01 points'."""
    if value and value < 0.01:
        return f"< 0.01 {policy.unit}"
    return f"{value:,.0f} {policy.unit}" if value >= 100 else f"{value:.3g} {policy.unit}"


def points(of: Score) -> str:
    """A score for people: '22'; '?' where nothing was judged, for then nothing is known."""
    return f"{of.score:.0f}" if of.judged or of.expected_loss else "?"


def seen(of: Score) -> str:
    """How much of what applies was judged, never rounded up to all: '99 %'; '0 %' where nothing applies."""
    return f"{100 * of.judged // of.applicable if of.applicable else 0} %"


def chance(value: float) -> str:
    """A yearly chance in plain words: '< 1 %', '25 % (1 in 4 years)', '> 99 %'."""
    if value <= 0:
        return "none"
    if value < 0.01:
        return "< 1 %"
    if value > 0.99:
        return "> 99 %"
    years = 1 / value
    return f"{value:.0%}".replace("%", " %") + (f" (1 in {years:.0f} years)" if years >= 1.5 else "")
