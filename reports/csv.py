"""One row per finding, RFC 4180, in UTF-8; no cell that a spreadsheet would compute."""

from __future__ import annotations

import csv
import io

from scanner.inert import cell
from scanner.model import Run

from . import view
from .clouds import account_of, place_of

COLUMNS = (
    "asset", "owner", "service", "baseline", "control", "title", "subject", "outcome", "reason", "observed", "expected",
    "detail", "expected_loss", "root_cause", "why", "fix", "effort", "references", "account", "region", "console",
    "tags",
)  # fmt: skip


def render(run: Run) -> bytes:
    """The findings, asset by asset in the order of the inventory, worst first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for visited in run.visited:
        account = account_of(visited)
        for row in view.rows(run, visited):
            finding, control = row.finding, row.control
            references = "; ".join(f"{k}: {', '.join(v)}" for k, v in control.references.items()) if control else ""
            texts = [
                finding.asset, visited.asset.owner or "", visited.asset.service, finding.baseline, finding.control,
                row.title, finding.subject, finding.outcome.value, finding.reason, finding.observed, finding.expected,
                finding.detail, f"{row.loss:.4g}", *((control.cause, control.why, control.fix, control.effort)
                if control else [""] * 4), references, *place_of(finding.subject, account),
                "; ".join(f"{key}={value}" for key, value in visited.asset.tags_of.get(finding.subject, {}).items()),
            ]  # fmt: skip
            writer.writerow([cell(text) for text in texts])
    return out.getvalue().encode()
