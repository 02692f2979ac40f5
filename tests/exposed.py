"""Evidence of both sides of a host, as a visit would bring it: for the tests of what is joined from it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from scanner.exposure.keys import KEYS
from scanner.exposure.listening import LISTENING
from scanner.exposure.outside import CERTIFICATES, HOST_KEYS
from scanner.model import Access, Asset, Evidence, Gap, Network, Reply, Ssh
from scanner.probes import ports, services
from scanner.threats import packages

from .answers import sent

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OWN = "10.0.0.5"


def web(id: str = "web", expected: tuple[str, ...] = (), viewpoint: str = "here", **more: Any) -> Asset:
    network = Network((OWN,), expected_open=expected, viewpoint=viewpoint)
    return Asset(id, address=OWN, access=Access(ssh=Ssh()), network=network, **more)


def socket(port: int, address: str = "0.0.0.0", program: str = "/usr/sbin/nginx", package: str = "nginx") -> list[str]:
    """Rows of one listening TCP socket over IPv4; its process has the port's number."""
    raw = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    return [
        f"s tcp {raw}:{port:04X} {port}",
        f"f {port} {port}",
        f"x /proc/{port} {program}",
        f"i /proc/{port}/exe 8:{port}",
        f"h {program} 8:{port}",
        *([f"d {package} {program}"] if package else []),
    ]


def host_side(*rows: Sequence[str], addresses: Sequence[str] = (OWN,)) -> Reply:
    lines = ["e 1", *(f"a {one}/24" for one in addresses), *(row for part in rows for row in part), "by dpkg", "end"]
    return sent(LISTENING.probe.key, "\n".join(lines) + "\n")


def seen(
    *opened: int,
    closed: str = "",
    filtered: str = "",
    host: str = OWN,
    named: bool = True,
    service: str = "http",
    own: bool = False,
) -> dict[str, Any]:
    """One host of a look from outside: open ports, and ranges of the others. own: it is the machine that looked."""
    where = {f"{state}/tcp": text for state, text in (("closed", closed), ("filtered", filtered)) if text}
    listed = [{"port": port, "protocol": "tcp", "state": "open"} for port in opened]
    own_row: dict[str, Any] = {"own": True} if own else {}
    return {"host": host, "address": host, "named": named, "ports": listed, "rest": {}, "where": where} | own_row


def row(port: int, service: str = "http", host: str = OWN, **more: Any) -> dict[str, Any]:
    at = {"host": host, "port": port, "protocol": "tcp", "tunnel": "", "version": ""}
    return {**at, "service": service, "product": service, **more}


def host_key(port: int, key: bytes, host: str = OWN) -> dict[str, Any]:
    told = [{"type": "ssh-ed25519", "bits": "256", "key": base64.b64encode(key).decode()}]
    return row(port, "ssh", host, script="ssh-hostkey", output="", structured=told)


def certificate(port: int, der: bytes, issuer: str, until: str, host: str = OWN) -> dict[str, Any]:
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
    told = {"pem": pem, "issuer": {"commonName": issuer}, "subject": {"commonName": "web.example"}}
    told["validity"] = {"notBefore": "2026-01-01T00:00:00", "notAfter": f"{until}T00:00:00"}
    return row(port, "https", host, script="ssl-cert", output="", structured=told)


def evidence(
    asset: str = "web",
    inside: Reply | None = None,
    outside: Sequence[Mapping[str, Any]] | Reply | None = None,
    shown: Sequence[Mapping[str, Any]] = (),
    keys: str | None = None,
    installed: Sequence[str] = (),
    gaps: tuple[Gap, ...] = (),
    at: datetime = NOW,
) -> Evidence:
    replies: dict[str, Reply] = {}
    if inside is not None:
        replies[LISTENING.probe.key] = inside
    if outside is not None:
        whole = outside if isinstance(outside, Reply) else Reply(json.dumps(outside), gaps=gaps)
        replies[ports().key] = whole
        replies[services().key] = whole if whole.problem else Reply("[]")
        for probe, script in ((CERTIFICATES, "ssl-cert"), (HOST_KEYS, "ssh-hostkey")):
            told = [one for one in shown if one["script"] == script]
            replies[probe.key] = whole if whole.problem else Reply(json.dumps(told))
    if keys is not None:
        replies[KEYS.probe.key] = sent(KEYS.probe.key, keys + "end\n")
    if installed:
        rows = ["\t".join(["ii ", name, "amd64", "1.0", source, "1.0"]) for name, _, source in map(_split, installed)]
        replies[packages.DPKG_PACKAGES.probe.key] = sent(packages.DPKG_PACKAGES.probe.key, "\n".join(rows) + "\n")
    return Evidence(asset, at, "0", replies)


def _split(text: str) -> tuple[str, str, str]:
    """'libssl3:openssl' -> ('libssl3', ':', 'openssl')."""
    name, colon, source = text.partition(":")
    return name, colon, source or name
