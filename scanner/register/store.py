"""The register itself: runs come in asset by asset and go out equal; risks and their history stay."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scanner.errors import UsageError
from scanner.model import Control, Evidence, Finding, Outcome, Run, TrendPoint, Visited
from scanner.scoring.standing import Acceptance, Compensation

from . import chain, codec, proof, tables
from .codec import column
from .database import Database, make_ready, reading, writing
from .deciding import Answer, Decision, answers, decide, retire, treatments, write_answer
from .ledger import Known, read_known
from .listing import UNFINISHED, RunSummary
from .recalling import (
    CLOSED,
    RiskRecord,
    content,
    differing,
    find_run,
    last_findings,
    own_controls,
    read_controls,
    risk_record,
    summaries,
    trend,
    visits,
)
from .recording import Controls, asset_row, counts, insert_contents, insert_new, move_risks_on, put_visit, run_columns
from .treatment import Treatment, acceptance, compensation


@dataclass(slots=True)
class Register:
    """The lasting record of runs and risks in one database. Made by `open_register`."""

    database: Database
    _controls: dict[str, tuple[bytes, Controls]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_ready(self.database)

    def close(self) -> None:
        """Let go of all connections."""
        self.database.engine.dispose()

    def lock(self, job: str = "") -> contextlib.AbstractContextManager[None]:
        """Hold this register for one run; LockedError where another process does.

        job: what is scanned. On a server, runs of other jobs go on beside it; without a name nothing does.
        """
        return self.database.lock(job)

    # ── a run comes in ───────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, run: Run) -> None:
        """Record that a run has begun. Once more for the same unfinished run changes nothing."""
        packed = [[baseline, codec.plain(control)] for (baseline, _), control in run.controls.items()]
        name, text = codec.said(packed)
        with writing(self.database) as connection:
            insert_new(connection, tables.contents, [{"digest": name, "body": codec.squeeze(text)}])
            insert_new(connection, tables.runs, [{"id": run.id, "controls": name, **run_columns(run)}])
        self._controls[run.id] = (name, run.controls)

    def store(self, run_id: str, visited: Visited, evidence: Evidence | None) -> None:
        """Record one asset, in one transaction: its evidence, its findings, and what became of its risks."""
        controls_name, controls = self._controls_of(run_id)
        findings_name, findings = codec.said(codec.packed_findings(visited.findings, visited.controls))
        contents = {findings_name: findings}
        body = {"visited": codec.plain(replace(visited, findings=(), controls={}))}
        row = {"run": run_id, "asset": visited.asset.id, "findings": findings_name, **counts(visited.findings)}
        if evidence is not None:
            answers, took_s, apart = codec.packed_evidence(evidence)
            body |= {"collected_at": evidence.collected_at.isoformat(), "version": evidence.tool_version}
            body |= {"took_s": took_s}
            row["evidence"], text = codec.said(answers)
            contents |= {row["evidence"]: text} | apart
        applied, _ = codec.said([findings_name.hex(), controls_name.hex(), visited.asset.service])
        with writing(self.database) as connection:
            standing = asset_row(connection, visited.asset.id)
            insert_contents(connection, contents)
            put_visit(connection, {"evidence": None, **row, "body": codec.pack(body)})
            move_risks_on(connection, run_id, visited, standing, applied, {**controls, **visited.controls})

    def amend(self, run_id: str, visited: Visited) -> None:
        """Record what all visits of a run together say of an asset that is already stored; its evidence stays."""
        visits = tables.visits.c
        here = sa.and_(visits.run == run_id, visits.asset == visited.asset.id)
        controls_name, controls = self._controls_of(run_id)
        name, text = codec.said(codec.packed_findings(visited.findings, visited.controls))
        applied, _ = codec.said([name.hex(), controls_name.hex(), visited.asset.service])
        with writing(self.database) as connection:
            standing = asset_row(connection, visited.asset.id)
            body = codec.unpack(connection.scalars(sa.select(visits.body).where(here)).one())
            body["visited"] = codec.plain(replace(visited, findings=(), controls={}))
            insert_contents(connection, {name: text})
            row = {"findings": name, "body": codec.pack(body), **counts(visited.findings)}
            connection.execute(tables.visits.update().where(here).values(**row))
            move_risks_on(connection, run_id, visited, standing, applied, {**controls, **visited.controls})

    def finish(self, run: Run) -> None:
        """Record a run's totals and the order of its assets, and have all of it on the disk."""
        with writing(self.database, for_good=True) as connection:
            known = tables.runs.c.id == run.id
            if not connection.execute(tables.runs.update().where(known).values(**run_columns(run))).rowcount:
                raise UsageError(f"run {run.id} was never begun in {self.database.name}")
            proof.seal(connection, run.id)

    def _controls_of(self, run_id: str) -> tuple[bytes, Controls]:
        if run_id not in self._controls:
            with reading(self.database) as connection:
                self._controls[run_id] = read_controls(connection, run_id)
        return self._controls[run_id]

    # ── and goes out ─────────────────────────────────────────────────────────────────────────────────────────────────

    def runs(self, limit: int = 20) -> list[RunSummary]:
        """The last runs, newest first."""
        with reading(self.database) as connection:
            return summaries(connection, limit)

    def unfinished(self) -> list[RunSummary]:
        """Runs that could be resumed, newest first: begun, not complete, and no later run of that inventory is."""
        with reading(self.database) as connection:
            return summaries(connection, None, UNFINISHED)

    def run(self, id: str, assets: Collection[str] | None = None) -> Run:
        """A run as it was stored: by its id, an unambiguous beginning of it, or `latest` (finished ones first).

        assets: only what became of these; its totals stay those of all.
        """
        with reading(self.database) as connection:
            found = find_run(connection, id)
            row = connection.execute(sa.select(tables.runs).where(tables.runs.c.id == found)).one()
            body = codec.unpack(row.body)
            run = codec.revive(Run, {**body["run"], "controls": {}, "visited": []})
            order = {asset: position for position, asset in enumerate(body["order"])}
            visited = sorted(visits(connection, found, assets), key=lambda one: order.get(one.asset.id, len(order)))
            controls = dict(read_controls(connection, found)[1])
            for one in visited:
                controls |= one.controls
            return replace(run, controls=controls, visited=tuple(visited))

    def differing(self, before: str, after: str) -> list[str]:
        """Ids of the assets of which two runs do not say the very same, or that only one of them visited."""
        with reading(self.database) as connection:
            return differing(connection, before, after)

    def trend(self, run: Run, most: int) -> list[TrendPoint]:
        """This run and complete ones before it over the same estate, oldest first, at most so many."""
        with reading(self.database) as connection:
            return trend(connection, run, most)

    def policy(self, run_id: str) -> Mapping[str, Any]:
        """The policy that a run was scored by, as it was stored."""
        with reading(self.database) as connection:
            body = connection.scalars(sa.select(tables.runs.c.body).where(tables.runs.c.id == run_id)).one()
            found: Mapping[str, Any] = codec.unpack(body)["run"].get("policy") or {}
            return found

    def evidence(self, run_id: str, asset_id: str) -> Evidence | None:
        """What one asset answered in one run; None where nothing is, or is no longer, kept."""
        visits = tables.visits.c
        with reading(self.database) as connection:
            query = sa.select(visits.body, visits.evidence).where(visits.run == run_id, visits.asset == asset_id)
            row = connection.execute(query).one_or_none()
            if row is None or row.evidence is None:
                return None
            head, answers = codec.unpack(row.body), content(connection, row.evidence)
            apart = {name: content(connection, bytes.fromhex(name)) for name in set(codec.texts_apart(answers))}
        return codec.evidence_of(asset_id, head["collected_at"], head["version"], answers, head["took_s"], apart)

    # ── what lasts ───────────────────────────────────────────────────────────────────────────────────────────────────

    def risks(
        self,
        asset: str | None = None,
        begun: str = "",
        causes: Collection[str] | None = None,
        fingerprints: Collection[str] | None = None,
    ) -> list[RiskRecord]:
        """Every risk that ever was, of one asset or of all, in the order of asset, control and subject.

        begun: only those whose fingerprint begins like this. causes: only the open ones of these root causes.
        fingerprints: only these.
        """
        risks, assets = tables.risks.c, tables.assets.c
        query = sa.select(tables.risks, assets.run).join(tables.assets).order_by(risks.asset, risks.control, risks.id)
        if asset is not None:
            query = query.where(risks.asset == column(asset))
        if causes is not None:
            query = query.where(risks.cause.in_(list(causes)), risks.state == "open")
        if fingerprints is not None:
            query = query.where(risks.fingerprint.in_(list(fingerprints)))
        if begun:
            query = query.where(risks.fingerprint.startswith(begun, autoescape=True))
        with reading(self.database) as connection:
            return [risk_record(row) for row in connection.execute(query)]

    def last_known(self, asset: str) -> list[Finding]:
        """What failed when it was last judged, of one asset, as findings: for `scoring.standing.with_last_known`.

        Subjects with unprintable parts come back as the register shows them.
        """
        return [
            Finding(asset, risk.baseline, risk.control, risk.subject, Outcome.FAIL, weakness=risk.weakness)
            for risk in self.risks(asset)
            if risk.state not in CLOSED
        ]

    def last_controls(self, asset: str) -> Mapping[tuple[str, str], Control]:
        """The controls that an asset alone had when it was last visited: for its known flaws."""
        with reading(self.database) as connection:
            return own_controls(connection, asset)

    def first_seen(self, asset: str) -> dict[str, Finding]:
        """What an asset's last visit said of the certificates and host keys that it shows, by subject."""
        with reading(self.database) as connection:
            return {one.subject: one for one in last_findings(connection, asset) if one.control == "key-unchanged"}

    def decide(self, made: Sequence[tuple[str, Decision]], at: datetime) -> None:
        """Write what somebody decided about risks by fingerprint: all of it, or nothing and UsageError."""
        with writing(self.database) as connection:
            decide(connection, made, at)

    def retire(self, asset: str, who: str, why: str, at: datetime) -> int:
        """Close the open risks of an asset that is no more; how many those were. UsageError where it is not known."""
        with writing(self.database) as connection:
            return retire(connection, asset, who, why, at)

    def record_answer(self, given: Answer) -> None:
        """Keep what the gate said of a change."""
        with writing(self.database) as connection:
            write_answer(connection, given)

    def answers(self) -> list[Answer]:
        """What the gate said of changes, newest first."""
        with reading(self.database) as connection:
            return answers(connection)

    def treatments(self) -> dict[str, Treatment]:
        """What people decided, by the fingerprint of the risk."""
        with reading(self.database) as connection:
            return treatments(connection)

    def acceptances(self) -> list[Acceptance]:
        """Every acceptance that was not taken back, expired ones included: for `scoring.standing.untreated`."""
        known = self.treatments()
        held = [(risk, known[risk.fingerprint].bearing) for risk in self.risks() if risk.fingerprint in known]
        return [acceptance(risk, bearing) for risk, bearing in held if bearing is not None]

    def compensations(self) -> dict[str, list[Compensation]]:
        """What makes weaknesses harder to use, by asset, ended ones included: for `scoring.standing.compensated`."""
        known = {name: one.relief for name, one in self.treatments().items() if one.relief is not None}
        found: dict[str, list[Compensation]] = {}
        for risk in self.risks(fingerprints=list(known)) if known else ():
            if (relief := known[risk.fingerprint]) is not None:
                found.setdefault(risk.asset, []).append(compensation(risk, relief))
        return found

    def known(self) -> Known:
        """What the risks are about: assets as last visited, controls as last judged by."""
        with reading(self.database) as connection:
            return read_known(connection)

    def events(self, asset: str | None = None) -> list[tuple[int, chain.Event]]:
        """What happened, oldest first, to the risks of one asset or to all."""
        with reading(self.database) as connection:
            named = None if asset is None else codec.column(asset)
            return [(seq, event) for seq, event, _ in chain.events(connection, named)]

    def head(self) -> str:
        """The hash, in hex, that stands for the whole history up to now; print it, and `verify` can hold you to it."""
        with reading(self.database) as connection:
            return bytes(connection.scalars(sa.select(tables.chain.c.hash)).one()).hex()

    def verify(self, known_head: str | None = None) -> list[str]:
        """What was altered or removed behind the register's back; an empty list where nothing was."""
        with reading(self.database) as connection:
            found = chain.faults(connection, bytes.fromhex(known_head) if known_head else None)
            return [*found, *proof.faults(connection)]
