"""Whether a text can be the answer to its own question, as far as every question of its form can tell.

Who answers may be confused, or lie: the well-formed answer to another question may come, or a part of the right one.
What a question asks stands in its key, so that old evidence is held against it as well.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from . import parse
from .errors import Unparsable
from .probes import MARKED

_FILES, _STAT, _SCRIPTS, _SERVICES = "posix:files ", "posix:stat ", "nmap:scripts ", "nmap:services"
_END = re.compile(r"\nZ ([0-9a-f]{8})\n\Z")
_DOCUMENTS = (_FILES, _STAT, _SCRIPTS, _SERVICES)


def own(key: str, text: str) -> str:
    """The text, without the mark at its end where its question asks for one.

    Raises Unparsable for a document that names what was not asked for, or that leaves out what was; and for a text
    without its end, or with that of another question.
    """
    if key.startswith(_DOCUMENTS):
        _held_against(key, parse.json(text))
    if mark := _mark(key):
        found = _END.search(text[-16:])
        if found is None:
            raise Unparsable("the end of this answer is missing")
        if found[1] != mark:
            raise Unparsable("this is the answer to another question, by its last line")
    return unmarked(key, text)


def unmarked(key: str, text: str) -> str:
    """'a\\nb\\n\\nZ 0a1b2c3d\\n' -> 'a\\nb\\n', where the question asks for such an end; whatever else as it is."""
    return _END.sub("", text) if _mark(key) else text


def _mark(key: str) -> str:
    found = MARKED.search(key) if key.startswith("posix:sh ") else None
    return found[1] if found else ""


def _held_against(key: str, document: Any) -> None:
    words = key.split(" ")[1:]
    if key.startswith(_FILES) and isinstance(document, dict):
        odd = next((path for path in document if not _asked(path, tuple(words))), None)
    elif key.startswith(_STAT) and isinstance(document, dict):
        odd = next(iter(document.keys() ^ set(words)), None)
    elif isinstance(document, list):
        names = [entry.get("script", "") for entry in document if isinstance(entry, dict)]
        odd = next((name for name in names if name not in (words or [""])), None)
    else:
        odd = None
    if odd is not None:
        raise Unparsable(f"this is the answer to another question: it speaks of {str(odd)[:150]}")


@lru_cache(maxsize=1 << 14)
def _asked(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether the shell would expand one of the patterns to the path: no wildcard matches a slash."""
    return any(path.count("/") == one.count("/") and fnmatchcase(path, one) for one in patterns)
