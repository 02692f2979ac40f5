"""Installed packages, as dpkg's own database says."""

from __future__ import annotations

from collections.abc import Mapping

from scanner import Fact, Unparsable, check, parse, sh


def database(text: str) -> Mapping[str, str]:
    """'ii \\tbash\\t5.2.15-2+b8\\nrc \\told\\t1\\n' -> {'bash': '5.2.15-2+b8'}: unpacked and not removed.

    The second letter is the state: n and c have no files but configuration. Source: dpkg-query(1).
    """
    rows = list(parse.table(text, 3, "\t"))
    if not rows:  # dpkg at least is installed wherever it answers
        raise Unparsable("there is no package in it")
    return {name: version for status, name, version in rows if status[1:2] not in {"n", "c"}}


PACKAGES = Fact(
    sh(r"dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n'", of="dpkg-query", max_bytes=4 << 20),
    database,
)


@check("linux.packages.installed", PACKAGES)
def installed(found: Mapping[str, str], names: list[str]) -> list[str]:
    """Those of `names` that are installed; a package that was removed and left its configuration is not."""
    return [name for name in names if name in found]
