"""The board's page: one A4 sheet for leaders, without a script. What stands, what to do first and what that buys."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from markupsafe import Markup

from scanner import score
from scanner.inert import printable
from scanner.model import Finding, Outcome, Risk, Run, Score

from . import frameworks, heat_map, page, scale, trend, view
from .outlook import Outlook, Rung, outlook
from .plain_words import counted, often, share, told, work

FIRST = 5
"""How many places the list has."""
MOST = 15
"""How many risks may share them."""
RATES = 8
"""How many frameworks fit the sheet."""
LINES, WIDE = 22, (62, 72, 74, 76)
"""How many lines the list may take so that all stays on one sheet, and how many letters each kind of line has."""
BAD = ("", "slight", "minor", "medium", "major", "severe")
BLIND: Mapping[str, str] = {
    "unreachable": "out of reach",
    "auth-failed": "that did not let the scan in",
    "denied": "on which the scan lacks a right",
    "not-attested": "waiting for a person's answer",
    "attestation-expired": "waiting for a person's answer",
    "no-baseline": "without rules of their own yet",
}
"""Reason → what is said of it; every other one is an answer that could not be used."""
BEARING: Mapping[str, str] = {
    "valid": "until {}",
    "expiring": "only until {}",
    "expired": "ended {}: decide anew",
    "unused": "no longer needed",
}
"""State of an acceptance → what is said of it."""
KINDS = 4
"""How many reasons for not seeing fit the sheet."""
BORNE = 3
"""How many lines of accepted risks fit the sheet."""
READINESS = {"incident": "Ready for an incident", "recovery": "Ready to recover"}
"""Value of the reference `readiness` of a control → the line that it counts in: asked of people, or seen on systems."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One place on the list: the risks of one service that are told, and fixed, in the same words."""

    risks: tuple[Risk, ...]
    harm: str
    remedy: str
    where: str
    often: str
    bad: str
    effort: str
    owner: str
    due: str


def render(run: Run) -> bytes:
    """One HTML page in UTF-8 that loads nothing, runs nothing and prints on one sheet of A4."""
    style = page.own("board.css")
    ahead = outlook(run)
    places = _places(run, ahead)
    numbered = [(number, risk) for number, one in enumerate(places, 1) for risk in one.risks]
    risks = [risk for _, risk in numbered]
    after = _after(run, risks)
    made = page.template("board.html.j2").render(
        run=run,
        headline=headline(run),
        chance=often(run.organisation.chance) if run.organisation.expected_loss else "",
        next=_next(len(risks), after, ahead),
        scale=_scale(run, after),
        rungs=[_rung(run, one) for one in ahead.rungs] if after else [],
        agreed=f"{view.amount(view.policy_of(run).tolerances.organisation, view.policy_of(run))}",
        now=view.amount(run.organisation.expected_loss, view.policy_of(run)),
        remembers=_remembers(run) or bool(run.history and run.history.standing),
        points=view.points,
        seen=share(run.organisation.judged, run.organisation.applicable),
        map=heat_map.svg(risks, [number for number, _ in numbered]),
        places=places,
        trend=trend.svg(run.history.trend) if run.history else "",
        held_back=_held_back(run),
        borne=_borne(run),
        most_borne=BORNE,
        most_blind=KINDS,
        seal=run.history.head[:16] if run.history else "",
        lists=_lists(run),
        changes=len(risks),
        blind=_blind(run),
        ready=_ready(run),
        rates=_rates(run),
        counted=counted,
        style=style,
        policy=page.content_policy(style),
    )
    return str(made).encode("utf-8", errors="backslashreplace")


def _lists(run: Run) -> str:
    """How old the lists are that known flaws were looked up in; empty where nobody looked."""
    told = view.feeds(run)
    ages = view.feed_ages_days(run)
    if not ages:
        return "Known flaws could not be looked up: no list of them was there." if told else ""
    return f"Known flaws were looked up in lists that are {counted(max(ages), 'day')} old."


def headline(run: Run) -> str:
    """The verdict against the tolerance in one sentence."""
    total = run.organisation
    if not run.visited or not (total.judged or total.expected_loss):
        return "Nothing could be judged, so nothing is known of the risk."
    least = "at least " if total.coverage < 0.9 else ""
    if total.score > 50:
        return f"The risk is above the level you agreed: {least}{view.points(total)} instead of 50."
    if least:
        return f"What could be seen is within the level you agreed: at least {view.points(total)} of 50."
    return f"The risk is within the level you agreed: {view.points(total)} of 50."


