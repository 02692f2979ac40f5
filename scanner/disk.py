"""Files of our own: in folders that nobody else enters, whole or not there at all, and kept when the power fails."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700 where it was not there, like those above it. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write beside the target and rename: a reader sees the old file or the new one, never half of one.

    A symbolic link in the target's place is replaced, not followed. Raises OSError, and leaves nothing behind then.
    """
    folder = path.absolute().parent
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
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


def keep_names(folder: Path) -> None:
    """Have the folder itself on the disk: a rename is lost with it otherwise. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
