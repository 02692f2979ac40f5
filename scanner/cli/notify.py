"""`riskline notify`: tell people what is new, and nothing when nothing is."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import choosing
from . import options as given

if TYPE_CHECKING:
    from scanner.model import Run
    from scanner.news import News
    from scanner.register import Register
    from scanner.secrets import Secret
    from scanner.untold import Untold


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

    What could not be sent is kept beside the register, and sent the next time before what is new then.

    Exit codes: 0 told, or nothing to tell; 3 some address could not be reached.
    """
    from scanner.register import open_register
    from scanner.secrets import resolve
    from scanner.untold import Untold

    addresses = {target: resolve(target, "--to") for target in targets}
    with contextlib.closing(open_register(register_url)) as register:
        run = register.run(run_id)
        untold = Untold.of(register_url)
        messages = {id: _message(register, id, policy_path) for id in _left(register, untold, targets, run)}
    now = messages[run.id]
    if dry_run:
        if now is not None:
            click.echo("\n\n".join(now))
        return
    failed = 0
    for target, address in addresses.items():
        left = [id for id in dict.fromkeys((*untold.runs.get(target, []), run.id)) if messages.get(id) is not None]
        why = ""
        while left and not why:
            title, text = messages[left[0]] or ("", "")
            why = _not_sent(address, title, text)
            left = left if why else left[1:]
        if why:
            failed += 1
            click.echo(f"riskline: {target} {why}; what it was not told is told the next time", err=True)
        untold.keep(target, left)
    ctx.exit(3 if failed else 0)


def _left(register: Register, untold: Untold, targets: Sequence[str], run: Run) -> list[str]:
    """Runs of which some address has not been told and that the register still has, and this one."""
    known = {one.id for one in register.runs(10_000)}
    before = [id for target in targets for id in untold.runs.get(target, []) if id in known]
    return list(dict.fromkeys((*before, run.id)))


def _message(register: Register, run_id: str, policy_path: Path | None) -> tuple[str, str] | None:
    """Title and text of a run's news; None where it has none."""
    from scanner import news
    from scanner.inert import printable

    run = register.run(run_id)
    found = _news(register, run, policy_path)
    if not found:
        return None
    return printable(news.title(found)), "\n".join(printable(line) for line in news.body(run, found).split("\n"))


LIMIT_S, MOST_BYTES = 60.0, 1 << 30
"""For one address: to Apprise every piece of an answer begins its time-out anew, and it keeps all of them."""
_SEND = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
told = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_AS, (told["bytes"], told["bytes"]))
import apprise
sender = apprise.Apprise()
if not sender.add(told["address"]):
    sys.exit(2)
sys.exit(0 if sender.notify(title=told["title"], body=told["body"]) else 1)
"""
_KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def _not_sent(address: Secret, title: str, body: str) -> str:
    """Send to one address in a process of its own, whose time and memory are bounded; why it failed, or ''.

    The address goes through a pipe: arguments and the environment of a process are seen by others.
    """
    import importlib.util
    import json
    import os
    import subprocess
    import sys

    from scanner.errors import UsageError

    if importlib.util.find_spec("apprise") is None:
        raise UsageError("notifications need one more library: pip install 'riskline[notify]'")
    told = json.dumps({"address": address.reveal(), "title": title, "body": body, "bytes": MOST_BYTES})
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.lower() in _PROXIES}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _SEND], input=told.encode(), env=kept, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"was not done within {LIMIT_S:g} s"
    return {0: "", 2: "is no address that Apprise knows"}.get(done.returncode, "could not be reached")


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
