"""Visits over SSH, killed at random moments and resumed: what was stored once stays, and nothing is stored twice.

Run as root: python -m tests.visits HOSTS SEED. One sshd stands behind every address of a network namespace of its own.
The one scan of them all is killed again and again, it alone or with all that it started, until it is
done. It prints one JSON object: how the attempts ended, and how many visits had been stored at each of them.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from scanner.register import Register, open_register

from . import kills
from .live.sshd import USABLE, WHY, Sshd, sshd

_INSIDE = "RISKLINE_VISITS"


def main(hosts: int, seed: int) -> None:
    """Scan until all is done, then hold the register to what it must be."""
    import scanner.cli.scan
    import scanner.transports.ssh  # noqa: F401 - both loaded once, and every child has them

    draw, ended, counts = random.Random(seed), Counter[str](), [0]
    with tempfile.TemporaryDirectory() as folder, sshd(ListenAddress="0.0.0.0", MaxStartups="1000") as server:
        names = furnish(Path(folder), server, hosts)
        os.chdir(folder)
        words = ["scan", *kills.JUDGING, "--register", "register.db", "--at-once", "16", "-q", "--output", "run.json"]
        kept: set[str] = set()
        resume = False
        while not is_complete("register.db"):
            child = kills.begun([*words, *(["--resume"] if resume else [])])
            how = kills.disturbed(child, draw.choice(["parent", "group"]), draw, [], longest_s=4.0)
            ended[how] += 1
            stored = visited("register.db")
            assert kept <= set(stored), f"lost: {kept - set(stored)}"
            assert len(stored) == len(set(stored)), "twice"
            kept, resume = set(stored), how != "2"  # 2: it had not even begun a run
            counts.append(len(stored))
        register = open_register("register.db")
        hold(register, names)
        register.close()
        sys.stdout.write(json.dumps({"ended": ended, "stored": counts, "connections": server.connections}) + "\n")


def furnish(folder: Path, server: Sshd, hosts: int) -> list[str]:
    """The inventory of so many addresses, and the control that they are held against; the names of the assets."""
    kills.site(folder)
    addresses = {f"host{n:05}": f"127.1.{n // 254}.{n % 254 + 1}" for n in range(hosts)}
    known = folder / "known"
    known.write_text("".join(f"[{one}]:{server.port} {server.host_key}\n" for one in addresses.values()))
    way = f"{{user: root, port: {server.port}, key: {server.key}, known_hosts: [{known}], config: none}}"
    lines = [f"  {name}: {{address: {one}, access: {{ssh: {way}}}}}\n" for name, one in addresses.items()]
    (folder / "inventory.yaml").write_text("version: 1\nat_once: {network: 16}\nassets:\n" + "".join(lines))
    (folder / "conf").chmod(0o644)
    return list(addresses)


def visited(url: str) -> list[str]:
    """The assets whose visits are stored, of the one run that there is."""
    if not Path(url).exists():
        return []
    register = open_register(url)
    runs = register.runs(10)
    assert len(runs) <= 1, "a second run was begun instead of going on with the first"
    found = [one.asset.id for one in register.run(runs[0].id).visited] if runs else []
    register.close()
    return found


def is_complete(url: str) -> bool:
    """Whether the run ended, which a kill behind its last step changes no more."""
    if not Path(url).exists():
        return False
    register = open_register(url)
    found = [one.state for one in register.runs(10)]
    register.close()
    return found == ["complete"]


def hold(register: Register, names: list[str]) -> None:
    """Every asset judged exactly once, every risk opened exactly once, and the chain of events whole."""
    (run,) = register.runs(10)
    whole = register.run(run.id)
    assert run.state == "complete"
    assert [one.asset.id for one in whole.visited] == names
    assert [one.asset for one in whole.findings] == names
    changes = Counter(event.change for _, event in register.events() if event.change != "sealed")
    assert changes == {"opened": len(names)}
    assert register.verify() == []


if __name__ == "__main__":
    if not USABLE:
        sys.exit(WHY)
    if _INSIDE not in os.environ:
        line = [sys.executable, "-m", "tests.visits", *sys.argv[1:]]
        inside = ["unshare", "--net", "/bin/sh", "-c", 'ip link set lo up && exec "$@"', "visits", *line]
        sys.exit(subprocess.run(inside, env={**os.environ, _INSIDE: "1"}, check=False).returncode)
    main(int(sys.argv[1]), int(sys.argv[2]))
