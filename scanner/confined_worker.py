"""The other side of scanner.confined: imports somebody else's modules, runs their checks, within limits of its own."""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import os
import pickle
import platform
import resource
import signal
import sys
import traceback
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from . import catalogue, checking
from .confined import LIMIT_S, plain_observed, plain_probe
from .errors import Absent, NotApplicable, Truncated, Undetermined, Unparsable, UsageError
from .model import Check, Fact
from .transports import jail

MAX_MEMORY_BYTES = 1 << 30
_WORDS = {
    Absent: "absent",
    NotApplicable: "not-applicable",
    Truncated: "truncated",
    Undetermined: "undetermined",
    Unparsable: "unparsable",
}
# AUDIT_ARCH_* -> clone, fork, vfork, clone3
_STARTING: dict[str, dict[int, tuple[int, ...]]] = {
    "x86_64": {0xC000003E: (56, 57, 58, 435), 0x40000003: (120, 2, 190, 435)},
    "aarch64": {0xC00000B7: (220, 435), 0x40000028: (120, 2, 190, 435)},
}
_parsed: dict[tuple[str, str, int, str], bytes] = {}
"""What texts were parsed to, pickled: each observation gets values of its own, whatever another did to its own."""


def serve() -> None:
    """Answer questions, one line of JSON each, until nobody asks any more."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("r+b") as nothing:
        for number in (0, 1):  # what a check prints or reads is not part of the talk
            os.dup2(nothing.fileno(), number)
    _limit()
    ours = os.getpid()
    for line in questions:
        signal.setitimer(signal.ITIMER_REAL, 4 * LIMIT_S)  # ends this process, even where nobody is left to do it
        question = json.loads(line)
        told = _answer(question)
        if os.getpid() != ours:
            os._exit(0)  # a process that the check made answers nothing
        _tell(answers, {**told, "number": question["number"]})
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit() -> None:
    """Bounded memory, no file of any size, and no process or thread: a check writes and starts nothing."""
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    memory = MAX_MEMORY_BYTES if most == resource.RLIM_INFINITY else min(most, MAX_MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(2000)
    if jail.is_supported():
        with contextlib.suppress(OSError):  # a system that allows no filters; what is left behind is ended with us
            jail.forbid(_STARTING[platform.machine()])


def _tell(answers: BinaryIO, told: dict[str, Any]) -> None:
    answers.write(json.dumps(told).encode() + b"\n")
    answers.flush()


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    if "observe" not in question:
        try:
            return {"checks": _described(question)}
        except UsageError as error:
            return {"wrong": str(error).partition("cannot be imported: ")[2] or str(error)}
        except Exception as error:  # noqa: BLE001 - whatever a module of somebody else raises is told, not passed on
            return {"wrong": f"{type(error).__name__}: {error}"}
    try:
        return {"observed": plain_observed(_observe(question))}
    except tuple(_WORDS) as error:
        return {"raised": _WORDS[type(error)], "text": str(error)}
    except MemoryError:
        return {"raised": "bug", "text": f"it needed more memory than {MAX_MEMORY_BYTES >> 20} MiB"}
    except Exception:  # noqa: BLE001 - a check's bug is told as one
        return {"raised": "bug", "text": traceback.format_exc(limit=-3)[-3000:]}


@lru_cache
def _module(id: str, file: str, name: str) -> ModuleType:
    return importlib.import_module(name) if name else catalogue.import_file(id, Path(file))


def _module_of(question: dict[str, Any]) -> ModuleType:
    return _module(question["module"], question["file"], question["name"])


def _refuse_twice(file: Path) -> None:
    """Raise UsageError where two functions are decorated with one id: Python would take the last and say nothing."""
    seen: dict[str, int] = {}
    for node in ast.parse(file.read_bytes()).body:
        for one in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            if isinstance(one, ast.Call) and one.args and isinstance(one.args[0], ast.Constant):
                id = str(one.args[0].value)
                if id in seen:
                    raise UsageError(
                        f"line {node.lineno}: the check {id!r} stands there twice; first on line {seen[id]}"
                    )
                seen[id] = node.lineno


def _described(question: dict[str, Any]) -> dict[str, Any]:
    found = {}
    module = _module_of(question)
    file = Path(question["file"])
    if file.suffix == ".py":
        _refuse_twice(file)
    for name, one in vars(module).items():
        if isinstance(one, Check):
            scalars, mapping = catalogue.returns(one)
            accepted = checking.accepts(one)
            found[name] = {
                "id": one.id,
                "doc": one.doc,
                "probes": [plain_probe(fact.probe) for fact in one.facts],
                "parameters": {each: needed for each, needed in checking.parameters(one).items() if each in accepted},
                "returns": [kind.__name__ for kind in scalars],
                "mapping": mapping,
            }
    return found


def _observe(question: dict[str, Any]) -> Any:
    check = getattr(_module_of(question), question["observe"])
    values = []
    for number, (fact, text) in enumerate(zip(check.facts, question["texts"], strict=True)):
        place = (question["module"], question["observe"], number, text)
        kept = _parsed.get(place)
        values.append(_parse(fact, text, place) if kept is None else pickle.loads(kept))  # noqa: S301 - our own
    return check.observe(*values, **question["given"])


def _parse(fact: Fact[Any], text: str, place: tuple[str, str, int, str]) -> Any:
    """The value of a text, kept for the next one who asks where it can be; Unparsable where it has none."""
    try:
        value = fact.parse(text)
    except (ValueError, LookupError, RecursionError) as error:
        raise Unparsable(str(error)[:300] or type(error).__name__) from error
    if len(_parsed) > 64:
        _parsed.clear()
    with contextlib.suppress(pickle.PicklingError, TypeError, AttributeError, RecursionError):
        _parsed[place] = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return value
