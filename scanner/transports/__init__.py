"""Ways to an asset. One file each; each has `visit(asset, probes, bounds)`, and nothing else is called from outside.

A visit promises: bounded time and bytes per probe and as a whole, no write on the target, a reply for every probe or a
TargetError (Unreachable, AuthFailed, VisitFailed), never a hang. It answers a probe that it does not know with the
problem `unsupported`. Modules are imported when first used, since each drags in a heavy library.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from scanner.model import WAYS, Asset, Probe, Reply


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one visit may take: seconds from the first packet to the last, and bytes received (after unpacking)."""

    deadline_s: float = 300.0
    max_bytes: int = 64 << 20


class Transport(Protocol):
    """What every module in this folder looks like from outside."""

    def visit(self, asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
        """Put all probes in one batch; a reply for each, or a TargetError."""
        ...


def transport(way: str) -> Transport:
    """The module for a way in ("ssh", "local", "chroot", "winrm", "aws", "nmap")."""
    if way not in WAYS:
        raise LookupError(way)
    return cast(Transport, importlib.import_module(f".{way}", __package__))
