"""What the verbs about risks share: which risks are meant, and by which policy they are told."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from scanner.errors import UsageError

if TYPE_CHECKING:
    from scanner.model import Asset, Finding, Run
    from scanner.register import Register, RiskRecord
    from scanner.register.ledger import Entry
    from scanner.score import Policy

LEAST_LETTERS = 4
"""A fingerprint's beginning that is shorter names a risk by accident."""


def _myself() -> str:
    return os.environ.get("RISKLINE_WHO") or getpass.getuser()


who_option = click.option(
    "--who", default=_myself, show_default="$RISKLINE_WHO, else your login name", help="Who says so; kept for good."
)
policy_option = click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The risk policy (see policy.example.yaml). Default: the one that the last run was scored by.",
)


@contextlib.contextmanager
def opened(url: str) -> Iterator[Register]:
    """The register at a path or URL, closed afterwards."""
    from scanner.register import open_register

    with contextlib.closing(open_register(url)) as found:
        yield found


def policy_of(register: Register, path: Path | None, run: Run | None = None) -> Policy:
    """The policy of the file, else that of the run, else of the last one; the defaults where there is none."""
    from scanner.register import codec
    from scanner.score import Policy

    if path is not None:
        from scanner.policy_file import read_policy

        return read_policy(path)
    if run is None:
        last = register.runs(1)
        return codec.revive(Policy, register.policy(last[0].id)) if last else Policy()
    return codec.revive(Policy, run.policy)


def limited(register: Register, run: Run, patterns: Sequence[str]) -> Run:
    """The run as if only these assets had been visited, scored anew; the run itself where no pattern is given."""
    if not patterns:
        return run
    from dataclasses import replace

    from scanner import score
    from scanner.inventory import limit
    from scanner.model import Inventory

    known = Inventory(run.inventory, tuple(one.asset for one in run.visited))
    wanted = {asset.id for asset in limit(known, patterns).assets}
    visited = tuple(one for one in run.visited if one.asset.id in wanted)
    pairs = [(asset, found) for asset, found in standing_of(register, run) if asset.id in wanted]
    of = score.assess(pairs, run.controls, policy_of(register, None, run))
    return replace(run, visited=visited, services=of.services, organisation=of.organisation, risks=of.risks)


def remembered(register: Register, run: Run) -> Run:
    """The run with what the register adds to it today: trend, owners and due dates, acceptances, the head."""
    from dataclasses import replace

    from scanner.model import utc_now
    from scanner.register import history

    return replace(run, history=history(register, run, policy_of(register, None, run), utc_now().date()))


class Held(NamedTuple):
    """A run, and the register that holds its evidence."""

    register: Register
    run: Run


def run_of(register: Register, word: str) -> Held:
    """The run that is meant: by its id in this register, or the last one of an evidence file, a register of its own."""
    from scanner.register import open_register

    if not Path(word).is_file():
        return Held(register, register.run(word))
    held = open_register(word)
    click.get_current_context().call_on_close(held.close)
    return Held(held, held.run("latest"))


def entries_of(
    register: Register, policy_path: Path | None, today: date, risks: Sequence[RiskRecord] | None = None
) -> list[Entry]:
    """These risks, or every one of the register, dearest first."""
    from scanner.register.ledger import entries

    policy, chosen = policy_of(register, policy_path), register.risks() if risks is None else risks
    return entries(chosen, register.treatments(), register.known(), policy, today)


def risks_of(register: Register, words: Sequence[str]) -> list[RiskRecord]:
    """The risks that are meant by fingerprints, their beginnings, or CONTROL@ASSET. Each at most once."""
    found = [one for word in words for one in _meant(register, word)]
    return list({one.fingerprint: one for one in found}.values())


def _meant(register: Register, word: str) -> list[RiskRecord]:
    control, at, asset = word.partition("@")
    if not at:
        return [risk_of(register, word)]
    found = [one for one in register.risks(asset) if one.control == control]
    if not found:
        raise UsageError(f"no risk of {control} on {asset} is recorded; see: riskline register list --asset {asset}")
    return found


def risk_of(register: Register, begun: str) -> RiskRecord:
    """The only risk whose fingerprint begins like this; UsageError where there is none, or more than one."""
    found = register.risks(begun=begun.lower()) if len(begun) >= LEAST_LETTERS else []
    if len(begun) < LEAST_LETTERS or len(found) > 1:
        raise UsageError(f"{begun!r} could be several risks; write more of its fingerprint, or CONTROL@ASSET")
    if not found:
        raise UsageError(f"there is no risk {begun!r}; see: riskline register list")
    return found[0]


def standing_of(register: Register, run: Run) -> list[tuple[Asset, list[Finding]]]:
    """What counts in a run, asset by asset: its findings and, in the last run, what it could not judge again."""
    from scanner.model import utc_now
    from scanner.register.remembering import standing

    return standing(register, run, utc_now().date())
