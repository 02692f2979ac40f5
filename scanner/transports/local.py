"""This machine: the same script as over SSH, handed to /bin/sh here."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial

from scanner.errors import VisitFailed
from scanner.model import Asset, Probe, Reply

from . import Bounds, hanging
from .posix import Batch
from .posix_answers import Ended
from .process import run

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/"}
"""What the script sees of our environment: nothing, so that no secret of ours can reach a command's environment."""


def visit(asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
    """Put all probes to this machine, under one `sudo -n` where the login is not root and may."""
    way = asset.access.local if asset.access else None
    sudo = bool(way and way.sudo != "never") and os.geteuid() != 0
    batch = Batch(probes, sudo=sudo, collector=bool(way and way.sudo == "collector"))
    until = time.monotonic() + bounds.deadline_s

    def exchange(batch: Batch, received: int) -> tuple[bytes, bytes, Ended]:
        left = Bounds(until - time.monotonic(), bounds.max_bytes - received)
        stuck = partial(hanging.is_stuck, batch, patience_s=hanging.patience_s(batch))
        try:
            return run(["/bin/sh", "-s"], batch.script, left, ENVIRONMENT, stuck)
        except OSError as error:
            raise VisitFailed(f"/bin/sh cannot be started here: {error.strerror}") from error

    return hanging.put(batch, exchange)
