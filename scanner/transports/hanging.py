"""A question that hangs for good is left behind, and those after it are put anew in a session of their own.

A process that waits for a share whose server is gone cannot be killed. So neither timeout(1) nor the shell around it
comes back, and nobody on the host can say so: it is noticed here, by a silence longer than any question may take.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from scanner.errors import VisitFailed
from scanner.model import Probe, Reply

from .posix import FILE_S, STAT_S, Batch
from .posix_answers import Ended, frames_of

MAX_HUNG = 3
"""So many questions of a visit may hang, each leaving a process there, before no further one is put."""
SLACK_S = 5.0  # a killed command has two seconds to end, and answers travel
Exchange = Callable[[Batch, int], tuple[bytes, bytes, Ended]]
"""Sends a batch's script, so many bytes having been received before; output, error output, and how it ended."""


def patience_s(batch: Batch) -> float:
    """How long the host may be silent in the middle of its answers: every question's own limit is shorter."""
    limits = {"file": FILE_S, "files": FILE_S, "stat": STAT_S}
    return max((limits.get(str(probe.ask[0]), probe.timeout_s) for _, probe in batch.put), default=0) + SLACK_S


def is_stuck(batch: Batch, said: bytes | bytearray, silent_s: float, *, patience_s: float) -> bool:
    """Whether the host fell silent behind its first answer. Before that, sudo may be waiting for its own reasons."""
    return silent_s > patience_s and f"\n{batch.nonce} UID ".encode() in said


def put(batch: Batch, exchange: Exchange) -> dict[Probe, Reply]:
    """Every probe's reply. Raises VisitFailed where not even the greeting came."""
    received, hung = 0, 0
    stdout, stderr, ended = exchange(batch, received)
    found = batch.replies(stdout, stderr, ended)
    while ended == "stuck":
        received, hung = received + len(stdout), hung + 1
        at, rest = behind(batch, stdout)
        if at is not None:
            found[at] = Reply(problem="timed-out", detail="it hangs, and what it started cannot be ended")
        if hung > MAX_HUNG or not rest:
            break
        batch = _anew(batch, rest)
        try:
            stdout, stderr, ended = exchange(batch, received)
            found |= batch.replies(stdout, stderr, ended)
        except VisitFailed:  # what was said before still counts
            break
    return found


def _anew(batch: Batch, rest: Sequence[Probe]) -> Batch:
    """The same for the rest of its questions. Those of a collector are fixed: it is told which of them to leave out."""
    again = replace(batch, apart=True, nonce=secrets.token_hex(16))
    if not batch.collector:
        return replace(again, probes=rest)
    kept = set(rest)
    return replace(again, left_out=frozenset(n for n, probe in enumerate(batch.probes) if probe not in kept))


def behind(batch: Batch, stdout: bytes) -> tuple[Probe | None, Sequence[Probe]]:
    """The probe that hangs, and those that were not put because of it.

    None where it had been answered and only did not end, or is one of the stat probes, which are all put again. So are
    those that were answered together and whose error texts had not come.
    """
    stats = [number for number, probe in batch.put if probe.ask[0] == "stat"]
    order, again = (batch.order + stats, []) if batch.apart else (batch.order, stats)
    at, state, untold = _reached(batch, order, (head for head, _ in frames_of(stdout, batch.nonce)[0] or ()))
    untold = [] if batch.apart else untold
    place = at if state == "begun" else at + 1 if state == "whole" and not untold else len(order)
    hangs = batch.probes[order[place]] if place < len(order) else None
    rest = dict.fromkeys([*untold, *order[(at if hangs is None else place) + 1 :], *again])
    return hangs, [batch.probes[number] for number in rest]


def _reached(batch: Batch, order: Sequence[int], heads: Iterable[str]) -> tuple[int, str, list[int]]:
    """The place in the order of the last question that the host came to, how far (begun, answered or whole), and those
    before it that were answered and whose error text had not come.
    """
    places = {str(number): at for at, number in enumerate(order)}
    at, state = -1, "whole"
    untold: dict[int, None] = {}
    for head in heads:
        kind, _, rest = head.partition(" ")
        word = rest.split(" ", 1)[0]
        if kind == "UID":
            at, state = -1, "whole"
            untold.clear()
        elif kind == "E" and word in places:
            untold.pop(int(word), None)
            state = "whole" if places[word] == at else state
        elif kind in {"A", "D", "X", "B", "Q"} and word in places:
            at, state = places[word], "begun" if kind in {"B", "Q"} else "whole"
            untold.pop(int(word), None)  # it is put a second time
        elif kind == "S" and at >= 0:
            asked = batch.probes[order[at]].ask[0] == "sh"
            untold |= {order[at]: None} if asked else {}
            state = "answered" if asked or rest != "0" else "whole"  # what more there is to say of it is still to come
    return at, state, [*untold]
