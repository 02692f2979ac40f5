"""OSCAL: valid by the models of compliance-trestle, and sound where those are lax. Nothing unknown is satisfied."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from reports import oscal, oscal_poam
from scanner.model import Outcome, Run

from .run_of import HOSTILE, borne, hostile_runs, remembered, run_of

RESULTS = pytest.importorskip("trestle.oscal.assessment_results")
POAM = pytest.importorskip("trestle.oscal.poam")
Broken = Callable[[dict[str, Any]], object]
NAMES = [repr(text)[:30] for text in HOSTILE]


def results_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(oscal.render(run))["assessment-results"]
    return found


def poam_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(oscal_poam.render(run))["plan-of-action-and-milestones"]
    return found


def is_valid(model: Any, document: dict[str, Any]) -> bool:
    from pydantic import ValidationError

    try:
        model.model_validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


def entries(value: Any) -> Iterator[tuple[str, str]]:
    """Every text with its key, at any depth."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if isinstance(entry, str):
                yield key, entry
            yield from entries(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from entries(entry)


def unsound(document: dict[str, Any]) -> list[str]:
    """What the models let pass: names that stand twice, and references to what is not there."""
    names = [text for key, text in entries(document) if key == "uuid"]
    wrong = ["a uuid stands twice"] * (len(set(names)) < len(names))
    for key, text in entries(document):
        if key.endswith("-uuid") and text not in names:
            wrong.append(f"{key} of nothing")
        if key == "href" and text.startswith("#") and text[1:] not in names:
            wrong.append("a link to nothing")
    return wrong


RUNS = [run_of(), remembered(run_of()), borne(run_of(), "valid"), *hostile_runs()]
IDS = ["calm", "remembered", "borne", *NAMES]


@pytest.mark.parametrize("run", RUNS, ids=IDS)
def test_both_documents_meet_the_models_and_refer_to_what_is_there(run: Run) -> None:
    for model, document in (
        (RESULTS.AssessmentResults, results_of(run)),
        (POAM.PlanOfActionAndMilestones, poam_of(run)),
    ):
        model.model_validate_json(json.dumps(document))
        assert unsound(document) == []


def test_a_run_without_anything_is_valid_too() -> None:
    empty = replace(run_of(), visited=(), risks=(), services={})
    assert is_valid(RESULTS.AssessmentResults, results_of(empty))
    assert is_valid(POAM.PlanOfActionAndMilestones, poam_of(empty))
    assert [one["title"] for one in poam_of(empty)["poam-items"]] == [oscal_poam.NOTHING]


RESULTS_BROKEN: dict[str, Broken] = {
    "no uuid": lambda d: d.pop("uuid"),
    "a uuid of another form": lambda d: d.update(uuid="1"),
    "no metadata": lambda d: d.pop("metadata"),
    "no title": lambda d: d["metadata"].pop("title"),
    "a time without a zone": lambda d: d["metadata"].update({"last-modified": "2026-03-01T12:00:00"}),
    "no plan": lambda d: d.pop("import-ap"),
    "no results": lambda d: d.update(results=[]),
    "no controls": lambda d: d["results"][0].pop("reviewed-controls"),
    "another state": lambda d: d["results"][0]["findings"][0]["target"]["status"].update(state="unknown"),
    "a list that is empty": lambda d: d["results"][0].update(risks=[]),
    "a key of our own": lambda d: d["results"][0].update(score=1),
}
POAM_BROKEN: dict[str, Broken] = {
    "no items": lambda d: d.pop("poam-items"),
    "an empty list of items": lambda d: d.update({"poam-items": []}),
    "an item without a title": lambda d: d["poam-items"][0].pop("title"),
    "a title of two lines": lambda d: d["poam-items"][0].update(title="a\nb"),
    "a key of our own": lambda d: d["poam-items"][0].update(owner="anna"),
    "a risk without a statement": lambda d: d["risks"][0].pop("statement"),
    "a risk without a status": lambda d: d["risks"][0].pop("status"),
    "a reference of another form": lambda d: d["poam-items"][0]["related-risks"][0].update({"risk-uuid": "x"}),
}
UNSOUND: dict[str, Broken] = {
    "an observation twice": lambda d: d["observations"].append(d["observations"][0]),
    "a risk that is gone": lambda d: d["risks"].pop(),
    "an observation that is gone": lambda d: d["observations"].pop(),
    "an asset that is gone": lambda d: d["local-definitions"]["inventory-items"].clear(),
    "a tool that is gone": lambda d: d["local-definitions"]["components"].clear(),
}


@pytest.mark.parametrize("breaks", RESULTS_BROKEN.values(), ids=RESULTS_BROKEN)
def test_the_models_refuse_broken_results(breaks: Broken) -> None:
    document = copy.deepcopy(results_of(run_of()))
    breaks(document)
    assert not is_valid(RESULTS.AssessmentResults, document)


@pytest.mark.parametrize("breaks", POAM_BROKEN.values(), ids=POAM_BROKEN)
def test_the_models_refuse_a_broken_plan(breaks: Broken) -> None:
    document = copy.deepcopy(poam_of(run_of()))
    breaks(document)
    assert not is_valid(POAM.PlanOfActionAndMilestones, document)


@pytest.mark.parametrize("breaks", UNSOUND.values(), ids=UNSOUND)
def test_our_own_check_refuses_what_the_models_let_pass(breaks: Broken) -> None:
    document = copy.deepcopy(poam_of(run_of()))
    breaks(document)
    assert unsound(document)
    results = copy.deepcopy(results_of(run_of()))
    breaks(results["results"][0])
    assert unsound(results)


def test_only_what_passed_is_satisfied() -> None:
    run = run_of()
    found = {one["uuid"]: one["target"]["status"] for one in results_of(run)["results"][0]["findings"]}
    from reports.records import records

    for one in records(run):
        status = found.get(oscal.name("finding", one.fingerprint))
        if one.finding.outcome is Outcome.NOT_APPLICABLE:
            assert status is None
        else:
            assert status is not None
            assert (status["state"] == "satisfied") == (one.finding.outcome is Outcome.PASS)
            assert (status["reason"] == "other") == (one.finding.outcome is Outcome.UNKNOWN)


def test_a_place_keeps_its_uuid_from_run_to_run_and_a_document_does_not() -> None:
    first, later = results_of(run_of()), results_of(replace(run_of(), id="20270101T000000Z-0002"))
    assert first["uuid"] != later["uuid"]
    for part in ("findings", "observations", "risks"):
        assert [one["uuid"] for one in first["results"][0][part]] == [one["uuid"] for one in later["results"][0][part]]
    assert oscal.render(run_of()) == oscal.render(run_of())


def test_a_risk_is_a_deviation_only_while_every_finding_of_it_is_accepted() -> None:
    def told(run: Run) -> list[tuple[str, list[str]]]:
        found = poam_of(run)["risks"]
        return [(one["status"], [prop["value"] for prop in one.get("props", ())]) for one in found]

    accepted, ended = told(borne(run_of(), "valid")), told(borne(run_of(), "expired"))
    assert [days for _, days in accepted if "2026-09-20" in days]
    assert {status for status, _ in ended} == {"open"}
    assert not [days for _, days in ended if "2026-02-20" in days]
    one = replace(run_of(), visited=tuple(replace(v, findings=v.findings[:1]) for v in run_of().visited[:1]))
    assert [status for status, _ in told(borne(one, "valid"))] == ["deviation-approved"]
