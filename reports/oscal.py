"""The run as OSCAL assessment results, JSON. Source: https://pages.nist.gov/OSCAL-Reference/models/v1.1.2/

Every uuid is made from a lasting name (UUIDv5), so the same place has the same one in every run. OSCAL knows only
satisfied and not-satisfied: what could not be judged is not-satisfied for the reason "other", never satisfied.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from scanner.model import Outcome, Run

from . import view
from .markdown import plain
from .records import Record, fingerprint, records

VERSION = "1.1.2"
_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "riskline")
NAMESPACE = "urn:riskline:register"
"""Of the properties that OSCAL has no word for."""
STATES = {
    Outcome.PASS: ("satisfied", "pass"),
    Outcome.FAIL: ("not-satisfied", "fail"),
    Outcome.UNKNOWN: ("not-satisfied", "other"),
}


def render(run: Run) -> bytes:
    """One JSON document in UTF-8."""
    return written({"assessment-results": _document(run)})


def written(document: dict[str, Any]) -> bytes:
    """A document as bytes."""
    return (json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def name(*parts: str) -> str:
    """The lasting uuid of something: the same parts give the same one."""
    return str(uuid.uuid5(_SPACE, json.dumps(parts)))


def _document(run: Run) -> dict[str, Any]:
    found = records(run)
    result = {
        "uuid": name("result", run.id),
        "title": f"Run {said(run.id)}",
        "description": said(view.verdict(run)),
        "start": run.started_at.isoformat(),
        **({"end": run.finished_at.isoformat()} if run.finished_at else {}),
        "local-definitions": definitions(run),
        "reviewed-controls": {"control-selections": [{"include-all": {}}]},
        "observations": [observation(run, one) for one in found],
        "risks": risks(run, found),
        "findings": [finding(one) for one in found if one.finding.outcome in STATES],
    }
    plan = name("plan", run.inventory_digest)
    return {
        "uuid": name("assessment-results", run.id),
        "metadata": metadata(run, "Assessment results of Riskline"),
        "import-ap": {"href": f"#{plan}"},
        "results": [filled(result)],
        "back-matter": {
            "resources": [
                {
                    "uuid": plan,
                    "title": "What was to be assessed",
                    "description": f"The inventory of SHA-256 {run.inventory_digest} and the baselines "
                    + ", ".join(f"{said(id)} ({digest[:12]})" for id, digest in run.baselines.items()),
                }
            ]
        },
    }


def filled(value: dict[str, Any]) -> dict[str, Any]:
    """Without lists that are empty: OSCAL takes none."""
    return {key: entry for key, entry in value.items() if entry != []}


def said(text: str) -> str:
    """Text as one line without markup; a dash where there is none, for OSCAL takes no empty text."""
    return plain(text).strip() or "-"


def metadata(run: Run, title: str) -> dict[str, Any]:
    """The document's own head. It changes only where the run does."""
    return {
        "title": title,
        "last-modified": (run.finished_at or run.started_at).isoformat(),
        "version": said(run.id),
        "oscal-version": VERSION,
        **({"remarks": "; ".join(f"Known flaws by {said(one)}" for one in told)} if (told := view.feeds(run)) else {}),
    }


def definitions(run: Run) -> dict[str, Any]:
    """The tool and the assets: all that anything else in the document refers to."""
    return filled(
        {
            "components": [
                {
                    "uuid": name("tool"),
                    "type": "software",
                    "title": "Riskline",
                    "description": f"Riskline {said(run.tool_version)}",
                    "status": {"state": "operational"},
                }
            ],
            "inventory-items": [
                {
                    "uuid": name("asset", one.asset.id),
                    "description": f"{said(one.asset.id)}: {one.asset.kind}, zone {one.asset.zone}, "
                    f"service {said(one.asset.service)}, owner {said(one.asset.owner or 'nobody')}",
                }
                for one in run.visited
            ],
        }
    )


