"""The run as JUnit XML, for pipelines: one suite for each asset; failed, not judged and skipped are told apart.

Source: the common form that Jenkins, GitLab and others read, https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

from xml.etree import ElementTree

from scanner.inert import printable
from scanner.model import Outcome, Run, Visited

from . import view
from .records import Record, records


def render(run: Run) -> bytes:
    """One XML document in UTF-8. An unknown control is an <error>: a pipeline that fails on errors fails closed."""
    by_asset: dict[str, list[Record]] = {one.asset.id: [] for one in run.visited}
    for record in records(run):
        by_asset[record.asset.id].append(record)
    suites = [_suite(run, visited, by_asset[visited.asset.id]) for visited in run.visited]
    root = ElementTree.Element("testsuites", {"name": "Riskline", **_totals(suites)})
    root.extend(suites)
    ElementTree.indent(root, " ")
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _totals(suites: list[ElementTree.Element]) -> dict[str, str]:
    sums = {
        name: sum(int(suite.get(name, "0")) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    }
    return {name: str(number) for name, number in sums.items()}


def _suite(run: Run, visited: Visited, found: list[Record]) -> ElementTree.Element:
    outcomes = [one.finding.outcome for one in found]
    counts = {
        "tests": len(found),
        "failures": outcomes.count(Outcome.FAIL),
        "errors": outcomes.count(Outcome.UNKNOWN),
        "skipped": outcomes.count(Outcome.NOT_APPLICABLE),
    }
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": printable(visited.asset.id),
            **{name: str(number) for name, number in counts.items()},
            "time": f"{visited.took_s:.3f}",
            "timestamp": f"{visited.collected_at or run.started_at:%Y-%m-%dT%H:%M:%S}",
        },
    )
    if told := view.feeds(run):
        lists = ElementTree.SubElement(suite, "properties")
        for one in told:
            ElementTree.SubElement(lists, "property", {"name": "known flaws by", "value": printable(one, 500)})
    suite.extend(_case(one) for one in found)
    return suite


def _case(one: Record) -> ElementTree.Element:
    finding = one.finding
    name = f"{finding.control} {one.title}"
    case = ElementTree.Element(
        "testcase",
        {"classname": printable(f"{finding.asset}.{finding.baseline}"), "name": printable(name), "time": "0"},
    )
    tag = {Outcome.FAIL: "failure", Outcome.UNKNOWN: "error", Outcome.NOT_APPLICABLE: "skipped"}.get(finding.outcome)
    if tag:
        inner = ElementTree.SubElement(case, tag, {"message": printable(one.said, 500)})
        if tag != "skipped":
            inner.set("type", printable(one.severity if tag == "failure" else finding.reason))
            inner.text = printable(f"{one.why} Fix: {one.fix}")
    return case
