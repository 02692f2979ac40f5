"""Known flaws as OCSF vulnerability findings: valid by the standard's schema, and only what failed and names a CVE."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from reports import ocsf, ocsf_2002, records
from scanner.model import Outcome, Run

from .run_of import HOSTILE, run_of

Broken = Callable[[dict[str, Any]], object]


def flawed(run: Run) -> Run:
    """The run whose controls all name two CVEs, but one."""
    named = {
        key: replace(control, references={"cve": ("CVE-2026-0001", "CVE-2026-0002")}) if key[1] != "S3-04" else control
        for key, control in run.controls.items()
    }
    return replace(run, controls=named)


def events_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ocsf_2002.render(run).splitlines()]


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    package = pytest.importorskip("ocsf_json_schema")
    embedded = package.OcsfJsonSchemaEmbedded(package.get_ocsf_schema(version=ocsf.VERSION))
    found = embedded.get_class_schema(class_name=embedded.lookup_class_name_from_uid(class_uid=2002))
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("text", ["", *HOSTILE], ids=["calm", *(repr(text)[:30] for text in HOSTILE)])
def test_every_event_meets_the_schema(schema: jsonschema.Draft202012Validator, text: str) -> None:
    events = events_of(flawed(run_of(text.__add__, authored=text.__add__)))
    assert events
    for event in events:
        schema.validate(event)


BROKEN: dict[str, Broken] = {
    "no flaw": lambda e: e.pop("vulnerabilities"),
    "flaws that are no list": lambda e: e.update(vulnerabilities={}),
    "a flaw without a number": lambda e: e["vulnerabilities"][0]["cve"].pop("uid"),
    "another class": lambda e: e.update(class_uid=2003),
    "another type": lambda e: e.update(type_uid=200301),
    "a status of no scale": lambda e: e.update(status_id=8),
    "a severity of no scale": lambda e: e.update(severity_id=7),
    "time as text": lambda e: e.update(time="2026-03-01"),
    "a requirement": lambda e: e.update(compliance={"standards": ["cis"]}),
    "a key of our own": lambda e: e["vulnerabilities"][0].update(package="x"),
}


@pytest.mark.parametrize("breaks", BROKEN.values(), ids=BROKEN)
def test_the_schema_refuses_a_broken_event(schema: jsonschema.Draft202012Validator, breaks: Broken) -> None:
    event = copy.deepcopy(events_of(flawed(run_of()))[0])
    breaks(event)
    assert not schema.is_valid(event)


def test_only_what_failed_and_names_a_flaw_is_sent() -> None:
    run = flawed(run_of())
    wanted = [
        one.fingerprint
        for one in records.records(run)
        if one.finding.outcome is Outcome.FAIL and one.finding.control != "S3-04"
    ]
    assert [one["finding_info"]["uid"] for one in events_of(run)] == wanted
    assert {v["cve"]["uid"] for one in events_of(run) for v in one["vulnerabilities"]} == {
        "CVE-2026-0001",
        "CVE-2026-0002",
    }
    assert events_of(run_of()) == []
