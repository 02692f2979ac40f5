"""Answers as they come over the wire, made by hand."""

from __future__ import annotations

from scanner.model import Reply
from scanner.probes import COUNTED


def sent(key: str, text: str) -> Reply:
    """The good answer to a question: where its lines are counted, with the count at its end."""
    counted = COUNTED.search(key)
    return Reply(text + f"Z {text.count(chr(10)) + 1} {counted[1]}\n" if counted else text)
