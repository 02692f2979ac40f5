"""What a whole run may take, and how many visits this process can carry: seconds, bytes, open files, threads."""

from __future__ import annotations

import errno
import resource
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from .errors import VisitFailed
from .model import Reply
from .transports import Bounds

FILES_PER_VISIT, FILES_BESIDE = 16, 16
"""Open files: of one visit (sockets, pipes, a child's streams), and what else the process opens meanwhile."""
MOST_FILES = 1024
"""select(2) takes no number above this one."""
DEFAULT_BYTES = 16 << 30
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


class Allowance:
    """Seconds and bytes of answers for all visits together. over: nothing of one of them is left."""

    def __init__(self, seconds: float | None = None, size_bytes: int = DEFAULT_BYTES) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._left = size_bytes
        self._lock = threading.Lock()

    def begin(self) -> None:
        """The seconds count from the first visit on."""
        if self._seconds is not None and self._until is None:
            self._until = time.monotonic() + self._seconds

    def of(self, bounds: Bounds) -> Bounds:
        """What a visit that begins now may take. Raises VisitFailed where the run has nothing left."""
        seconds = bounds.deadline_s if self._until is None else min(bounds.deadline_s, self._until - time.monotonic())
        if seconds <= 0:
            raise _ended("timed-out", "the run's deadline came first")
        if self._left <= 0:
            raise _ended("truncated", "the run's byte limit came first")
        return Bounds(seconds, min(bounds.max_bytes, self._left))

    def spend(self, replies: Iterable[Reply]) -> None:
        """Take what was answered off what is left."""
        size = sum(len(reply.text) + len(reply.detail) for reply in replies)
        with self._lock:
            self._left -= size

    @property
    def is_over(self) -> bool:
        """Whether a further visit could be given nothing."""
        return bool(self.why_over)

    @property
    def why_over(self) -> str:
        """What is used up; "" where there is something left."""
        if self._left <= 0:
            return "so much as was allowed has been received"
        return "its time is over" if self._until is not None and time.monotonic() >= self._until else ""


def _ended(problem: str, why: str) -> VisitFailed:
    error = VisitFailed(why)
    error.problem = problem  # type: ignore[assignment]
    return error


def visits_with_open_files() -> int:
    """For how many visits at once this process may open files; its own limit is raised first, as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MOST_FILES and (hard == resource.RLIM_INFINITY or hard > soft):
        soft = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:  # another system than Linux
        used = FILES_BESIDE
    return max(1, (min(soft, MOST_FILES) - used - FILES_BESIDE) // FILES_PER_VISIT)


def is_exhausted(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, says that this machine gives us no more files, memory or threads."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _EXHAUSTED):
            return True
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
