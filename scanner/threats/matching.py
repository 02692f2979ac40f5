"""Packages × advisories: which published flaws are in what is installed, in the distribution's own states."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, NamedTuple

from scanner.errors import Unparsable

from .packages import Installed
from .versions import key_of

State = Literal["fix", "no-fix", "ignored", "unwatched", "incomparable", "reboot"]
"""fix: an update mends it; reboot: it is installed and not yet running; ignored: of no weight to the distribution."""
_KERNEL_SOURCE = re.compile(
    r"kernel(?:-rt|-64k)?\Z|"
    r"linux(?:-(?:[0-9]|aws|azure|gcp|gke|oracle|ibm|kvm|lowlatency|raspi|hwe|oem|nvidia|meta|restricted).*)?\Z"
)
_CANDIDATES = """
SELECT n, adv.id, cves, cvss, summary, stream, fixed_text, fixed IS NULL, last, state
FROM span JOIN adv ON adv.n = span.adv
WHERE eco = ? AND pkg = ? AND (state = 'incomparable' OR first <= ? AND
      (fixed IS NULL OR fixed > ? OR last AND fixed = ? OR ? AND fixed_text NOT LIKE '%:%'))
"""


class Hit(NamedTuple):
    """One advisory that speaks of one installed package. fixed: the first version without the flaw, "" for none.

    version: of the package as the advisory names it. why: what could not be compared. A tuple: a host has thousands.
    exploited: the maker says that it is. step: how to mend it, restart: what a restart takes, where that is special.
    """

    advisory: str
    cves: tuple[str, ...]
    cvss: str
    summary: str
    name: str
    version: str
    source: str
    fixed: str
    state: State
    why: str = ""
    exploited: bool = False
    step: str = ""
    restart: str = ""


_Said = tuple[str, tuple[str, ...], str, str, str]


@dataclass(slots=True)
class Matcher:
    """Matches hosts against one stored feed. Fleets repeat themselves: each package and version is looked up once."""

    db: sqlite3.Connection
    most_remembered: int = 200_000
    seen: dict[tuple[str, str, str, str], tuple[Hit, ...]] = field(default_factory=dict)
    said: dict[int, _Said] = field(default_factory=dict)
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def watches(self, ecosystem: str) -> bool:
        """Whether the feed has any advisory for a release: none at all means that it is not watched there."""
        return self.db.execute("SELECT 1 FROM span WHERE eco = ? LIMIT 1", (ecosystem,)).fetchone() is not None

    def _scopes(self, ecosystem: str) -> tuple[str, ...]:
        """A release, and its family where records speak of all releases: 'Debian' beside 'Debian:12'."""
        if ecosystem not in self.scopes:
            family = ecosystem.partition(":")[0]
            whole = family != ecosystem and self.watches(family)
            self.scopes[ecosystem] = (ecosystem, family) if whole else (ecosystem,)
        return self.scopes[ecosystem]

    def hits(self, ecosystem: str, installed: Iterable[Installed], running: str) -> list[Hit]:
        """Every advisory that speaks of these packages, once per package and version.

        running: the running kernel's release. Of several kernels, the running and the newest one count.
        """
        packages = list(installed)
        kernels = [one for one in packages if one.kernel]
        sources = {one.source for one in kernels if one.source}
        found: dict[tuple[str, str, str], Hit] = {}
        # most packages are made of a source that others are made of too
        for one in {(each.name, each.version, each.stream): each for each in packages if not each.kernel}.values():
            if one.source not in sources and not _without_kernel(one):
                for hit in self._of(ecosystem, one):
                    found.setdefault((hit.advisory, hit.name, hit.version), hit)
        if kernels:
            for hit in self._of_kernels(ecosystem, kernels, running):
                found.setdefault((hit.advisory, hit.name, hit.version), hit)
        return list(found.values())

    def _of_kernels(self, ecosystem: str, kernels: Sequence[Installed], running: str) -> list[Hit]:
        """What the newest kernel has; and what only the running one still has, which a restart mends."""
        newest = _newest(ecosystem, kernels)
        found = list(self._of(ecosystem, newest))
        now = next((one for one in kernels if one.kernel == running), newest)
        known = {hit.advisory for hit in found}
        for hit in self._of(ecosystem, now):
            if hit.advisory not in known:
                state: State = "reboot" if hit.state in {"fix", "no-fix"} else hit.state
                found.append(_with_state(hit, state))
        return found

    def _of(self, ecosystem: str, one: Installed) -> tuple[Hit, ...]:
        place = (ecosystem, one.name, one.version, one.stream)
        known = self.seen.get(place)
        if known is None:
            if len(self.seen) >= self.most_remembered:
                self.seen.clear()
                self.said.clear()
            known = self.seen[place] = tuple(self._look_up(ecosystem, one))
        return known

    def _look_up(self, ecosystem: str, one: Installed) -> list[Hit]:
        key = key_of(ecosystem)
        try:
            if key is None:
                raise Unparsable(f"the order of versions of {ecosystem} is not known here")
            version, why = key(one.version), ""
        except Unparsable as error:
            return self._unreadable(ecosystem, one, str(error))
        # An epoch that only the package has: advisories sometimes leave it out, and then prove nothing.
        ahead = ecosystem.startswith(("AlmaLinux", "Rocky", "Red Hat")) and not version.startswith(b"\x00")
        rows = (self.db.execute(_CANDIDATES, (e, one.name, *[version] * 3, ahead)) for e in self._scopes(ecosystem))
        found: dict[str, Hit] = {}
        for number, *words, fixed, open, last, state in chain.from_iterable(rows):
            id, cves, cvss, summary, stream = self._said(number, words)
            said = _same_stream(one, fixed, stream)
            if said is False:
                continue
            reached: State = state if state != "flaw" else "no-fix" if open else "fix"
            if state == "incomparable":
                why = f"the advisory names the version {fixed!r}" if fixed else "the advisory names no version"
            elif said is None:
                reached, why = "incomparable", "the advisory does not say for which module stream it is"
            elif ahead and not open and ":" not in fixed:
                bare = key(one.version.partition(":")[2])
                if bare > key(fixed) or (bare == key(fixed) and not last):
                    continue
                reached, why = "incomparable", f"the advisory names no epoch ({fixed}), the package has one"
            hit = Hit(id, cves, cvss, summary, one.name, one.version, one.source, fixed, reached, why)
            if id not in found or _RANK[hit.state] < _RANK[found[id].state]:
                found[id] = hit
        return list(found.values())

    def _said(self, number: int, words: Sequence[str]) -> _Said:
        """The texts of an advisory, kept once however many versions of a package it speaks of."""
        known = self.said.get(number)
        if known is None:
            id, cves, cvss, summary, stream = words
            known = self.said[number] = (id, tuple(cves.split()), cvss, summary, stream)
        return known

    def _unreadable(self, ecosystem: str, one: Installed, why: str) -> list[Hit]:
        """A package whose own version has no place in the order: one hit that says so, where advisories speak of it."""
        query = "SELECT 1 FROM span WHERE eco = ? AND pkg = ? LIMIT 1"
        if not any(self.db.execute(query, (e, one.name)).fetchone() for e in self._scopes(ecosystem)):
            return []
        return [Hit("version", (), "", "", one.name, one.version, one.source, "", "incomparable", why)]


_RANK: dict[State, int] = {"fix": 0, "no-fix": 1, "reboot": 2, "incomparable": 3, "unwatched": 4, "ignored": 5}


def _with_state(hit: Hit, state: State) -> Hit:
    return hit._replace(state=state)


def _without_kernel(one: Installed) -> bool:
    """Headers, tools and metapackages of a kernel's source: they hold no kernel, so its flaws are not in them."""
    if one.name.startswith("kernel-firmware"):
        return False
    return any(_KERNEL_SOURCE.match(name) for name in (one.name, one.source)) or one.name.startswith("kernel-")


def _newest(ecosystem: str, kernels: Sequence[Installed]) -> Installed:
    key = key_of(ecosystem)

    def place(one: Installed) -> bytes:
        try:
            return key(one.version) if key else b""
        except Unparsable:
            return b""

    return max(kernels, key=place)


def _same_stream(one: Installed, fixed: str, stream: str) -> bool | None:
    """Whether an advisory is for the package's module stream; None where it does not say for which it is."""
    if not fixed:
        return None if one.stream else True
    modular, for_modules = bool(one.stream), "module" in fixed
    if modular != for_modules:
        return False
    if not modular:
        return True
    return one.stream in stream.split() if stream else None
