"""An estate of three assets with every outcome, for tests of what comes after judging; the scores are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from scanner import score
from scanner.model import (
    Access,
    Asset,
    Control,
    Criticality,
    Effect,
    Finding,
    Local,
    Network,
    Outcome,
    Run,
    Ssh,
    Visited,
)

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def _control(id: str, text: str) -> Control:
    return Control(
        id,
        f"Title of {id}: {text}",
        f"Why: {text}.",
        f"Run `fix {id}`: {text}",
        check="linux.sshd.setting",
        exploit=4,
        effect=Effect("total", "total", "total"),
        root_cause=f"cause.{id}",
        references={"cis": ("5.1.20",), "cac": ("sshd_disable_root_login",)},
    )


def _run(pairs: Sequence[tuple[Asset, Sequence[Finding]]], controls: Sequence[Control]) -> Run:
    policy = score.Policy()
    known = {("base", one.id): one for one in controls}
    total = score.assess(pairs, known, policy)
    visited = tuple(
        Visited(asset, ("base",), tuple(found), score.score_asset(asset, found, known, policy), AT, _failures(found))
        for asset, found in pairs
    )
    return Run(
        id="20260304T050607Z-abcd",
        started_at=AT,
        finished_at=AT,
        tool_version="1.2.3",
        inventory="inventory.yaml",
        inventory_digest="0" * 64,
        baselines={"base": "1" * 64},
        controls=known,
        visited=visited,
        services=total.services,
        organisation=total.organisation,
        risks=total.risks,
        policy=asdict(policy),
    )


def _failures(found: Sequence[Finding]) -> dict[str, str]:
    lost = [finding.detail for finding in found if finding.reason == "unreachable"]
    return {"ssh": f"unreachable: {lost[0]}"} if lost else {}


def estate(text: str = "plain words") -> Run:
    """`text` stands in every field that a target or a baseline's author can fill."""
    controls = [_control(id, text) for id in ("C-1", "C-2", "C-3", "C-4")]

    def finding(asset: str, id: str, outcome: Outcome, subject: str = "", reason: str = "") -> Finding:
        return Finding(asset, "base", id, subject, outcome, reason, text[:500], text[:500], text)

    web = Asset("web-1", "192.0.2.1", Access(ssh=Ssh()), owner=text[:60], service="shop", zone="internet")
    lost = Asset("db-1", "192.0.2.2", Access(ssh=Ssh()), service="shop", criticality=Criticality(5, 5, 5))
    here = Asset("here", access=Access(local=Local()), network=Network(), tags={"note": text[:60]})
    seen = [
        finding("web-1", "C-1", Outcome.FAIL),
        finding("web-1", "C-2", Outcome.FAIL, text[:200]),
        finding("web-1", "C-2", Outcome.PASS, "other"),
        finding("web-1", "C-3", Outcome.UNKNOWN, reason="denied"),
        finding("web-1", "C-4", Outcome.NOT_APPLICABLE, reason=text[:100]),
    ]
    unseen = [finding("db-1", one.id, Outcome.UNKNOWN, reason="unreachable") for one in controls]
    homeless = Finding("here", "", "no-baseline", "", Outcome.UNKNOWN, "no-baseline")
    pairs = [(web, seen), (lost, unseen), (here, [finding("here", "C-1", Outcome.PASS), homeless])]
    return _run(pairs, controls)