def _next(changes: int, after: Score | None, ahead: Outlook) -> str:
    """Where the changes on the sheet lead, and what it takes to come down to the agreed level; "" where none is."""
    if not changes:
        return ""
    if after is None:
        return "What the changes below would bring cannot be worked out, since parts of an earlier run count."
    which = "The change" if changes == 1 else f"The {changes} changes"
    said = f"{which} below would bring the risk to {view.points(after)}."
    if ahead.agreed_days is not None and after.score > 50:
        said += f" {_capital(work(ahead.agreed_days))} of work would bring it to the agreed level."
    return said


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _scale(run: Run, after: Score | None) -> Markup:
    """The scale with today's score; without a mark where nothing was judged."""
    known = view.points(run.organisation) != "?"
    now = run.organisation.score if known else None
    said = f"Today {view.points(run.organisation)} of 100; 50 is the agreed level."
    if after:
        said += f" After these changes {view.points(after)}."
    return scale.svg(now, after.score if after and known else None, said)


def _rung(run: Run, one: Rung) -> dict[str, str]:
    """One plan as the sheet tells it."""
    return {
        "work": _cost(run, one.days).replace(" of work", ""),
        "changes": f"{one.changes:,}",
        "score": f"{one.score:.0f}",
    }


def _cost(run: Run, days: float) -> str:
    """'about 3 hours', and what that costs where the policy says so: 'about 3 days, 2,400 EUR'."""
    policy = view.policy_of(run)
    money = f", {days * policy.day_rate:,.0f} {printable(policy.unit)}" if policy.in_money and policy.day_rate else ""
    return f"{work(days)} of work{money}"


def _after(run: Run, risks: Iterable[Risk]) -> Score | None:
    """The organisation's score once these risks are fixed, worked out anew; None where that cannot be known."""
    fixed = {(risk.service, risk.root_cause) for risk in risks}
    if not fixed or _remembers(run):
        return None

    def mended(service: str, finding: Finding) -> Finding:
        control = run.controls.get((finding.baseline, finding.control))
        open = finding.outcome is Outcome.FAIL and control is not None and (service, control.cause) in fixed
        return replace(finding, outcome=Outcome.PASS) if open else finding

    pairs = [(one.asset, [mended(one.asset.service, found) for found in one.findings]) for one in view.whole(run)]
    return score.assess(pairs, run.controls, view.policy_of(run)).organisation


def _held_back(run: Run) -> str:
    """'Controls that work already keep away about 95 % of the loss.'; "" where too little is known to say so."""
    if run.inherent is None or run.inherent.expected_loss <= run.organisation.expected_loss:
        return ""
    kept = share(run.inherent.expected_loss - run.organisation.expected_loss, run.inherent.expected_loss)
    return f"What is done well already keeps away {kept} of the loss that would be expected without it."


def _remembers(run: Run) -> bool:
    """Whether the score holds failures of earlier runs that are not known any more."""
    pairs = [(one.asset, one.findings) for one in view.whole(run)]
    seen = score.assess(pairs, run.controls, view.policy_of(run)).organisation
    return not math.isclose(seen.expected_loss, run.organisation.expected_loss, rel_tol=1e-9)


def _places(run: Run, ahead: Outlook) -> list[_Place]:
    """The largest risks, at most FIRST places; those that would be told in the same words share one."""
    worst = view.worst_rows(run)
    places: dict[tuple[str, str, str], list[Risk]] = {}
    for risk in run.risks[:MOST]:
        row = worst.get((risk.service, risk.root_cause))
        title, why = (row.control.title, row.control.why) if row and row.control else (risk.title, "")
        words = (risk.service, *told(title, why, risk.root_cause))
        if words not in places and len(places) == FIRST:
            break
        places.setdefault(words, []).append(risk)
    return _fitting([_place(run, risks, words, ahead) for words, risks in places.items()])


