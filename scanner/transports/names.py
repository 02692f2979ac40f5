"""Names of hosts, as the resolver of this machine knows them."""

from __future__ import annotations

import socket
from ipaddress import ip_address


def addresses_of(name: str) -> frozenset[str]:
    """'localhost' -> {'127.0.0.1', '::1'}; empty where the name does not resolve. The resolver's time-outs bound it."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(ip_address(str(entry[4][0]).partition("%")[0])) for entry in found)
