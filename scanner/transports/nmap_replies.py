"""From what nmap saw to replies: JSON in a fixed order, and a gap for every subject that could not be judged.

ports:            [{host, address, named, ports: [{port, protocol, state}], rest: {"closed/tcp": 997}, where: {…}}],
                  and `own` where the host is the machine that looks
services:         [{host, port, protocol, service, product, version, tunnel}], open ports that named themselves
scripts A B:      the same with {script, output, structured}; port 0 where the script is about the host
expected-states:  {"10.0.0.5:22/tcp": "open"}, for every host that the inventory names by itself

`host` is what the inventory calls it, a name or an address, and begins every subject: "[::1]:22/tcp".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from scanner.addresses import Ports, Protocol
from scanner.model import Gap, Problem, Reply

from .nmap_scripts import service
from .nmap_xml import Host, Port, Script

TOO_MANY_OPEN = 200
"""A host on which every port looked at is open, and that many of them, is answered for by a tarpit or a proxy."""


Asked = Mapping[str, Callable[[Port], bool]]
"""Script → whether it has to do with an open port."""


@dataclass(frozen=True, slots=True)
class Look:
    """All runs of one visit together.

    hosts: those that answered. missed: hosts, addresses or blocks about which nothing is known, and why.
    named: the hosts that the inventory names by themselves, all others were found in a block. left_out: ports that it
    wants looked at, and this user may not.
    """

    hosts: tuple[Host, ...]
    named: frozenset[str]
    missed: tuple[Gap, ...]
    looked_at: Ports
    left_out: Ports = field(default_factory=Ports)


def called(host: Host) -> str:
    """What the inventory calls it."""
    return host.name or host.address


def subject(host: str, port: int, protocol: str) -> str:
    """('::1', 22, 'tcp') -> '[::1]:22/tcp'."""
    return f"[{host}]:{port}/{protocol}" if ":" in host else f"{host}:{port}/{protocol}"


def silence(host: Host) -> Gap | None:
    """Why nothing can be said of this host, or None where its ports can be judged."""
    states = {port.state for port in host.ports} | {state for state, _ in host.rest}
    of_tcp = {port.state for port in host.ports if port.protocol == "tcp"} | {s for s, p in host.rest if p == "tcp"}
    looks: list[tuple[bool, Problem, str]] = [
        (host.timed_out, "timed-out", "nmap gave this host up: it answers too slowly"),
        (not host.up, "unreachable", "nothing answers at this address"),
        (
            not states & {"open", "closed", "unfiltered"},
            "unreachable",
            "no port answered: the host is down, or a firewall drops all that comes from here",
        ),
        (of_tcp == {"open"} and len(host.ports) >= TOO_MANY_OPEN, "failed", _TARPIT),
    ]
    return next((Gap(called(host), problem, why) for holds, problem, why in looks if holds), None)


_TARPIT = "every port appears open: a tarpit, or a proxy that answers for the host"


def ports(look: Look) -> Reply:
    """The reply to `ports`."""
    rows = []
    for host in look.hosts:
        rest: dict[str, int] = {}
        where: dict[str, str] = {}
        for (state, protocol), summed in host.rest.items():
            ranges = (*summed.tcp, *summed.udp)
            rest[f"{state}/{protocol}"] = sum(high - low + 1 for low, high in ranges)
            where[f"{state}/{protocol}"] = ",".join(f"{low}-{high}" if high > low else f"{low}" for low, high in ranges)
        listed = [{"port": p.number, "protocol": p.protocol, "state": p.state} for p in host.ports]
        entry = {"host": called(host), "address": host.address, "named": called(host) in look.named}
        entry |= {"own": True} if host.own else {}
        rows.append({**entry, "ports": listed, "rest": rest, "where": where})
    return _reply(rows, look.missed)


def services(look: Look) -> Reply:
    """The reply to `services`."""
    rows, gaps = [], list(look.missed)
    for host, port in _open(look.hosts):
        if not service(port):
            gaps.append(_gap(host, port, "what answers on this port could not be identified"))
            continue
        rows.append(_place(host, port))
    return _reply(rows, gaps)


@dataclass(frozen=True, slots=True)
class Silence:
    """How a script's silence is read. must_answer, is_no: the open ports where it is a gap, or a no.

    refusals: script -> words in its error that prove that the door it tried is shut. needs: script -> the port that
    has to be looked at.
    """

    must_answer: Asked
    is_no: Asked
    refusals: Mapping[str, tuple[str, ...]]
    needs: Mapping[str, tuple[int, Protocol]]


def scripts(look: Look, names: Sequence[str], silence: Silence) -> Reply:
    """The reply to `scripts`."""
    rows, gaps = [], list(look.missed)
    gaps += [
        Gap(f"{number}/{protocol}", "unsupported", _not_looked_at(protocol))
        for name, (number, protocol) in silence.needs.items()
        if name in names
        and (number, protocol) in look.left_out
        and not all(_settled(host, name) for host in look.hosts)
    ]
    for host in look.hosts:
        whole = [script for script in host.scripts if script.name in names]
        rows += [_said(host, _place_of(script, silence), script) for script in whole if not _no_word(script)]
        heard = {script.name for script in whole if not script.error}
        for _, port in _open([host]):
            said, quiet = _heard(port, [name for name in sorted(set(names)) if name not in heard], silence)
            rows += [_said(host, port, script) for script in said]
            if quiet:
                gaps.append(_gap(host, port, f"no answer to nmap's {', '.join(quiet)}"))
    return _reply(rows, gaps)


def _settled(host: Host, name: str) -> bool:
    """Whether a script that asks a port which could not be looked at learned what it wanted of this host."""
    return any(script.name == name and not script.error for script in host.scripts)


def _no_word(script: Script) -> bool:
    """An error, or the host's own word that nothing listens where the script asks."""
    return bool(script.error) or (isinstance(script.structured, dict) and set(script.structured) == {"closed"})


