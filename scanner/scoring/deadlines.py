"""By when a known flaw has to be mended: four yes-or-no questions and CISA's table of BOD 26-04.

Exploited (on the list of exploited flaws), exposed (our own look from outside, or the zone), automatable, and total
impact. Source: CERT/CC SSVC, decision table "CISA BOD 26-04 Remediation Timelines" 1.0.0. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from scanner.model import Control

KEV = "kev"
SSVC = "ssvc"
EPSS = "epss"
"""Keys of a known flaw's references: the day it was listed as exploited; its answers; its chance and who said so."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The four answers. estimated: automatable and impact were told from the CVSS vector, or assumed without one."""

    exploited: bool
    exposed: bool
    automatable: bool
    total: bool
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Deadline:
    """days: None is "with the next upgrade of the system". triage: look first whether it was used here already."""

    days: int | None
    triage: bool = False

    def __str__(self) -> str:
        if self.days is None:
            return "with the next system upgrade"
        return f"{self.days} days" + (", and look for traces of an attack" if self.triage else "")


def _yes(word: str) -> tuple[bool, bool, bool, bool]:
    """'kea-' -> exploited, exposed, automatable, not total."""
    return word[0] == "k", word[1] == "e", word[2] == "a", word[3] == "t"


_ROWS: Mapping[str, Deadline] = {
    "----": Deadline(None),
    "---t": Deadline(None),
    "-e--": Deadline(60),
    "--a-": Deadline(60),
    "--at": Deadline(60),
    "k---": Deadline(14),
    "-ea-": Deadline(14),
    "-e-t": Deadline(14),
    "ke--": Deadline(14),
    "k-a-": Deadline(14),
    "k--t": Deadline(14),
    "kea-": Deadline(3),
    "ke-t": Deadline(3, triage=True),
    "k-at": Deadline(3, triage=True),
    "-eat": Deadline(3),
    "keat": Deadline(3, triage=True),
}
TABLE: Mapping[tuple[bool, bool, bool, bool], Deadline] = {_yes(word): row for word, row in _ROWS.items()}
"""(exploited, exposed, automatable, total) -> by when."""


def deadline(answers: Answers) -> Deadline:
    """The row of the table."""
    return TABLE[answers.exploited, answers.exposed, answers.automatable, answers.total]


def automatable_and_total(cvss: Mapping[str, str]) -> tuple[bool, bool]:
    """Both answers as a CVSS 3 vector suggests them; without one, the answer that costs more time is not assumed.

    Automatable: over the network, without hurdle, right or help. Total: secrets and integrity both fall, or the flaw
    reaches beyond what it is in.
    """
    if not cvss:
        return True, False
    free = (cvss["AV"], cvss["AC"], cvss["PR"], cvss["UI"]) == ("N", "L", "N", "N")
    return free, (cvss["C"], cvss["I"]) == ("H", "H") or cvss["S"] == "C"


def references(listed_at: str, automatable: bool, total: bool, estimated: bool) -> dict[str, tuple[str, ...]]:
    """The answers as references of a control. listed_at: the day (YYYY-MM-DD) it was found to be exploited, or ""."""
    told = {SSVC: _words(automatable, total, estimated)}
    return {KEV: (listed_at,), **told} if listed_at else told


@lru_cache
def _words(automatable: bool, total: bool, estimated: bool) -> tuple[str, ...]:
    words = (f"automatable {'yes' if automatable else 'no'}", f"impact {'total' if total else 'partial'}")
    return (*words, "estimated") if estimated else words


def answers(control: Control, zone: str) -> Answers | None:
    """What is known of a flaw, seen from where its asset stands. None for a control that is no published flaw."""
    told = control.references.get(SSVC)
    if not told:
        return None
    return Answers(
        exploited=bool(control.references.get(KEV)),
        exposed=zone == "internet",
        automatable="automatable yes" in told,
        total="impact total" in told,
        estimated="estimated" in told,
    )


def due(control: Control, zone: str, found_on: date) -> date | None:
    """The day by which the table wants it mended. None: with the next upgrade, or no published flaw.

    The days run from when it was found here, or from when it was found to be exploited, whichever is later.
    """
    known = answers(control, zone)
    if known is None:
        return None
    days = deadline(known).days
    if days is None:
        return None
    listed = [date.fromisoformat(day) for day in control.references.get(KEV, ())]
    return max([found_on, *listed]) + timedelta(days=days)
