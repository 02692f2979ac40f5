"""The nmap scripts that may run: they read what a service offers to anybody, and change, guess or break nothing.

Not among them: whatever nmap's script.db puts under brute, dos, exploit, external, fuzzer or malware. Some are our
own, in the folder nse/: for questions on which nmap's scripts keep silent, or do more than ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scanner.addresses import Protocol

from .nmap_xml import Port, Script

ALLOWED = frozenset(
    {
        "docker-version",
        "http-title",
        "memcached-info",
        "rdp-enum-encryption",
        "redis-info",
        "riskline-database",
        "riskline-doors",
        "riskline-ftp",
        "riskline-relay",
        "riskline-resolver",
        "riskline-snmp",
        "rsync-list-modules",
        "smb-protocols",
        "smb2-security-mode",
        "ssh-hostkey",
        "ssh2-enum-algos",
        "sshv1",
        "ssl-cert",
        "ssl-enum-ciphers",
        "sslv2",
        "vnc-info",
    }
)


_OWN = Path(__file__).parent / "nse"


def path_of(script: str) -> str:
    """What nmap is told to run: the name of a script of its own, the path of one of ours."""
    return str(_OWN / f"{script}.nse") if script.startswith("riskline-") else script


_TELLS: Mapping[str, str] = {
    "riskline-doors": "http",
    "riskline-ftp": "ftp",
    "riskline-relay": "smtp",
    "riskline-resolver": "domain",
    "riskline-snmp": "snmp",
    "ssh2-enum-algos": "ssh",
    "vnc-info": "vnc",
}
"""Script whose question only one kind of service understands → that service, by nmap's name."""


def service(port: Port) -> str:
    """What answers on a port: by what it told nmap, else by the script that it answered; "" where neither says so.

    "tcpwrapped" means that it hung up without a word.
    """
    if port.method == "probed" and port.service not in {"", "unknown", "tcpwrapped"}:
        return port.service
    return next((name for script in port.scripts if not script.error and (name := _told_by(script))), "")


def _told_by(script: Script) -> str:
    if script.name == "riskline-database" and isinstance(script.structured, dict):
        return str(script.structured.get("name", "")).lower()
    return _TELLS.get(script.name, "")


def _on(*services: str, usual: Sequence[int] = ()) -> Callable[[Port], bool]:
    """Ports on which one of these services answers, and the usual ones where nobody knows what does."""
    return lambda port: service(port) in services if service(port) else port.number in usual


def _speaks_tls(port: Port) -> bool:
    return port.tunnel == "ssl"


def _is_smb(port: Port) -> bool:
    return (port.number, port.protocol) == (445, "tcp")


def _only_version_2(port: Port) -> bool:
    """An SSH server that greets with "SSH-2.0"; one that also speaks version 1 says 1.99 (RFC 4253, section 5.1)."""
    return port.method == "probed" and port.service == "ssh" and "protocol 2.0" in port.extra


MUST_ANSWER: Mapping[str, Callable[[Port], bool]] = {
    "docker-version": _on("docker", usual=[2375]),
    "http-title": lambda port: service(port).startswith("http"),
    "memcached-info": _on("memcached", usual=[11211]),
    "rdp-enum-encryption": _on("ms-wbt-server", usual=[3389]),
    # an open port that names no service may be any store: this one gap keeps it from passing as none
    "redis-info": lambda port: port.protocol == "tcp" and service(port) in {"", "redis"},
    "riskline-database": _on("mongod", "mongodb", "mysql", "postgresql", usual=[3306, 5432, 27017]),
    "riskline-doors": lambda port: service(port).startswith("http"),
    "riskline-ftp": _on("ftp", usual=[21]),
    "riskline-relay": _on("smtp", usual=[25]),
    "riskline-resolver": _on("domain", usual=[53]),
    "smb-protocols": _is_smb,
    "smb2-security-mode": _is_smb,
    "ssh-hostkey": _on("ssh", usual=[22]),
    "ssh2-enum-algos": _on("ssh", usual=[22]),
    "sshv1": _on("ssh", usual=[22]),
    "ssl-cert": _speaks_tls,
    "ssl-enum-ciphers": _speaks_tls,
    "vnc-info": _on("vnc", usual=[5900]),
}
"""Script → the open ports on which it has something to say; its silence there means that it could not find out."""

SILENT_IS_NO: Mapping[str, Callable[[Port], bool]] = {
    # refusing a community is done by silence (RFC 3584, section 5.2.1); the service itself did answer
    "riskline-snmp": _on("snmp"),
    "sshv1": _only_version_2,
}
"""Script → the open ports on which silence means that the door it tries is shut; an empty row shows that it tried."""

NEEDS: Mapping[str, tuple[int, Protocol]] = {"riskline-snmp": (161, "udp")}
"""Script → the port without which it says nothing; where that was wanted and not looked at, its silence is a gap."""

REFUSALS: Mapping[str, tuple[str, ...]] = {
    "redis-info": ("Authentication required", "NOAUTH", "NOPERM", "DENIED Redis is running in protected mode"),
}
"""Script → words of its error that show the service's own refusal, which is as good as an answer."""
