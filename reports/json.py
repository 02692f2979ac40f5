"""The run as JSON, with a published schema (docs/schema/run-1.schema.json). The same run gives the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from scanner.model import History, Outcome, Risk, Run, Score, Visited

from . import view
from .clouds import account_of, place_of

SCHEMA = 1


def render(run: Run) -> bytes:
    """One JSON document in UTF-8, keys in a fixed order, ending in a line break."""
    return (json.dumps(document(run), indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def document(run: Run) -> dict[str, Any]:
    """What `render` writes, as plain values."""
    return {
        "schema": SCHEMA,
        "id": run.id,
        "state": run.state,
        "started_at": _instant(run.started_at),
        "finished_at": _instant(run.finished_at),
        "tool_version": run.tool_version,
        "tool_digest": run.tool_digest,
        "feeds": dict(run.feeds),
        "inventory": run.inventory,
        "inventory_digest": run.inventory_digest,
        "baselines": dict(run.baselines),
        "policy": dict(run.policy),
        "organisation": _score(run.organisation),
        "inherent": _score(run.inherent) if run.inherent else None,
        "services": {name: _score(of) for name, of in run.services.items()},
        "risks": [_risk(risk) for risk in run.risks],
        "assets": [_asset(visited) for visited in run.visited],
        "history": _history(run.history),
        "findings": [one for visited in run.visited for one in _findings(run, visited)],
    }


def _history(history: History | None) -> dict[str, Any] | None:
    if history is None:
        return None
    trend = [{**asdict(one), "at": _instant(one.at), "coverage": round(one.coverage, 6)} for one in history.trend]
    accepted = [{**asdict(one), "until": f"{one.until}"} for one in history.accepted]
    charges = [{**asdict(one), "due": f"{one.due}" if one.due else None} for one in history.charges]
    return {
        "day": f"{history.day}",
        "trend": trend,
        "accepted": accepted,
        "charges": charges,
        "head": history.head,
        "untreated": history.untreated,
    }


def _in_order(run: Run, visited: Visited) -> list[view.Row]:
    """In the order of the baselines, so that two runs can be compared line by line."""
    visited = replace(visited, findings=tuple(visited.findings))
    position = {id(finding): number for number, finding in enumerate(visited.findings)}
    return sorted(view.rows(run, visited), key=lambda row: position[id(row.finding)])


def _score(of: Score) -> dict[str, Any]:
    return {**asdict(of), "coverage": round(of.coverage, 6)}


def _risk(risk: Risk) -> dict[str, Any]:
    return {**asdict(risk), "assets": list(risk.assets)}


def _asset(visited: Visited) -> dict[str, Any]:
    asset = visited.asset
    return {
        "id": asset.id,
        "kind": asset.kind,
        "address": asset.address,
        "owner": asset.owner,
        "service": asset.service,
        "environment": asset.environment,
        "zone": asset.zone,
        "criticality": asdict(asset.criticality),
        "tags": dict(asset.tags),
        "groups": list(asset.groups),
        "baselines": list(visited.baselines),
        "collected_at": _instant(visited.collected_at),
        "took_s": round(visited.took_s, 3),
        "failures": dict(visited.failures),
        "evidence_digest": visited.evidence_digest,
        "counts": view.counts(visited),
        "score": _score(visited.score),
    }


def _findings(run: Run, visited: Visited) -> list[dict[str, Any]]:
    account = account_of(visited)
    return [_finding(row, visited, account) for row in _in_order(run, visited)]


def _finding(row: view.Row, visited: Visited, account: str) -> dict[str, Any]:
    finding, control = row.finding, row.control
    return {
        "asset": finding.asset,
        "baseline": finding.baseline,
        "control": finding.control,
        "title": row.title,
        "subject": finding.subject,
        **place_of(finding.subject, account)._asdict(),
        "tags": dict(visited.asset.tags_of.get(finding.subject, {})),
        "outcome": finding.outcome.value,
        "reason": finding.reason,
        "observed": finding.observed,
        "expected": finding.expected,
        "detail": finding.detail,
        "weakness": finding.weakness,
        "compensation": finding.compensation,
        "expected_loss": row.loss,
        "root_cause": control.cause if control else "",
        "why": control.why if control else "",
        "fix": control.fix if control else "",
        "effort": control.effort if control else "",
        "levels": list(control.levels) if control else [],
        "references": {name: list(values) for name, values in control.references.items()} if control else {},
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


# ── the published schema ─────────────────────────────────────────────────────────────────────────────────────────────

_TEXT = {"type": "string"}
_TEXT_OR_NONE = {"type": ["string", "null"]}
_AT = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": "number", "minimum": 0}
_COUNT = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT}
_MAP = {"type": "object", "additionalProperties": _TEXT}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_LEVEL = {"type": "integer", "minimum": 0, "maximum": 5}


def _object(properties: dict[str, Any], about: str = "") -> dict[str, Any]:
    made = {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}
    return {**made, "description": about} if about else made


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `render` writes."""
    scored = _object(
        {
            "expected_loss": _NUMBER,
            "chance": _SHARE,
            "score": {"type": "number", "minimum": 0, "maximum": 100},
            "likelihood": _LEVEL,
            "impact": _LEVEL,
            "judged": _COUNT,
            "applicable": _COUNT,
            "coverage": _SHARE,
        },
        "expected_loss: a year, in the unit of the policy. chance: of a loss in a year. likelihood, impact: 0 is none",
    )
    risk = _object(
        {
            "service": _TEXT,
            "root_cause": _TEXT,
            "title": _TEXT,
            "expected_loss": _NUMBER,
            "chance": _SHARE,
            "likelihood": _LEVEL,
            "impact": _LEVEL,
            "assets": _TEXTS,
            "findings": _COUNT,
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A run of Riskline",
        **_object(
            {
                "schema": {"const": SCHEMA},
                "id": _TEXT,
                "state": {"enum": ["complete", "partial", "running"]},
                "started_at": _AT,
                "finished_at": _AT,
                "tool_version": _TEXT,
                "tool_digest": {**_TEXT, "description": "SHA-256 over Riskline's own code; empty in earlier runs"},
                "feeds": {**_MAP, "description": "feed → SHA-256 of the list that known flaws were looked up in"},
                "inventory": _TEXT,
                "inventory_digest": _TEXT,
                "baselines": {**_MAP, "description": "id → SHA-256 of the controls that were judged"},
                "policy": {"type": "object"},
                "organisation": {"$ref": "#/$defs/score"},
                "inherent": {
                    "anyOf": [{"type": "null"}, {"$ref": "#/$defs/score"}],
                    "description": "the organisation if no control held at all; null in runs of earlier releases",
                },
                "services": {"type": "object", "additionalProperties": {"$ref": "#/$defs/score"}},
                "risks": {"type": "array", "items": risk, "description": "worst first; one per service and root cause"},
                "assets": {"type": "array", "items": _asset_schema()},
                "history": {"anyOf": [{"type": "null"}, _history_schema()]},
                "findings": {"type": "array", "items": _finding_schema()},
            }
        ),
        "$defs": {"score": scored},
    }


def _history_schema() -> dict[str, Any]:
    day = {"type": "string", "format": "date"}
    point = _object(
        {"run": _TEXT, "at": _AT, "score": _NUMBER, "expected_loss": _NUMBER, "coverage": _SHARE},
        "the organisation's score at the end of a run over the same estate; oldest first",
    )
    named = ("asset", "service", "baseline", "control", "subject", "title", "root_cause", "owner", "approver", "reason")
    states = {"enum": ["valid", "expiring", "expired", "unused"]}
    accepted = _object({**dict.fromkeys(named, _TEXT), "until": day, "state": states})
    due = {"anyOf": [{"type": "null"}, day]}
    charge = _object({"service": _TEXT, "root_cause": _TEXT, "owner": _TEXT, "due": due, "overdue": _COUNT})
    return _object(
        {
            "day": day,
            "trend": {"type": "array", "items": point},
            "accepted": {"type": "array", "items": accepted, "description": "they still fail and still count"},
            "charges": {"type": "array", "items": charge, "description": "who deals with the largest risks"},
            "head": {**_TEXT, "description": "hash that stands for the register's whole history"},
            "untreated": {
                "type": ["number", "null"],
                "description": "the organisation's expected yearly loss without what is accepted; null: not known",
            },
        },
        "what the register adds, as of `day`; null where none is kept",
    )


def _asset_schema() -> dict[str, Any]:
    level = {"type": "integer", "minimum": 1, "maximum": 5}
    return _object(
        {
            "id": _TEXT,
            "kind": {"enum": ["linux", "windows", "aws", "network", "organisation"]},
            "address": _TEXT_OR_NONE,
            "owner": _TEXT_OR_NONE,
            "service": _TEXT,
            "environment": _TEXT_OR_NONE,
            "zone": {"enum": ["internet", "partner", "internal", "restricted", "isolated"]},
            "criticality": _object({"c": level, "i": level, "a": level}),
            "tags": _MAP,
            "groups": _TEXTS,
            "baselines": _TEXTS,
            "collected_at": _AT,
            "took_s": _NUMBER,
            "failures": {**_MAP, "description": "way in → why the visit failed as a whole"},
            "evidence_digest": _TEXT,
            "counts": _object({outcome.value: _COUNT for outcome in Outcome}),
            "score": {"$ref": "#/$defs/score"},
        }
    )


def _finding_schema() -> dict[str, Any]:
    return _object(
        {
            "asset": _TEXT,
            "baseline": _TEXT,
            "control": _TEXT,
            "title": _TEXT,
            "subject": {**_TEXT, "description": "what of the asset it is about; empty for the asset as a whole"},
            "account": {**_TEXT, "description": "of a thing in the cloud; empty elsewhere, or where nobody tells"},
            "region": {**_TEXT, "description": "as account"},
            "console": {**_TEXT, "description": "the page of the cloud's console about it, or empty"},
            "tags": {**_MAP, "description": "of a thing in the cloud"},
            "outcome": {"enum": [outcome.value for outcome in Outcome]},
            "reason": {**_TEXT, "description": "why it is unknown or not applicable"},
            "observed": _TEXT,
            "expected": _TEXT,
            "detail": _TEXT,
            "weakness": _SHARE,
            "compensation": {
                **_SHARE,
                "description": "what something else leaves of the chances to use it; 1: nothing",
            },
            "expected_loss": {**_NUMBER, "description": "of this finding alone, a year"},
            "root_cause": _TEXT,
            "why": _TEXT,
            "fix": _TEXT,
            "effort": {"enum": ["", "minutes", "hours", "days", "weeks"]},
            "levels": _TEXTS,
            "references": {"type": "object", "additionalProperties": _TEXTS},
        }
    )
