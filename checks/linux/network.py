"""What listens to the network: sockets of the running system, and what Postfix is told to listen to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from scanner import Absent, Fact, Undetermined, Unparsable, check, file, parse, sh
from scanner import files as texts

from .packages import PACKAGES


@dataclass(frozen=True, slots=True)
class Socket:
    """One listening socket. protocol: tcp or udp; address without brackets and interface; * is every address."""

    protocol: str
    address: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this host itself can reach it."""
        return self.address != "*" and ipaddress.ip_address(self.address).is_loopback


def sockets(text: str) -> tuple[Socket, ...]:
    """'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\\n' -> (Socket('tcp', '0.0.0.0', 22),). Source: ss(8), `ss -Hlntu`."""
    found = []
    for line in filter(str.strip, text.split("\n")):
        fields = line.split()
        place = re.fullmatch(
            r"\[?([0-9a-fA-F.:*]+?)\]?(?:%[^\]:]+)?\]?:(\d{1,5})", fields[4] if len(fields) > 4 else ""
        )
        if not place or fields[0] not in {"tcp", "udp"}:
            raise Unparsable(line[:200])
        if place[1] != "*":
            ipaddress.ip_address(place[1])
        found.append(Socket(fields[0], place[1], int(place[2])))
    return tuple(found)


def main_cf(text: str) -> Mapping[str, str]:
    """'inet_interfaces = loopback-only\\n' -> {'inet_interfaces': 'loopback-only'}; the last of equal names wins.

    A line that starts with white space goes on with the one before. Source: postconf(5).
    """
    logical: list[str] = []
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and logical:
            logical[-1] += " " + line.strip()
        else:
            logical.append(line.strip())
    pairs = (line.partition("=") for line in parse.every(logical, re.compile(r"[\w.:-]+\s*=").match))
    return {name.strip(): value.strip() for name, _, value in pairs}


LISTENING = Fact(sh("ss -Hlntu", of="ss", running=True, marked=True), sockets, fleeting=r"\s+")
EXIM = "/etc/exim4/update-exim4.conf.conf"
MAIN_CF = "/etc/postfix/main.cf"
OTHERS = ("sendmail-bin", "courier-mta", "opensmtpd", "citadel-server", "xmail")
LOOPS = {"loopback-only", "localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1"}
MAIL = Fact(texts(MAIN_CF, EXIM), parse.files)
POSTFIX = Fact(file(MAIN_CF), main_cf)


@check("linux.network.listening", LISTENING)
def listening(found: tuple[Socket, ...], ports: list[int]) -> list[str]:
    """Sockets at one of the TCP `ports` that other hosts can reach."""
    return [f"{s.address}:{s.port}" for s in found if s.protocol == "tcp" and s.port in ports and not s.is_local]


@check("linux.network.exposed", LISTENING)
def exposed(found: tuple[Socket, ...]) -> list[str]:
    """Ports that other hosts can reach, like 22/tcp."""
    open_ones = sorted({(s.port, s.protocol) for s in found if not s.is_local})
    return [f"{port}/{protocol}" for port, protocol in open_ones]


@check("linux.network.postfix_interfaces", POSTFIX)
def postfix_interfaces(found: Mapping[str, str]) -> list[str]:
    """The words of Postfix's inet_interfaces, lower-cased; "all" where it is not set."""
    words = _interfaces(found)
    if not words:
        raise Absent("inet_interfaces is empty: Postfix takes no mail from the network")
    return words


def _interfaces(found: Mapping[str, str]) -> list[str]:
    words = re.split(r"[,\s]+", found.get("inet_interfaces", "all").lower())
    return [word.strip("[]") for word in words if word]


@check("linux.network.mail_from_outside", PACKAGES, MAIL)
def mail_from_outside(packages: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Installed mail servers that are told to listen to more than this host itself."""
    unknown = [name for name in OTHERS if name in packages]
    if unknown:
        raise Undetermined(f"where {unknown[0]} listens cannot be read from its files")
    listening = []
    if "postfix" in packages and set(_interfaces(main_cf(found.get(MAIN_CF, "")))) - LOOPS:
        listening.append("postfix")
    if "exim4-config" in packages:
        said = re.findall(r"^dc_local_interfaces='([^']*)'", found.get(EXIM, ""), re.MULTILINE)
        places = re.split(r"[;\s]+", said[-1]) if said and said[-1].strip() else [""]
        if {place.strip() for place in places if place.strip() or len(places) == 1} - LOOPS:
            listening.append("exim4")
    return listening
