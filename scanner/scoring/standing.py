"""Which findings count beside today's: those last known to fail, and those that somebody has accepted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from scanner.errors import UsageError
from scanner.model import Finding, Outcome

Place = tuple[str, str, str]
"""Asset, control, subject: what a risk is about, whichever baseline judged it."""


OPEN_LISTS = {"vulnerabilities": "advisories-are-fresh", "exposure": "seen-from-both-sides"}
"""Baseline whose controls come and go with what is known → the control that passes where today's list is whole.

What such a list no longer names is closed then, although its own control was not judged again.
"""


def place(finding: Finding) -> Place:
    """What a finding is about."""
    return finding.asset, finding.control, finding.subject


def with_last_known(now: Sequence[Finding], last_known: Iterable[Finding]) -> list[Finding]:
    """Today's findings, and every earlier failure that today's cannot close: unknown is not safe.

    An earlier failure is closed where its control was judged on its asset: for its subject, or for all subjects and
    this one is no longer among them.
    """
    known = [finding for finding in last_known if finding.outcome is Outcome.FAIL]
    if not known:
        return list(now)
    outcomes: dict[Place, set[Outcome]] = {}
    controls: dict[tuple[str, str], set[Outcome]] = {}
    for finding in now:
        outcome = Outcome.UNKNOWN if finding.reason == "truncated" else finding.outcome
        outcomes.setdefault(place(finding), set()).add(finding.outcome)
        controls.setdefault((finding.asset, finding.control), set()).add(outcome)

    def open(finding: Finding) -> bool:
        said = outcomes.get(place(finding))
        if said:
            return Outcome.UNKNOWN in said and Outcome.FAIL not in said
        whole = OPEN_LISTS.get(finding.baseline, "")
        if whole and controls.get((finding.asset, whole)) == {Outcome.PASS}:
            return False
        return Outcome.UNKNOWN in controls.get((finding.asset, finding.control), {Outcome.UNKNOWN})

    return [*now, *(finding for finding in known if open(finding))]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A risk that somebody bears knowingly. until: the last day (UTC) on which it holds.

    It changes what is untreated, never the outcome and never the current risk.
    """

    asset: str
    control: str
    subject: str
    owner: str
    approver: str
    reason: str
    until: date

    def __post_init__(self) -> None:
        missing = [name for name in ("owner", "approver", "reason") if not getattr(self, name).strip()]
        if missing:
            raise UsageError(f"an acceptance of {self.control} on {self.asset} needs {' and '.join(missing)}")
        if " ".join(self.owner.split()).casefold() == " ".join(self.approver.split()).casefold():
            raise UsageError(f"an acceptance of {self.control} on {self.asset} needs another person to approve it")

    def holds_on(self, day: date) -> bool:
        """Whether it holds on that day (UTC); it ends at 00:00 of the day after `until`."""
        return day <= self.until


@dataclass(frozen=True, slots=True)
class Compensation:
    """Something else that makes a weakness harder to use: `factor` of the attempts still get through, 0.05 to 1.

    evidence: where it can be seen. until: the last day (UTC) on which it counts.
    """

    asset: str
    control: str
    subject: str
    factor: float
    owner: str
    evidence: str
    until: date

    def __post_init__(self) -> None:
        missing = [name for name in ("owner", "evidence") if not getattr(self, name).strip()]
        if missing:
            raise UsageError(f"a compensation of {self.control} on {self.asset} needs {' and '.join(missing)}")
        if not 0.05 <= self.factor <= 1:
            raise UsageError(f"a compensation of {self.control} on {self.asset} must be 0.05 to 1, not {self.factor!r}")


def compensated(findings: Iterable[Finding], known: Iterable[Compensation], today: date) -> list[Finding]:
    """The failures with what compensates them today; of several, the strongest counts. Nothing else is changed."""
    factors: dict[Place, float] = {}
    for one in known:
        if today <= one.until:
            at = (one.asset, one.control, one.subject)
            factors[at] = min(one.factor, factors.get(at, 1.0))
    if not factors:
        return list(findings)
    return [
        replace(finding, compensation=factors[place(finding)])
        if finding.outcome is Outcome.FAIL and place(finding) in factors
        else finding
        for finding in findings
    ]


def untreated(findings: Iterable[Finding], accepted: Iterable[Acceptance], today: date) -> list[Finding]:
    """The findings without the failures that are accepted today."""
    held = {(one.asset, one.control, one.subject) for one in accepted if one.holds_on(today)}
    return [finding for finding in findings if finding.outcome is not Outcome.FAIL or place(finding) not in held]
