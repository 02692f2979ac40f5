"""Known flaws as findings of one made-up baseline, `vulnerabilities`: pure, from stored evidence and stored feeds.

One finding per advisory and package; what one upgrade mends has one root cause. Ranked above every list: a release or a
package that nobody watches any more, a feed too old to say "no known flaws", a package that no advisory speaks of.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from types import TracebackType

from scanner.model import Asset, Control, Evidence, Fact, Finding, Outcome

from . import packages, store
from .controls import CLEAN, COVERED, STANDING, WATCHED, control_of
from .matching import Hit, Matcher
from .packages import Installed
from .reading import FeedRefused
from .said import Missing, clean, fact_of, finding_of, said, unwatched, watched
from .support import ENDS, free_until, product_of
from .windows import UPDATES
from .windows_findings import of_windows, windows_there
from .windows_matching import WindowsMatcher

LIMIT_DAYS = 7
MOST_REMEMBERED = 20_000


@dataclass(slots=True)
class Threats:
    """All stored feeds, open for reading. now: the instant by which their age is judged. Use as a context.

    exploited: CVE -> the day it was listed. damaged: feed -> why it cannot be read; it is left out.
    """

    folder: Path
    now: datetime
    limit_days: float = LIMIT_DAYS
    standings: dict[str, store.Standing] = field(default_factory=dict)
    matchers: dict[str, Matcher] = field(default_factory=dict)
    exploited: dict[str, str] = field(default_factory=dict)
    endings: dict[tuple[str, str], tuple[str | None, str | None]] = field(default_factory=dict)
    guide: tuple[str, WindowsMatcher] | None = None
    epss: sqlite3.Connection | None = None
    damaged: dict[str, str] = field(default_factory=dict)
    controls: dict[tuple[str, ...], Control] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def digests(self) -> dict[str, str]:
        """Feed -> SHA-256 of its stored list: what a run was judged by."""
        found = {}
        for name in self.standings:
            with store.path_of(self.folder, name).open("rb") as stored:
                found[name] = hashlib.file_digest(stored, "sha256").hexdigest()
        return found

    def __enter__(self) -> Threats:
        for name in store.stored(self.folder):
            try:
                self._take(name)
            except (FeedRefused, sqlite3.DatabaseError) as error:
                self.standings.pop(name, None)
                self.damaged[name] = str(error)
        return self

    def _take(self, name: str) -> None:
        found = store.standing(self.folder, name)
        if found is None:
            return
        self.standings[name] = found
        db = self._open.enter_context(store.opened(store.path_of(self.folder, name)))
        if found.form == "osv":
            self.matchers[name] = Matcher(db)
        elif found.form == "kev":
            self.exploited = dict(db.execute("SELECT cve, substr(added, 1, 10) FROM kev"))
        elif found.form == "epss":
            self.epss = db
        elif found.form == "guide":
            self.guide = name, WindowsMatcher(db)
        else:
            self.endings = {(row[0], row[1]): (row[2], row[3]) for row in db.execute("SELECT * FROM ends")}

    @property
    def model(self) -> str:
        """The version of the model that the chances are from; numbers of two models cannot be compared."""
        return next((one.model for one in self.standings.values() if one.form == "epss"), "")

    def ends(self, ecosystem: str) -> date | None:
        """The last day with free security updates of a release; None where that is not known."""
        told = self.endings.get(product_of(ecosystem))
        if told is None:
            return ENDS.get(ecosystem)
        day, extended = (date.fromisoformat(one) if one else None for one in told)
        return free_until(ecosystem, day, extended)

    def lists_said(self) -> str:
        """The age of what likelihood is told from: '; kev until 2026-11-20, fetched 1 days ago; no epss'."""
        told = ""
        for form in ("kev", "epss"):
            one = next((each for each in self.standings.values() if each.form == form), None)
            age = f"fetched {one.age_days(self.now):.0f} days ago" if one else ""
            told += f"; {form} until {one.newest_at:%Y-%m-%d}, {age}" if one else f"; no {form} list"
        return told + "".join(f"; {name} cannot be read" for name in self.damaged)

    def chances(self, cves: Iterable[str]) -> dict[str, float]:
        """CVE -> its chance of exploitation within 30 days, of those that have one: the list holds 300,000."""
        if self.epss is None:
            return {}
        rows = ((cve, self.epss.execute("SELECT chance FROM epss WHERE cve = ?", (cve,)).fetchone()) for cve in cves)
        return {cve: row[0] for cve, row in rows if row is not None}

    def control(self, hit: Hit) -> Control:
        """What an advisory says of a package as a control; hosts share it, whichever version each of them has."""
        about = (hit.advisory, hit.name, hit.source, hit.fixed, hit.state, hit.step)
        known = self.controls.get(about)
        if known is None:
            if len(self.controls) >= MOST_REMEMBERED:
                self.controls.clear()
            known = self.controls[about] = control_of(hit, self.exploited, self.chances(hit.cves), self.model)
        return known

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()


def findings(asset: Asset, evidence: Evidence, feed: Threats, today: date) -> tuple[list[Control], list[Finding]]:
    """The controls and findings of one asset's known flaws; both empty where its packages were never asked for."""
    try:
        return _findings(asset, evidence, feed, today)
    except sqlite3.DatabaseError as error:
        why = f"a stored feed cannot be read to its end ({error}); run `riskline feeds update`"
        return _both([said(asset, WATCHED, Outcome.UNKNOWN, "feed-damaged", detail=why)])


