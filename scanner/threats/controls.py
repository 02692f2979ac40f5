"""What published flaws are as controls: their weight, what mends them, and what else is asked of every asset. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from scanner.errors import Unparsable
from scanner.model import Control, Effect, Level, Vector
from scanner.scoring import deadlines, vulnerability

from .matching import Hit

WATCHED = "advisories-are-fresh"
COVERED = "packages-are-covered"
CLEAN = "no-known-flaws"
_COMMANDS = {
    **dict.fromkeys(("DEBIAN", "DSA", "DLA", "UBUNTU", "USN"), "`apt update && apt upgrade`"),
    **dict.fromkeys(("ALSA", "RHSA", "RLSA", "RXSA"), "`dnf upgrade`"),
    **dict.fromkeys(("SUSE", "OPENSUSE"), "`zypper patch`"),
    "ALPINE": "`apk upgrade`",
}
_NO_NAME = re.compile(r"[^A-Za-z0-9.+:~_-]+")


def control_of(hit: Hit, exploited: Mapping[str, str], told: Mapping[str, float], model: str) -> Control:
    """An advisory about one package as a control. Without a CVSS vector: over the network, partial effect, assumed.

    exploited: CVE -> the day it was listed. told: of its flaws, CVE -> the chance of exploitation that `model` gives.
    """
    label = ", ".join(hit.cves[:3]) or hit.advisory
    exploit, vector, effect = _weight(hit, exploited, told)
    _, _, _, automatable, total = _severity(hit.cvss)
    listed = min((exploited[cve] for cve in hit.cves if cve in exploited), default="")
    return Control(
        id=f"{hit.advisory}/{_NO_NAME.sub('-', hit.name).strip('-')}" + _ENDINGS.get(hit.state, f"/{hit.state}"),
        title=f"{hit.name} has no flaw {label}",
        why=_line(hit.summary) or f"{label} is a published flaw.",
        fix=_fix(hit),
        vector=vector,
        exploit=exploit,
        effect=effect,
        root_cause=_cause(hit),
        effort="minutes" if hit.state != "no-fix" else "days",
        references={
            "cve": hit.cves,
            "advisory": (hit.advisory,),
            **deadlines.references(listed, automatable, total, estimated=True),
            **_chance(told, model),
        },
    )


_ENDINGS = {"reboot": "/reboot", "fix": ""}


def _cause(hit: Hit) -> str:
    if hit.state == "reboot":
        return hit.restart or "restart into the newest kernel"
    return f"{'no fix for' if hit.state == 'no-fix' else 'upgrade'} {hit.source}"


def _fix(hit: Hit) -> str:
    if hit.step:
        return hit.step
    if hit.state == "reboot":
        return "Restart the machine: the mended kernel is installed, the old one runs."
    if not hit.fixed or hit.state != "fix":
        return f"There is no update yet: limit who can reach what uses {hit.source}, or do without it."
    return f"Upgrade {hit.source} to {hit.fixed} or later, by {_by(hit.advisory)}."


def _by(advisory: str) -> str:
    """The command of the distribution that an advisory is from, by the beginning of its id."""
    return _COMMANDS.get(advisory.partition("-")[0].upper(), "the system's package manager")


def _chance(told: Mapping[str, float], model: str) -> dict[str, tuple[str, ...]]:
    """The highest chance of exploitation of its flaws, and the model that gave it: {'epss': ('0.00043', 'v2025…')}."""
    if not told:
        return {}
    most = f"{max(told.values()):.6g}"
    return {deadlines.EPSS: (most, model) if model else (most,)}


def _weight(hit: Hit, exploited: Mapping[str, str], told: Mapping[str, float]) -> tuple[Level, Vector, Effect]:
    attacked = hit.exploited or any(cve in exploited for cve in hit.cves)
    chance = max(told.values(), default=None)
    by_cvss, vector, effect, *_ = _severity(hit.cvss)
    known = attacked or chance is not None
    return vulnerability.exploit(attacked, chance, {}) if known else by_cvss, vector, effect


@lru_cache(maxsize=1 << 14)
def _severity(cvss: str) -> tuple[Level, Vector, Effect, bool, bool]:
    """What a CVSS vector says: exploit level, way, effect, automatable, total. There are far fewer than flaws."""
    try:
        found = vulnerability.metrics(cvss)
    except Unparsable:
        return 3, "network", Effect(), *deadlines.automatable_and_total({})
    level = vulnerability.exploit(False, None, found)
    answers = deadlines.automatable_and_total(found)
    return level, vulnerability.vector(found), vulnerability.effect(found), *answers


def _line(text: str) -> str:
    line = " ".join(text.split())
    return text if line == text else line  # the advisory's own text, held once


STANDING: tuple[Control, ...] = (
    Control(
        id=WATCHED,
        title="Fresh advisories exist for what is installed",
        why="A flaw that nobody reports any more is there all the same.",
        fix="Run `riskline feeds update`; move to a release that still gets security updates.",
        root_cause="vulnerabilities.watched",
    ),
    Control(
        id=COVERED,
        title="Every package comes from where advisories speak of it",
        why="Flaws of packages from other places are published elsewhere, or not at all.",
        fix="Follow the announcements of whoever makes the package, or install the distribution's own.",
        root_cause="vulnerabilities.covered",
    ),
    Control(
        id=CLEAN,
        title="No flaw is known in what the advisories cover",
        why="Attackers try published flaws first.",
        fix="Install the updates named by the other findings.",
        root_cause="vulnerabilities.clean",
    ),
)
"""The three controls that every asset has."""
