"""The risks as rows whose columns can be mapped when importing into SimpleRisk: one for each service and root cause.

SimpleRisk's import is a paid extra of its maker, which asks which column is what; this was not tried against it.
"""

from __future__ import annotations

import csv
import io

from scanner.inert import cell
from scanner.model import Run

from . import records, view

COLUMNS = (
    "Subject", "Reference ID", "Location", "Risk Source", "Category", "Owner", "Current Likelihood", "Current Impact",
    "Risk Assessment", "Additional Notes", "Mitigation", "Submission Date",
)  # fmt: skip


def render(run: Run) -> bytes:
    """RFC 4180 in UTF-8, the largest risk first. Likelihood and impact are levels of 1 to 5."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    policy, worst = view.policy_of(run), view.worst_rows(run)
    for risk in run.risks:
        row = worst.get((risk.service, risk.root_cause))
        control = row.control if row else None
        said = f"{view.amount(risk.expected_loss, policy)} a year expected; {risk.findings} findings."
        texts = (
            f"{risk.title}: not so in {risk.service}", records.fingerprint("", risk.service, risk.root_cause)[:20],
            ", ".join(risk.assets), "Riskline", risk.root_cause.partition(".")[0], view.owners(run, risk.assets),
            str(risk.likelihood), str(risk.impact), control.why if control else "", said,
            control.fix if control else "", f"{run.started_at:%Y-%m-%d}",
        )  # fmt: skip
        writer.writerow([cell(text) for text in texts])
    return out.getvalue().encode()
