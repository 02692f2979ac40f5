"""`python -m scanner.register upgrade URL`: bring a shared database to this release's tables."""

from __future__ import annotations

import sys

from scanner.errors import RisklineError

from .database import open_database, upgrade


def main(words: list[str]) -> int:
    """0 done, 2 wrong usage or refused."""
    if len(words) != 2 or words[0] != "upgrade":
        sys.stderr.write("usage: python -m scanner.register upgrade URL\n")
        return 2
    try:
        upgrade(open_database(words[1]))
    except RisklineError as error:
        sys.stderr.write(f"riskline: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