def observation(run: Run, one: Record) -> dict[str, Any]:
    """What was measured of one place, whatever came of it."""
    at = next((v.collected_at for v in run.visited if v.asset.id == one.asset.id and v.collected_at), run.started_at)
    manual = one.row.control is not None and bool(one.row.control.manual)
    return {
        "uuid": name("observation", one.fingerprint),
        "title": said(one.title),
        "description": said(f"{one.finding.outcome.value}: {one.said}"),
        "methods": ["INTERVIEW" if manual else "TEST"],
        "types": ["control-objective"],
        "origins": [_origin()],
        "subjects": [{"subject-uuid": name("asset", one.asset.id), "type": "inventory-item"}],
        "collected": at.isoformat(),
    }


def _origin() -> dict[str, Any]:
    return {"actors": [{"type": "tool", "actor-uuid": name("tool")}]}


def finding(one: Record) -> dict[str, Any]:
    """The verdict on one place, with the observation and, where it failed, the risk."""
    state, reason = STATES[one.finding.outcome]
    made: dict[str, Any] = {
        "uuid": name("finding", one.fingerprint),
        "title": said(one.title),
        "description": said(one.why),
        "target": {
            "type": "objective-id",
            "target-id": _token(f"{one.finding.baseline}.{one.finding.control}"),
            "status": {"state": state, "reason": reason},
        },
        "related-observations": [{"observation-uuid": name("observation", one.fingerprint)}],
    }
    if one.finding.outcome is Outcome.FAIL:
        made["related-risks"] = [{"risk-uuid": _risk_name(one.asset.service, one.cause)}]
    return made


def _token(text: str) -> str:
    made = re.sub(r"[^A-Za-z0-9._-]", "-", text)
    return made if re.match(r"[A-Za-z_]", made) else f"_{made}"


def _risk_name(service: str, cause: str) -> str:
    return name("risk", fingerprint("", service, cause))


def _decided(members: list[Record]) -> list[dict[str, str]]:
    """What people decided of the findings of one risk: who deals with it, and what is accepted until when."""
    owner = members[0].owner
    named = [{"name": "owner", "ns": NAMESPACE, "value": said(owner)}] if owner else []
    return named + [
        {
            "name": "accepted-until",
            "ns": NAMESPACE,
            "uuid": name("accepted", one.fingerprint),
            "value": f"{one.accepted.until}",
            "remarks": said(f"{one.title} ({one.asset.id}). {one.treatment}"),
        }
        for one in members
        if one.accepted is not None
    ]


def risks(run: Run, found: list[Record]) -> list[dict[str, Any]]:
    """One for each root cause in each service that failed anywhere."""
    worst, causes = view.worst_rows(run), {(risk.service, risk.root_cause): risk for risk in run.risks}
    failed: dict[tuple[str, str], list[Record]] = {}
    for one in found:
        if one.finding.outcome is Outcome.FAIL:
            failed.setdefault((one.asset.service, one.cause), []).append(one)
    made = []
    for (service, cause), members in failed.items():
        row, risk = worst.get((service, cause)), causes.get((service, cause))
        accepted = [one.accepted for one in members if one.accepted is not None]
        control = row.control if row and row.control else None
        levels = [("likelihood", risk.likelihood), ("impact", risk.impact)] if risk else []
        due = view.charge(run, risk) if risk else None
        made.append(
            filled(
                {
                    "uuid": _risk_name(service, cause),
                    "title": said(risk.title if risk else members[0].row.title),
                    "description": said(f"Not so in {service}: {len(members)} findings."),
                    "statement": said(control.why if control else members[0].why),
                    "props": _decided(members),
                    # Only where every finding is borne: one that is not leaves the risk open.
                    "status": "deviation-approved" if len(accepted) == len(members) else "open",
                    "origins": [_origin()],
                    **({"deadline": f"{due.due}T00:00:00+00:00"} if due and due.due else {}),
                    "characterizations": [
                        {
                            "origin": _origin(),
                            "facets": [
                                {"name": facet, "system": "urn:riskline:levels", "value": str(level)}
                                for facet, level in levels
                            ],
                        }
                    ]
                    * bool(levels),
                    "remediations": [
                        {
                            "uuid": name("remediation", service, cause),
                            "lifecycle": "recommendation",
                            "title": said(control.title if control else members[0].title),
                            "description": said(control.fix if control else members[0].fix),
                        }
                    ],
                    "related-observations": [
                        {"observation-uuid": name("observation", one.fingerprint)} for one in members
                    ],
                }
            )
        )
    return made
