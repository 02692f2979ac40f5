"""What one look from outside brought back, read from the evidence of the asset that was looked at.

A look names hosts as the inventory does. What it says holds for its viewpoint only; see docs/exposure.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from scanner import parse
from scanner.addresses import Ports, ports
from scanner.errors import Unparsable, UsageError
from scanner.model import Asset, Evidence, Reply
from scanner.probes import nse
from scanner.probes import ports as seen_ports
from scanner.probes import services as seen_services

CERTIFICATES = nse("ssl-cert")
HOST_KEYS = nse("ssh-hostkey")
Port = tuple[int, str]
"""Number and protocol: (443, 'tcp')."""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class View:
    """One host as one look saw it. by: the asset whose look this was. named: by the inventory, not found in a block.

    open: port -> the service that named itself, "" where none did. shut: state -> ports, for those listed or summed up.
    expected: ports that the inventory says are open. own: it is the machine that looked.
    """

    by: str
    viewpoint: str
    host: str
    address: str
    named: bool
    open: Mapping[Port, str]
    shut: Mapping[tuple[str, str], Ports]
    expected: frozenset[Port]
    own: bool = False

    def state(self, port: Port) -> str:
        """'open', 'closed', 'filtered' …; "" where the port was not looked at."""
        if port in self.open:
            return "open"
        number, protocol = port
        return next((s for (s, p), found in self.shut.items() if p == protocol and (number, p) in found), "")

    def at(self, port: Port) -> str:
        """'10.0.0.5:443/tcp'."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{port[0]}/{port[1]}"

    @property
    def loopback(self) -> bool:
        """Whether the host was looked at from itself."""
        return ip_address(self.address).is_loopback


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate or host key that a port showed. subject: '10.0.0.5:443/tcp certificate'.

    until: the last day of a certificate. issuer: who vouches for it, "" for itself or a host key.
    """

    subject: str
    fingerprint: str
    until: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Outside:
    """All hosts of one look. missed: subject -> why nothing, or not all, is known of it. problem: why there is no look.

    unread: subjects whose certificate or key could not be read.
    """

    views: tuple[View, ...] = ()
    missed: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[Shown, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    detail: str = ""


def outside(asset: Asset, evidence: Evidence) -> Outside | None:
    """The look of this evidence; None where none was asked for."""
    reply = evidence.replies.get(seen_ports().key)
    if asset.network is None or reply is None:
        return None
    if reply.problem is not None:
        return Outside(problem=reply.problem, detail=reply.detail)
    try:
        named = _named_services(evidence.replies.get(seen_services().key))
        views = tuple(_view(asset, row, named) for row in _rows(reply.text))
        shown = tuple(_shown(evidence))
    except (Unparsable, ValueError, LookupError, TypeError, UsageError) as error:
        return Outside(problem="unparsable", detail=str(error)[:300])
    missed = {gap.subject: f"{gap.problem}: {gap.detail}" for gap in reply.gaps}
    return Outside(views, missed, shown, _unread(evidence))


def _rows(text: str) -> list[dict[str, Any]]:
    found = parse.json(text)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Unparsable(text[:200])
    return found


def _view(asset: Asset, row: Mapping[str, Any], named: Mapping[tuple[str, Port], str]) -> View:
    assert asset.network is not None
    host = str(row["host"])
    opened: dict[Port, str] = {}
    shut: dict[tuple[str, str], Ports] = {}
    listed: dict[tuple[str, str], list[str]] = {}
    for one in row["ports"]:
        port, state = (int(one["port"]), str(one["protocol"])), str(one["state"])
        if state == "open":
            opened[port] = named.get((host, port), "")
        else:
            listed.setdefault((state, port[1]), []).append(str(port[0]))
    for key, text in row.get("where", {}).items():
        state, _, protocol = str(key).rpartition("/")
        listed.setdefault((state, protocol), []).append(str(text))
    for (state, protocol), texts in listed.items():
        shut[state, protocol] = ports(f"{'U' if protocol == 'udp' else 'T'}:{','.join(texts)}")
    wanted = frozenset(_port(text) for text in asset.network.expected_open)
    address = str(ip_address(row["address"]))
    own = row.get("own") is True
    return View(asset.id, asset.network.viewpoint, host, address, bool(row["named"]), opened, shut, wanted, own)


def _port(text: str) -> Port:
    number, _, protocol = text.partition("/")
    return int(number), protocol


def _named_services(reply: Reply | None) -> dict[tuple[str, Port], str]:
    if reply is None or reply.problem is not None:
        return {}
    found = {}
    for row in _rows(reply.text):
        told = str(row["product"] or row["service"])
        found[str(row["host"]), (int(row["port"]), str(row["protocol"]))] = told
    return found


# ── what proves who answers ──────────────────────────────────────────────────────────────────────────────────────────


def _shown(evidence: Evidence) -> Iterator[Shown]:
    for probe, read in ((CERTIFICATES, _certificate), (HOST_KEYS, _host_keys)):
        reply = evidence.replies.get(probe.key)
        if reply is not None and reply.problem is None:
            for row in _rows(reply.text):
                host = str(row["host"])
                at = f"[{host}]" if ":" in host else host
                yield from read(f"{at}:{int(row['port'])}/{row['protocol']}", row.get("structured"))


def _unread(evidence: Evidence) -> dict[str, str]:
    found = {}
    for probe, kind in ((CERTIFICATES, "certificate"), (HOST_KEYS, "host key")):
        reply = evidence.replies.get(probe.key)
        if reply is not None and reply.problem is not None:
            found[f"every {kind}"] = f"{reply.problem}: {reply.detail}"
        found |= {f"{gap.subject} {kind}": f"{gap.problem}: {gap.detail}" for gap in (reply.gaps if reply else ())}
    return found


def _certificate(at: str, said: Any) -> Iterator[Shown]:
    """nmap's ssl-cert: {'pem': '-----BEGIN …', 'issuer': {'commonName': …}, 'validity': {'notAfter': …}, …}."""
    if not isinstance(said, dict):
        raise Unparsable(f"{at}: {str(said)[:100]}")
    match = _PEM.search(str(said.get("pem", "")))
    if match is None:
        raise Unparsable(f"{at}: no certificate")
    issuer, owner = said.get("issuer") or {}, said.get("subject") or {}
    until = str((said.get("validity") or {}).get("notAfter", ""))[:10]
    name = ", ".join(f"{key}={value}" for key, value in sorted(issuer.items())) if issuer != owner else ""
    yield Shown(f"{at} certificate", _fingerprint(match[1]), until, name[:200])


def _host_keys(at: str, said: Any) -> Iterator[Shown]:
    """nmap's ssh-hostkey: [{'type': 'ssh-ed25519', 'bits': '256', 'key': 'AAAA…', 'fingerprint': …}, …]."""
    for one in said or ():
        if not isinstance(one, dict) or not isinstance(one.get("key"), str):
            raise Unparsable(f"{at}: {str(one)[:100]}")
        yield Shown(f"{at} {str(one.get('type'))[:40]}", _fingerprint(one["key"].split()[-1]))


def _fingerprint(encoded: str) -> str:
    """The SHA-256 of what the base64 text stands for, as OpenSSH writes it: 'SHA256:' and 43 characters."""
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error as error:
        raise Unparsable(f"no base64: {error}") from error
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def day_of(at: datetime) -> str:
    """The day of an instant, in UTC: '2026-11-24'."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"
