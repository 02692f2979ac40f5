"""The nmap scripts that may run: they read what a service offers to anybody, and change, guess or break nothing.

Not among them: whatever nmap's script.db puts under brute, dos, exploit, external, fuzzer or malware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .nmap_xml import Port

ALLOWED = frozenset(
    {
        "docker-version",
        "ftp-anon",
        "http-title",
        "memcached-info",
        "mongodb-databases",
        "rdp-enum-encryption",
        "redis-info",
        "rsync-list-modules",
        "smb-protocols",
        "smb2-security-mode",
        "snmp-sysdescr",
        "ssh2-enum-algos",
        "sshv1",
        "ssl-cert",
        "ssl-enum-ciphers",
        "sslv2",
        "vnc-info",
    }
)


def _on(*services: str) -> Callable[[Port], bool]:
    """Ports whose own answer named one of these services."""
    return lambda port: port.method == "probed" and port.service in services


def _speaks_tls(port: Port) -> bool:
    return port.tunnel == "ssl"


def _is_smb(port: Port) -> bool:
    return (port.number, port.protocol) == (445, "tcp")


MUST_ANSWER: Mapping[str, Callable[[Port], bool]] = {
    "http-title": lambda port: port.method == "probed" and port.service.startswith("http"),
    "mongodb-databases": _on("mongodb", "mongod"),
    "rdp-enum-encryption": _on("ms-wbt-server"),
    "smb-protocols": _is_smb,
    "smb2-security-mode": _is_smb,
    "ssh2-enum-algos": _on("ssh"),
    "ssl-cert": _speaks_tls,
    "ssl-enum-ciphers": _speaks_tls,
    "vnc-info": _on("vnc"),
}
"""Script → the open ports on which it has something to say; its silence there means that it could not find out."""

SILENT_IS_NO: Mapping[str, Callable[[Port], bool]] = {
    "docker-version": _on("docker"),
    "ftp-anon": _on("ftp"),
    "memcached-info": _on("memcached"),
    "redis-info": _on("redis"),
    "snmp-sysdescr": _on("snmp"),
    "sshv1": _on("ssh"),
}
"""Script → the open ports on which silence means that the door it tries is shut; an empty row shows that it tried."""
