"""The run as OCSF events of class Compliance Finding (2003), one JSON object a line, for data lakes and SIEMs.

Source: https://schema.ocsf.io/1.5.0/classes/compliance_finding
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from scanner.inert import printable
from scanner.model import Outcome, Run

from . import frameworks
from .records import Record, records

VERSION = "1.5.0"
CLASS, CREATE = 2003, 1
SEVERITIES = {
    "info": (1, "Informational"),
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
STATUSES = {
    Outcome.PASS: (1, "Pass"),
    Outcome.FAIL: (3, "Fail"),
    Outcome.UNKNOWN: (0, "Unknown"),
    Outcome.NOT_APPLICABLE: (99, "Not Applicable"),
}


def render(run: Run) -> bytes:
    """JSON lines in UTF-8."""
    seen_at = {one.asset.id: one.collected_at or run.started_at for one in run.visited}
    lines = (
        json.dumps(event(run, one, seen_at[one.asset.id]), ensure_ascii=True, allow_nan=False) for one in records(run)
    )
    return "".join(f"{line}\n" for line in lines).encode()


def event(run: Run, one: Record, at: datetime) -> dict[str, Any]:
    """One finding as an event. Its uid is the same in every run; the event's own is not."""
    finding, unknown = one.finding, one.finding.outcome is Outcome.UNKNOWN
    status_id, status = STATUSES[finding.outcome]
    severity_id, severity = (0, "Unknown") if unknown else SEVERITIES[one.severity]
    return {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Compliance Finding",
        "activity_id": CREATE,
        "activity_name": "Create",
        "type_uid": CLASS * 100 + CREATE,
        "type_name": "Compliance Finding: Create",
        "time": int(at.timestamp() * 1000),
        "severity_id": severity_id,
        "severity": severity,
        "message": printable(f"{finding.asset}: {one.title}"),
        "metadata": {
            "version": VERSION,
            "uid": f"{run.id}/{one.fingerprint}",
            "product": {"name": "Riskline", "vendor_name": "Riskline", "version": run.tool_version},
        },
        "finding_info": {
            "uid": one.fingerprint,
            "title": printable(one.title),
            "desc": printable(one.why),
            "types": ["Security Control"],
        },
        "compliance": {
            "control": printable(finding.control),
            "standards": [printable(name) for name in _standards(one)] or [printable(finding.baseline or "none")],
            "requirements": [
                printable(f"{name} {number}") for name in _standards(one) for number in one.references[name]
            ],
            "status_id": status_id,
            "status": status,
            "status_detail": printable(one.said),
        },
        "remediation": {"desc": printable(one.fix)},
        "resources": [
            {
                "uid": printable(one.asset.id),
                "name": printable(finding.subject or one.asset.id),
                "type": one.asset.kind,
                "labels": [printable(f"service:{one.asset.service}"), f"zone:{one.asset.zone}"],
            }
        ],
    }


def _standards(one: Record) -> list[str]:
    return [name for name in one.references if name not in frameworks.NO_FRAMEWORKS]
