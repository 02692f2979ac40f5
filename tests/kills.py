"""Scans that are killed at random moments and resumed: a driver that forks, so that a hundred of them take seconds.

Run as a program: python -m tests.kills FOLDER REGISTER KILLS SEED [COMMAND …]. FOLDER holds what `site` makes. COMMAND,
where there is one, is run now and then in the middle of a scan, such as one that restarts the database's server; a
COMMAND of `file` means that the register is a file on a small disk, which is filled, or locked by another program. With
`at-once` in the place of KILLS, SEED scans and as many gates are begun together instead, and none is disturbed.
It prints one JSON object: how the attempts ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ASSETS = 30
CHECK = '''
"""What a file says."""
from scanner import Fact, check, file
TEXT = Fact(file("{conf}"), str.strip)

@check("site.kills.text", TEXT)
def text(said: str) -> str:
    """All of it."""
    return said
'''
BASELINE = """
id: site
version: "1"
title: The site's own
applies_to: {kind: linux}
controls:
  - id: S-1
    title: The file says yes
    check: site.kills.text
    expect: {equals: "yes"}
    root_cause: site.text
    why: Somebody would be misled.
    fix: Write yes.
"""
JUDGING = ("--inventory", "inventory.yaml", "--checks", "checks", "--baselines", "site.yaml", "--baseline", "site")


def site(at: Path) -> None:
    """Assets that are this machine, held against one control that fails."""
    (at / "checks" / "site").mkdir(parents=True)
    (at / "checks" / "site" / "kills.py").write_text(CHECK.format(conf=at / "conf"))
    (at / "site.yaml").write_text(BASELINE)
    (at / "conf").write_text("no\n")
    lines = "".join(f"  host{n:02}: {{access: {{local: {{sudo: never}}}}}}\n" for n in range(ASSETS))
    (at / "inventory.yaml").write_text(f"version: 1\nassets:\n{lines}")


def begun(words: list[str], before: Callable[[], object] = bool, after: Callable[[], object] = bool) -> int:
    """A process group of its own in which the verb runs, between two steps of the caller's; its number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    with Path("said").open("ab", buffering=0) as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    from scanner.cli import main

    code = 4
    try:
        sys.argv = ["riskline", *words]
        before()
        main()
        code = 0
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 1
    finally:
        after()
        os._exit(code)


def one_visit_of(group: int) -> int | None:
    """A process that carries out a visit of that scan at this moment."""
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = place.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == group:
                return int(place.parent.name)
    return None


def disturbed(child: int, how: str, draw: random.Random, command: list[str], longest_s: float = 0.45) -> str:
    """Disturb one scan at a random moment and wait for it; how it ended: 'killed', or its exit code."""
    time.sleep(draw.uniform(0.01, longest_s))
    with contextlib.suppress(ProcessLookupError):
        if how == "parent":
            os.kill(child, signal.SIGKILL)
        elif how == "group":
            os.killpg(child, signal.SIGKILL)
        elif how == "visit":
            if (visit := one_visit_of(child)) is not None:
                os.kill(visit, signal.SIGKILL)
        elif how == "full":
            fill(Path(command[0]).parent)
        elif how == "locked":
            locked_for(Path(command[0]), draw.uniform(0.1, 0.5))
        else:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else str(os.WEXITSTATUS(status))


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    with contextlib.suppress(OSError), (disk / "filling").open("wb", buffering=0) as filling:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while filling.write(bytes(size)):
                    pass


def locked_for(register: Path, seconds: float) -> None:
    """Hold a register's file as another program would, for so long."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(register, timeout=1)) as other:
        other.isolation_level = None
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        other.execute("ROLLBACK")


def main(folder: str, register: str, kills: str, seed: str, *command: str) -> None:
    """Kill until it is enough, then let a last scan end."""
    import scanner.cli.scan
    import scanner.register  # noqa: F401 - both loaded once, and every child has them

    os.chdir(folder)
    draw, ended = random.Random(int(seed)), Counter[str]()
    words = ["scan", *JUDGING, "--register", register, "--at-once", "4", "-q", "--output", "run.json"]
    left, resume = int(kills), False
    ways = ["parent", "group", "visit", *(["command"] if command else [])]
    if command == ("file",):
        ways, command = ["parent", "group", "visit", "full", "full", "locked"], (register,)
    while left:
        child = begun([*words, *(["--resume"] if resume else [])])
        how = disturbed(child, draw.choice(ways), draw, list(command))
        left -= how == "killed" or bool(command)
        ended[how] += 1
        (Path(register).parent / "filling").unlink(missing_ok=True)
        # 2: nothing to resume; 5: the server has not noticed yet that its client is gone
        resume = how not in {"0", "1", "2"}
    for _ in range(100):
        _, status = os.waitpid(begun([*words, *(["--resume"] if resume else [])]), 0)
        code = os.WEXITSTATUS(status)
        if code in {0, 1, 3}:
            break
        resume = resume and code != 2
        time.sleep(0.1)
    ended[f"last {code}"] += 1
    sys.stdout.write(json.dumps(ended))


def at_once(folder: str, register: str, many: str) -> None:
    """Begin so many scans, each of two assets, and as many gates about the run `first`; wait for all of them."""
    import scanner.cli.gate
    import scanner.cli.scan
    import scanner.register  # noqa: F401 - loaded once, and every child has them

    os.chdir(folder)
    words = ["scan", *JUDGING, "--register", register, "-q", "--output"]
    os.waitpid(begun([*words, "first.json"]), 0)
    first = json.loads(Path("first.json").read_text())["id"]
    os.waitpid(begun([*words, "second.json"]), 0)
    children = []
    for n in range(int(many)):
        limit = [f"host{n % ASSETS:02}", f"host{(n // ASSETS * 11 + n + 1) % ASSETS:02}"]
        limits = [word for name in limit for word in ("--limit", name)]
        children.append(begun([*words, f"run-{n}.json", *limits]))
        gate = ["gate", json.loads(Path("second.json").read_text())["id"], "--against", first, "--change", f"CHG-{n}"]
        children.append(begun([*gate, "--register", register, "--who", "anna"]))
    ended = Counter(str(os.WEXITSTATUS(os.waitpid(child, 0)[1])) for child in children)
    sys.stdout.write(json.dumps(ended))


if __name__ == "__main__":
    if sys.argv[3] == "at-once":
        at_once(sys.argv[1], sys.argv[2], sys.argv[4])
    else:
        main(*sys.argv[1:])
