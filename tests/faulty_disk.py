"""Scans on a disk that fails at each single write in turn: a driver that forks, so that hundreds of them take seconds.

Run as a program, with the library of faulty_disk.c preloaded: python -m tests.faulty_disk FOLDER. FOLDER holds what
`kills.site` makes, with a register and reports of an earlier scan. It prints one JSON object: how a write failed ->
exit code -> how often.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .kills import JUDGING, begun

ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO, "interrupted": errno.EINTR, "half": 0}
"""How a write fails; half of it is what a signal or a quota may leave, and no error."""
KNOWN = {"register.db", *(f"register.db{more}" for more in ("-wal", "-shm", ".lock", ".salt")), "run.json", "run.csv"}
KNOWN |= {"said", "conf", "inventory.yaml", "site.yaml"}
WORDS = ("scan", *JUDGING, "--limit", "host00", "--register", "register.db", "-q", "-o", "run.json", "-o", "run.csv")


def built(name: str, folder: Path) -> Path:
    """A library of this folder to be preloaded, from its source in C."""
    made = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-O1", "-o", made, source, "-ldl"], check=True)
    return made


@contextlib.contextmanager
def mounted(kind: str, place: Path, *options: str) -> Iterator[Path]:
    """A file system of that kind on a folder, for a while; only root can."""
    place.mkdir(exist_ok=True)
    words = ["-o", ",".join(options)] if options else []
    subprocess.run(["mount", "-t", kind, *words, "none", place], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def scan_failing_at(n: int, error: int) -> tuple[int, bool]:
    """A scan whose n-th write fails: its exit code, and whether it came so far."""
    disk = ctypes.CDLL(None)
    read, write = os.pipe()

    def before() -> None:
        disk.fail_at(ctypes.c_long(n), error)

    child = begun(list(WORDS), before, lambda: os.write(write, b"1" if disk.failed() else b"0"))
    os.close(write)
    met = os.read(read, 1) == b"1"
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), met


def sound(folder: Path) -> None:
    """What must be true whatever failed: the earlier run is there, the register is whole, reports are whole."""
    from scanner.register import open_register

    register = open_register("register.db")
    try:
        assert register.verify() == []
        states = [one.state for one in register.runs(10)]
        assert states[-1] == "complete" and register.run(register.runs(10)[-1].id).visited, states
        assert {risk.state for risk in register.risks()} <= {"new", "open"}
    finally:
        register.close()
    assert json.loads((folder / "run.json").read_text())["findings"]
    assert (folder / "run.csv").read_text().endswith("\n")
    left = {path.name for path in folder.iterdir() if path.is_file()} - KNOWN
    assert not left, left


def main(folder: str) -> None:
    """Let each write fail once, in one way after the other, until a scan makes fewer than that."""
    import scanner.cli.scan
    import scanner.register  # noqa: F401 - both loaded once, and every child has them

    os.chdir(folder)
    place, ended = Path(folder), {how: Counter[str]() for how in ERRORS}
    kept = place.parent / "kept"
    shutil.copytree(place, kept)
    for n in range(10_000):
        for file in place.glob("register.db*"):
            file.unlink()
        for file in kept.glob("*.*"):
            if file.is_file():
                shutil.copy2(file, place)
        how = list(ERRORS)[n % len(ERRORS)]
        code, met = scan_failing_at(n, ERRORS[how])
        try:
            sound(place)
            assert "Traceback" not in Path("said").read_text()
            assert code in {0, 1, 3}, code
        except AssertionError as wrong:
            raise AssertionError(
                f"write {n} is {how}: exit {code}: {wrong}: {Path('said').read_text()[-3000:]}"
            ) from wrong
        Path("said").unlink()
        ended[how][str(code)] += 1
        if not met:
            break
    sys.stdout.write(json.dumps(ended))


if __name__ == "__main__":
    main(*sys.argv[1:])
