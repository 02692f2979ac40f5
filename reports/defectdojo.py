"""The run as DefectDojo's Generic Findings Import. Source: https://docs.defectdojo.com (Generic Findings Import, JSON).

What it must hold: an unknown key refuses the whole file; findings are the same where title and description are, so
nothing that was measured stands in either; a finding that is missing from a re-import is closed, so one that could not
be judged is never missing; findings carry no `service`, as a re-import without that parameter would then close nothing.
What is accepted is not active: a finding that is both is refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

from scanner.inert import printable
from scanner.model import Outcome, Run

from . import view
from .markdown import plain
from .records import Record, records

SENT = (Outcome.FAIL, Outcome.UNKNOWN)
EFFORTS = {"minutes": "Low", "hours": "Low", "days": "Medium", "weeks": "High"}
_LIMIT = 500


def render(run: Run) -> bytes:
    """One JSON document in UTF-8, for /api/v2/import-scan/ and /api/v2/reimport-scan/ ("Generic Findings Import")."""
    return (json.dumps(document(run), indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def document(run: Run) -> dict[str, Any]:
    """What `render` writes, as plain values."""
    return {
        "name": "Riskline",
        "type": "Riskline",
        "version": run.tool_version,
        "description": ". ".join([f"Run {run.id}", *(f"Known flaws by {plain(told)}" for told in view.feeds(run))]),
        "findings": [_finding(run, one) for one in records(run) if one.finding.outcome in SENT],
    }


def _finding(run: Run, one: Record) -> dict[str, Any]:
    finding, control = one.finding, one.row.control
    failed = finding.outcome is Outcome.FAIL
    where = f"{finding.asset}, {finding.subject}" if finding.subject else finding.asset
    return {
        "title": printable(f"{one.title} ({finding.asset})", _LIMIT),
        "description": f"{plain(one.why)}\n\nAsset: {plain(where)}. Control: {plain(finding.control)}.",
        "severity": one.severity.capitalize() if failed else "Info",
        "severity_justification": plain(f"{one.said} {one.treatment}".strip()),
        "mitigation": printable(one.fix),
        "impact": plain(one.why),
        "references": "; ".join(
            f"{plain(name)}: {plain(', '.join(values))}" for name, values in one.references.items()
        ),
        "date": f"{run.started_at:%Y-%m-%d}",
        "active": one.accepted is None,
        "risk_accepted": one.accepted is not None,
        "verified": failed,
        **({"planned_remediation_date": f"{one.due}"} if one.due and one.accepted is None else {}),
        "component_name": printable(finding.asset, _LIMIT),
        "unique_id_from_tool": one.fingerprint,
        "vuln_id_from_tool": printable(finding.control, _LIMIT),
        "effort_for_fixing": EFFORTS[control.effort] if control else "Medium",
        "tags": _tags("riskline", one.asset.service, one.asset.zone, "" if failed else "not-judged"),
    }


def _tags(*words: str) -> list[str]:
    """Words that a tag may be made of: anything else would be split, or refused."""
    found = (re.sub(r"[^a-z0-9._-]+", "-", word.lower()).strip("-")[:60] for word in words)
    return list(dict.fromkeys(word for word in found if word))
