"""Evaluate: evidence + controls → findings. Pure: no clock, no file, no connection.

No control is ever silent: each gives at least one finding per asset. An answer that was kept away, cut or of unknown
shape makes its controls UNKNOWN with the reason; it is never read as a value.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import compare, own_answer, probes
from .errors import Absent, NotApplicable, Undetermined, Unparsable
from .model import Control, Evidence, Fact, Finding, Gap, Idle, Observed, Outcome, Reply, Unclear, Unwritten
from .plan import PlannedAsset, PlannedBaseline, PlannedControl, PlannedTerm

MAX_SUBJECTS = 10_000
MAX_HELD_BYTES = 64 << 20
"""What a judge remembers of answers and verdicts, roughly."""
PARSED_TIMES = 7
"""A text that was parsed takes so many times its length: lists and mappings of short words do."""
UNWRITTEN = 0.1
"""Weakness of a setting that is good by default and not written down: an update or a neighbour's line may change it."""
IDLE = 0.1
"""Weakness of a thing that nothing uses: it does harm once somebody uses it."""
_ANSWER = ("answer", "who", "at", "until", "evidence", "note")
_BY_WORD = {
    "pass": Outcome.PASS,
    "fail": Outcome.FAIL,
    "not-applicable": Outcome.NOT_APPLICABLE,
    "unknown": Outcome.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one term says of one subject."""

    subject: str
    outcome: Outcome
    reason: str = ""
    observed: str = ""
    detail: str = ""
    weakness: float = 1.0


@dataclass(slots=True)
class Judge:
    """Judges many assets. Fleets repeat themselves: each distinct text is parsed once, each distinct set of answers
    to a control judged once. What is remembered is bounded, and forgotten as a whole when it is full.
    """

    parsed: dict[tuple[int, str, str], Any] = field(default_factory=dict)
    tokens: dict[tuple[Any, ...], int] = field(default_factory=dict)
    judged: dict[tuple[int, ...], list[Finding]] = field(default_factory=dict)
    keys: dict[int, tuple[PlannedControl, tuple[str, ...]]] = field(default_factory=dict)
    held_bytes: int = 0
    keep: list[Callable[[str], Any]] = field(default_factory=list)

    def findings(self, planned: PlannedAsset, evidence: Evidence) -> list[Finding]:
        """Every finding of one asset, baseline by baseline in the order of its controls."""
        found: list[Finding] = []
        open_question: set[str] = set()
        matched = 0
        answers = self._answers(evidence)
        for one in planned.baselines:
            stop = self._condition(one.when, evidence)
            if stop is not None and stop.outcome is Outcome.NOT_APPLICABLE:
                continue  # written for another system; another baseline may be the right one
            matched += 1
            for each in one.controls:
                if stop is not None:
                    if each.control.id in open_question:
                        continue  # of several baselines that may be the right one, each control once
                    open_question.add(each.control.id)
                if stop is None or _about_the_visit(each):
                    found += self._remembered(answers, evidence, one, each)
                else:
                    found.append(_finding(evidence.asset, one, each, [stop], ""))
        if not matched:
            found.append(_homeless(planned, evidence))
        return found

    def _answers(self, evidence: Evidence) -> dict[str, int]:
        """Probe key → a number that is the same for the same answer, whichever asset gave it and however fast."""
        if self.held_bytes > MAX_HELD_BYTES:
            for held in (self.parsed, self.tokens, self.judged):
                held.clear()
            self.held_bytes = 0
        numbers = {}
        for key, reply in evidence.replies.items():
            answer = (reply.text, reply.problem, reply.detail, reply.gaps)
            number = self.tokens.get(answer)
            if number is None:
                number = self.tokens[answer] = len(self.tokens)
                self.held_bytes += len(reply.text) + 200
            numbers[key] = number
        return numbers

    def _remembered(
        self, answers: Mapping[str, int], evidence: Evidence, one: PlannedBaseline, planned: PlannedControl
    ) -> list[Finding]:
        """The control's findings; those of another asset with the same answers where there is one."""
        if planned.control.manual:  # depends on the day as well
            return self._control(evidence, one, planned)
        if id(planned) not in self.keys:
            asked = dict.fromkeys(key for term in (*planned.when, *planned.terms) for key in term.keys)
            self.keys[id(planned)] = planned, tuple(asked)
        place = (id(planned), *[answers.get(key, -1) for key in self.keys[id(planned)][1]])
        found = self.judged.get(place)
        if found is None:
            found = self.judged[place] = self._control(evidence, one, planned)
            self.held_bytes += 1000 * len(found)
            return found
        return [_of(evidence.asset, finding) for finding in found]

    def _control(self, evidence: Evidence, one: PlannedBaseline, planned: PlannedControl) -> list[Finding]:
        control = planned.control
        stop = self._condition(planned.when, evidence)
        if stop is not None:
            return [_finding(evidence.asset, one, planned, [stop], "")]
        if control.manual:
            return [_finding(evidence.asset, one, planned, [_attested(control, evidence)], "yes")]
        judged = [self._term(term, evidence, control) for term in planned.terms]
        if len(judged) == 1:
            expected = compare.phrase(planned.terms[0].term.expect)
            return _share(control, [_finding(evidence.asset, one, planned, [v], expected) for v in judged[0]])
        verdict = _combine(judged, bool(control.all))
        wanted = dict.fromkeys(f"{_asked(term)}: {compare.phrase(term.term.expect)}" for term in planned.terms)
        joint = (" and " if control.all else " or ").join(wanted)
        return [_finding(evidence.asset, one, planned, [verdict], joint)]

    def _condition(self, terms: Sequence[PlannedTerm], evidence: Evidence) -> _Verdict | None:
        """None where all terms hold; else why the control, or baseline, cannot be judged here."""
        for term in terms:
            for verdict in self._term(term, evidence, None):
                if verdict.outcome is Outcome.UNKNOWN:
                    return verdict
                if verdict.outcome is not Outcome.PASS:
                    wanted = compare.phrase(term.term.expect)
                    why = verdict.reason or f"only where {_name(term)} is {wanted}; here it is {verdict.observed}"
                    return _Verdict("", Outcome.NOT_APPLICABLE, why)
        return None

    def _term(self, planned: PlannedTerm, evidence: Evidence, control: Control | None) -> list[_Verdict]:
        """One verdict per subject; at least one."""
        facts: list[Any] = []
        gaps: list[Gap] = []
        for key, fact in zip(planned.keys, planned.check.facts, strict=True):
            reply = evidence.replies.get(key)
            if reply is None:
                return [
                    _Verdict("", Outcome.UNKNOWN, "not-collected", detail=f"this evidence holds no answer to {key}")
                ]
            if reply.problem == "absent":
                return [_absent(control, reply.detail or f"{key.splitlines()[0][:80]} was proved absent")]
            if reply.problem is not None:
                return [_Verdict("", Outcome.UNKNOWN, reply.problem, detail=reply.detail)]
            if "\0" in reply.text:
                return [_Verdict("", Outcome.UNKNOWN, "unparsable", detail=f"{key}: it holds NUL, which no text does")]
            gaps += reply.gaps
            try:
                facts.append(self._parse(key, fact, reply))
            except Absent as error:
                return [_absent(control, str(error) or "proved absent")]
            except (Unparsable, ValueError, LookupError, RecursionError) as error:
                first = str(error).splitlines()[:1] or [type(error).__name__]
                return [_Verdict("", Outcome.UNKNOWN, "unparsable", detail=f"{key}: {first[0][:300]}")]
            except Exception:  # noqa: BLE001 - a parser's own bug must not end the run
                return [_Verdict("", Outcome.UNKNOWN, "check-bug", detail=traceback.format_exc(limit=-3))]
        return self._observe(planned, facts, gaps, control)

    def _observe(
        self, planned: PlannedTerm, facts: list[Any], gaps: list[Gap], control: Control | None
    ) -> list[_Verdict]:
        try:
            observed = planned.check.observe(*facts, **planned.given)
            return _verdicts(planned, observed, _once(gaps))
        except Absent as error:
            return [_absent(control, str(error) or "proved absent")]
        except NotApplicable as error:
            return [_Verdict("", Outcome.NOT_APPLICABLE, str(error))]
        except Undetermined as error:
            return [_Verdict("", Outcome.UNKNOWN, error.reason, detail=str(error))]
        except Unparsable as error:
            return [_Verdict("", Outcome.UNKNOWN, "unparsable", detail=str(error)[:300])]
        except Exception:  # noqa: BLE001 - a check's bug must not end the run, nor leave it
            return [_Verdict("", Outcome.UNKNOWN, "check-bug", detail=traceback.format_exc(limit=-3))]

    def _parse(self, key: str, fact: Fact[Any], reply: Reply) -> Any:
        """What the answer says; shared with all who ask."""
        place = (id(fact.parse), key, reply.text)
        if place not in self.parsed:
            self.parsed[place] = fact.parse(own_answer.own(key, reply.text))
            self.held_bytes += PARSED_TIMES * len(reply.text)
            self.keep.append(fact.parse)  # an id is only unique while its owner lives
        return self.parsed[place]


def _verdicts(planned: PlannedTerm, observed: Observed, gaps: Sequence[Gap]) -> list[_Verdict]:
    """Hold what was observed against the expectation; subjects that could not be read stay unknown.

    So do those of a region that one of the facts could not cover: what was seen there is half of what is there.
    """
    expect = planned.term.expect
    unread = [_Verdict(gap.subject, Outcome.UNKNOWN, gap.problem, detail=gap.detail) for gap in gaps]
    if not isinstance(observed, Mapping):
        return unread or [_held("", observed, expect)]
    seen = []
    for name, value in observed.items():
        gap = next((gap for gap in gaps if gap.covers(str(name))), None)
        if gap is None:
            seen.append(_held(str(name), value, expect))
        elif gap.subject != str(name):
            unread.append(_Verdict(str(name), Outcome.UNKNOWN, gap.problem, detail=gap.detail))
    if not seen and not unread:
        return [_Verdict("", Outcome.NOT_APPLICABLE, "there is nothing of this kind here")]
    if len(seen) > MAX_SUBJECTS:
        worst = sorted(seen, key=lambda verdict: verdict.outcome is not Outcome.FAIL)[:MAX_SUBJECTS]
        cut = f"{len(seen) - MAX_SUBJECTS} more subjects are not listed"
        outcome = Outcome.UNKNOWN if worst[-1].outcome is not Outcome.FAIL else Outcome.FAIL
        seen = [*worst, _Verdict("(others)", outcome, "truncated", detail=cut)]
    return [*seen, *unread]


def _held(subject: str, value: Any, expect: Mapping[str, Any]) -> _Verdict:
    if isinstance(value, Unclear):
        return _Verdict(subject, Outcome.UNKNOWN, "undetermined", detail=value.why)
    if isinstance(value, Idle):
        verdict = _held(subject, value.value, expect)
        return replace(verdict, detail="nothing uses it today", weakness=IDLE) if _failed(verdict) else verdict
    if isinstance(value, Unwritten):
        verdict = _held(subject, None, expect)
        if verdict.outcome is Outcome.PASS or not compare.met(value.in_force, expect):
            return verdict
        why = f"in force by default: {compare.shown(value.in_force)}; it is not written down"
        return replace(verdict, detail=why, weakness=UNWRITTEN)
    outcome = Outcome.PASS if compare.met(value, expect) else Outcome.FAIL
    return _Verdict(subject, outcome, observed=compare.shown(value))


def _failed(verdict: _Verdict) -> bool:
    return verdict.outcome is Outcome.FAIL


def _once(gaps: Sequence[Gap]) -> list[Gap]:
    return list({gap.subject: gap for gap in reversed(gaps)}.values())[::-1]


def _absent(control: Control | None, why: str) -> _Verdict:
    if control is None:
        return _Verdict("", Outcome.NOT_APPLICABLE, why)
    outcome = _BY_WORD[control.when_absent]
    reason = "absent" if outcome is Outcome.UNKNOWN else why if outcome is Outcome.NOT_APPLICABLE else ""
    return _Verdict("", outcome, reason, observed="not there", detail="" if reason == why else why)


def _combine(judged: Sequence[Sequence[_Verdict]], every: bool) -> _Verdict:
    """Several terms into one verdict. `all`: one fail fails; `any`: one pass passes; unknown outweighs the rest.

    In `all`, a term about a running system does not count on a root file system at rest where another term can be
    judged: such a root is judged by what it will do when it is started.
    """
    order = [Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS] if every else [Outcome.PASS, Outcome.UNKNOWN, Outcome.FAIL]
    reduced = [_worst(verdicts) for verdicts in judged]
    if every and any(verdict.outcome is not Outcome.UNKNOWN for verdict in reduced):
        reduced = [verdict for verdict in reduced if verdict.reason != "not-running"]
    for outcome in order:
        hits = [verdict for verdict in reduced if verdict.outcome is outcome]
        if hits:
            observed = "; ".join(v.observed for v in (hits if outcome is not Outcome.PASS else reduced) if v.observed)
            detail = "; ".join(v.detail for v in hits if v.detail)
            heaviest = max(v.weakness for v in hits)
            return _Verdict("", outcome, hits[0].reason, compare.shown(observed), detail, heaviest)
    return reduced[0]


def _worst(verdicts: Sequence[_Verdict]) -> _Verdict:
    """Several subjects of one term into one verdict, naming those that decided it."""
    for outcome in (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS):
        hits = [verdict for verdict in verdicts if verdict.outcome is outcome]
        if hits:
            named = [f"{v.subject}: {v.observed}" if v.subject else v.observed for v in hits]
            shown, heaviest = compare.shown(", ".join(filter(None, named))), max(v.weakness for v in hits)
            return _Verdict("", outcome, hits[0].reason, shown, hits[0].detail, heaviest)
    return verdicts[0]


def _attested(control: Control, evidence: Evidence) -> _Verdict:
    """What a person's answer says on the day of the evidence. Unanswered, expired or in doubt is unknown."""
    reply = evidence.replies.get(probes.attestation(control.id).key)
    if reply is None or reply.problem == "absent":
        return _Verdict("", Outcome.UNKNOWN, "not-attested", detail=control.manual)
    if reply.problem is not None:
        return _Verdict("", Outcome.UNKNOWN, reply.problem, detail=reply.detail)
    try:
        said: dict[str, str] = {name: str(json.loads(reply.text)[name] or "") for name in _ANSWER}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        return _Verdict("", Outcome.UNKNOWN, "unparsable", detail=f"the attestation kept: {str(error)[:300]}")
    today = f"{evidence.collected_at:%Y-%m-%d}"
    observed = compare.shown(f"{said['answer']}, said {said['who']} on {said['at']}, until {said['until']}")
    why = "; ".join(filter(None, [said["evidence"], said["note"]]))
    if not said["at"] <= today <= said["until"]:
        return _Verdict("", Outcome.UNKNOWN, "attestation-expired", observed, control.manual)
    if said["answer"] == "not-applicable":
        return _Verdict("", Outcome.NOT_APPLICABLE, why or observed, observed)
    return _Verdict("", Outcome.PASS if said["answer"] == "yes" else Outcome.FAIL, "", observed, why)


def _about_the_visit(planned: PlannedControl) -> bool:
    """Whether a control is about the way in alone, and so can be judged where nothing else could be asked."""
    return bool(planned.terms) and all(":visit " in key for term in planned.terms for key in term.keys)


def _asked(term: PlannedTerm) -> str:
    """What one of several terms asks, for people: 'startups begin'."""
    words = [str(value) for name, value in term.term.given.items() if name != "view" and isinstance(value, str | int)]
    return " ".join([term.check.id.rsplit(".", 1)[-1].replace("_", " "), *words])


def _name(term: PlannedTerm) -> str:
    given = ", ".join(str(value) for value in term.term.given.values())
    return f"{term.check.id}({given})" if given else term.check.id


def _finding(asset: str, one: PlannedBaseline, planned: PlannedControl, said: list[_Verdict], expected: str) -> Finding:
    verdict = said[0]
    return Finding(
        asset=asset,
        baseline=one.baseline.id,
        control=planned.control.id,
        subject=verdict.subject[:1000],
        outcome=verdict.outcome,
        reason=verdict.reason[:500],
        observed=verdict.observed,
        expected=expected,
        detail=verdict.detail[:4000],
        weakness=verdict.weakness,
    )


def _of(asset: str, said: Finding) -> Finding:
    """The same finding of another asset."""
    return Finding(
        asset,
        said.baseline,
        said.control,
        said.subject,
        said.outcome,
        said.reason,
        said.observed,
        said.expected,
        said.detail,
        said.weakness,
    )


def _share(control: Control, findings: list[Finding]) -> list[Finding]:
    """For `weakness: share`, the failing part of the judged subjects as every failing one's weakness."""
    if control.weakness == "whole":
        return findings
    judged = [finding for finding in findings if finding.outcome in {Outcome.PASS, Outcome.FAIL}]
    failing = [finding for finding in judged if finding.outcome is Outcome.FAIL]
    share = len(failing) / len(judged) if judged else 1.0
    return [replace(f, weakness=share) if f.outcome is Outcome.FAIL else f for f in findings]


def _homeless(planned: PlannedAsset, evidence: Evidence) -> Finding:
    """The one finding of an asset that no baseline is written for."""
    known = ", ".join(one.baseline.id for one in planned.baselines) or "none of its kind"
    why = f"no known baseline is written for this system (tried: {known}); name one with `baselines:` in the inventory"
    return Finding(evidence.asset, "", "no-baseline", "", Outcome.UNKNOWN, "no-baseline", detail=why)
