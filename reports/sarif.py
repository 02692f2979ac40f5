"""The run as SARIF 2.1.0, for code hosts and dashboards. What nobody could judge is a result as well.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from scanner.inert import printable
from scanner.model import Outcome, Run

from .records import Record, records

KINDS = {Outcome.FAIL: "fail", Outcome.UNKNOWN: "open", Outcome.PASS: "pass", Outcome.NOT_APPLICABLE: "notApplicable"}
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
WEIGHTS = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0", "info": "0.0"}
"""Severity → the number, as text, that code hosts sort by."""


def render(run: Run) -> bytes:
    """One SARIF document in UTF-8, ending in a line break."""
    return (json.dumps(document(run), indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def document(run: Run) -> dict[str, Any]:
    """What `render` writes, as plain values."""
    found = records(run)
    names: dict[str, int] = {}
    firsts: list[Record] = []
    for one in found:
        if names.setdefault(_rule_id(one), len(names)) == len(firsts):
            firsts.append(one)
    worst: dict[str, str] = {}
    for one in found:
        worst[_rule_id(one)] = max(worst.get(_rule_id(one), "info"), one.severity, key=list(reversed(WEIGHTS)).index)
    driver = {
        "name": "Riskline",
        "semanticVersion": run.tool_version,
        "rules": [_rule(one, worst[_rule_id(one)]) for one in firsts],
    }
    invocation = {"executionSuccessful": run.state == "complete", "startTimeUtc": run.started_at.isoformat()}
    made = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"riskline/{run.id}"},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, names[_rule_id(one)]) for one in found],
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [made]}


def _rule_id(one: Record) -> str:
    finding = one.finding
    return printable(f"{finding.baseline}/{finding.control}" if finding.baseline else finding.control)


def _rule(one: Record, worst: str) -> dict[str, Any]:
    tags = ["security", *(f"{name}/{value}" for name, values in one.references.items() for value in values)]
    return {
        "id": _rule_id(one),
        "name": printable(one.finding.control),
        "shortDescription": {"text": printable(one.row.title)},
        "fullDescription": {"text": printable(one.why)},
        "help": {"text": printable(one.fix)},
        "properties": {
            "tags": list(dict.fromkeys(map(printable, tags))),
            "security-severity": WEIGHTS[worst],
            "rootCause": printable(one.cause),
        },
    }


def _result(one: Record, index: int) -> dict[str, Any]:
    finding = one.finding
    failed = finding.outcome is Outcome.FAIL
    place = f"{finding.asset}/{finding.subject}" if finding.subject else finding.asset
    return {
        "ruleId": _rule_id(one),
        "ruleIndex": index,
        "kind": KINDS[finding.outcome],
        # Source: 3.27.10: where kind is not "fail", level is "none".
        "level": LEVELS[one.severity] if failed else "none",
        "message": {"text": printable(f"{finding.asset}: {one.title}. {one.said}")},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(finding.asset)}},
                "logicalLocations": [
                    {"name": printable(finding.asset), "fullyQualifiedName": printable(place), "kind": "resource"}
                ],
            }
        ],
        "partialFingerprints": {"riskline/v1": one.fingerprint},
        "properties": {"reason": printable(finding.reason), "service": printable(one.asset.service)},
    }


def _uri(asset: str) -> str:
    """A relative reference that stands for the asset; there is no file to point to."""
    return f"assets/{quote(asset, safe='', errors='backslashreplace')}"
