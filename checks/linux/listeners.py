"""What listens on this host for others, whose program it is, and which programs run code that was replaced on disk."""

from __future__ import annotations

from scanner import Undetermined, check
from scanner.exposure.listening import LISTENING, Listening


@check("linux.listeners.origin", LISTENING)
def origin(found: Listening) -> dict[str, str]:
    """Per socket that other machines can reach: the package of its program, "a container", "no process", "no package".

    "no process" is the kernel's own: a file server or a tunnel.
    """
    if not found.packaged:
        raise Undetermined("this host has no package database that is known here")
    seen = {}
    for one in found.listeners:
        if not one.local:
            nobody = "a container" if one.foreign else "no package" if one.program else "no process"
            seen[one.name] = one.package or nobody
    return seen


@check("linux.listeners.bound_everywhere", LISTENING)
def bound_everywhere(found: Listening, programs: list[str]) -> dict[str, bool]:
    """Per socket of a program of these names: whether it is bound to all addresses of the host."""
    return {
        one.name: one.everywhere for one in found.listeners if one.program.rpartition("/")[2].split("-")[0] in programs
    }


@check("linux.listeners.replaced_code", LISTENING)
def replaced_code(found: Listening) -> list[str]:
    """Programs that still run code which was replaced on disk since they were started, with one such file each."""
    return [f"{program}: {files[0]}" for program, files in found.stale.items()]
