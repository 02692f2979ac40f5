"""`waivers.yaml`: acceptances that stand in a reviewed file, and what of them the register does not know yet. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from scanner.errors import UsageError
from scanner.model import _Strict
from scanner.policy_file import read_as
from scanner.scoring.policy import OutOfRange

from .deciding import Decision
from .recalling import CLOSED, RiskRecord
from .treatment import Bearing, Treatment, refuse_unsound


@dataclass(frozen=True, slots=True)
class Waiver(_Strict):
    """One line of the file. asset, subject: with shell wildcards; subject None: every subject.

    until: the last day (UTC) on which it holds.
    """

    control: str
    asset: str
    owner: str
    approver: str
    reason: str
    until: date
    subject: str | None = None

    def covers(self, risk: RiskRecord) -> bool:
        """Whether it is about this risk."""
        asset = risk.control == self.control and fnmatch.fnmatchcase(risk.asset, self.asset)
        return asset and (self.subject is None or fnmatch.fnmatchcase(risk.subject, self.subject))

    @property
    def bearing(self) -> Bearing:
        """As the register keeps it."""
        return Bearing(self.owner, self.approver, self.reason, self.until)


@dataclass(frozen=True, slots=True)
class Waivers(_Strict):
    """The whole file."""

    waivers: tuple[Waiver, ...]

    def __post_init__(self) -> None:
        """Raise OutOfRange for one that names nobody or no reason, whether a risk needs it today or not."""
        for number, one in enumerate(self.waivers):
            blank = next((name for name in ("owner", "approver", "reason") if not getattr(one, name).strip()), None)
            if blank:
                raise OutOfRange(f"waivers.{number}", f"the waivers: `{blank}` of one for {one.control} is empty")


@dataclass(frozen=True, slots=True)
class Applied:
    """What a file comes to. made: decisions by fingerprint. known: risks that are accepted just so already.

    unused: waivers that no open risk needs. ended: waivers whose last day is past.
    """

    made: Sequence[tuple[str, Decision]]
    known: int
    unused: Sequence[Waiver]
    ended: Sequence[Waiver]


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a file. Raises UsageError naming every mistake with file:line and a remedy."""
    return read_as(Waivers, path, "the waivers").waivers


def apply(
    waivers: Sequence[Waiver],
    risks: Iterable[RiskRecord],
    treatments: Mapping[str, Treatment],
    who: str,
    today: date,
    longest_days: int,
) -> Applied:
    """What the register has to be told; the first waiver in force that covers a risk counts.

    Raises UsageError naming every waiver that the policy does not allow.
    """
    ended = [one for one in waivers if one.until < today]
    made: list[tuple[str, Decision]] = []
    refused: dict[str, None] = {}
    known, used = 0, set()
    for risk in risks:
        waiver = next((one for one in waivers if one.until >= today and one.covers(risk)), None)
        if waiver is None or risk.state in CLOSED:
            continue
        used.add(waiver)
        if treatments.get(risk.fingerprint, Treatment()).bearing == waiver.bearing:
            known += 1
            continue
        try:
            refuse_unsound(risk, waiver.bearing, today, longest_days)
        except UsageError as error:
            refused[str(error)] = None
            continue
        said = {"owner": waiver.owner, "approver": waiver.approver, "until": f"{waiver.until}"}
        made.append((risk.fingerprint, Decision("accepted", who, waiver.reason, said)))
    if refused:
        raise UsageError("\n".join(refused))
    return Applied(made, known, [one for one in waivers if one not in used and one not in ended], ended)