def _place_of(script: Script, silence: Silence) -> Port | None:
    """The port that a script about a host asked by itself; None for one that asks none."""
    place = silence.needs.get(script.name)
    return Port(*place, "open", scripts=(script,)) if place else None


def _heard(port: Port, names: Sequence[str], silence: Silence) -> tuple[list[Script], list[str]]:
    """What the scripts said of one port, a proved no as an empty word; and those that should have spoken."""
    spoken = {script.name: script for script in port.scripts}
    said, quiet = [], []
    for name in names:
        script = spoken.get(name)
        error = script.error if script else ""
        refused = any(word in error for word in silence.refusals.get(name, ()))
        if script and not error:
            said.append(script)
        elif refused or (not error and _asked(silence.is_no, name, port)):
            said.append(Script(name, ""))
        elif _asked(silence.must_answer, name, port) or _asked(silence.is_no, name, port):
            quiet.append(f"{name} ({error[:100]})" if error else name)
    return said, quiet


def _asked(where: Asked, script: str, port: Port) -> bool:
    return script in where and where[script](port)


def expected_states(look: Look, expected: Iterable[tuple[int, Protocol]]) -> Reply:
    """The reply to `expected-states`."""
    states, gaps = {}, [gap for gap in look.missed if gap.subject in look.named]
    for host in look.hosts:
        if called(host) not in look.named:
            continue
        for number, protocol in expected:
            name, state = subject(called(host), number, protocol), host.state(number, protocol)
            if state and "|" not in state:
                states[name] = state
            elif state:
                gaps.append(Gap(name, "failed", f"nmap cannot tell open from filtered here ({state})"))
            else:
                gaps.append(Gap(name, "unsupported", _not_looked_at(protocol)))
    return _reply(states, gaps)


def _not_looked_at(protocol: str) -> str:
    if protocol == "udp":
        return "UDP can only be looked at with the right to send raw packets; run as root, or leave it out of `ports`"
    return "this port was not looked at"


def _open(hosts: Iterable[Host]) -> list[tuple[Host, Port]]:
    return [(host, port) for host in hosts for port in host.ports if port.state == "open"]


def _place(host: Host, port: Port | None) -> dict[str, Any]:
    at = port or Port(0, "", "")
    named = service(at)
    known = at if named == at.service else Port(0, "", "")
    return {
        "host": called(host),
        "port": at.number,
        "protocol": at.protocol,
        "service": named,
        "product": known.product,
        "version": known.version,
        "tunnel": at.tunnel,
    }


def _said(host: Host, port: Port | None, script: Script) -> dict[str, Any]:
    # the text repeats the structure, in words that change between versions of nmap
    output = script.output if script.structured is None else ""
    return {**_place(host, port), "script": script.name, "output": output, "structured": script.structured}


def _gap(host: Host, port: Port, why: str) -> Gap:
    return Gap(subject(called(host), port.number, port.protocol), "failed", why)


def _reply(value: object, gaps: Iterable[Gap]) -> Reply:
    return Reply(json.dumps(value, sort_keys=True), gaps=tuple(dict.fromkeys(gaps)))


def in_order(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """One entry per host, by address: the same network gives the same text."""
    unique = {(called(host), host.address): host for host in hosts}.values()
    return tuple(sorted(unique, key=lambda host: (int(ip_address(host.address)), called(host))))
