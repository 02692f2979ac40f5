"""The working report: one self-contained page for leaders first and for those who fix things after."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from scanner import score
from scanner.inert import printable
from scanner.model import Run, Visited

from . import heat_map, view

FIRST = 15
"""How many risks the list of first things holds."""
MARKS = {"fail": "FAIL", "unknown": "UNKNOWN", "pass": "pass", "not-applicable": "n/a"}
_ROOM = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class _Asset:
    visited: Visited
    anchor: str
    counts: dict[str, int]
    rows: list[view.Row]


def render(run: Run) -> bytes:
    """One HTML file in UTF-8 that loads nothing and runs no script but its own."""
    policy = view.policy_of(run)
    assets = [_Asset(one, anchor(one.asset.id), view.counts(one), view.rows(run, one)) for one in run.visited]
    services: dict[str, list[_Asset]] = defaultdict(list)
    for one in sorted(assets, key=lambda one: -one.visited.score.expected_loss):
        services[one.visited.asset.service].append(one)
    worst = view.worst_rows(run)
    style, script = (_own(name) for name in ("report.css", "report.js"))
    total = run.organisation
    page = _template().render(
        run=run,
        total=total,
        word=score.word(total.score),
        verdict=view.verdict(run),
        bearable=view.amount(policy.tolerances.organisation, policy),
        bearable_asset=view.amount(policy.tolerances.asset, policy),
        amount=lambda value: view.amount(value, policy),
        chance=view.chance,
        percent=view.percent,
        points=view.points,
        marks=MARKS,
        level=heat_map.level,
        map=heat_map.svg(run.risks[:FIRST]),
        assets=sorted(assets, key=lambda one: -one.visited.score.expected_loss),
        services=sorted(services.items(), key=lambda item: -sum(one.visited.score.expected_loss for one in item[1])),
        risks=[(risk, worst.get((risk.service, risk.root_cause))) for risk in run.risks[:FIRST]],
        gaps=view.gaps(run),
        missed=view.not_visited(run),
        row_anchor=lambda row: anchor(
            row.finding.asset, row.finding.baseline, row.finding.control, row.finding.subject
        ),
        told={},
        style=style,
        script=script,
        policy=_content_policy(style, script),
    )
    return str(page).encode("utf-8", errors="backslashreplace")


def anchor(*names: str) -> str:
    """A stable name for a permalink: the same place has the same one in every run."""
    digest = hashlib.sha256("\0".join(names).encode("utf-8", errors="backslashreplace")).hexdigest()
    return f"f-{digest[:12]}"


def _own(name: str) -> Markup:
    return Markup((_ROOM / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file, not anybody's text


def _content_policy(style: str, script: str) -> str:
    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; style-src 'sha256-{digest(style)}'; script-src 'sha256-{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _inert(text: Any, limit: int | None = None) -> str:
    return printable(str(text), limit)


def _coded(text: str) -> Markup:
    """Text of our own with `commands` in it: the parts between backticks as code, all of it escaped."""
    parts = printable(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_ROOM), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inert"] = _inert
    environment.filters["coded"] = _coded
    return environment.get_template("report.html.j2")
