"""What is said of one asset's known flaws: the words that Linux and Windows share. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from scanner import own_answer
from scanner.errors import Absent, Unparsable
from scanner.model import Asset, Control, Evidence, Fact, Finding, Outcome

from .controls import CLEAN, WATCHED
from .matching import Hit

if TYPE_CHECKING:
    from .findings import Threats

T = TypeVar("T")
BASELINE = "vulnerabilities"
MOST_SILENT_DAYS = 40
"""Distributions publish every week, Microsoft at least every five: a list without anything new for longer is left
behind, however often it was fetched."""


class Missing(Exception):
    """A fact that is not there: why, in a word and in full."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def fact_of(evidence: Evidence, fact: Fact[T]) -> T:
    """A fact's value out of the evidence; Missing otherwise."""
    reply = evidence.replies.get(fact.probe.key)
    if reply is None:
        raise Missing("not-collected", f"this evidence holds no answer to {fact.probe.key[:80]}")
    if reply.problem is not None:
        raise Missing(reply.problem, reply.detail)
    try:
        return fact.parse(own_answer.own(fact.probe.key, reply.text))
    except Absent as error:
        raise Missing("absent", str(error)[:300]) from error
    except (Unparsable, ValueError, LookupError) as error:
        raise Missing("unparsable", str(error)[:300]) from error


def watched(asset: Asset, name: str, ends: date | None, key: str, feed: Threats, today: date) -> Finding:
    """Whether "nothing is known" would mean anything here, by the feed `key`. ends: the last day of the release."""
    one = feed.standings[key]
    age = one.age_days(feed.now)
    told = f"{key}: {one.records} advisories until {one.newest_at:%Y-%m-%d}, fetched {age:.0f} days ago"
    told += feed.lists_said()
    if ends is None or today > ends:
        why = f"{name} has had no security updates since {ends}" if ends else f"when {name} ends is not known"
        return said(asset, WATCHED, Outcome.UNKNOWN, "no-longer-watched", "", told, why)
    if not 0 <= age + 1 <= feed.limit_days + 1:
        why = f"feed {age:.0f} days old, more than {feed.limit_days:g}; run `riskline feeds update`"
        return said(asset, WATCHED, Outcome.UNKNOWN, "feed-too-old", "", told, why)
    silent_days = (feed.now - one.newest_at).days
    if silent_days > MOST_SILENT_DAYS:
        why = f"nothing new in {key} for {silent_days} days, more than {MOST_SILENT_DAYS}: is it still published there?"
        return said(asset, WATCHED, Outcome.UNKNOWN, "feed-too-old", "", told, why)
    return said(asset, WATCHED, Outcome.PASS, "", "", told)


def unwatched(asset: Asset, name: str, feed: Threats) -> Finding:
    """That no stored feed speaks of a release."""
    lost = f" ({', '.join(feed.damaged)} cannot be read)" if feed.damaged else ""
    why = f"no stored feed has advisories for {name}{lost}; run `riskline feeds update`"
    return said(asset, WATCHED, Outcome.UNKNOWN, "no-feed", "", "", why)


def clean(asset: Asset, fresh: Finding, found: Sequence[Finding]) -> Finding:
    """The sum: clean only where the advisories are fresh, and everything that they speak of could be compared."""
    open = [one for one in found if one.outcome is Outcome.FAIL]
    if open:
        return said(asset, CLEAN, Outcome.NOT_APPLICABLE, f"{len(open)} known flaws are listed one by one")
    elsewhere = [one for one in found if one.reason == "not-covered" and one.subject != "kernel"]
    doubts = [fresh, *(one for one in found if one.outcome is Outcome.UNKNOWN and one not in elsewhere)]
    doubt = next((one for one in doubts if one.outcome is Outcome.UNKNOWN), None)
    if doubt is not None:
        return said(asset, CLEAN, Outcome.UNKNOWN, doubt.reason, "", "", doubt.detail)
    return said(asset, CLEAN, Outcome.PASS, observed="none", detail=fresh.observed)


def said(
    asset: Asset,
    control: str,
    outcome: Outcome,
    reason: str = "",
    subject: str = "",
    observed: str = "",
    detail: str = "",
) -> Finding:
    """A finding of this list."""
    return Finding(asset.id, BASELINE, control, subject, outcome, reason, observed, "", detail)


_OUTCOMES = {"ignored": Outcome.NOT_APPLICABLE, "unwatched": Outcome.UNKNOWN, "incomparable": Outcome.UNKNOWN}
_REASONS = {
    "ignored": "the distribution holds it to be of no weight",
    "unwatched": "no-longer-watched",
    "incomparable": "could-not-compare",
    "no-fix": "no-fix",
}


def finding_of(asset: Asset, control: Control, hit: Hit) -> Finding:
    """What an advisory finds in one package of an asset."""
    expected = f"{hit.fixed} or later" if hit.fixed and hit.state == "fix" else ""
    outcome = _OUTCOMES.get(hit.state, Outcome.FAIL)
    detail = hit.why or hit.summary
    observed = f"{hit.name} {hit.version}"
    return Finding(
        asset.id, BASELINE, control.id, hit.name, outcome, _REASONS.get(hit.state, ""), observed, expected, detail
    )
