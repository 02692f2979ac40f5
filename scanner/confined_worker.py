"""The other side of scanner.confined: imports a folder's modules and runs their checks, within limits of its own."""

from __future__ import annotations

import json
import os
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
from .model import Check

MAX_MEMORY_BYTES = 1 << 30
_WORDS = {
    Absent: "absent",
    NotApplicable: "not-applicable",
    Truncated: "truncated",
    Undetermined: "undetermined",
    Unparsable: "unparsable",
}
_parsed: dict[tuple[str, str, int, str], Any] = {}


def serve() -> None:
    """Answer questions, one line of JSON each, until nobody asks any more."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("r+b") as nothing:
        for number in (0, 1):  # what a check prints or reads is not part of the talk
            os.dup2(nothing.fileno(), number)
    _limit()
    for line in questions:
        signal.setitimer(signal.ITIMER_REAL, 4 * LIMIT_S)  # ends this process, even where nobody is left to do it
        _tell(answers, _answer(json.loads(line)))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit() -> None:
    """Bounded memory, and no file of any size: a check writes nothing."""
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    memory = MAX_MEMORY_BYTES if most == resource.RLIM_INFINITY else min(most, MAX_MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(2000)


def _tell(answers: BinaryIO, told: dict[str, Any]) -> None:
    answers.write(json.dumps(told).encode() + b"\n")
    answers.flush()


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    if "describe" in question:
        try:
            return {"checks": _described(question["describe"], Path(question["file"]))}
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
def _module(id: str, file: Path) -> ModuleType:
    return catalogue.import_file(id, file)


def _described(id: str, file: Path) -> dict[str, Any]:
    found = {}
    for name, one in vars(_module(id, file)).items():
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
    check = getattr(_module(question["module"], Path(question["file"])), question["observe"])
    values = []
    for number, (fact, text) in enumerate(zip(check.facts, question["texts"], strict=True)):
        place = (question["module"], question["observe"], number, text)
        if place not in _parsed:
            if len(_parsed) > 64:
                _parsed.clear()
            try:
                _parsed[place] = fact.parse(text)
            except (ValueError, LookupError, RecursionError) as error:
                raise Unparsable(str(error)[:300] or type(error).__name__) from error
        values.append(_parsed[place])
    return check.observe(*values, **question["given"])
