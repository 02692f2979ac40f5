"""Print the part of dev.lock that Riskline itself needs to run, hashes included: what its bill of materials is made of.

    python requirements/runtime.py [EXTRA…] >runtime.txt

Needs an environment with Riskline installed (`make audit` makes one); nothing is fetched.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).with_name("dev.lock")


def needed(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Canonical names of everything that a distribution needs here, itself included."""
    found: set[str] = set()
    waiting = [(canonicalize_name(name), extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        found.add(one[0])
        for line in metadata.requires(one[0]) or ():
            asked = Requirement(line)
            if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *one[1])):
                waiting.append((canonicalize_name(asked.name), frozenset(asked.extras)))
    return found


def pinned(text: str) -> dict[str, str]:
    """'a==1 \\\\\\n  --hash=sha256:…\\n' -> {'a': that text}: a lock file's entries by canonical name."""
    entries = re.findall(r"^([A-Za-z0-9._-]+)==\S+(?:[^\n]*\\\n)(?:[ \t]+[^\n]*\n)*", text, re.MULTILINE)
    whole = re.finditer(r"^[A-Za-z0-9._-]+==[^\n]*\n(?:[ \t]+[^\n]*\n)*", text, re.MULTILINE)
    return {canonicalize_name(name): match[0] for name, match in zip(entries, whole, strict=True)}


def runtime(extras: frozenset[str] = frozenset()) -> str:
    """The lock file's entries for Riskline's own needs. LookupError names one that is not locked."""
    known = pinned(LOCK.read_text())
    missing = needed("riskline", extras) - set(known) - {"riskline"}
    if missing:
        raise LookupError(f"not in {LOCK.name}: {', '.join(sorted(missing))}")
    return "".join(known[name] for name in sorted(needed("riskline", extras) - {"riskline"}))


if __name__ == "__main__":
    sys.stdout.write(runtime(frozenset(sys.argv[1:])))
