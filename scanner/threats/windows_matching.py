"""A Windows machine × the Security Update Guide: which published flaws its build and its updates do not mend.

The build decides, where the guide names one. The list of updates is the second way: Windows leaves out what it likes,
so an update that is not listed proves nothing. What neither can tell is unknown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .guide import Affected, Update
from .guide_store import flaws_of, has_product, replaced_by
from .matching import Hit, State
from .windows import Host, same_name

Line = Literal["cumulative", "hotpatch", "unsure"]
MOST_REMEMBERED = 2_000
MAKERS = "Windows Update, WSUS or catalog.update.microsoft.com"


@dataclass(frozen=True, slots=True)
class Product:
    """What the guide says of one product. replaces: update -> those that it supersedes."""

    flaws: tuple[Affected, ...]
    replaces: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A machine as it is held against flaws. has: its updates and those that they supersede; None where not read.

    line: of updates that it takes. base: the revision of the newest cumulative update that it lists, None for none.
    """

    build: int
    revision: int | None
    listed: frozenset[str]
    has: frozenset[str] | None
    line: Line
    base: int | None


@dataclass(slots=True)
class WindowsMatcher:
    """Matches machines against the stored guide. Fleets repeat themselves: alike machines are looked up once."""

    db: sqlite3.Connection
    products: dict[str, Product] = field(default_factory=dict)
    known: dict[Host, tuple[Hit, ...]] = field(default_factory=dict)

    def watches(self, product: str) -> bool:
        """Whether the guide speaks of a product at all."""
        return bool(product) and has_product(self.db, same_name(product))

    def hits(self, host: Host) -> tuple[Hit, ...]:
        """Every flaw that is in this machine, or that nobody can tell of."""
        found = self.known.get(host)
        if found is None:
            if len(self.known) >= MOST_REMEMBERED:
                self.known.clear()
            product = self._product(same_name(host.product))
            seen = _seen(host, product)
            found = tuple(hit for flaw in product.flaws if (hit := _hit(flaw, host, seen)) is not None)
            self.known[host] = found
        return found

    def _product(self, name: str) -> Product:
        if name not in self.products:
            self.products[name] = Product(tuple(flaws_of(self.db, name)), replaced_by(self.db, name))
        return self.products[name]


def _seen(host: Host, product: Product) -> Seen:
    updates = [one for flaw in product.flaws for one in flaw.updates]
    full = {(one.kb, at) for one, at in _revisions(updates, host.build, "cumulative")}
    hot = {at for _, at in _revisions(updates, host.build, "hotpatch")}
    hotpatches = {one.kb for one in updates if one.kind == "hotpatch" and one.kb}
    listed = host.updates or frozenset()
    # an update that waits for a restart mends nothing yet
    in_force = listed - {kb for kb, at in full if host.revision is not None and at > host.revision}
    has = None if host.updates is None else in_force.union(*(product.replaces.get(kb, ()) for kb in in_force))
    line = _line(host, {at for _, at in full}, hot, listed=bool(listed & hotpatches))
    base = max((at for kb, at in full if kb in in_force), default=None)
    return Seen(host.build, host.revision, listed, has, line, base)


def _line(host: Host, full: Collection[int], hot: Collection[int], listed: bool) -> Line:
    """Which updates a machine takes. full, hot: revisions of both kinds; a full one takes the place of all before.

    A revision that the guide does not have may be that of a hotpatch which is newer than the stored guide.
    """
    if host.revision in full:
        return "cumulative"
    if host.revision in hot or listed:
        return "hotpatch"
    return "unsure" if host.hotpatchable else "cumulative"


def _revisions(updates: Iterable[Update], build: int, kind: str) -> list[tuple[Update, int]]:
    """The updates of a kind that name a revision of this very build."""
    return [(u, u.revision) for u in updates if u.kind == kind and u.build == build and u.revision is not None]


def _hit(flaw: Affected, host: Host, seen: Seen) -> Hit | None:
    """What is to be said of one flaw; None where it is mended."""
    full = _revisions(flaw.updates, seen.build, "cumulative")
    if flaw.updates and _mended(flaw.updates, full, seen):
        return None
    state, why = _state(flaw.updates, full, seen)
    kb, at = max(((u.kb, r) for u, r in full), key=lambda one: one[1], default=("", 0))
    what = f"KB{kb} (build {seen.build}.{at})" if kb else "the newest update"
    step = f"Install {what} or a later cumulative update of {host.product}, by {MAKERS}."
    if state == "reboot":
        step = f"Restart the machine: {what} is installed, and what was there before it runs."
    return Hit(
        advisory=flaw.cve,
        cves=(flaw.cve,),
        cvss=flaw.cvss,
        summary=flaw.title,
        name=host.product,
        version=host.version,
        source=host.product,
        fixed=f"{seen.build}.{min(r for _, r in full)}" if full else "",
        state=state,
        why=why,
        exploited=flaw.exploited,
        step="" if state == "no-fix" else step,
        restart=f"restart into the updates of {host.product}",
    )


def _mended(updates: Iterable[Update], full: Sequence[tuple[Update, int]], seen: Seen) -> bool:
    """Whether it is proved that one of these updates is in force."""
    for one in updates:
        here = one.build == seen.build and one.revision is not None
        listed = bool(one.kb) and one.kb in (seen.has or ())
        if not here or seen.revision is None:
            if listed:
                return True
        elif one.kind == "hotpatch" and (seen.line == "hotpatch" or listed) and (one.revision or 0) <= seen.revision:
            return True
    if not full or seen.revision is None:
        return False
    most = max(at for _, at in full)
    at_least = seen.revision if seen.line == "cumulative" else seen.base
    return at_least is not None and at_least >= most


def _state(updates: Sequence[Update], full: Sequence[tuple[Update, int]], seen: Seen) -> tuple[State, str]:
    """Of a flaw that is not proved to be mended: is it there, and if nobody can tell, why."""
    if not updates:
        return "no-fix", ""
    named = ", ".join(f"KB{one.kb}" for one in updates if one.kb) or "no update by its number"
    if seen.revision is None:
        return "incomparable", f"the revision of the build is not known, and {named} is not listed as installed"
    if not full:
        return "incomparable", f"the guide names {named}, and no build {seen.build} from which on it is mended"
    least, most = min(at for _, at in full), max(at for _, at in full)
    if any(one.kb in seen.listed and at > seen.revision for one, at in full):
        return "reboot", f"{named}: listed as installed, and build {seen.build}.{seen.revision} runs"
    hot = [at for _, at in _revisions(updates, seen.build, "hotpatch")]
    vague = any(one.kind == "hotpatch" and one.revision is None for one in updates)
    if seen.revision < least:
        if seen.line == "cumulative" or not (vague or any(at <= seen.revision for at in hot)):
            return "fix", ""
        return "incomparable", f"a hotpatch mends it below {seen.build}.{least}, and none is listed as installed"
    if seen.line == "hotpatch":
        return "incomparable", f"the machine takes hotpatches, and whether they hold {named} is not published"
    if seen.revision < most:
        return "incomparable", f"a later update for it was published since ({seen.build}.{most})"
    return (
        "incomparable",
        f"no update known here has build {seen.build}.{seen.revision}, so it may be a hotpatch that runs",
    )
