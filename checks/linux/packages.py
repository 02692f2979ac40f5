"""Installed packages, as the databases of dpkg and rpm say, whichever of them there are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scanner import Absent, Fact, Unparsable, check, parse, sh
from scanner.threats.rpm_shell import RPM

# A host of one family may have the other's tool, and then with an empty database.
LIST = (
    RPM
    + r"""
s=0
[ ! -s /var/lib/dpkg/status ] || dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n' || s=$?
rpm_ -qa --qf 'ii \t%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' || s=$?
exit "$s"
"""
)


def database(text: str) -> Mapping[str, str]:
    """'ii \\tbash\\t5.2.15-2+b8\\nrc \\told\\t1\\n' -> {'bash': '5.2.15-2+b8'}: unpacked and not removed.

    The second letter is the state: n and c have no files but configuration. Of several versions of one name the last
    is kept. Source: dpkg-query(1), rpm(8).
    """
    rows = list(parse.table(text, 3, "\t"))
    if not rows:  # the tool itself at least is a package wherever it answers
        raise Unparsable("neither dpkg nor rpm names a package; what is installed here came another way")
    if any(not re.fullmatch(r"[a-z?][a-z?A-Z]. ?", status) or "\t" in version for status, _, version in rows):
        raise Unparsable(text[:200])
    return {name: version for status, name, version in rows if status[1:2] not in {"n", "c"}}


PACKAGES = Fact(sh(LIST, timeout_s=60.0, max_bytes=4 << 20, marked=True), database)


@check("linux.packages.installed", PACKAGES)
def installed(found: Mapping[str, str], names: list[str]) -> list[str]:
    """Those of `names` that are installed; a package that was removed and left its configuration is not."""
    return [name for name in names if name in found]


@check("linux.packages.version", PACKAGES)
def version(found: Mapping[str, str], name: str) -> str:
    """The version of an installed package, as its database has it, such as 0:8.7p1-38.el9."""
    if name not in found:
        raise Absent(f"{name} is not installed")
    return found[name]
