"""`python -m fuzz [TARGET…] [--runs N]`: fuzz with atheris, each target in a process of its own; no name is all.

A crash, 10 seconds for one input, or one that needs 100 MB more memory ends it; the input is kept as crash-… in
fuzz/found/ and can be run again: `python -m fuzz TARGET --again FILE`. What reached something new is kept in
fuzz/corpus/, so a later call goes on from there; `--seconds` ends a target before all its runs are done.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FOUND = Path(__file__).parent / "found"
CORPUS = Path(__file__).parent / "corpus"
MOST_KB = 100_000
"""So much memory may one input need beyond what was ever in use; in all, with what libFuzzer remembers, 512 MB."""


def main() -> int:
    """Run what was asked for; 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--again", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        return fuzz(chosen.targets[0], chosen.runs, chosen.seconds)
    from .targets import targets

    known = targets()
    unknown = set(chosen.targets) - set(known)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; known are: {', '.join(known)}")
    if chosen.again:
        known[chosen.targets[0]].run(chosen.again.read_bytes())
        return 0
    bad = [name for name in chosen.targets or known if start(name, chosen.runs, chosen.seconds)]
    say(f"{len(chosen.targets or known) - len(bad)} targets held")
    for name in bad:
        say(f"found something: {name}")
    return 1 if bad else 0


def say(text: str) -> None:
    """One line for people, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def start(name: str, runs: int, seconds: int) -> int:
    """One target in a process of its own: atheris ends its process."""
    words = [sys.executable, "-m", "fuzz", name, "--runs", str(runs), "--seconds", str(seconds), "--one"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    last = [line for line in done.stderr.splitlines() if line.startswith(("Done", "#", "==", " ==", "  File"))][-3:]
    say(f"{name}: {'held' if not done.returncode else 'FOUND'} {last[-1] if last else ''}")
    if done.returncode:
        told = (done.stdout + done.stderr).splitlines()
        say("\n".join(line for line in told if not line.startswith(("INFO", "WARNING", "#")))[-3000:])
    return done.returncode


def fuzz(name: str, runs: int, seconds: int) -> int:
    """Fuzz one target here."""
    import atheris

    with atheris.instrument_imports(include=["scanner", "checks"]):
        from .targets import BETWEEN, targets

        target = targets()[name]
    from .mutator import mutator, words_of

    folder = CORPUS / name
    for made in (FOUND, folder):
        made.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
        target.run(seed)
    limits = [f"-runs={runs}", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=512", "-max_len=4096"]
    change = mutator(words_of(target.seeds), target.head, BETWEEN, lambda data, most: atheris.Mutate(data, most))
    words = [sys.argv[0], *limits, f"-artifact_prefix={FOUND}/{name}-", str(folder)]
    atheris.Setup(words, bounded(target.run), custom_mutator=change)
    atheris.Fuzz()
    return 0


def bounded(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, failing at an input that raises the most memory ever in use by more than is allowed."""

    def used_kb() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = used_kb()

    def once(data: bytes) -> None:
        nonlocal before
        run(data)
        used = used_kb()
        if used - before > MOST_KB:
            raise MemoryError(f"{used - before} kB more in use by one input, and {MOST_KB} allowed")
        before = used

    return once


if __name__ == "__main__":
    sys.exit(main())
