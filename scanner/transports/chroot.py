"""A root file system at rest on this machine: the same script, put to the root's own /bin/sh in a jail."""

from __future__ import annotations

import math
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, cast

from scanner.errors import Unreachable, VisitFailed
from scanner.model import Asset, Probe, Problem, Reply

from . import Bounds, jail
from .local import ENVIRONMENT
from .posix import Batch
from .process import run


def visit(asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
    """Put all probes to the root's own programs. Needs root on this machine.

    Questions about a running system are answered `not-running`, even where /proc is mounted: the jail's kernel view is
    not that of a machine started from this root. Raises Unreachable (no such folder) or VisitFailed, whose `problem`
    is `denied` where this machine forbids the jail, and `unsupported` where the root cannot be asked.
    """
    way = asset.access.chroot if asset.access else None
    root = _folder(way.path if way else "")
    token = secrets.token_hex(16)
    batch = Batch(probes, sudo=False, at_rest=True)
    argv = [sys.executable, "-I", "-S", jail.__file__, token, str(root), str(math.ceil(bounds.deadline_s))]
    try:
        stdout, stderr, ended = run(argv, batch.script, bounds, ENVIRONMENT)
    except OSError as error:
        raise VisitFailed(f"the jail cannot be started here: {error.strerror}") from error
    _raise_if_refused(root, token, stderr)
    return batch.replies(stdout, stderr, ended)


def _folder(path: str) -> Path:
    root = Path(path).expanduser()
    try:
        root = root.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise Unreachable(f"{path}: {getattr(error, 'strerror', None) or 'the links never end'}") from error
    if not root.is_dir():
        raise Unreachable(f"{path} is no folder; name the top of an unpacked or mounted root file system")
    if root.samefile("/"):
        raise VisitFailed(f"{path} is this machine's own root; use `local: {{}}` for it")
    if not jail.is_supported():
        _refuse("unsupported", f"{path}: a root is only judged on Linux for x86-64 and arm64")
    if os.geteuid() != 0:
        _refuse("denied", f"{path}: only root sees its files with their owners, and can jail its programs; use sudo")
    return root


def _raise_if_refused(root: Path, token: str, stderr: bytes) -> None:
    _, found, rest = stderr.partition(f"\n{token} ".encode())
    if found:
        problem, _, why = rest.partition(b"\n")[0].decode(errors="replace").partition(" ")
        _refuse(cast(Problem, problem), f"{root}: {why}")


def _refuse(problem: Problem, message: str) -> NoReturn:
    error = VisitFailed(message)
    error.problem = problem
    raise error
