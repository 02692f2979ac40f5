"""`riskline threats`: what the world learned about what we run, and what is to be expected. No host is contacted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options as given
from .risk_text import percent

if TYPE_CHECKING:
    from scanner.model import Evidence, Finding, Run
    from scanner.register import Register
    from scanner.threats.findings import Threats
    from scanner.threats.forecast import Arrivals, Expectation, Record
    from scanner.threats.overnight import Change, Night
    from scanner.threats.support import Ending
    from scanner.threats.timetable import Line

format_option = click.option("-f", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
FRESH = timedelta(days=31)
"""How old the list of exploited flaws may be to say what comes next month."""
TOLD = 20
"""Lines of each kind; more are counted. `--format json` has all."""


@click.group()
def threats() -> None:
    """What became urgent overnight, what is to be expected, and what gets no updates any more: from stored answers.

    \b
    riskline feeds update && riskline threats diff
    riskline threats due
    riskline threats forecast
    riskline threats calendar
    """


@threats.command()
@given.register_option
@given.feeds_option
@click.option("--since", default="latest", metavar="RUN|DATE", help="The verdict to compare with.  [default: latest]")
@format_option
@click.pass_context
def diff(ctx: click.Context, register_url: str, folder: Path, since: str, format: str) -> None:
    """Say what became urgent without any change on our side: the verdict of a run, held against today's feeds.

    A run (its id, or `latest`), or the last one on or before a DATE (YYYY-MM-DD). Only what was installed then, and was
    still when each asset was last visited, is looked at. Urgent is what is attacked now, what became much likelier to
    be, and what is new and has to be mended within 14 days.
    """
    from scanner.model import utc_now
    from scanner.threats import overnight

    today = utc_now().date()
    with _opened(ctx, register_url, folder) as (register, feeds):
        run = register.run(_run_since(register, since))
        opened = {(r.asset, r.control, r.subject): r.opened_at.date() for r in register.risks()}
        night = overnight.compare(_looks(register, run, feeds, today), opened, today)
        told = _told_feeds(feeds)
    if format == "json":
        rows = {"since": run.id, "feeds": told, "urgent_assets": night.urgent_assets, **asdict(night)}
        click.echo(json.dumps(rows, indent=2, default=str))
    else:
        _print_night(night, run, told)


@contextlib.contextmanager
def _opened(ctx: click.Context, register_url: str, folder: Path) -> Iterator[tuple[Register, Threats]]:
    from scanner.errors import UsageError
    from scanner.register import open_register

    with contextlib.closing(open_register(register_url)) as register, given.threats_of(ctx, folder) as feeds:
        if feeds is None:
            raise UsageError(f"no feed is stored in {folder}; run: riskline feeds update")
        yield register, feeds


def _told_feeds(feeds: Threats) -> list[str]:
    """'Debian until 2026-11-20, fetched 1 days ago', of each."""
    return [
        f"{one.name} until {one.newest_at:%Y-%m-%d}, fetched {one.age_days(feeds.now):.0f} days ago"
        for one in feeds.standings.values()
    ]


def _run_since(register: Register, since: str) -> str:
    """The id of the run that is meant."""
    from scanner.errors import UsageError

    try:
        day = date.fromisoformat(since)
    except ValueError:
        return since
    for one in register.runs(100_000):
        if one.started_at.date() <= day:
            return one.id
    raise UsageError(f"no run on or before {day} is recorded")


def _looks(register: Register, run: Run, feeds: Threats, today: date) -> Iterator[Any]:
    """(asset, its flaws as the run found them, its flaws by today's feeds), of what is installed unchanged."""
    from scanner.threats import findings as flaws
    from scanner.threats.overnight import Look
    from scanner.threats.said import BASELINE

    last = register.run("latest")
    again = {one.asset.id: one.asset for one in last.visited} if last.id != run.id else {}
    for one in run.visited:
        then = register.evidence(run.id, one.asset.id)
        now = register.evidence(last.id, one.asset.id) if one.asset.id in again else then
        if then is None or now is None:
            continue
        controls, found = flaws.findings(again.get(one.asset.id, one.asset), now, feeds, today)
        same = flaws.what_is_there(then)[2] & flaws.what_is_there(now)[2]
        yield (
            one.asset,
            Look(_unchanged(one.findings, same), run.controls),
            Look(_unchanged(found, same), {(BASELINE, control.id): control for control in controls}),
        )


def _unchanged(findings: Iterable[Finding], same: frozenset[str]) -> list[Finding]:
    from scanner.threats.controls import WATCHED
    from scanner.threats.said import BASELINE

    return [one for one in findings if one.baseline == BASELINE and (one.observed in same or one.control == WATCHED)]


def _print_night(night: Night, run: Run, told: list[str]) -> None:
    from scanner.inert import printable
    from scanner.threats.overnight import ORDER, URGENT

    click.echo(f"Since run {run.id} of {run.started_at:%Y-%m-%d}, by today's feeds ({'; '.join(told)}):")
    urgent = night.urgent_assets
    for kind, word in ORDER.items():
        found = [one for one in night.changes if one.kind == kind]
        if not found:
            continue
        click.secho(f"\n{word} ({len(found)})", bold=kind in URGENT)
        for change in found[:TOLD] if kind in URGENT else found[: TOLD // 4]:
            for line in _lines(change):
                click.echo(printable(line))
        more = len(found) - (TOLD if kind in URGENT else TOLD // 4)
        if more > 0:
            click.echo(f"  … and {more} more (--format json has them all)")
    for asset, why in night.blind.items():
        click.echo()
        click.echo(printable(f"{asset}: nothing can be said of it: {why}"))
    names = ", ".join(urgent[:10]) + (" …" if len(urgent) > 10 else "")
    said = f"{len(urgent)} of {len(run.visited)} assets became urgent: {names}." if urgent else "Nothing became urgent."
    click.echo()
    click.echo(printable(f"{said} No host was contacted."))


def _lines(one: Change) -> Iterator[str]:
    assets = ", ".join(one.assets[:8]) + (f" and {len(one.assets) - 8} more" if len(one.assets) > 8 else "")
    yield f"  {one.flaw} in {one.package} on {assets}: {one.why}"
    if one.step:
        yield f"      {one.step}" + (f" By {one.due}: {one.deadline}." if one.due else "")


@threats.command()
@given.register_option
@click.argument("run_id", metavar="[RUN]", default="latest")
@format_option
def due(run_id: str, register_url: str, format: str) -> None:
    """List by when the known flaws of RUN have to be mended, by CISA's table (BOD 26-04), one line for each upgrade.

    Four answers decide: is it exploited (KEV), is the host exposed (seen from the internet, or in that zone), can an
    attack be automated, and does it take all. The days run from when it was found here, or found to be exploited.
    """
    from scanner.model import utc_now
    from scanner.register import open_register
    from scanner.threats.timetable import timetable

    today = utc_now().date()
    with contextlib.closing(open_register(register_url)) as register:
        run = register.run(run_id)
        opened = {(r.asset, r.control, r.subject): r.opened_at.date() for r in register.risks()}
    lines = timetable([(one.asset, one.findings) for one in run.visited], run.controls, opened, today)
    if format == "json":
        click.echo(json.dumps([asdict(line) for line in lines], indent=2, default=str))
    else:
        _print_due(lines, today)


def _print_due(lines: Sequence[Line], today: date) -> None:
    from scanner.inert import printable

    for one in lines:
        late = f", {(today - one.due).days} days late" if one.due and one.due < today else ""
        when = f"{one.due} ({one.deadline}{late})" if one.due else one.deadline
        told = {"exploited": one.answers.exploited, "exposed": one.answers.exposed}
        told |= {"automatable": one.answers.automatable, "takes all": one.answers.total}
        why = ", ".join(f"{'' if yes else 'not '}{word}" for word, yes in told.items())
        guess = " (estimated)" if one.answers.estimated else ""
        assets = ", ".join(one.assets[:8]) + (f" and {len(one.assets) - 8} more" if len(one.assets) > 8 else "")
        click.echo(printable(f"{when}: {one.cause}: {one.flaws} flaws on {assets}"))
        click.echo(printable(f"      {one.decided_by}: {why}{guess}. {one.fix}"))
    if not lines:
        click.echo("No known flaw is open in this run.")


@threats.command()
@given.register_option
@given.feeds_option
@click.argument("run_id", metavar="[RUN]", default="latest")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Keep it, to be held against what comes.")
@format_option
@click.pass_context
def forecast(ctx: click.Context, run_id: str, register_url: str, folder: Path, keep: bool, format: str) -> None:
    """Say how many of the known flaws of RUN will be attacked somewhere within 30 days, and how good that was so far.

    Each flaw counts once, however many hosts have it: the chances (EPSS) are those of an attack anywhere, not of one on
    a certain host. How many flaws will be listed as exploited next month is told by a negative binomial.
    """
    from scanner.model import utc_now
    from scanner.threats import forecast as of
    from scanner.threats import predictions

    with _opened(ctx, register_url, folder) as (register, feeds):
        run = register.run(run_id)
        present = _present(run)
        chances = feeds.chances(present - feeds.exploited.keys())
        listed = {cve: date.fromisoformat(day) for cve, day in feeds.exploited.items()}
        known_until = next((one.newest_at.date() for one in feeds.standings.values() if one.form == "kev"), date.min)
        past = of.record(predictions.kept(folder), listed, known_until)
        now = utc_now().date()
        if keep and chances:
            predictions.keep(folder, of.Prediction(now, run.id, feeds.model, chances))
        expected = of.expectation(chances)
        coming = of.arrivals(of.months(listed.values(), known_until))
        attacked = len(present & feeds.exploited.keys())
        told = _told_feeds(feeds)
    unknown = len(present) - len(chances) - attacked
    if format == "json":
        rows = {"run": run.id, "feeds": told, "model": feeds.model, "known_flaws": len(present)}
        rows |= {"attacked_already": attacked, "without_a_chance": unknown, "expected": asdict(expected)}
        rows |= {
            "listings_next_month": asdict(coming) if coming and now - known_until <= FRESH else None,
            "record": asdict(past),
        }
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"By {'; '.join(told)}:")
    since = known_until if now - known_until > FRESH else None
    for line in (*_expected(expected, len(present), attacked, unknown), *_coming(coming, since), *_record(past)):
        click.echo(line)


def _present(run: Run) -> frozenset[str]:
    """Every CVE that is open on at least one asset of the run, once."""
    from scanner.model import Outcome
    from scanner.threats.said import BASELINE

    failed = {(f.baseline, f.control) for f in run.findings if f.baseline == BASELINE and f.outcome is Outcome.FAIL}
    return frozenset(
        cve for key in failed if key in run.controls for cve in run.controls[key].references.get("cve", ())
    )


def _expected(found: Expectation, present: int, attacked: int, unknown: int) -> Iterator[str]:
    yield f"{present} different known flaws are present; {attacked} of them are attacked already (KEV)."
    if unknown:
        yield f"Of {unknown} nobody has published a chance; they are not counted below."
    if not found.flaws:
        yield "Nothing is to be expected of the others: none of them has a published chance (EPSS)."
        return
    between = f"{found.low}" if found.low == found.high else f"{found.low} to {found.high}"
    yield (
        f"Of the other {found.flaws}, {between} will see attacks somewhere in the next 30 days (8 times in 10; expected"
        f" {found.expected:.1f}, spread {found.deviation:.1f}); at least one of them: {percent(found.any_of_them)}."
    )
    yield f"These {len(found.top)} carry {percent(found.top_share)} of it: " + ", ".join(
        f"{flaw} {chance:.1%}" for flaw, chance in found.top
    )
    yield "These are chances of an attack anywhere in the world, not of one on your hosts."


def _coming(found: Arrivals | None, ended: date | None) -> Iterator[str]:
    """ended: where the list of exploited flaws ends, if that is long ago."""
    if ended is not None:
        yield (
            f"The list of exploited flaws ends on {ended}: newer ones are missed above, and what it gains next month"
            " is not told; run: riskline feeds update kev"
        )
        return
    if found is None:
        yield "How many flaws will be listed as exploited next month is not told: the list holds less than a year."
        return
    yield (
        f"Next month the list of exploited flaws will gain {found.low} to {found.high} (8 times in 10; {found.mean:.0f}"
        f" a month lately)"
        + (f"; this would have held in {found.covered} of {found.tried} months." if found.tried else ".")
    )


def _record(found: Record) -> Iterator[str]:
    if found.brier is None:
        yield "No prediction of ours is 30 days old yet, so there is no record of how good they are."
        return
    yield (
        f"Our {found.predictions} past predictions that are over: attacks expected on {found.expected:.1f}, listed as"
        f" exploited within their 30 days {found.seen}; mean squared error {found.brier:.4f} (0 is perfect). A listing"
        " asks for more than an attack seen somewhere, so fewer are seen than expected."
    )


@threats.command()
@given.register_option
@given.feeds_option
@click.argument("run_id", metavar="[RUN]", default="latest")
@click.option("--months", default=12, show_default=True, type=click.IntRange(1, 120), help="How far to look ahead.")
@format_option
@click.pass_context
def calendar(ctx: click.Context, run_id: str, register_url: str, folder: Path, months: int, format: str) -> None:
    """List which releases of RUN's assets get no security updates any more, or will not within a year.

    Without stored feeds the dates are those that this program was published with.
    """
    from scanner.model import utc_now
    from scanner.register import open_register
    from scanner.threats.support import calendar as of

    now = utc_now()
    with contextlib.closing(open_register(register_url)) as register, given.threats_of(ctx, folder) as feeds:
        run = register.run(run_id)
        kept = {one.asset.id: register.evidence(run.id, one.asset.id) for one in run.visited}
        releases = list(_releases(kept, feeds))
    found = of(releases, now.date(), timedelta(days=round(months * 365.25 / 12)))
    if format == "json":
        click.echo(
            json.dumps([{**asdict(one), "ended": one.ended(now.date())} for one in found], indent=2, default=str)
        )
    else:
        _print_calendar(found, len({asset for asset, *_ in releases}), months, now)


def _releases(kept: Mapping[str, Evidence | None], feeds: Threats | None) -> Iterator[tuple[str, str, date | None]]:
    from scanner.threats.findings import what_is_there
    from scanner.threats.support import ENDS

    for asset, evidence in kept.items():
        name, ecosystem, _ = what_is_there(evidence) if evidence is not None else ("", "", frozenset())
        if name:
            yield asset, name, feeds.ends(ecosystem) if feeds is not None else ENDS.get(ecosystem)


def _print_calendar(found: tuple[Ending, ...], looked_at: int, months: int, now: datetime) -> None:
    from scanner.inert import printable

    today = now.date()
    for one in found:
        if one.day is None:
            said = "nobody has told us when it ends"
        elif one.ended(today):
            said = f"ended {one.day}, {(today - one.day).days} days ago: its new flaws are not mended"
        else:
            said = f"ends {one.day}, in {(one.day - today).days} days"
        assets = ", ".join(one.assets[:10]) + (f" and {len(one.assets) - 10} more" if len(one.assets) > 10 else "")
        click.echo(printable(f"{one.release}: {said} ({assets})"))
    listed = sum(len(one.assets) for one in found)
    click.echo(f"{looked_at - listed} of {looked_at} assets get security updates for longer than {months} months.")
