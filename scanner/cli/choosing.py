"""What the verbs about risks share: which risks are meant, and by which policy they are told."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.errors import UsageError

if TYPE_CHECKING:
    from scanner.model import Asset, Finding, Run
    from scanner.register import Register
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


def entries_of(register: Register, policy_path: Path | None, today: date) -> list[Entry]:
    """Every risk of the register, dearest first."""
    from scanner.register.ledger import entries

    policy = policy_of(register, policy_path)
    return entries(register.risks(), register.treatments(), register.known(), policy, today)


def chosen(entries: Sequence[Entry], words: Sequence[str]) -> list[Entry]:
    """The risks that are meant by fingerprints, their beginnings, or CONTROL@ASSET. Each at most once."""
    found = [one for word in words for one in _meant(entries, word)]
    return list({one.risk.fingerprint: one for one in found}.values())


def _meant(entries: Sequence[Entry], word: str) -> list[Entry]:
    control, at, asset = word.partition("@")
    if at:
        of_both = [one for one in entries if (one.risk.control, one.risk.asset) == (control, asset)]
        if of_both:
            return of_both
        raise UsageError(f"no risk of {control} on {asset} is recorded; see: riskline register list --asset {asset}")
    name = one_fingerprint([one.risk.fingerprint for one in entries], word)
    return [one for one in entries if one.risk.fingerprint == name]


def one_fingerprint(known: Sequence[str], begun: str) -> str:
    """The only fingerprint that begins like this; UsageError where there is none, or more than one."""
    matching = [name for name in known if name.startswith(begun.lower())]
    if len(begun) >= LEAST_LETTERS and len(matching) == 1:
        return matching[0]
    if len(begun) < LEAST_LETTERS or len(matching) > 1:
        raise UsageError(f"{begun!r} could be several risks; write more of its fingerprint, or CONTROL@ASSET")
    raise UsageError(f"there is no risk {begun!r}; see: riskline register list")


def standing_of(register: Register, run: Run) -> list[tuple[Asset, list[Finding]]]:
    """What counts in a run, asset by asset: its findings and, in the last run, what it could not judge again."""
    from scanner.scoring.standing import with_last_known

    last = register.runs(1)
    if not last or last[0].id != run.id:
        return [(one.asset, list(one.findings)) for one in run.visited]
    pairs = []
    for one in run.visited:
        known = [each for each in register.last_known(one.asset.id) if (each.baseline, each.control) in run.controls]
        pairs.append((one.asset, with_last_known(one.findings, known)))
    return pairs