def _fitting(places: list[_Place]) -> list[_Place]:
    """The first places that leave room for the rest of the sheet."""
    taken = 0
    for number, one in enumerate(places):
        texts = (one.harm, f"Goal: {one.remedy}", "how likely", f"{one.where} {one.effort} {one.owner} {one.due}")
        taken += sum(1 + len(text) // letters for text, letters in zip(texts, WIDE, strict=True))
        if taken > LINES:
            return places[:number]
    return places


def _place(run: Run, risks: list[Risk], words: tuple[str, str, str], ahead: Outlook) -> _Place:
    service, what, fix = words
    assets = {asset for risk in risks for asset in risk.assets}
    costs = [ahead.costs.get((service, risk.root_cause)) for risk in risks]
    effort = _cost(run, sum(cost or 0 for cost in costs)) if None not in costs else "not known"
    return _Place(
        tuple(risks),
        what,
        fix,
        _where(service, len(assets)),
        often(_together([risk.chance for risk in risks])),
        BAD[max(risk.impact for risk in risks)],
        f"{effort}{f', {len(risks)} changes' if len(risks) > 1 else ''}",
        printable(_in_charge(run, risks) or view.owners(run, assets) or "nobody yet", 40),
        _due(run, risks),
    )


def _in_charge(run: Run, risks: Iterable[Risk]) -> str:
    """Whom the register names for these risks, where it names anybody."""
    named = {one.owner for risk in risks if (one := view.charge(run, risk)) is not None and one.owner}
    return ", ".join(sorted(named))


def _due(run: Run, risks: Iterable[Risk]) -> str:
    """'by 3 March 2026', 'due since 3 March 2026', or "" where no day is set."""
    days = [one.due for risk in risks if (one := view.charge(run, risk)) is not None and one.due is not None]
    if not days or run.history is None:
        return ""
    return f"{'due since' if min(days) < run.history.day else 'by'} {min(days):%-d %B %Y}"


def _borne(run: Run) -> list[str]:
    """What somebody bears knowingly, one sentence for each service, person and last day; the first to end first."""
    found: dict[tuple[date, str, str, str], int] = {}
    for one in run.history.accepted if run.history else ():
        key = (one.until, one.service, one.owner, one.state)
        found[key] = found.get(key, 0) + 1
    return [
        f"{printable(service, 18)}: {counted(number, 'risk')} borne by {printable(owner, 18)}, "
        f"{BEARING[state].format(f'{until:%-d %B %Y}')}."
        for (until, service, owner, state), number in sorted(found.items())
    ]


def _together(chances: Iterable[float]) -> float:
    """Chance that any of several causes leads to a loss within a year, taken as independent as the score does."""
    return 1 - math.prod(1 - chance for chance in chances)


def _where(service: str, systems: int) -> str:
    if service == "unassigned":
        return f"{counted(systems, 'system')} without a named service"
    return f"{printable(service, 40)}, {counted(systems, 'system')}"


def _blind(run: Run) -> list[str]:
    """What could not be judged, one sentence for each kind of reason, the largest first."""
    assets: dict[str, set[str]] = {}
    unknown: dict[str, int] = {}
    for finding in run.findings:
        if finding.outcome is Outcome.UNKNOWN:
            said = BLIND.get(finding.reason, "with an answer of no use")
            assets.setdefault(said, set()).add(finding.asset)
            unknown[said] = unknown.get(said, 0) + 1
    ordered = sorted(unknown, key=lambda said: (-unknown[said], said))
    return [
        f"{counted(len(assets[said]), 'system')} {said}: {counted(unknown[said], 'rule')} not judged."
        for said in ordered
    ]


def _rates(run: Run) -> list[tuple[frameworks.Rate, str]]:
    """Each framework with its share of requirements met; another edition of a framework that is there is left out."""
    found = frameworks.rates(frameworks.requirements(run))
    names = {rate.framework for rate in found}
    first = list(frameworks.FIRST)
    found.sort(key=lambda rate: first.index(rate.framework) if rate.framework in first else len(first))
    return [
        (rate, share(rate.passed, rate.asked))
        for rate in found
        if rate.asked and (not _edition(rate.framework) or _edition(rate.framework) not in names)
    ][:RATES]


def _edition(framework: str) -> str:
    """The framework that this is another edition of: 'cis_v3' and 'cis-5.0' -> 'cis'; "" where it stands for itself."""
    return "cis" if framework.startswith(("cis_", "cis-")) else ""


def _ready(run: Run) -> list[tuple[str, str]]:
    """('Ready to recover', '3 of 8 shown, 1 missing, 4 not answered. Systems: 5 of 6 as wanted') for each part."""
    lines = []
    for part, name in READINESS.items():
        asked = _outcomes(run, part, people=True)
        measured = _outcomes(run, part, people=False)
        shown, missing, open = (asked.count(one) for one in (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN))
        said = []
        if asked:
            said.append(f"{shown} of {len(asked)} shown, {missing} missing, {open} not answered")
        if measured:
            good, blind = measured.count(Outcome.PASS), measured.count(Outcome.UNKNOWN)
            unseen = f", {blind} not seen" if blind else ""
            said.append(f"On systems: {good} of {len(measured)} as wanted{unseen}")
        if said:
            lines.append((name, ". ".join(said)))
    return lines


def _outcomes(run: Run, part: str, people: bool) -> list[Outcome]:
    """What was found of one part: by asking people, or by looking at systems."""
    keys = {
        key
        for key, control in run.controls.items()
        if part in control.references.get("readiness", ()) and bool(control.manual) == people
    }
    found = [one.outcome for one in run.findings if (one.baseline, one.control) in keys]
    return [one for one in found if one is not Outcome.NOT_APPLICABLE]
