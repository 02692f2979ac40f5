"""The look from outside: which ports of an asset are open from here, and what the services behind them offer.

One run of nmap answers all probes of a visit, and of others that ask the same at the same time (nmap_together.py). A
second one is needed only where an asset mixes IPv4 with IPv6, or hosts that it names with blocks in which hosts are
looked for. Names and addresses pass scanner/addresses.py before they reach a command line. Probes: `ports`, `services`,
`scripts A B …`, `expected`, `expected-states`, `looked-at`.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address

from scanner.addresses import Ports, Protocol, Target, expected, merged, ports, targets, without
from scanner.errors import Unreachable, UsageError, VisitFailed
from scanner.model import Asset, Gap, Probe, Problem, Reply, utc_now

from . import Bounds, nmap_replies
from .nmap_replies import Look
from .nmap_run import Seen, locate, may_send_raw, run, top_ports
from .nmap_scripts import ALLOWED, MUST_ANSWER, NEEDS, REFUSALS, SILENT_IS_NO, path_of
from .nmap_together import Together, Wish
from .nmap_xml import Host

_FROM_INVENTORY = {"expected", "looked-at"}
_IDENTIFYING = {"services", "scripts"}
_MARGIN_S = 2.0
"""Seconds kept back for nmap's own start and end."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be looked at: hosts named one by one, blocks, ports, and the ports that should be open."""

    singles: tuple[Target, ...]
    blocks: tuple[Target, ...]
    ports: Ports
    expected: tuple[tuple[int, Protocol], ...]


