"""The run as Prometheus metrics, for node_exporter's textfile collector: scores, losses, coverage and counts.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from scanner.inert import printable
from scanner.model import Run, Score

from . import view

Sample = tuple[Mapping[str, str], float]


def render(run: Run) -> bytes:
    """The metrics in UTF-8. What was not judged is NaN, never zero: an alert on a small number must not fall silent."""
    scopes: list[tuple[dict[str, str], Score]] = [({"scope": "organisation", "name": ""}, run.organisation)]
    scopes += [({"scope": "service", "name": name}, of) for name, of in run.services.items()]
    scopes += [({"scope": "asset", "name": one.asset.id}, one.score) for one in run.visited]
    finished = run.finished_at or run.started_at
    counts: list[Sample] = [
        ({"asset": one.asset.id, "service": one.asset.service, "outcome": outcome}, number)
        for one in run.visited
        for outcome, number in view.counts(one).items()
    ]
    risks: list[Sample] = [
        ({"asset": one.asset.id, "service": one.asset.service}, one.score.score if _known(one.score) else float("nan"))
        for one in run.visited
    ]
    good = _last_good(run)
    ages: list[Sample] = [({}, max(view.feed_ages_days(run), default=float("nan")))]
    families = [
        _family("riskline_asset_risk", "Risk score of an asset, 50 is the agreed level.", risks),
        _family("riskline_score", "Risk score, 50 is the agreed level.", _each(scopes, "score")),
        _family("riskline_expected_loss", "Expected loss a year.", _each(scopes, "expected_loss")),
        _family("riskline_loss_chance_ratio", "Chance of a loss within a year.", _each(scopes, "chance")),
        _family("riskline_coverage_ratio", "Controls judged of those that apply.", _coverage(scopes)),
        _family("riskline_findings", "Findings by outcome.", counts),
        _family("riskline_risks", "Open risks.", [({}, len(run.risks))]),
        _family("riskline_run_complete", "1 where every asset was judged.", [({}, float(run.state == "complete"))]),
        _family("riskline_run_timestamp_seconds", "When the run ended.", [({}, finished.timestamp())]),
        _family("riskline_last_good_run_timestamp_seconds", "When a run last judged every asset.", good),
        _family("riskline_feed_age_days", "Age of the oldest list that known flaws were looked up in.", ages),
        _family("riskline_run_info", "The run.", [({"run": run.id, "version": run.tool_version}, 1)]),
    ]
    return "".join(families).encode()


def _last_good(run: Run) -> list[Sample]:
    """Its age is time() less this. This run, or the complete one before it that the register knows of; else nothing."""
    if run.state == "complete" and run.organisation.judged:
        return [({}, (run.finished_at or run.started_at).timestamp())]
    earlier = [one.at for one in run.history.trend if one.run != run.id and one.coverage] if run.history else []
    return [({}, max(earlier).timestamp())] if earlier else []


def _each(scopes: Iterable[tuple[dict[str, str], Score]], name: str) -> list[Sample]:
    return [(labels, getattr(of, name) if _known(of) else float("nan")) for labels, of in scopes]


def _known(of: Score) -> bool:
    return bool(of.judged or of.expected_loss)


def _coverage(scopes: Iterable[tuple[dict[str, str], Score]]) -> list[Sample]:
    return [(labels, of.coverage if of.applicable else float("nan")) for labels, of in scopes]


def _family(name: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return printable(value).replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return f"{value:.10g}" if abs(value) < 1e15 else repr(value)
