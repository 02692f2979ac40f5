"""`riskline notify`: tell people what is new, and nothing when nothing is."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import choosing
from . import options as given

if TYPE_CHECKING:
    from scanner.model import Run
    from scanner.news import News
    from scanner.register import Register


@click.command()
@click.argument("run_id", metavar="[RUN]", default="latest")
@given.register_option
@choosing.policy_option
@click.option(
    "--to",
    "targets",
    multiple=True,
    required=True,
    metavar="REFERENCE",
    help="Where to: a reference (env:NAME, file:PATH, keyring:SERVICE/USER) to an Apprise address. Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the message, and send nothing.")
@click.pass_context
def notify(
    ctx: click.Context,
    run_id: str,
    register_url: str,
    policy_path: Path | None,
    targets: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Tell people by mail, Slack, Teams or a webhook what RUN found that is new, and say nothing when nothing is.

    News are risks that are new or came back, systems that got worse, due dates that passed, and systems that can no
    longer be judged: grouped, in plain words, each with the next step. An address is one of Apprise's, such as
    mailtos://user:password@example.org, slack://…, json://host/path; it holds a secret, so only a reference is taken.

    \b
    RISKLINE_MAIL=mailtos://… riskline notify --to env:RISKLINE_MAIL

    Exit codes: 0 told, or nothing to tell; 3 some address could not be reached.
    """
    from scanner import news
    from scanner.errors import UsageError
    from scanner.inert import printable
    from scanner.register import open_register
    from scanner.secrets import resolve

    addresses = [resolve(target, "--to") for target in targets]
    with contextlib.closing(open_register(register_url)) as register:
        run = register.run(run_id)
        found = _news(register, run, policy_path)
    if not found:
        return
    text = "\n".join(printable(line) for line in news.body(run, found).split("\n"))
    if dry_run:
        click.echo(f"{printable(news.title(found))}\n\n{text}")
        return
    try:
        import apprise
    except ImportError as error:
        raise UsageError("notifications need one more library: pip install 'riskline[notify]'") from error
    failed = 0
    for number, address in enumerate(addresses):
        sender = apprise.Apprise()
        known = sender.add(address.reveal())
        if not known or not sender.notify(title=printable(news.title(found)), body=text):
            failed += 1
            why = "could not be reached" if known else "is no address that Apprise knows"
            click.echo(f"riskline: {targets[number]} {why}", err=True)
    ctx.exit(3 if failed else 0)


def _news(register: Register, run: Run, policy_path: Path | None) -> list[News]:
    from scanner import news
    from scanner.model import utc_now

    today = utc_now().date()
    earlier = [one for one in register.trend(run, 2) if one.run != run.id]
    before = register.run(earlier[-1].run) if earlier else None
    risks = {risk.fingerprint: risk for risk in register.risks()}
    opened = []
    for _, event in register.events():
        risk = risks.get(event.fingerprint)
        if event.run == run.id and event.change in {"opened", "reopened"} and risk is not None:
            control = run.controls.get((risk.baseline, risk.control))
            title, fix = (control.title, control.fix) if control else (risk.control, "")
            opened.append(news.Opened(risk.asset, risk.control, title, fix, event.change == "reopened"))
    due = [
        news.Due(one.risk.asset, one.title, one.treatment.owner, one.due)
        for one in choosing.entries_of(register, policy_path, today)
        if one.due is not None and one.chosen != "accept"
    ]
    return news.news(run, before, opened, due, today)
