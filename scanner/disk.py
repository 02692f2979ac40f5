"""Files of our own: in folders that nobody else enters, whole or not there at all, and kept when the power fails."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

_NO_DISK = ("/dev", "/proc", "/sys")


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700 where it was not there, like those above it. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def beside(register: str, name: str) -> Path:
    """Where something of a register's is kept: next to its file; for one by URL, in the state folder of this user."""
    if "://" not in register:
        return Path(f"{register}.{name}").expanduser()
    home = os.environ.get("XDG_STATE_HOME") or ("/var/lib" if os.geteuid() == 0 else "~/.local/state")
    return Path(home).expanduser() / "riskline" / name


def is_planted(path: Path, found: os.stat_result) -> bool:
    """Whether the file that was opened at the path belongs neither to us nor to whose folder it is in."""
    return found.st_uid not in {os.geteuid(), path.absolute().parent.stat().st_uid}


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write beside the target and rename: a reader sees the old file or the new one, never half of one.

    A symbolic link in the target's place is replaced, not followed; a device, a pipe or a folder is no file of ours to
    replace. Raises OSError, and leaves nothing behind then.
    """
    if why := why_not_replaced(path):
        raise OSError(errno.EINVAL, why)
    folder = path.absolute().parent
    handle, name = tempfile.mkstemp(prefix=".riskline-", dir=folder)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as opened:
            os.fchmod(opened.fileno(), mode)
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    keep_names(folder)


def why_not_replaced(path: Path) -> str:
    """Why no file of ours can stand there; "" where one can: nothing, a file or a link stands there, on a disk."""
    try:
        folder = path.absolute().parent.resolve()
        found = path.lstat() if os.path.lexists(path) else None
        if len(os.fsencode(path.name)) > os.pathconf(folder, "PC_NAME_MAX"):
            return "its name is too long"
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    for place in _NO_DISK:
        if folder.is_relative_to(place) and folder.stat().st_dev == Path(place).stat().st_dev:  # /dev/shm is another
            return "there are no files there; to print, leave the name out"
    if found and stat.S_ISDIR(found.st_mode):
        return "it is a folder"
    if found and not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        return "it is a device or a pipe, and would be replaced"
    return ""


def keep_names(folder: Path) -> None:
    """Have the folder itself on the disk: a rename is lost with it otherwise. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
