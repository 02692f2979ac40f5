"""The known flaws of a run as OCSF events of class Vulnerability Finding (2002), one JSON object a line.

Only what failed and names a CVE is such a flaw; the same findings stand in `ocsf` too, as every other one does.
Source: https://schema.ocsf.io/1.5.0/classes/vulnerability_finding
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from scanner.inert import printable
from scanner.model import Outcome, Run

from . import ocsf, view
from .records import Record, records

CLASS = 2002


def render(run: Run) -> bytes:
    """JSON lines in UTF-8; none where no flaw is known."""
    seen_at = {one.asset.id: one.collected_at or run.started_at for one in run.visited}
    sources = [printable(told, 500) for told in view.feeds(run)]
    lines = (
        json.dumps(event(run, one, seen_at[one.asset.id], sources), ensure_ascii=True, allow_nan=False)
        for one in records(run)
        if one.finding.outcome is Outcome.FAIL and one.references.get("cve")
    )
    return "".join(f"{line}\n" for line in lines).encode()


def event(run: Run, one: Record, at: datetime, sources: Sequence[str] = ()) -> dict[str, Any]:
    """One flaw on one asset: the compliance finding's words, with the flaws in place of the requirement.

    sources: the lists that the run looked flaws up in, with their age.
    """
    made = ocsf.event(run, one, at)
    del made["compliance"], made["remediation"]
    severity, fix = made["severity"], {"desc": printable(one.fix)}
    return {
        **made,
        "class_uid": CLASS,
        "class_name": "Vulnerability Finding",
        "type_uid": CLASS * 100 + ocsf.CREATE,
        "type_name": "Vulnerability Finding: Create",
        "status_id": 1,
        "status": "New",
        "finding_info": {**made["finding_info"], "types": ["Vulnerability"], "data_sources": sources},
        "vulnerabilities": [
            {
                "title": printable(one.title),
                "desc": printable(one.said),
                "severity": severity,
                "cve": {"uid": printable(name)},
                "remediation": fix,
            }
            for name in one.references["cve"]
        ],
    }
