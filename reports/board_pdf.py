"""The board's page on paper: PDF by WeasyPrint, which is an extra."""

from __future__ import annotations

from scanner.model import Run

from . import board, pdf


def render(run: Run) -> bytes:
    """The board's page as PDF; UsageError where WeasyPrint is not installed."""
    return pdf.printed(board.render(run))
