"""Answers as they come over the wire, made by hand."""

from __future__ import annotations

from scanner.model import Reply
from scanner.probes import MARKED


def sent(key: str, text: str) -> Reply:
    """The good answer to a question: where its end is marked, with the mark."""
    marked = MARKED.search(key)
    return Reply(text + f"\nZ {marked[1]}\n" if marked else text)
