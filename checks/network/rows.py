"""What the look from outside brings back, read into rows. Shape: scanner/transports/nmap_replies.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from scanner import Unclear, Undetermined, Unparsable, parse

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Service:
    """What answers on one port, "" where it did not say. tunnel: "ssl" where TLS begins with the first byte."""

    subject: str
    host: str
    service: str
    product: str
    version: str
    tunnel: str


@dataclass(frozen=True, slots=True)
class Row:
    """What one nmap script said of one port, or of a host as a whole. Silent: output "" and structured None."""

    at: Service
    script: str
    output: str
    structured: Any

    @property
    def subject(self) -> str:
        """The port, or the host as a whole."""
        return self.at.subject


def subject(host: str, port: int, protocol: str) -> str:
    """('::1', 22, 'tcp') -> '[::1]:22/tcp'; port 0 stands for the host as a whole."""
    if not port:
        return host
    return f"[{host}]:{port}/{protocol}" if ":" in host else f"{host}:{port}/{protocol}"


def entries(text: str) -> list[dict[str, Any]]:
    """A JSON list of mappings; anything else is Unparsable."""
    found = parse.json(text)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Unparsable(text[:200])
    return found


def services(text: str) -> list[Service]:
    """'[{"host": "10.0.0.5", "port": 22, "protocol": "tcp", …}]' -> [Service('10.0.0.5:22/tcp', '10.0.0.5', …)]."""
    return [_service(entry) for entry in entries(text)]


def _service(entry: dict[str, Any]) -> Service:
    words = [str(entry[key]) for key in ("service", "product", "version", "tunnel")]
    host = str(entry["host"])
    return Service(subject(host, entry["port"], entry["protocol"]), host, *words)


def scripts(text: str) -> list[Row]:
    """The same with '"script": "vnc-info", "output": "…", "structured": null' -> [Row(Service(…), 'vnc-info', …)]."""
    return [Row(_service(e), e["script"], e["output"], e["structured"]) for e in entries(text)]


_RSA_STRENGTH = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
"""NIST SP 800-57 part 1 revision 5, table 2: bits of an RSA, DSA or DH key -> bits of strength."""


def rsa_strength(bits: int) -> int:
    """3072 -> 128; 0 below 1024 bits."""
    return next((strength for least, strength in _RSA_STRENGTH if bits >= least), 0)


def each(rows: Iterable[Row], judge: Callable[[Row], V]) -> dict[str, V | Unclear]:
    """Subject -> what `judge` says of its row. A row that it cannot read is unclear itself, and spoils no other."""
    found: dict[str, V | Unclear] = {}
    for row in rows:
        try:
            found[row.subject] = judge(row)
        except (Undetermined, Unparsable, LookupError, ValueError, TypeError, AttributeError) as error:
            found[row.subject] = Unclear(str(error)[:300])
    return found


def mapping(row: Row) -> dict[str, Any]:
    """The script's structured output where it is a mapping; another shape is Unparsable."""
    if not isinstance(row.structured, dict):
        raise Unparsable(f"{row.script} on {row.subject}: {str(row.structured)[:150]}")
    return row.structured


def texts(value: object) -> list[str]:
    """A list of texts; another shape is Unparsable."""
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise Unparsable(str(value)[:200])
    return value


def inner(row: Row, key: str) -> dict[str, Any]:
    """A mapping inside the script's structured output; an empty one where the script shows nothing; else Unparsable."""
    found = mapping(row).get(key)
    if found is None or not isinstance(found or {}, dict):
        raise Unparsable(f"{row.script} on {row.subject}: {key} is {str(found)[:100]}")
    return found or {}
