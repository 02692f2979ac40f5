"""`python -m fuzz [TARGET…] [--runs N]`: fuzz with atheris, each target in a process of its own; no name is all.

A crash, 10 seconds for one input, or 512 MiB ends it; the input is kept as crash-… in fuzz/found/ and can be run again:
`python -m fuzz TARGET --again FILE`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path(__file__).parent / "found"


def main() -> int:
    """Run what was asked for; 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--again", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        return fuzz(chosen.targets[0], chosen.runs)
    from .targets import targets

    known = targets()
    unknown = set(chosen.targets) - set(known)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; known are: {', '.join(known)}")
    if chosen.again:
        known[chosen.targets[0]].run(chosen.again.read_bytes())
        return 0
    bad = [name for name in chosen.targets or known if start(name, chosen.runs)]
    say(f"{len(chosen.targets or known) - len(bad)} targets held")
    for name in bad:
        say(f"found something: {name}")
    return 1 if bad else 0


def say(text: str) -> None:
    """One line for people, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def start(name: str, runs: int) -> int:
    """One target in a process of its own: atheris ends its process."""
    words = [sys.executable, "-m", "fuzz", name, "--runs", str(runs), "--one"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    last = [line for line in done.stderr.splitlines() if line.startswith(("Done", "#", "==", " ==", "  File"))][-3:]
    say(f"{name}: {'held' if not done.returncode else 'FOUND'} {last[-1] if last else ''}")
    if done.returncode:
        say(done.stderr[-3000:])
    return done.returncode


def fuzz(name: str, runs: int) -> int:
    """Fuzz one target here."""
    import atheris

    with atheris.instrument_imports(include=["scanner", "checks"]):
        from .targets import targets

        target = targets()[name]
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="riskline-fuzz-") as folder:
        for number, seed in enumerate(target.seeds):
            Path(folder, str(number)).write_bytes(seed)
        limits = ["-timeout=10", "-rss_limit_mb=512", "-max_len=4096", f"-artifact_prefix={FOUND}/"]
        atheris.Setup([sys.argv[0], f"-runs={runs}", *limits, folder], target.run)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
