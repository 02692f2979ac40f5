"""Network namespaces that a test makes and removes: machines of their own, joined to this one by a cable."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMESPACES = os.geteuid() == 0 and bool(shutil.which("ip")) and bool(shutil.which("iptables"))

_NEWNET = 0x40000000  # CLONE_NEWNET of sched.h


@contextlib.contextmanager
def network_of_ones_own() -> Iterator[None]:
    """Put this thread, and what it starts meanwhile, into a network with a loopback alone; nobody else notices."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        if libc.unshare(_NEWNET):
            pytest.skip(f"no network can be made here: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            if libc.setns(before.fileno(), _NEWNET):
                raise OSError(ctypes.get_errno(), "the way back into the network of before is lost")


@contextlib.contextmanager
def another_machine() -> Iterator[tuple[str, str]]:
    """A network namespace joined to ours by a cable of its own: (its name, its address). 198.18.0.0/15 is for tests."""
    mark = uuid.uuid4().hex[:8]
    space, ours, theirs = f"rl{mark}", f"rla{mark}", f"rlb{mark}"
    subnet = f"198.18.{int(mark[:2], 16)}.{int(mark[2:4], 16) & 0xFC}"
    first, second = (f"{subnet.rpartition('.')[0]}.{int(subnet.rpartition('.')[2]) + n}" for n in (1, 2))
    try:
        for command in (
            f"ip netns add {space}",
            f"ip link add {ours} type veth peer name {theirs} netns {space}",
            f"ip addr add {first}/30 dev {ours}",
            f"ip link set {ours} up",
            f"ip -n {space} addr add {second}/30 dev {theirs}",
            f"ip -n {space} link set {theirs} up",
        ):
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
        yield space, second
    finally:
        subprocess.run(["ip", "link", "del", ours], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


def drop(space: str | None, *match: str) -> None:
    """Let a firewall in that namespace (None: in this thread's own) drop what matches, without a word."""
    program = next((p for p in ("iptables-legacy", "iptables") if shutil.which(p)), "iptables")
    there = ["ip", "netns", "exec", space] if space else []
    rule = [*there, program, "-A", "INPUT", *match, "-j", "DROP"]
    done = subprocess.run(rule, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no firewall rule can be set here: {done.stderr.strip()}")
