"""The compliance matrix as rows, RFC 4180, in UTF-8: one for each requirement.

Those that a control of the run names come first, then what none of them names, where the framework's numbers are known.
"""

from __future__ import annotations

import csv
import io

from scanner.inert import cell
from scanner.model import Run

from . import coverage, frameworks

COLUMNS = (
    "framework", "baseline", "requirement", "outcome", "passed", "failed", "unknown", "not_applicable", "controls",
    "accepted",
)  # fmt: skip
NOT_COVERED = "not-covered"
"""Outcome of a requirement that no control of the run names."""


def render(run: Run) -> bytes:
    """The requirements by framework, baseline (where numbers differ by baseline) and number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    found = frameworks.requirements(run)
    for one in found:
        counts = (one.passed, one.failed, one.unknown, one.not_applicable)
        texts = (
            one.framework,
            one.of,
            one.number,
            one.outcome.value,
            *map(str, counts),
            " ".join(one.controls),
            str(one.accepted),
        )
        writer.writerow([cell(text) for text in texts])
    for framework, numbers in coverage.not_covered(found).items():
        writer.writerows([framework, "", number, NOT_COVERED, "0", "0", "0", "0", "", "0"] for number in numbers)
    return out.getvalue().encode()
