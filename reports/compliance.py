"""The compliance matrix: per framework every requirement with what was judged of it, as one page without a script."""

from __future__ import annotations

from itertools import groupby

from scanner.model import Run

from . import coverage, frameworks, page
from .plain_words import share

MARKS = {"pass": "passed", "fail": "FAILED", "unknown": "UNKNOWN", "not-applicable": "not applicable"}


def render(run: Run) -> bytes:
    """One HTML page in UTF-8 that loads nothing."""
    found = frameworks.requirements(run)
    style = page.own("report.css")
    made = page.template("compliance.html.j2").render(
        run=run,
        rates=[(rate, share(rate.passed, rate.asked)) for rate in frameworks.rates(found)],
        groups=[
            (frameworks.NAMES.get(name, name), of, list(members))
            for (name, of), members in groupby(found, key=lambda one: (one.framework, one.of))
        ],
        uncovered=[
            (frameworks.NAMES[name], len(coverage.REQUIREMENTS[name]), numbers)
            for name, numbers in coverage.not_covered(found).items()
        ],
        marks=MARKS,
        style=style,
        policy=page.content_policy(style),
    )
    return str(made).encode("utf-8", errors="backslashreplace")
