"""Checks of a folder or of an installed package run in a process of their own, in bounded time and memory.

That process imports their modules, parses and observes; here only what it tells of its checks is known. It gets
texts and gives JSON, so whatever a check does (hang, eat memory, exit, print), the run loses that one verdict.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from .errors import Absent, NotApplicable, Truncated, Undetermined, Unparsable, UsageError
from .model import Check, Fact, Given, Idle, Observed, Probe, Unclear, Unwritten

LIMIT_S = 10.0
"""For one observation, its parsing included; an import has three times as long."""
MAX_BYTES = 16 << 20
GIVE_UP = 3
"""A check that had to be ended so often is not run again: every further one would cost LIMIT_S."""
_BOOT = (
    "import os, sys; sys.path[:0] = sys.argv.pop(1).split(os.pathsep); "
    "from scanner.confined_worker import serve; serve()"
)
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}  # none of ours: secrets may stand in it
_WORDS = {
    "absent": Absent,
    "not-applicable": NotApplicable,
    "truncated": Truncated,
    "undetermined": Undetermined,
    "unparsable": Unparsable,
}
_TYPES: Mapping[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "NoneType": type(None), "Unwritten": Unwritten,
}  # fmt: skip


class CheckEnded(RuntimeError):
    """A check raised, was ended, or gave what is no observation. The message is what can be said of it."""


@dataclass(slots=True)
class Worker:
    """The process behind one source of checks; started when it is first needed, and anew after it had to be ended.

    source: a folder, or an entry point's name. path: where else it looks for modules, as this process does.
    """

    source: str
    limit_s: float = LIMIT_S
    path: tuple[str, ...] = ()
    _child: subprocess.Popen[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: dict[str, int] = field(default_factory=dict)

    def module(self, id: str, file: Path, name: str = "") -> types.ModuleType:
        """A module as its checks alone, imported by its file or its name. Raises UsageError where it cannot be."""
        words = {"module": id, "file": str(file), "name": name}
        try:
            told = self._ask(words, 3 * self.limit_s)
        except CheckEnded as error:
            raise UsageError(f"{file}: cannot be imported: {error}") from error
        if "wrong" in told:
            raise UsageError(f"{file}: cannot be imported: {told['wrong']}")
        made = types.ModuleType(id)
        for function, one in told["checks"].items():
            setattr(made, function, self._check({**words, "observe": function}, one))
        return made

    def _check(self, words: Mapping[str, str], told: Mapping[str, Any]) -> Check:
        facts = tuple(Fact(read_probe(probe), str) for probe in told["probes"])

        def observe(*texts: str, **given: Any) -> Observed:
            return self._observed(told["id"], {**words, "texts": texts, "given": given})

        places = [inspect.Parameter(f"fact_{n}", inspect.Parameter.POSITIONAL_ONLY) for n in range(len(facts))]
        own = [
            inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, default=_REQUIRED if needed else None)
            for each, needed in told["parameters"].items()
        ]
        observe.__signature__ = inspect.Signature([*places, *own])  # type: ignore[attr-defined]
        observe.__annotations__ = {"return": _hint(told["returns"], told["mapping"])}
        return Check(told["id"], facts, observe, told["doc"])

    def _observed(self, id: str, question: Mapping[str, Any]) -> Observed:
        if self._ended.get(id, 0) >= GIVE_UP:
            raise CheckEnded(f"{id} had to be ended {GIVE_UP} times and is not run again in this run")
        try:
            told = self._ask(question, self.limit_s)
        except CheckEnded:
            self._ended[id] = self._ended.get(id, 0) + 1
            raise
        if "raised" in told:
            raise _WORDS.get(told["raised"], CheckEnded)(told["text"])
        return read_observed(told["observed"])

    def _ask(self, question: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        with self._lock:
            child = self._child
            if child is None or child.poll() is not None:
                child = self._child = _start(self.source, self.path)
            try:
                return _exchange(child, question, limit_s)
            except (CheckEnded, OSError, ValueError) as error:
                why = str(error) if isinstance(error, CheckEnded) else "its process ended"
                self._child = None
                _end(child)
                raise CheckEnded(why) from error


_REQUIRED = inspect.Parameter.empty


def _start(source: str, path: Sequence[str]) -> subprocess.Popen[bytes]:
    where = os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, path)])
    alone = "-EP" if path else "-I"  # no setting of the environment; who looks as we do, looks in the user's own, too
    child = subprocess.Popen(
        [sys.executable, alone, "-c", _BOOT, where, source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    atexit.register(_end, child)
    return child


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.returncode is None:  # else its number may be another's by now
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)  # with what a check may have started there
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    child.wait()


def _exchange(child: subprocess.Popen[bytes], question: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
    """One line of JSON there, one back. Raises CheckEnded where none comes in time, or too long a one."""
    assert child.stdin and child.stdout
    until = time.monotonic() + limit_s
    number = os.urandom(8).hex()
    rest = memoryview(json.dumps({**question, "number": number}).encode() + b"\n")
    answer = bytearray()
    os.set_blocking(child.stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdin, selectors.EVENT_WRITE)
        ready.register(child.stdout, selectors.EVENT_READ)
        while not answer.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0:
                raise CheckEnded(f"it took longer than {limit_s:g} s and was ended")
            for key, _ in ready.select(left):
                if key.fileobj is child.stdin:
                    rest = rest[os.write(key.fd, rest[: 1 << 16]) :]
                    if not rest:
                        ready.unregister(child.stdin)
                else:
                    answer += _read(key.fd)
            if len(answer) > MAX_BYTES:
                raise CheckEnded(f"it gave more than {MAX_BYTES >> 20} MiB")
    told: dict[str, Any] = json.loads(answer)
    if told.pop("number", None) != number:
        raise CheckEnded("its process gave an answer to another question")
    return told


def _read(descriptor: int) -> bytes:
    got = os.read(descriptor, 1 << 16)
    if not got:
        raise CheckEnded("it ended its process: by exit, by a crash, or for want of memory")
    return got


# ── values that go between ───────────────────────────────────────────────────────────────────────────────────────────


def plain_probe(probe: Probe) -> dict[str, Any]:
    """A probe as JSON."""
    return {
        "via": probe.via,
        "ask": [{"given": word.name} if isinstance(word, Given) else word for word in probe.ask],
        "privileged": probe.privileged,
        "absence": probe.absence,
        "running": probe.running,
        "timeout_s": probe.timeout_s,
        "max_bytes": probe.max_bytes,
        "sensitive": probe.sensitive,
        "each": plain_probe(probe.each) if probe.each else None,
    }


def read_probe(told: Mapping[str, Any]) -> Probe:
    """The probe that `plain_probe` wrote."""
    ask = tuple(Given(str(word["given"])) if isinstance(word, dict) else str(word) for word in told["ask"])
    return Probe(**{**told, "ask": ask, "each": read_probe(told["each"]) if told["each"] else None})


def plain_observed(value: Observed) -> Any:
    """An observation as JSON: {"mapping": …}, {"unwritten": …} and the like, or the value itself; else TypeError."""
    if isinstance(value, Unwritten):
        return {"unwritten": value.in_force}
    if isinstance(value, Unclear):
        return {"unclear": value.why}
    if isinstance(value, Idle):
        return {"idle": value.value}
    if isinstance(value, Mapping):
        return {"mapping": {str(name): plain_observed(entry) for name, entry in value.items()}}
    if isinstance(value, list | tuple):
        return [plain_observed(entry) for entry in value]
    if isinstance(value, str | int | float | bool | None):
        return value
    raise TypeError(f"a check observes texts, numbers, truths, lists and mappings of them, not {type(value).__name__}")


def read_observed(told: Any) -> Observed:
    """The observation that `plain_observed` wrote."""
    if isinstance(told, list):
        return [read_observed(entry) for entry in told]
    if isinstance(told, dict):
        if "unwritten" in told:
            return Unwritten(told["unwritten"])
        if "unclear" in told:
            return Unclear(told["unclear"])
        if "idle" in told:
            return Idle(told["idle"])
        return {name: read_observed(entry) for name, entry in told["mapping"].items()}
    observed: Observed = told
    return observed


def _hint(names: list[str], mapping: bool) -> Any:
    """The return type that the check names, as far as `expect` words are held against it."""
    known = [_TYPES.get(name, Any) for name in names] or [Any]
    union: Any = Any if Any in known else reduce(or_, known)
    return dict[str, union] if mapping else union
