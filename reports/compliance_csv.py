"""The compliance matrix as rows, RFC 4180, in UTF-8: one for each requirement that a control of the run names."""

from __future__ import annotations

import csv
import io

from scanner.inert import cell
from scanner.model import Run

from . import frameworks

COLUMNS = (
    "framework", "baseline", "requirement", "outcome", "passed", "failed", "unknown", "not_applicable", "controls",
)  # fmt: skip


def render(run: Run) -> bytes:
    """The requirements by framework, baseline (where numbers differ by baseline) and number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in frameworks.requirements(run):
        counts = (one.passed, one.failed, one.unknown, one.not_applicable)
        texts = (one.framework, one.of, one.number, one.outcome.value, *map(str, counts), " ".join(one.controls))
        writer.writerow([cell(text) for text in texts])
    return out.getvalue().encode()