def _findings(asset: Asset, evidence: Evidence, feed: Threats, today: date) -> tuple[list[Control], list[Finding]]:
    if UPDATES.probe.key in evidence.replies:
        return of_windows(asset, evidence, feed, today)
    if not any(one.probe.key in evidence.replies for one in _MANAGERS.values()):
        return [], []
    try:
        release = fact_of(evidence, packages.RELEASE)
        manager = _manager(evidence, release)
        installed: tuple[Installed, ...] = fact_of(evidence, _MANAGERS[manager])
        if not installed:
            raise Missing("undetermined", f"{manager} lists no package at all")
    except Missing as missing:
        return _both([said(asset, WATCHED, Outcome.UNKNOWN, missing.reason, detail=missing.detail)])
    elsewhere, unsure = _elsewhere(asset, evidence, installed, release, manager)
    ecosystem = packages.ecosystem(release)
    installed = tuple(packages.as_advisories_name(installed, ecosystem))
    fresh, matcher = _watched(asset, ecosystem, release, feed, today)
    found = [fresh, *unsure]
    controls: dict[str, Control] = {}
    own = [one for one in installed if one.binary not in elsewhere]
    if matcher is not None:
        running, doubts = _running(asset, evidence, own)
        found += doubts
        told: dict[str, Finding] = {}
        for hit in matcher.hits(ecosystem, own, running):
            control = feed.control(hit)
            controls[control.id] = control
            before = told.get(control.id)  # of packages of one source, some may be older than others
            if before is None:
                told[control.id] = finding_of(asset, control, hit)
            else:
                told[control.id] = replace(before, detail=f"{before.detail} (also {hit.version})")
        found += told.values()
    if own:
        found.append(clean(asset, fresh, found))
    else:
        why = "all that is installed comes from elsewhere: no advisory here speaks of it"
        found.append(said(asset, CLEAN, Outcome.UNKNOWN, "not-covered", detail=why))
    return [*STANDING, *controls.values()], found


def _running(asset: Asset, evidence: Evidence, own: Sequence[Installed]) -> tuple[str, list[Finding]]:
    """The running kernel's release ("" where it is not known), and what is to be said where no package here is it."""
    kernels = {one.kernel for one in own if one.kernel}
    try:
        running = fact_of(evidence, packages.RUNNING)
    except Missing as missing:
        why = "the running kernel is not known; the newest installed one was judged"
        doubt = said(asset, COVERED, Outcome.UNKNOWN, missing.reason, "kernel", detail=why)
        return "", [doubt] if kernels else []
    if not running or not kernels or running in kernels:
        return running, []
    why = f"the running kernel {running} comes from none of the installed packages"
    return running, [said(asset, COVERED, Outcome.UNKNOWN, "not-covered", "kernel", detail=why)]


