"""What the facts of several visits say together: looks at a host, shared keys, unknown addresses, changed keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from ipaddress import ip_address

from scanner.addresses import target
from scanner.errors import UsageError
from scanner.model import Asset, Finding, Inventory, Outcome
from scanner.viewpoints import MARK, ZONES

from .joining import Hit, Joined, doubts, of_host, told, unknown
from .keys import Key
from .outside import Outside, Shown, View
from .rules import BASELINE, OF_KEYS, OF_LOOKS, RULES
from .sights import Sight

Resolve = Callable[[str], frozenset[str]]
"""A host name -> its addresses; empty where it has none."""
WAITING = "not-collected: the visits of other assets are not all in"
MOST_REMEMBERED = 5000
RENEWAL = timedelta(days=45)
"""How long before its end a certificate may be replaced by another of the same authority without a question."""
_FIRST = re.compile(r"(SHA256:[A-Za-z0-9+/]{43}) since (\d{4}-\d\d-\d\d)(?: until (\d{4}-\d\d-\d\d))?(?: by (.*))?\Z")


def together(*parts: Joined) -> Joined:
    """Several results about one asset as one."""
    controls = {key: control for part in parts for key, control in part.controls.items()}
    seen = {id: zone for part in parts for id, zone in part.seen_from.items()}
    return Joined(tuple(finding for part in parts for finding in part.findings), controls, seen)


def own_views(host: Sight) -> tuple[list[View], list[str]]:
    """The looks at an asset that it ordered itself, and why one of them is not complete."""
    found = host.outside
    if found is None:
        return [], []
    if found.problem:
        return [], [f"{found.problem}: {found.detail}"]
    own = host.listening.addresses if host.listening else frozenset()
    views = [view for view in found.views if view.named or view.address in own]
    return views, list(found.missed.values())


# ── one look compared with the ones before it ────────────────────────────────────────────────────────────────────────


def of_look(host: Sight, first: Mapping[str, Finding], today: date) -> Joined:
    """Whether certificates and host keys are those first seen. first: subject -> what the last visit said of it."""
    look = host.outside
    if look is None or host.asset.network is None:
        return Joined()
    rule = "key-unchanged"
    if look.problem:
        why = f"{look.problem}: {look.detail}"
        kept = [_of(host, rule, Outcome.UNKNOWN, look.problem, at, _written(one), why) for at, one in _held(first)]
        return told(host, [*(unknown(host, each, why) for each in (rule, "unknown-asset")), *kept], [])
    allowed = frozenset(host.asset.network.fingerprints)
    quiet, hits = list[Finding](), list[Hit]()
    for shown in look.shown:
        said = _compared(host, shown, first.get(shown.subject), allowed, today)
        quiet += [said] if isinstance(said, Finding) else []
        hits += [said] if isinstance(said, Hit) else []
    quiet += _not_shown(host, look, first)
    if not quiet and not hits:
        quiet = [_of(host, rule, Outcome.NOT_APPLICABLE, "no port shows a certificate or a host key")]
    if not _blocks(host.asset):
        why = "hosts are looked for in blocks of addresses, and it names none"
        quiet.append(_of(host, "unknown-asset", Outcome.NOT_APPLICABLE, why))
    zone = ZONES.get(host.asset.network.viewpoint)
    return replace(told(host, quiet, hits), seen_from=dict.fromkeys(OF_LOOKS, zone) if zone else {})


@dataclass(frozen=True, slots=True)
class _First:
    """What was first seen: fingerprint, the day, and of a certificate its last day and its authority."""

    fingerprint: str
    since: str
    until: str
    issuer: str


def _known(finding: Finding | None) -> _First | None:
    match = _FIRST.search(finding.observed) if finding is not None else None
    return _First(match[1], match[2], match[3] or "", match[4] or "") if match else None


def _held(first: Mapping[str, Finding]) -> Iterator[tuple[str, _First]]:
    """What is remembered, by subject; so many that a network of many services does not grow a visit without end."""
    for subject, finding in list(first.items())[:MOST_REMEMBERED]:
        known = _known(finding)
        if known is not None:
            yield subject, known


def _compared(host: Sight, shown: Shown, before: Finding | None, allowed: frozenset[str], today: date) -> Finding | Hit:
    first = _known(before)
    now = _written(_First(shown.fingerprint, f"{today}", shown.until, shown.issuer))
    if shown.fingerprint in allowed:
        return _of(host, "key-unchanged", Outcome.PASS, "", shown.subject, now, "the inventory lists this fingerprint")
    if first is None:
        return _of(host, "key-unchanged", Outcome.PASS, "", shown.subject, now, "seen for the first time")
    if first.fingerprint == shown.fingerprint:
        return _of(host, "key-unchanged", Outcome.PASS, "", shown.subject, _written(first))
    if _renewed(first, shown, today):
        why = f"renewed by the same authority; {first.fingerprint} was to end on {first.until}"
        return _of(host, "key-unchanged", Outcome.PASS, "", shown.subject, now, why)
    detail = f"{shown.subject} is now {shown.fingerprint}; first seen was {first.fingerprint}, on {first.since}."
    return Hit(RULES["key-unchanged"], shown.subject, f"{shown.fingerprint}; first {_written(first)}", detail)


def _written(first: _First) -> str:
    until = f" until {first.until}" if first.until else ""
    return f"{first.fingerprint} since {first.since}{until}{f' by {first.issuer}' if first.issuer else ''}"[:480]


def _renewed(first: _First, shown: Shown, today: date) -> bool:
    """A certificate of the same authority in place of one that was about to end."""
    try:
        ends = date.fromisoformat(first.until)
    except ValueError:
        return False
    return bool(shown.issuer) and shown.issuer[:200] == first.issuer[:200] and today >= ends - RENEWAL


def _not_shown(host: Sight, look: Outside, first: Mapping[str, Finding]) -> Iterator[Finding]:
    """What was shown once and is not today stays remembered; what could not be read is not known to be the same."""
    today = {one.subject for one in look.shown}
    for subject, why in look.unread.items():
        yield unknown(host, "key-unchanged", why, subject)
    for subject, known in _held(first):
        if subject not in today:
            doubt = next((why for at, why in look.unread.items() if at.startswith(subject.partition(" ")[0])), "")
            doubt = doubt or next(iter(look.missed.values()), "") or next(iter(look.unread.values()), "")
            outcome = Outcome.UNKNOWN if doubt else Outcome.NOT_APPLICABLE
            reason = doubt.partition(":")[0] if doubt else "it is not shown today"
            yield _of(host, "key-unchanged", outcome, reason, subject, _written(known), doubt)


def _of(
    host: Sight, rule: str, outcome: Outcome, reason: str = "", subject: str = "", observed: str = "", detail: str = ""
) -> Finding:
    return Finding(host.asset.id, BASELINE, rule, subject, outcome, reason, observed, "", detail)


# ── all assets of a run together ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Estate:
    """What the visits of one run told, as they come in; `joined` gives what they say together.

    inventory: of every asset that is known, also of those that this run leaves out.
    """

    inventory: Inventory
    sights: dict[str, Sight] = field(default_factory=dict)
    owned: dict[str, Joined] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    def take(self, host: Sight, first: Mapping[str, Finding], before: Sequence[Finding], today: date) -> Joined:
        """Keep what a visit told, and give what it says by itself.

        before: failures last known of the asset. Those of this kind that it does not repeat stay unknown until all
        visits are in, since it may have been another visit that told them.
        """
        id = host.asset.id
        self.sights[id] = host
        views, missed = own_views(host)
        found = together(of_host(host, views, missed), of_look(host, first, today))
        self.owned[id] = found
        met = {(one.control, one.subject) for one in found.findings}
        open = [one for one in before if one.baseline == BASELINE and (one.control, one.subject) not in met]
        if not open:
            return found
        self.waiting.add(id)
        return together(found, told(host, [unknown(host, one.control, WAITING, one.subject) for one in open], []))

    def joined(self, last_known: Callable[[str], Sequence[Finding]], resolve: Resolve) -> Iterator[tuple[str, Joined]]:
        """Every asset of which all visits together say something else than its own, with all that is to be said."""
        looks = _looks_at_others(self.sights)
        everybody = (*(asset.id for asset in self.inventory.assets if asset.kind == "linux"), *self.inventory.left_out)
        keyed = _keyed(self.sights, everybody, last_known)
        strange = dict(_strangers(self.sights, self.inventory, resolve))
        for id, host in self.sights.items():
            if id not in self.waiting and id not in looks and id not in keyed and id not in strange:
                continue
            found = self.owned[id]
            if id in looks:
                views, missed = own_views(host)
                met = {(view.viewpoint, view.address) for view in views}
                others = [view for view in looks[id] if (view.viewpoint, view.address) not in met]
                kept = tuple(one for one in found.findings if one.control in OF_LOOKS)
                shown = Joined(kept, {key: control for key, control in found.controls.items() if key[1] in OF_LOOKS})
                found = together(of_host(host, [*views, *others], missed), shown)
            found = together(found, keyed.get(id, Joined()), strange.get(id, Joined()))
            found = together(found, _kept_open(host, found, last_known(id)))
            if id in self.waiting or found != self.owned[id]:
                yield id, found


def _kept_open(host: Sight, found: Joined, before: Sequence[Finding]) -> Joined:
    """Earlier failures of a rule that nobody can tell of today: what is not said again is not mended."""
    met = {(one.control, one.subject) for one in found.findings}
    whys = {**doubts(host, weak=False), **doubts(host, weak=True)}
    gone = [one for one in before if one.baseline == BASELINE and (one.control, one.subject) not in met]
    rules = [(one, one.control.partition("/")[0]) for one in gone if one.outcome is Outcome.FAIL]
    return told(host, [unknown(host, one.control, whys[rule], one.subject) for one, rule in rules if rule in whys], [])


def _looks_at_others(sights: Mapping[str, Sight]) -> dict[str, list[View]]:
    """Asset -> the looks at its own addresses that another asset ordered; an address of two assets counts for none."""
    owner = _owners(sights)
    found: dict[str, list[View]] = {}
    for id, host in sights.items():
        base = id.partition(MARK)[0]
        for view in host.outside.views if host.outside else ():
            if base != id and base in sights and view.named:
                found.setdefault(base, []).append(view)  # its public address may be translated on the way
                continue
            whose = owner.get(view.address, [])
            if len(whose) == 1 and whose[0] != id:
                found.setdefault(whose[0], []).append(view)
    return found


def _owners(sights: Mapping[str, Sight]) -> dict[str, list[str]]:
    """Address -> whose it is: the inventory has the first word, which no host can talk away; then the hosts have it."""
    said: dict[str, list[str]] = defaultdict(list)
    for id, host in sights.items():
        for address in host.listening.addresses if host.listening else ():
            if not (ip_address(address).is_loopback or ip_address(address).is_link_local):
                said[address].append(id)
    return {address: [id for id in ids if sights[id].asset.address == address] or ids for address, ids in said.items()}


def _keyed(
    sights: Mapping[str, Sight], all_assets: Iterable[str], last_known: Callable[[str], Sequence[Finding]]
) -> dict[str, Joined]:
    """Host keys that several machines show, and unprotected keys of one that open another."""
    shows: dict[str, list[str]] = defaultdict(list)
    holds: dict[str, list[tuple[str, Key]]] = defaultdict(list)
    for id, host in sights.items():
        for key in host.keys or ():
            if key.role == "host":
                shows[key.fingerprint].append(id)
            elif key.role == "bare":
                holds[key.fingerprint].append((id, key))
    missing = [id for id in all_assets if id not in sights or sights[id].unkeyed]
    found = {}
    for id, host in sights.items():
        hits = [*_shared(host, shows), *_lateral(host, holds)]
        before = [one for one in last_known(id) if one.control in OF_KEYS]
        if not hits and not before:
            continue
        met = {(hit.control.id, hit.subject) for hit in hits}
        doubt = f"not-collected: the keys of {missing[0]} are not known to this run" if missing else ""
        if host.keys is None:
            doubt = host.unkeyed or "not-collected: nobody asked for its keys"
        quiet = [
            unknown(host, one.control, doubt, one.subject)
            if doubt
            else _of(host, one.control, Outcome.PASS, "", one.subject)
            for one in before
            if (one.control, one.subject) not in met
        ]
        found[id] = told(host, quiet, hits)
    return found


def _shared(host: Sight, shows: Mapping[str, Sequence[str]]) -> Iterator[Hit]:
    for key in host.keys or ():
        others = [id for id in dict.fromkeys(shows.get(key.fingerprint, ())) if id != host.asset.id]
        if key.role == "host" and others:
            names = _some(others)
            detail = f"{host.asset.id} and {names} show the same {key.kind} host key {key.fingerprint}."
            yield Hit(RULES["shared-host-key"], key.fingerprint, names, detail)


def _lateral(host: Sight, holds: Mapping[str, Sequence[tuple[str, Key]]]) -> Iterator[Hit]:
    for key in host.keys or ():
        others = [(id, held) for id, held in holds.get(key.fingerprint, ()) if id != host.asset.id]
        if key.role == "opens" and others:
            names = _some([f"{held.account} on {id}" for id, held in others])
            detail = f"A private key without passphrase of {names} opens {key.account} on {host.asset.id}."
            yield Hit(RULES["lateral-key"], f"{key.account} {key.fingerprint}", names, detail)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _strangers(sights: Mapping[str, Sight], inventory: Inventory, resolve: Resolve) -> Iterator[tuple[str, Joined]]:
    """Addresses that answer in a declared network and belong to nothing that the inventory names."""
    known: frozenset[str] | None = None
    nameless: list[str] = []
    for id, host in sights.items():
        look = host.outside
        if look is None or look.problem or not _blocks(host.asset):
            continue
        rule = "unknown-asset"
        found = [view for view in look.views if not view.named]
        if known is None:
            known, nameless = _addresses(sights, inventory, resolve)
        strange = [view for view in found if view.address not in known]
        own = [view for view in strange if view.own]
        strange = [view for view in strange if not view.own]
        missed = {subject: why for subject, why in look.missed.items() if subject not in known}
        quiet = [unknown(host, rule, why, subject) for subject, why in missed.items()]
        if strange and nameless:
            why = f"undetermined: {_some(nameless)} of the inventory could not be resolved, and may be this one"
            quiet += [unknown(host, rule, why, view.address) for view in strange]
            strange = []
        if not strange and not quiet:
            quiet = [_of(host, rule, Outcome.PASS)]
        quiet += [_of(host, rule, Outcome.NOT_APPLICABLE, _LOOKER, view.address) for view in own]
        yield id, told(host, quiet, [_stranger(view) for view in strange])


_LOOKER = "this is the machine that looks; name it in the inventory to have it audited"


def _stranger(view: View) -> Hit:
    ports = [f"{n}/{p}" + (f" ({name})" if name else "") for (n, p), name in sorted(view.open.items())]
    opened = ", ".join(ports[:12]) + (f" and {len(ports) - 12} more" if len(ports) > 12 else "")
    detail = f"{view.address} answers from {view.viewpoint} and is in no inventory; open: {opened or 'no port'}."
    return Hit(RULES["unknown-asset"], view.address, opened[:500] or "answers, nothing open", detail)


def _blocks(asset: Asset) -> bool:
    return asset.network is not None and any("/" in text for text in asset.network.addresses)


def _addresses(sights: Mapping[str, Sight], inventory: Inventory, resolve: Resolve) -> tuple[frozenset[str], list[str]]:
    """Every address that belongs to an asset: written down, resolved, or the host's own word; and dead names."""
    found: set[str] = set()
    dead: list[str] = []
    for text in inventory.addresses:
        try:
            one = target(text)
        except UsageError:
            continue  # the address of a login may have a scope
        if one.form == "address":
            found.add(one.text)
        elif one.form == "name":
            resolved = resolve(one.text)
            found |= resolved
            dead += [] if resolved else [one.text]
    for host in sights.values():
        if host.listening is not None:
            found |= host.listening.addresses
        found |= {view.address for view in (host.outside.views if host.outside else ()) if view.named}
    return frozenset(found), dead
