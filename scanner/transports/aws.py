"""AWS: declared API calls, each put once per account and region, or once per row of another call's answer.

Everything is one pool of threads over one session. A call that is denied, throttled or not offered leaves a gap named
after its region or its item; the other answers stand. Only operations that read are ever called.
"""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import cast

from scanner.errors import AuthFailed, TargetError, Unreachable, VisitFailed
from scanner.model import Asset, Gap, Probe, Problem, Reply

from . import Bounds
from .aws_call import Answer, Told, of_another, put, same_call
from .aws_members import members
from .aws_permissions import read_form
from .aws_report import put_report
from .aws_session import AT_ONCE, Account, Budget, Clients, begin

LOG = logging.getLogger("riskline.aws")
GRACE_S = 2.0
"""After the deadline nothing is sent; what is under way may still end within this time."""


def visit(asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
    """Put all questions to one account. Raises AuthFailed, Unreachable; what was answered before goes along."""
    access = asset.access.aws if asset.access else None
    if access is None:
        raise VisitFailed("the inventory gives no `aws` access")
    if access.organization:  # it was not taken apart when the scan began: say why, or take it apart next time
        count = len(members(asset, {}, bounds))
        raise VisitFailed(f"its {count} accounts could not be listed when the scan began, and can be now; scan again")
    clients, account, budget = begin(access, bounds)
    for region, why in account.closed:
        LOG.warning("%s: %s is not asked: %s", asset.id, region, why)
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="aws")
    visiting = _Visit(clients, account, budget, pool, frozenset(_parents(probes)))
    try:
        visiting.run(probes)
    except AuthFailed as error:
        raise AuthFailed(str(error), visiting.replies) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        clients.close()
    _refuse_silence(visiting.replies)
    LOG.info("%s: %d requests to account %s", asset.id, budget.calls, account.id)
    return visiting.replies


def _refuse_silence(replies: Mapping[Probe, Reply]) -> None:
    """An account that answered the first call and no other one was lost on the way."""
    problems: set[Problem | None] = {reply.problem for reply in replies.values()}
    if problems == {"unreachable"}:
        raise cast(TargetError, Unreachable(next(iter(replies.values())).detail, replies))


@dataclass(slots=True)
class _Visit:
    """One visit under way. parents: what other questions are asked about; rows: what each of these brought."""

    clients: Clients
    account: Account
    budget: Budget
    pool: ThreadPoolExecutor
    parents: frozenset[Probe]
    replies: dict[Probe, Reply] = field(default_factory=dict)
    rows: dict[Probe, tuple[Told, ...]] = field(default_factory=dict)

    def run(self, probes: Sequence[Probe]) -> None:
        """Wave by wave: first what needs nothing, then what is asked about its rows."""
        waiting = list(dict.fromkeys(probes))
        while waiting:
            ready = [probe for probe in waiting if probe.each is None or probe.each in self.replies]
            if not ready:  # a parent that nobody asked for: ask for it
                ready = list(dict.fromkeys(_first(probe) for probe in waiting))
            started_s = time.monotonic()
            under_way = deque((probe, self._begin(probe)) for probe in ready)
            while under_way:  # what was answered is let go of once it is written down
                self._finish(*under_way.popleft(), started_s)
            waiting = [probe for probe in waiting if probe not in self.replies]

    def _begin(self, probe: Probe) -> list[tuple[str, Future[Answer]]]:
        """Hand the calls of one question to the pool: (subject, its answer to come)."""
        asked: dict[str, Future[Answer]] = {}
        calls = []
        for region, parent in self._places(probe):
            same = same_call(probe, self.account, region, parent)
            if same not in asked:
                asked[same] = self._submit(probe, region, parent)
            calls.append((parent.subject if parent else region, asked[same]))
        return calls

    def _submit(self, probe: Probe, region: str, parent: Told | None) -> Future[Answer]:
        if probe.ask[1:3] == ("iam", "get_credential_report"):
            return self.pool.submit(put_report, self.clients, self.account, self.budget)
        return self.pool.submit(put, probe, self.clients, self.account, region, parent, probe in self.parents)

    def _places(self, probe: Probe) -> Iterator[tuple[str, Told | None]]:
        if probe.ask[0] != "api":
            return
        if probe.each is not None:
            rows = [row for row in self.rows[probe.each] if row.item is not None]
            if read_form(probe.each)["identity"]:  # a thing that is told of in several regions is asked about once
                rows = list({(row.subject, row.place): row for row in rows}.values())
            yield from ((row.place, row) for row in rows)
        elif read_form(probe)["everywhere"]:
            yield from ((region, None) for region in self.account.regions)
        else:
            yield self.account.home, None

    def _finish(self, probe: Probe, calls: Sequence[tuple[str, Future[Answer]]], started_s: float) -> None:
        if probe.ask[0] != "api":
            self.rows[probe] = ()
            self.replies[probe] = Reply(problem="unsupported", detail=f"AWS cannot be asked: {probe.key}")
            return
        wait([future for _, future in calls], timeout=self.budget.left_s + GRACE_S)
        answers = [_answer(about, future) for about, future in calls]
        if probe.each is not None:
            answers = [of_another(answer, about) for answer, (about, _) in zip(answers, calls, strict=True)]
        told = [row for answer in answers for row in answer.told]
        told.sort(key=lambda row: (row.region, row.subject))  # services answer in any order; evidence is the same
        self.rows[probe] = tuple(told) if probe in self.parents else ()
        self.replies[probe] = self._reply(probe, told, answers, time.monotonic() - started_s)

    def _reply(self, probe: Probe, told: Sequence[Told], answers: Sequence[Answer], took_s: float) -> Reply:
        inherited = self.replies[probe.each] if probe.each else None
        if inherited is not None and inherited.problem:
            return Reply(problem=inherited.problem, detail=inherited.detail)
        if probe.each is None and self.account.unlisted and not self.account.regions and not answers:
            problem, _, detail = self.account.unlisted.partition(": ")
            return Reply(problem=cast(Problem, problem), detail=detail)
        failed = [answer for answer in answers if answer.problem]
        if failed and len(failed) == len(answers):
            return Reply(problem=failed[0].problem, detail=failed[0].detail, took_s=took_s)
        gaps = [Gap(answer.about, answer.problem, answer.detail) for answer in failed if answer.problem]
        gaps += inherited.gaps if inherited else self._closed(probe)
        return Reply(f"[{', '.join(map(self._row, told))}]", took_s=took_s, gaps=tuple(gaps))

    def _row(self, row: Told) -> str:
        """A row of the reply as JSON, made of the text that its item already has."""
        head = json.dumps({"subject": row.subject, "account": self.account.id, "region": row.region})
        return f'{head[:-1]}, "item": {row.written}, "of": {json.dumps(row.of)}}}'

    def _closed(self, probe: Probe) -> list[Gap]:
        if not read_form(probe)["everywhere"]:
            return []
        return [Gap(region, "unsupported", why) for region, why in self.account.closed]


def _parents(probes: Sequence[Probe]) -> Iterator[Probe]:
    """Every question about whose rows another one is asked."""
    for probe in probes:
        while probe.each is not None:
            probe = probe.each
            yield probe


def _first(probe: Probe) -> Probe:
    return _first(probe.each) if probe.each is not None else probe


def _answer(about: str, future: Future[Answer]) -> Answer:
    """A call's answer; raises AuthFailed where the credentials have expired. A call still under way is too late."""
    if not future.done():
        future.cancel()
        return Answer(about, problem="timed-out", detail="the visit's time was over before this was answered")
    return future.result()