def visit(asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
    """Look at the asset's own addresses and answer all probes.

    Raises UsageError where the inventory's words break the grammar, Unreachable where no host answered at all, and
    VisitFailed where nmap could not do its work; both hold the answers that need no packet.
    """
    until = time.monotonic() + bounds.deadline_s
    order = read(asset)
    answered = {probe: _from_inventory(probe, order) for probe in probes if probe.ask[0] in _FROM_INVENTORY}
    answered |= {probe: Reply(problem="unsupported", detail=why) for probe in probes if (why := refusal(probe))}
    asked = [probe for probe in probes if probe not in answered]
    if not asked:
        return answered
    try:
        look, problem = _look(order, asked, until, bounds.max_bytes)
    except VisitFailed as error:
        raise VisitFailed(str(error), answered) from error
    if not look.hosts:
        problem = problem or _nobody(look)
        if problem.problem == "unreachable":
            raise Unreachable(problem.detail, answered)
        return answered | dict.fromkeys(asked, problem)
    return answered | {probe: _reply(probe, look, order) for probe in asked}


def read(asset: Asset) -> Order:
    """The asset's words about its network, through the grammar. Raises UsageError."""
    network = asset.network
    texts = (network.addresses if network else ()) or ((asset.address,) if asset.address else ())
    if network is None or not texts:
        raise UsageError(f"asset {asset.id!r} has no network addresses; add `network: {{addresses: [10.0.0.5]}}`")
    found = targets(texts)
    return Order(
        singles=tuple(one for one in found if one.form != "block"),
        blocks=tuple(one for one in found if one.form == "block"),
        ports=ports(network.ports),
        expected=tuple(dict.fromkeys(expected(text) for text in network.expected_open)),
    )


def stated(asset: Asset) -> list[str]:
    """For people, before anything is sent: every address that is looked at, from where, which ports, how fast."""
    order, network = read(asset), asset.network
    assert network is not None
    whole = [*order.singles, *order.blocks]
    count = sum(one.size for one in whole)
    more = ", ".join(f"{number}/{protocol}" for number, protocol in order.expected)
    blind = " (UDP is left out: this user may not send raw packets)" if order.ports.udp and not may_send_raw() else ""
    blind = (
        blind.replace("out:", "out but for SNMP, which is asked by itself:") if (161, "udp") in order.ports else blind
    )
    return [
        f"addresses, {count} in all, looked at from {network.viewpoint}: {', '.join(one.text for one in whole)}",
        f"ports: {network.ports}{f', and {more}, which should be open' if more else ''}{blind}",
        "pace: at most two repeats a port, no guessing of passwords, nothing changed; ends with the visit's deadline",
    ]


def refusal(probe: Probe) -> str:
    """Why this probe is not for this transport; "" where it is."""
    form, *words = map(str, probe.ask)
    if probe.via != "nmap" or form not in {"ports", "expected-states", *_IDENTIFYING, *_FROM_INVENTORY}:
        return f"{probe.key} is no question for a look from outside"
    strange = sorted(set(words) - ALLOWED)
    return f"not among the nmap scripts that may run: {', '.join(strange)}" if strange else ""


def _from_inventory(probe: Probe, order: Order) -> Reply:
    if probe.ask[0] == "looked-at":
        return Reply(utc_now().isoformat())
    return Reply(json.dumps([f"{number}/{protocol}" for number, protocol in order.expected]))


def _reply(probe: Probe, look: Look, order: Order) -> Reply:
    form, *words = map(str, probe.ask)
    if form == "ports":
        return nmap_replies.ports(look)
    if form == "services":
        return nmap_replies.services(look)
    if form == "expected-states":
        return nmap_replies.expected_states(look, order.expected)
    return nmap_replies.scripts(look, words, nmap_replies.Silence(MUST_ANSWER, SILENT_IS_NO, REFUSALS, NEEDS))


def _nobody(look: Look) -> Reply:
    """The reply where no host can be judged: unreachable only where that is all there is to say."""
    reasons = list(dict.fromkeys(f"{gap.subject}: {gap.detail}" for gap in look.missed))
    worst: Problem = next((gap.problem for gap in look.missed if gap.problem != "unreachable"), "unreachable")
    return Reply(problem=worst, detail="; ".join(reasons[:3]) + ("; …" if len(reasons) > 3 else ""))


# ── one look ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _look(order: Order, asked: Sequence[Probe], until: float, max_bytes: int) -> tuple[Look, Reply | None]:
    """All runs together. The second value is the problem of the last incomplete run, for when no host was learned."""
    program, raw = locate(), may_send_raw()
    wanted = _wanted(order, program, raw)
    put = asked if raw else [_as_user(probe, order.ports) for probe in asked]
    named, missed = _resolved(order.singles)
    hosts: list[Host] = []
    problem: Reply | None = None
    for group in _groups(named, order.blocks):
        left_s = until - time.monotonic()
        if left_s < 2 * _MARGIN_S:
            seen = Seen((), Ports(), "timed-out", "no time was left in this visit")
        else:
            call = partial(_run, program, group, wanted, put, raw)
            kind = (program, *flags(replace(group, texts=()), wanted, put, raw, left_s=0))
            seen = _TOGETHER.look(Wish(kind, group.texts, group.named, until, max_bytes), call)
        met = [_by_inventory_name(host, group) for host in seen.hosts]
        hosts += met
        missed += _unseen(group, met, seen)
        if seen.problem:
            problem = Reply(problem=seen.problem, detail=seen.detail)
    names = frozenset(one.text for one in order.singles)
    gaps = [gap for host in hosts if (gap := nmap_replies.silence(host)) and (host.up or host.name)]
    judged = nmap_replies.in_order(host for host in hosts if nmap_replies.silence(host) is None)
    left_out = Ports() if raw else Ports(udp=order.ports.udp)
    return Look(judged, names, tuple(missed + gaps), wanted, left_out), problem


_TOGETHER = Together()
"""Visits of one process that come at the same time share their runs."""


def _run(
    program: str,
    group: Group,
    wanted: Ports,
    asked: Sequence[Probe],
    raw: bool,
    texts: Sequence[str],
    host_s: float,
    deadline_s: float,
    max_bytes: int,
) -> Seen:
    command = [program, *flags(replace(group, texts=tuple(texts)), wanted, asked, raw, host_s)]
    return run(command, deadline_s=deadline_s, max_bytes=max_bytes)


@dataclass(frozen=True, slots=True)
class Group:
    """What goes into one run: hosts of one family, all of them named, or all to be looked for in blocks."""

    family: int
    texts: tuple[str, ...]
    named: bool


def _groups(named: Sequence[Target], blocks: Sequence[Target]) -> Iterator[Group]:
    singles = [one.text for one in named if one.form == "address"]
    for family in (4, 6):
        alone = tuple(one.text for one in named if one.family == family)
        if alone:
            yield Group(family, alone, named=True)
        pieces = tuple(piece for b in blocks if b.family == family for piece in without(b.text, singles))
        if pieces:
            yield Group(family, pieces, named=False)


def _resolved(singles: Sequence[Target]) -> tuple[list[Target], list[Gap]]:
    """Each name with the family that it resolves to, IPv4 first; names that do not resolve are gaps."""
    found, gaps = [], []
    for one in singles:
        if one.form == "address":
            found.append(one)
            continue
        try:
            families = {entry[0] for entry in socket.getaddrinfo(one.text, None, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError) as error:
            gaps.append(Gap(one.text, "unreachable", f"the name does not resolve: {error}"))
            continue
        found.append(replace(one, family=4 if socket.AF_INET in families else 6))
    return found, gaps


def _wanted(order: Order, program: str, raw: bool) -> Ports:
    """The ports to look at: the inventory's choice, and every port that it expects to be open."""
    most_used = top_ports(program, order.ports.top).tcp if order.ports.top else ()
    more = {p: [(number, number) for number, q in order.expected if q == p] for p in ("tcp", "udp")}
    udp = merged((*order.ports.udp, *more["udp"])) if raw else ()
    found = Ports(tcp=merged((*most_used, *order.ports.tcp, *more["tcp"])), udp=udp)
    if not found.tcp and not found.udp:
        raise VisitFailed("UDP ports can only be looked at with the right to send raw packets; run as root")
    return found


def _as_user(probe: Probe, chosen: Ports) -> Probe:
    """Without the scripts that an ordinary user's nmap would run although their port was not chosen."""
    form, *words = probe.ask
    kept = [word for word in words if str(word) not in NEEDS or NEEDS[str(word)] in chosen]
    return replace(probe, ask=(form, *kept)) if form == "scripts" else probe


def flags(group: Group, wanted: Ports, asked: Sequence[Probe], raw: bool, left_s: float) -> list[str]:
    """nmap's command line without the program: bounded, without DNS look-ups of addresses, targets last.

    left_s: for one host.
    """
    forms = {str(probe.ask[0]) for probe in asked}
    scripts = sorted({str(word) for probe in asked if probe.ask[0] == "scripts" for word in probe.ask[1:]})
    host_s = max(1, int(left_s - _MARGIN_S))
    made = ["-oX", "-", "-n", "-T4", "--max-retries", "2", "--host-timeout", f"{host_s}s"]
    made += ["-6"] if group.family == 6 else []
    # a host that is named is looked at even where it drops ping; in a block only hosts that answer are
    made += ["-Pn"] if group.named else []
    made += ["--min-hostgroup", str(len(group.texts))] if len(group.texts) > 1 else []
    if wanted.tcp:
        made.append("-sS" if raw else "-sT")
    if wanted.udp:
        made.append("-sU")
    made += [] if raw else ["--unprivileged"]
    made += ["-p", _port_list(wanted)]
    if forms & _IDENTIFYING:
        # light: its probes include TLS, so that TLS is found on any port; the others go to the ports they are made for
        made += ["-sV", "--version-light"]
    if scripts:
        # debugging level 1: without it a script that could not connect is as silent as one that was refused
        made += ["-d1", "--script", ",".join(map(path_of, scripts)), "--script-timeout", f"{min(60, host_s)}s"]
    return [*made, *group.texts]


def _port_list(wanted: Ports) -> str:
    kinds = (("T", wanted.tcp), ("U", wanted.udp))
    return ",".join(f"{k}:" + ",".join(f"{low}-{high}" for low, high in ranges) for k, ranges in kinds if ranges)


def _by_inventory_name(host: Host, group: Group) -> Host:
    name = host.name.lower() if group.named and host.name.lower() in group.texts else ""
    return replace(host, name=name, own=host.up and _is_own(host.address))


def _is_own(address: str) -> bool:
    """Whether an address is one of this machine: only to such a one the kernel speaks from itself. Nothing is sent."""
    if ip_address(address).is_loopback:
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as tried:
        try:
            tried.connect((address, 9))
        except OSError:
            return False
        return bool(tried.getsockname()[0] == address)


def _unseen(group: Group, met: Sequence[Host], seen: Seen) -> list[Gap]:
    """Named hosts that the run did not come to speak of, and blocks that it did not finish."""
    problem, detail = seen.problem or "failed", seen.detail or "nmap said nothing of this host"
    if group.named:
        known = {nmap_replies.called(host) for host in met}
        return [Gap(text, problem, detail) for text in group.texts if text not in known]
    if seen.problem:
        return [Gap(text, problem, detail) for text in group.texts]
    return [] if any(host.up for host in met) else [Gap(t, "unreachable", "no host answered") for t in group.texts]
