"""Programs of Debian packages that are not installed: fetched by apt, unpacked into a cache folder, run from there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

MISSING = [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]


def unpacked(*packages: str) -> Path:
    """A folder with the files of these packages, and of what they need and this machine lacks. Nothing is installed."""
    name = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path(tempfile.gettempdir()) / "riskline-cache") / "programs"
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    place = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            building = cache / f"{name}.new"  # what was cut off must never be taken for whole
            shutil.rmtree(building, ignore_errors=True)
            _fetch(packages, building)
            building.rename(place)
    return place


def _fetch(packages: tuple[str, ...], place: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archives = Path(folder) / "archives"
        (archives / "partial").mkdir(parents=True)
        options = [f"Dir::Cache::archives={archives}", "Debug::NoLocking=1", "APT::Sandbox::User=root"]
        command = ["apt-get", "install", "-qy", "--download-only", "--no-install-recommends", "--reinstall"]
        command += [word for option in options for word in ("-o", option)]
        subprocess.run([*command, *packages], check=True, capture_output=True, timeout=300)
        for archive in sorted(archives.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", archive, place], check=True, capture_output=True, timeout=60)


def environment(place: Path) -> dict[str, str]:
    """What a program from there needs to find its libraries."""
    (libraries,) = (place / "usr/lib").glob("*-linux-gnu")
    return {
        "PATH": f"{place}/usr/sbin:{place}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_LIBRARY_PATH": f"{libraries}:{libraries}/samba",
        "LC_ALL": "C",
        "HOME": "/nonexistent",
    }


@contextlib.contextmanager
def running(log: Path, environment: dict[str, str], *commands: list[str]) -> Iterator[None]:
    """These programs, each in a process group of its own, for as long as the block lasts. log: what they say."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("wb") as said:
            for command in commands:
                program = shutil.which(command[0], path=environment["PATH"])
                assert program, f"{command[0]} is not there"
                words = [program, *command[1:]]
                started.append(
                    subprocess.Popen(
                        words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment,
                        start_new_session=True,
                    )
                )  # fmt: skip
        yield
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
