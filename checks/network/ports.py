"""Open ports as seen from here, held against what the inventory says should be open."""

from __future__ import annotations

from typing import Any

from scanner import Fact, Unparsable, check, expected_ports, expected_states, parse, ports

from .rows import entries, subject, texts


def expected(text: str) -> set[str]:
    """'["22/tcp"]' -> {'22/tcp'}."""
    return set(texts(parse.json(text)))


def states(text: str) -> dict[str, str]:
    """'{"10.0.0.5:22/tcp": "closed"}' -> the same as a mapping."""
    found = parse.json(text)
    if not isinstance(found, dict):
        raise Unparsable(text[:200])
    return {str(name): str(state) for name, state in found.items()}


def looked_at(text: str) -> list[dict[str, Any]]:
    """'[{"host": "10.0.0.5", "ports": [{"port": 22, "protocol": "tcp", "state": "open"}], …}]' -> the same."""
    hosts = entries(text)
    for host in hosts:
        listed = host.get("ports")
        whole = isinstance(listed, list) and all(isinstance(one, dict) and "state" in one for one in listed)
        if not whole or "host" not in host:
            raise Unparsable(str(host)[:200])
    return hosts


PORTS = Fact(ports(), looked_at)
EXPECTED = Fact(expected_ports(), expected)
STATES = Fact(expected_states(), states)


@check("network.ports.open_port", PORTS, EXPECTED)
def open_port(hosts: list[dict[str, Any]], expected: set[str]) -> dict[str, str]:
    """Per open port: "expected" or "unexpected"; a host that answers and has no open port: "nothing open".

    A UDP port that stays silent ("open|filtered") is not counted as open.
    """
    found = {}
    for host in hosts:
        opened = [port for port in host["ports"] if port["state"] == "open"]
        for port in opened:
            known = f"{port['port']}/{port['protocol']}" in expected
            found[subject(host["host"], port["port"], port["protocol"])] = "expected" if known else "unexpected"
        if not opened:
            found[host["host"]] = "nothing open"
    return found


@check("network.ports.expected_port", STATES)
def expected_port(states: dict[str, str]) -> dict[str, str]:
    """The state of each port that the inventory says is open, on each host that it names by itself."""
    return states
