"""What risk registers and monitoring import: each of their traps is a test here."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reports import cisoassistant, defectdojo, prometheus, records, simplerisk
from scanner import catalogue
from scanner.cli import options, report, writing
from scanner.errors import UsageError
from scanner.model import Outcome, Run

from .run_of import HOSTILE, hostile_runs, remembered, run_of

NAMES = [repr(text)[:30] for text in HOSTILE]
FORMATS = ["defectdojo", "prometheus", "simplerisk", "cisoassistant"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.fault("R7", "P7")
def test_the_same_run_gives_the_same_bytes(format: str) -> None:
    assert catalogue.report(format).render(run_of()) == catalogue.report(format).render(run_of())


def measured_anew(run: Run) -> Run:
    """The same run with everything said differently that was measured."""
    return replace(
        run,
        id="20270101T000000Z-0002",
        visited=tuple(
            replace(
                one, findings=tuple(replace(f, observed=f"{f.observed} x", detail="else") for f in one.findings)
            )
            for one in run.visited
        ),
    )  # fmt: skip


# ── DefectDojo ───────────────────────────────────────────────────────────────────────────────────────────────────────

DOJO_KEYS = frozenset(
    (
        "title", "severity", "description", "date",
        "cwe", "epss_score", "epss_percentile", "cvssv3",
        "mitigation", "impact", "steps_to_reproduce", "severity_justification",
        "references", "active", "verified", "risk_accepted",
        "is_mitigated", "mitigated", "component_name", "component_version",
        "unique_id_from_tool", "vuln_id_from_tool", "service", "planned_remediation_date",
        "effort_for_fixing", "tags", "known_exploited", "kev_date",
        "ransomware_used", "fix_available", "fix_version", "endpoints",
        "vulnerability_ids",
    )
)  # fmt: skip


def dojo_refuses(document: dict[str, Any]) -> list[str]:
    """Why the importer would refuse the file, or misread it without a word."""
    wrong = [f"unknown key {key}" for key in document.keys() - {"name", "type", "version", "description", "findings"}]
    for finding in document["findings"]:
        wrong += [f"unknown key {key}" for key in finding.keys() - DOJO_KEYS]
        wrong += [f"no {key}" for key in ("title", "severity", "description") if not finding.get(key)]
        if finding.get("severity") not in {"Info", "Low", "Medium", "High", "Critical"}:
            wrong.append("a severity that becomes Info")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", finding.get("date", "")):
            wrong.append("a date of another form")
        if finding.get("effort_for_fixing") not in {"Low", "Medium", "High"}:
            wrong.append("an effort of another scale")
        if "service" in finding:
            wrong.append("a service, so a re-import closes nothing")
        wrong += ["a tag that is split" for tag in finding.get("tags", ()) if not re.fullmatch(r"[a-z0-9._-]+", tag)]
        wrong += ["a text too long" for key in ("title", "component_name") if len(finding.get(key, "")) > 500]
    same = [(one.get("title"), one.get("description")) for one in document["findings"]]
    return wrong + (["two findings that count as one"] if len(set(same)) < len(same) else [])


def dojo_of(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(defectdojo.render(run))
    return document


@pytest.mark.parametrize("run", [run_of(), *hostile_runs()], ids=["calm", *NAMES])
def test_defectdojo_takes_the_file(run: Run) -> None:
    assert dojo_refuses(dojo_of(run)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"root_cause": "ssh"}, {"title": ""}, {"severity": "high"}, {"severity": "Informational"},
        {"description": None},
        {"date": "1.3.2026"}, {"effort_for_fixing": "hours"}, {"service": "shop"}, {"tags": ["two words"]},
        {"title": "x" * 501},
    ],
)  # fmt: skip
def test_what_defectdojo_would_refuse_or_misread_is_noticed(change: dict[str, Any]) -> None:
    document = dojo_of(run_of())
    document["findings"][0].update(change)
    assert dojo_refuses(document)


def test_a_finding_stays_the_same_for_defectdojo_whatever_was_measured() -> None:
    def names(run: Run) -> list[tuple[str, str, str]]:
        return [(one["title"], one["description"], one["unique_id_from_tool"]) for one in dojo_of(run)["findings"]]

    assert names(run_of()) == names(measured_anew(run_of()))
    assert dojo_of(run_of())["findings"] != dojo_of(measured_anew(run_of()))["findings"]


def test_what_could_not_be_judged_is_not_closed_by_being_missing() -> None:
    run = run_of()
    blind = replace(
        run,
        visited=tuple(
            replace(
                one,
                findings=tuple(
                    replace(f, outcome=Outcome.UNKNOWN, reason="denied") if f.outcome is Outcome.FAIL else f
                    for f in one.findings
                ),
            )
            for one in run.visited
        ),
    )
    before, after = dojo_of(run)["findings"], dojo_of(blind)["findings"]
    assert {(one["title"], one["description"]) for one in before} == {
        (one["title"], one["description"]) for one in after
    }
    assert all(one["active"] for one in after)
    assert {one["severity"] for one in after} == {"Info"}
    assert all("not-judged" in one["tags"] for one in after)


def test_what_passed_is_missing_so_that_a_re_import_closes_it() -> None:
    sent = {one["unique_id_from_tool"] for one in dojo_of(run_of())["findings"]}
    for one in records.records(run_of()):
        assert (one.fingerprint in sent) == (one.finding.outcome in {Outcome.FAIL, Outcome.UNKNOWN})


# ── Prometheus ───────────────────────────────────────────────────────────────────────────────────────────────────────


def samples(run: Run) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    parser = pytest.importorskip("prometheus_client.parser")
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in parser.text_string_to_metric_families(prometheus.render(run).decode()):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            assert sample.timestamp is None
            found[key] = sample.value
    return found


@pytest.mark.parametrize("run", [run_of(), *hostile_runs()], ids=["calm", *NAMES])
def test_the_metrics_are_read_by_prometheus_own_reader(run: Run) -> None:
    assert samples(run)["riskline_score", (("name", ""), ("scope", "organisation"))] == pytest.approx(
        run.organisation.score
    )


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_no_name_breaks_out_of_its_label(text: str) -> None:
    run = run_of()
    first = run.visited[0]
    named = replace(
        run, visited=(replace(first, asset=replace(first.asset, id=text + '"} 0\n# x\\')), *run.visited[1:])
    )
    assert {name for name, _ in samples(named)} == {name for name, _ in samples(run)}
    assert len(samples(named)) == len(samples(run))


def test_what_was_not_judged_is_no_number_rather_than_zero() -> None:
    found = samples(run_of())
    for name in ("riskline_score", "riskline_expected_loss", "riskline_loss_chance_ratio"):
        assert math.isnan(found[name, (("name", "db-1"), ("scope", "asset"))])
        assert not math.isnan(found[name, (("name", "web-1"), ("scope", "asset"))])
    assert found["riskline_coverage_ratio", (("name", "db-1"), ("scope", "asset"))] == 0
    assert samples(replace(run_of(), state="partial"))["riskline_run_complete", ()] == 0


def test_each_asset_has_a_risk_and_the_last_good_run_an_age() -> None:
    run = run_of()
    found = samples(run)
    for one in run.visited:
        risk = found["riskline_asset_risk", (("asset", one.asset.id), ("service", one.asset.service))]
        assert risk == pytest.approx(one.score.score) or (math.isnan(risk) and not one.score.judged)
    good = "riskline_last_good_run_timestamp_seconds"
    assert run.finished_at is not None
    assert found[good, ()] == run.finished_at.timestamp()
    assert (good, ()) not in samples(replace(run, state="partial", history=None))
    held = remembered(run)
    assert held.history is not None
    before = max(one.at for one in held.history.trend if one.run != held.id)
    assert samples(replace(held, state="partial"))[good, ()] == before.timestamp()


# ── SimpleRisk ───────────────────────────────────────────────────────────────────────────────────────────────────────


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def inert(found: list[dict[str, str]]) -> bool:
    values = [part for row in found for value in row.values() for part in value.split("\n")]
    return not [value for value in values if re.match(r"\s*[=+@\t\r]|\s*-(?!\d+(\.\d+)?$)", value)]


def test_simplerisk_gets_one_row_for_each_risk() -> None:
    run = run_of()
    found = rows(simplerisk.render(run).decode())
    assert [(row["Current Likelihood"], row["Current Impact"]) for row in found] == [
        (str(risk.likelihood), str(risk.impact)) for risk in run.risks
    ]
    assert found[0]["Owner"] == "Platform team"
    assert len({row["Reference ID"] for row in found}) == len(found)
    assert [row["Reference ID"] for row in found] == [
        row["Reference ID"] for row in rows(simplerisk.render(measured_anew(run)).decode())
    ]


# ── CISO Assistant ───────────────────────────────────────────────────────────────────────────────────────────────────

CISO_COLUMNS = {
    "Asset": "ref_id,name,description,domain,type,business_value,is_business_function,observation,reference_link,"
    "filtering_labels,security_objectives,asset_class",
    "FindingsAssessment": "ref_id,name,description,severity,status,priority,asset,vulnerabilities,filtering_labels,eta,"
    "due_date,observation",
    "RiskAssessment": "ref_id,assets,name,description,existing_applied_controls,inherent_impact,inherent_proba,"
    "current_impact,current_proba,applied_controls,residual_impact,residual_proba,treatment,justification,"
    "filtering_labels",
    "AppliedControl": "ref_id,name,description,domain,status,category,priority,csf_function,effort,control_impact,eta,"
    "expiry_date,start_date,link,owner,cost_currency,cost_amortization_period,cost_build_fixed,"
    "cost_build_people_days,cost_run_fixed,cost_run_people_days",
    "SecurityException": "ref_id,name,description,domain,severity,status,expiration_date,observation",
}
MATRIX = {"Very Low", "Low", "Medium", "High", "Very High"}
STATUSES = {
    "identified",
    "confirmed",
    "dismissed",
    "assigned",
    "in_progress",
    "mitigated",
    "resolved",
    "closed",
    "deprecated",
}


def ciso_of(run: Run) -> dict[str, list[dict[str, str]]]:
    with zipfile.ZipFile(io.BytesIO(cisoassistant.render(run))) as archive:
        assert archive.testzip() is None
        return {name[2:-4]: rows(archive.read(name).decode()) for name in sorted(archive.namelist())}


def ciso_misreads(files: dict[str, list[dict[str, str]]]) -> list[str]:
    """What the data wizard would take without an error and get wrong."""
    wrong = []
    for model, found in files.items():
        known = set(CISO_COLUMNS[model].split(","))
        wrong += [f"{model}: a column that is dropped" for row in found if set(row) - known]
        wrong += [f"{model}: no name" for row in found if not row["name"] or not row["ref_id"]]
        names = [row["ref_id"] for row in found]
        wrong += [f"{model}: two records of one name"] if len(set(names)) < len(names) else []
    assets = {row["name"] for row in files["Asset"]}
    for row in files["FindingsAssessment"]:
        wrong += ["a severity that becomes undefined"] * (row["severity"] not in {"low", "medium", "high", "critical"})
        wrong += ["a status of no scale"] * (row["status"] not in STATUSES)
        wrong += ["a priority of no scale"] * (row["priority"] not in {"1", "2", "3", "4"})
        wrong += ["more than one asset, or none of ours"] * (row["asset"] not in assets)
    measures = {row["name"] for row in files["AppliedControl"]}
    for row in files["RiskAssessment"]:
        wrong += ["a label of no matrix"] * (not {row["current_impact"], row["current_proba"]} <= MATRIX)
        wrong += ["an asset that is not ours"] * (not set(row["assets"].split("\n")) <= assets)
        wrong += ["a measure that is not ours"] * (not set(filter(None, [row["applied_controls"]])) <= measures)
        wrong += ["a treatment of no scale"] * (
            row["treatment"] not in {"open", "mitigate", "accept", "avoid", "transfer"}
        )
    for row in files["SecurityException"]:
        known = {"draft", "in_review", "approved", "resolved", "expired", "deprecated"}
        wrong += ["a state of no scale"] * (row["status"] not in known)
        wrong += ["a severity that becomes undefined"] * (row["severity"] not in {"low", "medium", "high", "critical"})
        wrong += ["a day of another form"] * (not re.fullmatch(r"\d{4}-\d\d-\d\d", row["expiration_date"]))
    return wrong


@pytest.mark.parametrize("run", [run_of(), remembered(run_of()), *hostile_runs()], ids=["calm", "remembered", *NAMES])
def test_ciso_assistant_misreads_nothing(run: Run) -> None:
    assert ciso_misreads(ciso_of(run)) == []


@pytest.mark.parametrize(
    ("model", "change"),
    [
        ("RiskAssessment", {"current_impact": "major"}), ("RiskAssessment", {"current_proba": "4"}),
        ("RiskAssessment", {"assets": "web-9"}), ("RiskAssessment", {"applied_controls": "Something else"}),
        ("FindingsAssessment", {"severity": "High"}), ("FindingsAssessment", {"status": "open"}),
        ("FindingsAssessment", {"asset": "web-1\ncloud"}), ("FindingsAssessment", {"priority": "5"}),
        ("Asset", {"name": ""}), ("AppliedControl", {"root_cause": "x"}), ("SecurityException", {"status": "valid"}),
        ("SecurityException", {"severity": "High"}), ("SecurityException", {"expiration_date": "1 May"}),
    ],
)  # fmt: skip
def test_what_ciso_assistant_would_misread_is_noticed(model: str, change: dict[str, str]) -> None:
    files = ciso_of(remembered(run_of()))
    files[model][0].update(change)
    assert ciso_misreads(files)


def test_ciso_assistant_is_told_what_passed_and_nothing_of_the_unknown() -> None:
    sent = {row["ref_id"]: row["status"] for row in ciso_of(run_of())["FindingsAssessment"]}
    for one in records.records(run_of()):
        status = {Outcome.FAIL: "identified", Outcome.PASS: "resolved"}.get(one.finding.outcome)
        assert sent.get(one.fingerprint) == status


def test_ciso_assistant_finds_its_records_again() -> None:
    first, later = ciso_of(run_of()), ciso_of(measured_anew(run_of()))
    for model, found in first.items():
        assert [row["ref_id"] for row in found] == [row["ref_id"] for row in later[model]]


def test_what_was_not_worked_out_is_not_rated() -> None:
    for row in ciso_of(run_of())["RiskAssessment"]:
        assert [row[name] for name in ("inherent_impact", "inherent_proba", "residual_impact", "residual_proba")] == [
            ""
        ] * 4


def test_an_archive_is_not_printed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--output"):
        writing.refuse_unwritable((), "cisoassistant")
    writing.refuse_unwritable((tmp_path / "ciso.zip",), "cisoassistant")


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
@pytest.mark.fault("R1")
def test_no_cell_is_a_formula(text: str) -> None:
    run = run_of(text.__add__, authored=text.__add__)
    named = replace(run, visited=tuple(replace(v, asset=replace(v.asset, description=text)) for v in run.visited))
    assert inert(rows(simplerisk.render(named).decode()))
    for found in ciso_of(named).values():
        assert inert(found)


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_format_that_can_be_asked_for_has_its_line_in_the_documentation() -> None:
    text = (Path(__file__).parent.parent / "docs" / "reports.md").read_text()
    table = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    for name in options.FORMATS:
        assert hasattr(catalogue.report(name), "render")
        assert f"`{name}`" in table, name
    assert set(writing.SUFFIXES.values()) | writing.BINARY <= set(options.FORMATS)


def test_help_names_the_formats() -> None:
    shown = CliRunner().invoke(report.report, ["--help"]).output
    assert all(name in shown for name in ("sarif", "defectdojo", "compliance-csv"))
