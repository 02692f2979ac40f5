"""Filter patterns of CloudWatch Logs, judged by meaning: would this pattern count that event?

Source: CloudWatch Logs User Guide, "Filter pattern syntax for JSON log events".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scanner import Unparsable

_TOKEN = re.compile(r'\s*(?:(\|\||&&|[()]|!=|>=|<=|=|>|<)|("(?:[^"\\]|\\.)*")|([^\s()=!<>&|"]+))')
MAX_CHARS = 1024  # CloudWatch's own limit
Event = Mapping[str, str]


@dataclass(slots=True)
class _Words:
    left: list[str]

    def next(self) -> str:
        if not self.left:
            raise ValueError("the pattern ends too early")
        return self.left.pop(0)

    def takes(self, word: str) -> bool:
        if self.left and self.left[0] == word:
            self.left.pop(0)
            return True
        return False


def counts(pattern: str, event: Event) -> bool:
    """counts('{ $.eventName = "Delete*" }', {'eventName': 'DeleteTrail'}) -> True. Another syntax: Unparsable.

    event: a field's dotted path -> its text; what is not named is not there, and nothing but NOT EXISTS fits it.
    """
    text = pattern.strip()
    if not text:
        return True  # an empty pattern counts every event
    if len(text) > MAX_CHARS or not (text.startswith("{") and text.endswith("}")):
        raise Unparsable(text[:200])
    try:
        words = _Words(_split(text[1:-1]))
        found = _either(words, event)
        if words.left:
            raise ValueError(words.left[0])
    except (ValueError, RecursionError) as error:
        raise Unparsable(text[:200]) from error
    return found


def _split(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        word = _TOKEN.match(text, at)
        if word is None:
            raise ValueError(text[at:])
        found.append(word.group().strip())
        at = word.end()
    return found


def _either(words: _Words, event: Event) -> bool:
    found = _both(words, event)
    while words.takes("||"):
        found = _both(words, event) or found  # the right side is read in any case
    return found


def _both(words: _Words, event: Event) -> bool:
    found = _one(words, event)
    while words.takes("&&"):
        found = _one(words, event) and found
    return found


def _one(words: _Words, event: Event) -> bool:
    if words.takes("("):
        found = _either(words, event)
        if not words.takes(")"):
            raise ValueError("a bracket is not closed")
        return found
    field = words.next()
    if not field.startswith("$."):
        raise ValueError(field)
    said = event.get(field[2:])
    operator = words.next()
    if operator in {"=", "!="}:
        wanted = words.next()
        wanted = wanted[1:-1] if wanted.startswith('"') else wanted
        return said is not None and fnmatchcase(said, wanted.replace("[", "[[]")) == (operator == "=")
    if operator == "NOT" and words.takes("EXISTS"):
        return said is None
    if operator == "EXISTS":
        return said is not None
    raise ValueError(operator)
