"""The run's open risks as an OSCAL plan of action and milestones, JSON: one item for each change that is to be made."""

from __future__ import annotations

from typing import Any

from scanner.model import Outcome, Run

from . import oscal
from .records import records

NOTHING = "Nothing is open"
"""The only item where no risk is open: OSCAL takes no plan without an item."""


def render(run: Run) -> bytes:
    """One JSON document in UTF-8."""
    found = [one for one in records(run) if one.finding.outcome is Outcome.FAIL]
    risks = oscal.risks(run, found)
    document = {
        "uuid": oscal.name("poam", run.id),
        "metadata": oscal.metadata(run, "Plan of action and milestones of Riskline"),
        "system-id": {"identifier-type": "http://ietf.org/rfc/rfc4122", "id": oscal.name("estate", run.inventory)},
        "local-definitions": oscal.definitions(run),
        "observations": [oscal.observation(run, one) for one in found],
        "risks": risks,
        "findings": [oscal.finding(one) for one in found],
        "poam-items": [_item(risk) for risk in risks]
        or [{"uuid": oscal.name("item"), "title": NOTHING, "description": NOTHING}],
    }
    return oscal.written({"plan-of-action-and-milestones": oscal.filled(document)})


def _item(risk: dict[str, Any]) -> dict[str, Any]:
    remedy = risk["remediations"][0]
    return {
        "uuid": oscal.name("item", risk["uuid"]),
        "title": risk["title"],
        "description": remedy["description"],
        "related-observations": risk["related-observations"],
        "related-risks": [{"risk-uuid": risk["uuid"]}],
    }
