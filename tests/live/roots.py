"""Real Debian root file systems for tests: built once by mmdebstrap, kept in a cache folder, overlaid for each case."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

SUITE = "bookworm"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}


def why_not() -> str:
    """Why no root can be made here; "" where it can."""
    if os.geteuid() != 0:
        return "making a root file system and overlaying it needs root"
    missing = [tool for tool in ("mmdebstrap", "chroot", "mount", "umount") if not shutil.which(tool)]
    return f"this machine lacks {', '.join(missing)}" if missing else ""


def debian_root(*packages: str) -> Path:
    """A read-only Debian 12 root with those packages, from the cache or built now. Never write into it: overlay it."""
    name = hashlib.sha256(" ".join([SUITE, *sorted(packages)]).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path(tempfile.gettempdir()) / "riskline-cache") / "roots"
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            building = cache / f"{name}.new"  # a build that was cut off must never be taken for a root
            shutil.rmtree(building, ignore_errors=True)
            command = [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={','.join(packages)}",
                SUITE,
                str(building),
            ]
            subprocess.run(command, check=True, timeout=600, capture_output=True)
            building.rename(root)
    return root


@contextlib.contextmanager
def overlaid(lower: Path) -> Iterator[Path]:
    """A root of its own over `lower`: what is changed in it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="riskline-root-") as folder:
        top = Path(folder)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True, capture_output=True)
        try:
            for name in ("upper", "work", "root"):
                (top / name).mkdir()
            options = f"lowerdir={lower},upperdir={top / 'upper'},workdir={top / 'work'}"
            root = top / "root"
            subprocess.run(
                ["mount", "-t", "overlay", "overlay", "-o", options, str(root)], check=True, capture_output=True
            )
            try:
                yield root
            finally:
                subprocess.run(["umount", "-l", str(root)], check=True)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def run_in(root: Path, script: str) -> None:
    """Run a shell script inside a root, as root; a failing command fails the test and shows what it said."""
    command = ["chroot", str(root), "/bin/sh", "-eu", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
