"""A file system that hangs, as a share does whose server is gone: who reads a file of it waits, and no signal helps.

The kernel's FUSE protocol is spoken over /dev/fuse by a thread of the test: attributes and names are answered, and what
should read a file is taken and never answered. Source: linux/fuse.h, fuse(4).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

DEVICE = Path("/dev/fuse")
USABLE = os.geteuid() == 0 and DEVICE.exists()
WHY = "needs root and /dev/fuse to make a file system that hangs"
LOOKUP, GETATTR, OPEN, READ, INIT, OPENDIR, READDIR = 1, 3, 14, 15, 26, 27, 28
FORGET, INTERRUPT, BATCH_FORGET = 2, 36, 42
ROOT, FILE = 1, 2
SIZE = 4096
_HEAD_IN, _HEAD_OUT = struct.Struct("=IIQQIIII"), struct.Struct("=IiQ")
_FORCE, _DETACH = 1, 2  # MNT_FORCE ends the requests under way, MNT_DETACH the mount itself
LIBC = ctypes.CDLL(None, use_errno=True)


class Hung:
    """A mounted file system with one file, whose reads (or every look at it) never end until `release`."""

    def __init__(self, place: Path, hangs_at: str) -> None:
        self.place = place
        self.file = place / "file"
        self.asked = threading.Event()
        self._hangs = {"read": {READ}, "look": {LOOKUP, GETATTR, OPEN, READ, OPENDIR}}[hangs_at]
        self._device = os.open(DEVICE, os.O_RDWR)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if LIBC.mount(b"hung", bytes(place), b"fuse", 0, options):
            os.close(self._device)
            raise OSError(ctypes.get_errno(), "a file system in user space cannot be mounted here")
        self._served = threading.Thread(target=self._serve, daemon=True)
        self._served.start()

    def release(self) -> None:
        """End the connection: everybody who waits gets an error, and the place is an empty folder again."""
        for how in (_FORCE, _DETACH):
            LIBC.umount2(bytes(self.place), how)
        self._served.join(10)
        os.close(self._device)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                asked = os.read(self._device, 1 << 17)
                _, code, unique, node, *_ = _HEAD_IN.unpack_from(asked)
                if code in self._hangs:
                    self.asked.set()
                elif code not in {FORGET, BATCH_FORGET, INTERRUPT}:
                    self._answer(unique, self._said(code, node))

    def _said(self, code: int, node: int) -> bytes | None:
        if code == INIT:
            return struct.pack("=IIIIHHIII28x", 7, 31, 1 << 16, 0, 12, 10, 1 << 16, 1, 0)
        if code == LOOKUP:
            return struct.pack("=QQQQII", FILE, 0, 3600, 3600, 0, 0) + _attributes(FILE)
        if code == GETATTR:
            return struct.pack("=QII", 3600, 0, 0) + _attributes(node)
        if code in {OPEN, OPENDIR}:
            return struct.pack("=QII", 1, 1, 0)  # FOPEN_DIRECT_IO: a read of the page cache could be killed
        return b"" if code == READDIR else None

    def _answer(self, unique: int, body: bytes | None) -> None:
        error, body = (-38, b"") if body is None else (0, body)  # ENOSYS
        os.write(self._device, _HEAD_OUT.pack(_HEAD_OUT.size + len(body), error, unique) + body)


def _attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
    return struct.pack("=QQQQQQIIIIIIIIII", node, SIZE, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


@contextlib.contextmanager
def hung(place: Path, hangs_at: str) -> Iterator[Hung]:
    """Mount it there for a while. hangs_at: "read", or "look" where even its attributes never come."""
    place.mkdir()
    mounted = Hung(place, hangs_at)
    try:
        yield mounted
    finally:
        mounted.release()
