"""The working report: one self-contained page for leaders first and for those who fix things after."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

from scanner import score
from scanner.model import Run, Visited

from . import clouds, grouped, heat_map, page, records, trend, view

FIRST = 15
"""How many risks the list of first things holds."""
MOST_GAPS = 100
"""How many lines tell what could not be seen."""
MARKS = {"fail": "FAIL", "unknown": "UNKNOWN", "pass": "pass", "not-applicable": "n/a"}


@dataclass(frozen=True, slots=True)
class _Asset:
    visited: Visited
    anchor: str
    counts: dict[str, int]
    rows: list[view.Row]


def render(run: Run) -> bytes:
    """One HTML file in UTF-8 that loads nothing and runs no script but its own."""
    policy = view.policy_of(run)
    many = len(run.findings) >= grouped.FROM
    assets = [
        _Asset(one, anchor(one.asset.id), view.counts(one), [] if many else view.rows(run, one)) for one in run.visited
    ]
    services: dict[str, list[_Asset]] = defaultdict(list)
    for one in sorted(assets, key=lambda one: -one.visited.score.expected_loss):
        services[one.visited.asset.service].append(one)
    worst = view.worst_rows(run)
    groups = grouped.groups(run, run.visited) if many else []
    style, script = (page.own(name) for name in ("report.css", "report.js"))
    total = run.organisation
    made = page.template("report.html.j2").render(
        run=run,
        total=total,
        word=score.word(total.score),
        verdict=view.verdict(run),
        levels=view.levels(run),
        bearable=view.amount(policy.tolerances.organisation, policy),
        bearable_asset=view.amount(policy.tolerances.asset, policy),
        amount=lambda value: view.amount(value, policy),
        chance=view.chance,
        seen=view.seen,
        points=view.points,
        marks=MARKS,
        level=heat_map.level,
        map=heat_map.svg(run.risks[:FIRST]),
        assets=sorted(assets, key=lambda one: -one.visited.score.expected_loss),
        services=sorted(services.items(), key=lambda item: -sum(one.visited.score.expected_loss for one in item[1])),
        risks=[(risk, worst.get((risk.service, risk.root_cause))) for risk in run.risks[:FIRST]],
        charge=lambda risk: view.charge(run, risk),
        history=run.history,
        feeds=view.feeds(run),
        trend=trend.svg(run.history.trend) if run.history else "",
        gaps=view.gaps(run),
        most_gaps=MOST_GAPS,
        groups=grouped.shortened(groups),
        inside=grouped.of_assets(groups),
        group_anchor=_group_anchor,
        severity=lambda row: records.severity(row, policy.tolerances.asset),
        bearable_service=view.amount(policy.tolerances.service, policy),
        missed=view.not_visited(run),
        row_anchor=_row_anchor,
        place_of=clouds.place_of,
        accounts={one.asset.id: clouds.account_of(one) for one in run.visited},
        told={},
        style=style,
        script=script,
        policy=page.content_policy(style, script),
    )
    return str(made).encode("utf-8", errors="backslashreplace")


def _row_anchor(row: view.Row) -> str:
    return anchor(row.finding.asset, row.finding.baseline, row.finding.control, row.finding.subject)


def _group_anchor(group: grouped.Group) -> str:
    of = group.first.finding
    return anchor("", of.baseline, of.control, of.outcome.value, of.reason)


def anchor(*names: str) -> str:
    """A stable name for a permalink: the same place has the same one in every run."""
    digest = hashlib.sha256("\0".join(names).encode("utf-8", errors="backslashreplace")).hexdigest()
    return f"f-{digest[:12]}"