_MANAGERS: Mapping[str, Fact[tuple[Installed, ...]]] = {
    "dpkg": packages.DPKG_PACKAGES,
    "rpm": packages.RPM_PACKAGES,
    "apk": packages.APK_PACKAGES,
}


def _manager(evidence: Evidence, release: Mapping[str, str]) -> str:
    """The package manager of a host: that of its distribution, for others may be installed beside it."""
    own = packages.MANAGERS.get(release.get("ID", ""))
    if own is not None:
        return own
    there = [name for name, one in _MANAGERS.items() if one.probe.key in evidence.replies]
    return next((name for name in there if evidence.replies[_MANAGERS[name].probe.key].problem != "absent"), there[0])


def what_is_there(evidence: Evidence) -> tuple[str, str, frozenset[str]]:
    """(release for people, its ecosystem, {'package version', …}) of an asset; empty where evidence does not say."""
    if UPDATES.probe.key in evidence.replies:
        return windows_there(evidence)
    try:
        release = fact_of(evidence, packages.RELEASE)
    except Missing:
        return "", "", frozenset()
    has: set[str] = set()
    ecosystem = packages.ecosystem(release)
    for fact in _MANAGERS.values():
        try:
            listed = fact_of(evidence, fact)
        except Missing:
            continue
        has |= {f"{one.name} {one.version}" for one in packages.as_advisories_name(listed, ecosystem)}
    return f"{release.get('ID', '?')} {release.get('VERSION_ID', '?')}", ecosystem, frozenset(has)


def _both(found: list[Finding]) -> tuple[list[Control], list[Finding]]:
    return list(STANDING), found


_ARCHIVES: Mapping[str, str] = {
    **{name: name for name in ("Debian", "Ubuntu", "AlmaLinux", "SUSE", "openSUSE", "Alpine")},
    "Rocky Linux": "Rocky",
    "Red Hat": "RedHat",
}
"""Family of releases -> the feed that holds all that is published of it."""


def _watched(
    asset: Asset, ecosystem: str, release: Mapping[str, str], feed: Threats, today: date
) -> tuple[Finding, Matcher | None]:
    """Whether "nothing is known" would mean anything here, and by which feed."""
    name = f"{release.get('ID', '?')} {release.get('VERSION_ID', '?')}"
    for key, matcher in feed.matchers.items():
        # SUSE's archive holds what its advisories say of openSUSE too, and not what openSUSE's own say
        foreign = key in _ARCHIVES.values() and key != _ARCHIVES.get(ecosystem.partition(":")[0])
        if ecosystem and not foreign and matcher.watches(ecosystem):
            return watched(asset, name, feed.ends(ecosystem), key, feed, today), matcher
    return unwatched(asset, name, feed), None


def _elsewhere(
    asset: Asset, evidence: Evidence, installed: Sequence[Installed], release: Mapping[str, str], manager: str
) -> tuple[dict[str, str], list[Finding]]:
    """Packages that the distribution's advisories do not speak of, and what is to be said of that."""
    doubt, offered = "", None
    try:
        if manager == "apk":
            places: tuple[str, ...] = fact_of(evidence, packages.APK_REPOSITORIES)
            foreign = packages.foreign_repositories(places, release)
            doubt = f"packages may also come from {', '.join(foreign)[:200]}" if foreign else ""
            elsewhere: dict[str, str] = {}
        else:
            offered = fact_of(evidence, packages.OFFERS) if manager == "dpkg" else None
            elsewhere = packages.from_elsewhere(installed, release, offered)
    except Missing as missing:
        why = f"where packages come from is not known: {missing.detail}"
        return {}, [said(asset, COVERED, Outcome.UNKNOWN, missing.reason, detail=why)]
    if offered is not None and not offered:
        doubt = "this host holds no package lists, so where its packages come from is not known; run `apt update`"
    if doubt:
        return elsewhere, [said(asset, COVERED, Outcome.UNKNOWN, "undetermined", detail=doubt)]
    told = [
        said(asset, COVERED, Outcome.UNKNOWN, "not-covered", name, detail=f"{why}: no advisory here speaks of it")
        for name, why in elsewhere.items()
    ]
    return elsewhere, told or [said(asset, COVERED, Outcome.PASS, observed=f"{len(installed)} packages")]
