"""How much could be judged. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scanner.model import Finding, Outcome


@dataclass(frozen=True, slots=True)
class Coverage:
    """Controls × assets: how many could be judged, of how many that apply."""

    judged: int = 0
    applicable: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.judged + other.judged, self.applicable + other.applicable)


def coverage(findings: Iterable[Finding]) -> Coverage:
    """Count controls, not subjects. A control that is unknown for any of its subjects does not count as judged."""
    unknown: dict[tuple[str, str, str], bool] = {}
    for finding in findings:
        if finding.outcome is not Outcome.NOT_APPLICABLE:
            key = (finding.asset, finding.baseline, finding.control)
            unknown[key] = unknown.get(key, False) or finding.outcome is Outcome.UNKNOWN
    return Coverage(sum(not blind for blind in unknown.values()), len(unknown))
