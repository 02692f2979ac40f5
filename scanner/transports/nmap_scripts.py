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
        "x11-access",
    }
)


def speaks_tls(port: Port) -> bool:
    """Whether TLS begins with the first byte."""
    return port.tunnel == "ssl"


def speaks_ssh(port: Port) -> bool:
    """Whether the banner is that of SSH."""
    return port.service == "ssh" and port.method == "probed"


def is_smb(port: Port) -> bool:
    """Whether this is the port on which nmap's scripts look for SMB."""
    return (port.number, port.protocol) == (445, "tcp")


MUST_ANSWER: Mapping[str, Callable[[Port], bool]] = {
    "rdp-enum-encryption": lambda port: port.service == "ms-wbt-server" and port.method == "probed",
    "smb-protocols": is_smb,
    "ssh2-enum-algos": speaks_ssh,
    "ssl-cert": speaks_tls,
    "ssl-enum-ciphers": speaks_tls,
    "vnc-info": lambda port: port.service == "vnc" and port.method == "probed",
}
"""Script → the open ports on which it has something to say; its silence there means that it could not find out."""
