"""A verb of the command line in a process of its own, within hard limits, and how much memory it took."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_MIB = 3072
"""Of addresses; what is really used is a part of it."""
MOST_CPU_S = 60
_CODE = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MOST_MIB} << 20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, ({MOST_CPU_S},) * 2)
from scanner.cli import main
try:
    main(sys.argv[2:])
finally:
    with open("/proc/self/status") as status, open(sys.argv[1], "w") as peak:
        peak.writelines(line for line in status if line.startswith("VmHWM"))
"""


@dataclass(frozen=True, slots=True)
class Took:
    """How a verb ended. peak_mib: the most memory that it held at once."""

    code: int
    stdout: str
    stderr: str
    peak_mib: int


def bounded(folder: Path, *words: str, **variables: str) -> Took:
    """Run it in a folder, which is its home too. variables: of the environment."""
    peak = folder / ".peak"
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(peak), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert peak.exists(), done.stderr
    return Took(done.returncode, done.stdout, done.stderr, int(peak.read_text().split()[1]) >> 10)
