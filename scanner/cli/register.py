"""`riskline register`: the risks, who does what about them until when, and the proof that nothing was altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import choosing, risk_text
from . import options as given
from .register_export import changes, export, verify

if TYPE_CHECKING:
    from scanner.register.ledger import Entry
    from scanner.score import Policy

STATES = ("new", "open", "reopened", "stale", "fixed", "retired")
CLOSED = {"fixed", "retired"}


risks_argument = click.argument("risks", nargs=-1, required=True, metavar="RISK...")


@click.group()
def register() -> None:
    """The lasting record of risks: who deals with each, how, and until when.

    A RISK is named by the beginning of its fingerprint (`register list` shows it), or as CONTROL@ASSET, which means all
    of that control's subjects on that asset. Whatever is decided is added to the history and never changes it.

    \b
    riskline register list --overdue
    riskline register assign 3fa9c2 --owner anna
    riskline register accept SSH-01@db-1 --owner anna --approver bert \\
        --reason "Replaced in March; reachable from the jump host only" --until 2027-03-31
    riskline register verify --head $(cat head-of-last-month)
    """


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@register.command(name="list")
@given.register_option
@choosing.policy_option
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only these. Default: all that are open."
)
@click.option("--asset", help="Only of this asset.")
@click.option("--service", help="Only of this service.")
@click.option("--owner", help="Only this person's.")
@click.option("--overdue", is_flag=True, help="Only those whose due date is past.")
@click.option(
    "--accepted", is_flag=True, help="Only those that were accepted, expired and unused acceptances included."
)
@click.option("-f", "--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_(
    register_url: str,
    policy_path: Path | None,
    states: tuple[str, ...],
    asset: str | None,
    service: str | None,
    owner: str | None,
    overdue: bool,
    accepted: bool,
    format: str,
) -> None:
    """List the risks, dearest first, with level, owner, treatment and due date.

    Below the table stand the acceptances that end soon, those that have ended, and those that nothing needs any more.
    """
    today = datetime.now(UTC).date()
    with choosing.opened(register_url) as opened:
        everything = choosing.entries_of(opened, policy_path, today)
    wanted = set(states) or (set(STATES) if accepted else set(STATES) - CLOSED)
    found = [
        one
        for one in everything
        if one.risk.state in wanted
        and (asset is None or one.risk.asset == asset)
        and (service is None or one.risk.service == service)
        and (owner is None or one.treatment.owner == owner)
        and (not overdue or one.overdue_on(today))
        and (not accepted or one.acceptance is not None)
    ]
    if format == "json":
        from scanner.register.ledger import plain

        click.echo(json.dumps([plain(one, today) for one in found], indent=2))
        return
    risk_text.show_table(found, today)
    if found:
        risk_text.show_counts(found, today)
    risk_text.show_acceptances(everything)
    risk_text.show_compensations(everything, today)


@register.command()
@risks_argument
@given.register_option
@choosing.policy_option
@click.option("-f", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(risks: tuple[str, ...], register_url: str, policy_path: Path | None, format: str) -> None:
    """Show all that is known of a risk, with its history."""
    today = datetime.now(UTC).date()
    with choosing.opened(register_url) as opened:
        found = choosing.entries_of(opened, policy_path, today, choosing.risks_of(opened, risks))
        events = {asset: opened.events(asset) for asset in {one.risk.asset for one in found}}
    if format == "json":
        from dataclasses import asdict

        from scanner.register.ledger import plain

        told = [
            {
                **plain(one, today),
                "history": [
                    {"seq": seq, **asdict(event)}
                    for seq, event in events[one.risk.asset]
                    if event.fingerprint == one.risk.fingerprint
                ],
            }
            for one in found
        ]
        click.echo(json.dumps(told, indent=2))
        return
    for one in found:
        risk_text.show_risk(one, today)
        for seq, event in events[one.risk.asset]:
            if event.fingerprint == one.risk.fingerprint:
                risk_text.show_event(seq, event)


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@register.command()
@risks_argument
@given.register_option
@choosing.who_option
@click.option("--owner", required=True, help="Who deals with it: a person, not a team.")
@click.option("--note", default="", help="What the new owner should know.")
def assign(risks: tuple[str, ...], register_url: str, who: str, owner: str, note: str) -> None:
    """Give risks to somebody."""
    _decide(risks, register_url, None, "assigned", who, note, lambda _: {"owner": _named(owner, "--owner")})


@register.command()
@risks_argument
@given.register_option
@choosing.who_option
@click.option("--as", "choice", type=click.Choice(["mitigate", "transfer", "avoid"]), required=True)
@click.option("--note", default="", help="Why, or how.")
def treat(risks: tuple[str, ...], register_url: str, who: str, choice: str, note: str) -> None:
    """Decide what is done about risks: mitigate (fix), transfer (insure, contract) or avoid (switch off).

    To bear a risk is `register accept`. Another treatment ends an acceptance. None of them changes what a risk costs:
    only a fix that a scan has seen does.
    """
    _decide(risks, register_url, None, "treated", who, note, lambda _: {"treatment": choice})


@register.command()
@risks_argument
@given.register_option
@choosing.policy_option
@choosing.who_option
@click.option("--owner", required=True, help="Who bears the risk.")
@click.option("--approver", required=True, help="Who agreed to that: another person.")
@click.option("--reason", required=True, help="Why bearing it is better than fixing it.")
@click.option("--until", metavar="YYYY-MM-DD", required=True, help="The last day on which it holds (UTC).")
def accept(
    risks: tuple[str, ...],
    register_url: str,
    policy_path: Path | None,
    who: str,
    owner: str,
    approver: str,
    reason: str,
    until: str,
) -> None:
    """Bear risks knowingly until a day, at the latest as far ahead as the policy allows.

    The control still fails and the risk still counts in every score; only its treatment is another one until that day.
    """
    said = {"owner": owner, "approver": approver, "until": f"{_day(until)}"}
    _decide(risks, register_url, policy_path, "accepted", who, reason, lambda _: said)


@register.command()
@risks_argument
@given.register_option
@choosing.policy_option
@choosing.who_option
@click.option("--approver", required=True, help="Who agreed to it again.")
@click.option("--reason", default="", help="Why it is still right. Default: the reason that was given before.")
@click.option("--until", metavar="YYYY-MM-DD", required=True, help="The new last day on which it holds (UTC).")
def renew(
    risks: tuple[str, ...],
    register_url: str,
    policy_path: Path | None,
    who: str,
    approver: str,
    reason: str,
    until: str,
) -> None:
    """Prolong an acceptance, whether it has ended or not; the owner stays the same."""

    def said(entry: Entry) -> dict[str, str]:
        owner = entry.treatment.bearing.owner if entry.treatment.bearing else ""
        return {"owner": owner, "approver": approver, "until": f"{_day(until)}"}

    _decide(risks, register_url, policy_path, "renewed", who, reason, said)


@register.command()
@risks_argument
@given.register_option
@choosing.policy_option
@choosing.who_option
@click.option(
    "--factor",
    type=click.FloatRange(0.05, 1),
    required=True,
    help="What is left: 0.3 where about a third of the attempts would still get through. 1 takes it back.",
)
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--evidence", required=True, help="Where it can be seen: a link, or a file's digest.")
@click.option("--reason", default="", help="What it is that makes the weakness harder to use.")
@click.option("--until", metavar="YYYY-MM-DD", required=True, help="The last day on which it counts (UTC).")
def compensate(
    risks: tuple[str, ...],
    register_url: str,
    policy_path: Path | None,
    who: str,
    factor: float,
    owner: str,
    evidence: str,
    reason: str,
    until: str,
) -> None:
    """Say that something no scanner sees makes weaknesses harder to use, with evidence and until a day.

    From the next scan on the risk costs that much less. The control still fails; on the day after the last one it
    counts in full again.
    """
    said = {"evidence": evidence, "factor": f"{factor:g}", "owner": owner, "until": f"{_day(until)}"}
    _decide(risks, register_url, policy_path, "compensated", who, reason, lambda _: said)


@register.command()
@risks_argument
@given.register_option
@choosing.who_option
@click.option("--text", default="", help="The comment.")
@click.option("--link", default="", help="A ticket's address.")
def note(risks: tuple[str, ...], register_url: str, who: str, text: str, link: str) -> None:
    """Add a comment, or the link of a ticket, to risks."""
    from scanner.errors import UsageError

    if not text.strip() and not link.strip():
        raise UsageError("say something: --text, --link or both")
    if link and not link.startswith(("https://", "http://")):
        raise UsageError(f"--link {link}: a ticket's address begins with https:// or http://")
    _decide(risks, register_url, None, "noted", who, text, lambda _: {"link": link} if link else {})


@register.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@given.register_option
@choosing.policy_option
@choosing.who_option
@click.option("--dry-run", is_flag=True, help="Say what would be accepted, and write nothing.")
def waive(file: Path, register_url: str, policy_path: Path | None, who: str, dry_run: bool) -> None:
    """Accept what a reviewed FILE of waivers says (see docs/register.md); the same file twice changes nothing.

    All of it or nothing: a waiver that the policy does not allow is refused, and named. Waivers that no open risk
    needs, and those that have ended, are listed. To take one back: `register treat`.
    """
    from scanner.model import utc_now
    from scanner.register.waivers import apply, read_waivers

    waivers, now = read_waivers(file), utc_now()
    with choosing.opened(register_url) as opened:
        policy = choosing.policy_of(opened, policy_path)
        found = apply(
            waivers,
            opened.risks(),
            opened.treatments(),
            _named(who, "--who"),
            now.date(),
            policy.longest_acceptance_days,
        )
        if not dry_run:
            opened.decide(found.made, now)
    risk_text.show_waivers(found, dry_run)


@register.command()
@click.argument("asset")
@given.register_option
@choosing.who_option
@click.option("--reason", required=True, help="Why there is no such asset any more.")
def retire(asset: str, register_url: str, who: str, reason: str) -> None:
    """Close all risks of an ASSET that is no more. Take it out of the inventory, too.

    Nothing else than this and a passing control closes a risk: an asset that cannot be reached keeps its own. Should a
    later scan visit it after all, what fails there is reopened.
    """
    from scanner.model import utc_now

    with choosing.opened(register_url) as opened:
        number = opened.retire(asset, _named(who, "--who"), _named(reason, "--reason"), utc_now())
    click.echo(f"{asset}: {number} risks closed")


def _decide(
    words: tuple[str, ...],
    register_url: str,
    policy_path: Path | None,
    change: Any,
    who: str,
    why: str,
    said: Callable[[Entry], dict[str, str]],
) -> None:
    """Write the decision about all the risks or about none, and print each."""
    from scanner.model import utc_now
    from scanner.register import Decision

    who, now = _named(who, "--who"), utc_now()
    with choosing.opened(register_url) as opened:
        policy = choosing.policy_of(opened, policy_path)
        meant = choosing.risks_of(opened, words)
        found = choosing.entries_of(opened, policy_path, now.date(), meant)
        made = []
        for one in found:
            reason = why or (one.treatment.bearing.reason if change == "renewed" and one.treatment.bearing else "")
            decision = Decision(change, who, reason, said(one))
            _refuse_unsound(one, decision, now.date(), policy)
            made.append((one.risk.fingerprint, decision))
        opened.decide(made, now)
        after = choosing.entries_of(opened, policy_path, now.date(), meant)
    risk_text.show_table(after, now.date())


def _refuse_unsound(entry: Entry, decision: Any, today: date, policy: Policy) -> None:
    """An acceptance must be whole, and within what the policy allows."""
    from scanner.errors import UsageError
    from scanner.register.treatment import Bearing, Relief, refuse_unsound, refuse_unsound_relief

    if decision.change == "renewed" and entry.treatment.bearing is None:
        raise UsageError(f"{entry.risk.control} on {entry.risk.asset} is not accepted; begin with: register accept")
    if decision.change in {"accepted", "renewed"}:
        said = decision.said
        bearing = Bearing(said["owner"], said["approver"], decision.why, date.fromisoformat(said["until"]))
        refuse_unsound(entry.risk, bearing, today, policy.longest_acceptance_days)
    if decision.change == "compensated":
        said = decision.said
        relief = Relief(said["owner"], float(said["factor"]), said["evidence"], date.fromisoformat(said["until"]))
        refuse_unsound_relief(entry.risk, relief, today, policy.longest_acceptance_days)


def _named(name: str, option: str) -> str:
    from scanner.errors import UsageError

    if not name.strip():
        raise UsageError(f"{option} must not be empty")
    return name.strip()


def _day(text: str) -> date:
    from scanner.errors import UsageError

    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        raise UsageError(f"--until {text!r} is no date; write it as {tomorrow}") from None


register.add_command(changes)
register.add_command(export)
register.add_command(verify)
