"""The login notice of Ubuntu: whether a script of it asks the distributor for news."""

from __future__ import annotations

import re
import shlex

from scanner import Fact, Unparsable, check, file, parse

MAX_LINE = 4096
SETTINGS = {"ENABLED", "URLS", "WAIT"}
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=")


def enabled(text: str) -> str:
    """'# x\\nENABLED=1\\n' -> '1': the value that a shell has after reading the file; '' where none is given.

    A line that a shell would compute ($…, several commands), or that is no assignment, is unparsable, and so is a file
    of other things. Source: /etc/update-motd.d/50-motd-news.
    """
    value = ""
    lines = parse.lines(text)
    named = [found[1] for line in lines if (found := _ASSIGNMENT.match(line))]
    if len(named) < len(lines) or (lines and not SETTINGS & set(named)):
        raise Unparsable(f"nothing that the notice could be told: {lines[0][:150]}")
    for line in lines:
        found = re.match(r"(?:export\s+)?ENABLED=(.*)", line)
        if not found:
            continue
        if len(line) > MAX_LINE or re.search(r"[$`;&|<>()]", found[1]):
            raise Unparsable(line[:200])
        try:
            value = "".join(shlex.split(found[1])[:1])
        except ValueError as error:  # a quote that is never closed
            raise Unparsable(line[:200]) from error
    return value


NEWS = Fact(file("/etc/default/motd-news"), enabled)


@check("linux.motd.fetches_news", NEWS)
def fetches_news(found: str) -> bool:
    """Whether the script that fetches news is told to: it does for the very word 1 alone."""
    return found == "1"
