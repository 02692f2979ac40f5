"""The known flaws of a Windows machine as findings: of Windows itself, by Microsoft's own monthly list. Pure."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, TypeVar

from scanner.model import Asset, Control, Evidence, Fact, Finding, Outcome

from . import windows
from .controls import COVERED, STANDING, WATCHED
from .said import Missing, clean, fact_of, finding_of, said, unwatched, watched
from .windows import Host

if TYPE_CHECKING:
    from .findings import Threats

T = TypeVar("T")
_BESIDE = "what runs on Windows"
_NOT_SEEN = (
    ".NET Framework, Office, Exchange, SQL Server, browsers and the like have updates of their own, not looked up"
)


def host_of(evidence: Evidence) -> Host:
    """The machine as its visit tells. Missing where it does not say which Windows it is."""
    build, installation = fact_of(evidence, windows.BUILD), fact_of(evidence, windows.INSTALLATION)
    client = installation == "Client"
    processor = fact_of(evidence, windows.PROCESSOR) if client else ""
    edition = _or_nothing(evidence, windows.EDITION) or ""
    product = windows.product_of(build, installation, processor)
    release = windows.release_of(build, installation, edition)
    revision, updates = _or_nothing(evidence, windows.REVISION), _or_nothing(evidence, windows.UPDATES)
    return Host(product, release, build, revision, updates, windows.may_be_hotpatched(build, edition))


def _or_nothing(evidence: Evidence, fact: Fact[T]) -> T | None:
    try:
        return fact_of(evidence, fact)
    except Missing:
        return None


def windows_there(evidence: Evidence) -> tuple[str, str, frozenset[str]]:
    """(product, its release, {'product build'}) of a machine; empty where evidence does not say."""
    try:
        host = host_of(evidence)
    except Missing:
        return "", "", frozenset()
    return host.product, host.release, frozenset({f"{host.product} {host.version}"})


def of_windows(asset: Asset, evidence: Evidence, feed: Threats, today: date) -> tuple[list[Control], list[Finding]]:
    """The controls and findings of one Windows machine."""
    try:
        host = host_of(evidence)
    except Missing as missing:
        return list(STANDING), [said(asset, WATCHED, Outcome.UNKNOWN, missing.reason, detail=missing.detail)]
    fresh = _watched(asset, host, feed, today)
    found = [fresh, said(asset, COVERED, Outcome.UNKNOWN, "not-covered", _BESIDE, detail=_NOT_SEEN)]
    controls: dict[str, Control] = {}
    if feed.guide is not None and feed.guide[1].watches(host.product):
        unsure = _unsure(asset, evidence, host)
        found += unsure
        blind = host.revision is None and host.updates is None
        for hit in () if blind else feed.guide[1].hits(host):
            control = feed.control(hit)
            controls[control.id] = control
            found.append(finding_of(asset, control, hit))
    found.append(clean(asset, fresh, found))
    return [*STANDING, *controls.values()], found


def _watched(asset: Asset, host: Host, feed: Threats, today: date) -> Finding:
    if not host.product:
        why = f"build {host.build} is no Windows whose flaws are looked up here"
        return said(asset, WATCHED, Outcome.UNKNOWN, "not-covered", detail=why)
    if feed.guide is None or not feed.guide[1].watches(host.product):
        return unwatched(asset, host.product, feed)
    return watched(asset, host.product, feed.ends(host.release), feed.guide[0], feed, today)


def _unsure(asset: Asset, evidence: Evidence, host: Host) -> list[Finding]:
    """That the revision is not known, and why: the build alone tells nothing of updates."""
    if host.revision is not None:
        return []
    try:
        fact_of(evidence, windows.REVISION)
    except Missing as missing:
        why = f"the revision of build {host.build} is not known: {missing.detail or missing.reason}"
        return [said(asset, COVERED, Outcome.UNKNOWN, missing.reason, "revision", detail=why)]
    return []
