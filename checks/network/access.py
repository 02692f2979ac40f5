"""Doors that open without a login: what a service gives to anybody who asks. Source: the nmap scripts named below."""

from __future__ import annotations

from scanner import Fact, Unclear, Undetermined, check, nse

from .rows import Row, each, mapping, scripts

FTP = Fact(nse("riskline-ftp"), scripts)
RESOLVERS = Fact(nse("riskline-resolver"), scripts)
RELAYS = Fact(nse("riskline-relay"), scripts)
STORES = Fact(nse("docker-version", "memcached-info", "redis-info", "riskline-database", "riskline-doors"), scripts)
SCREENS = Fact(nse("vnc-info"), scripts)
DESKTOPS = Fact(nse("rdp-enum-encryption"), scripts)
SNMP = Fact(nse("riskline-snmp"), scripts)


@check("network.access.anonymous_ftp", FTP)
def anonymous_ftp(ftp: list[Row]) -> dict[str, bool | Unclear]:
    """Per FTP port: whether a login as "anonymous" was accepted."""
    return each(ftp, lambda row: {"accepted": True, "refused": False}[mapping(row)["login"]])


@check("network.access.open_resolver", RESOLVERS)
def open_resolver(resolvers: list[Row]) -> dict[str, bool | Unclear]:
    """Per DNS port: whether it looks names up for whoever asks from here, names of others included."""
    return each(resolvers, lambda row: mapping(row)["recursion"] == "yes" and mapping(row)["code"] != _REFUSED)


_REFUSED = "5"
"""Answer code of a DNS server that serves the asker by no means (RFC 1035, section 4.1.1)."""


@check("network.access.open_relay", RELAYS)
def open_relay(relays: list[Row]) -> dict[str, bool | Unclear]:
    """Per mail port: whether it takes mail from strangers to strangers, here from example.org to example.net."""
    return each(relays, _relays)


def _relays(row: Row) -> bool:
    at, code, why = mapping(row)["at"], mapping(row)["code"], mapping(row).get("why", "")
    if (code, why) == _PUT_OFF_FOR_GOOD:
        return False
    if code[:1] == "4":
        raise Undetermined(f"{row.subject} put the question off ({code} to {at})")
    return bool(at == "RCPT" and code[:1] == "2")


_PUT_OFF_FOR_GOOD = ("454", "4.7.1")
"""How Postfix says "relay access denied" by default: access refused (RFC 3463), put off so that an error of its
administrator loses no mail (postconf(5), defer_unauth_destination)."""


@check("network.access.open_store", STORES)
def open_store(stores: list[Row]) -> dict[str, list[str] | Unclear]:
    """Per port: the databases, caches, clusters and admin interfaces that answer there without a login."""
    said: dict[str, list[list[str] | Unclear]] = {}
    for row in stores:
        said.setdefault(row.subject, []).extend(each([row], _open_here).values())
    return {subject: _together(answers) for subject, answers in said.items()}


def _together(answers: list[list[str] | Unclear]) -> list[str] | Unclear:
    """All that is open; unclear only where nothing is seen open, and one of them may be."""
    opened = sorted({name for one in answers if not isinstance(one, Unclear) for name in one})
    return opened or next((one for one in answers if isinstance(one, Unclear)), opened)


def _open_here(row: Row) -> list[str]:
    if row.script == "riskline-doors":
        return [name for name in mapping(row)["open"].split(", ") if name]
    if row.script == "riskline-database":
        return {"accepted": [mapping(row)["name"]], "refused": []}[mapping(row)["login"]]
    if row.script == "redis-info" and "Version" not in (row.structured or {}):
        return []
    return [row.script.partition("-")[0].capitalize()] if row.structured else []


@check("network.access.open_screen", SCREENS)
def open_screen(screens: list[Row]) -> dict[str, bool | Unclear]:
    """Per VNC port: whether the screen is given to anybody without a login."""
    return each(screens, _without_login)


def _without_login(row: Row) -> bool:
    said = mapping(row)
    if "Security types" not in said:
        raise Undetermined(f"{row.subject} does not show how it lets people in")
    return "WARNING" in said


@check("network.access.desktop_before_login", DESKTOPS)
def desktop_before_login(desktops: list[Row]) -> dict[str, bool | Unclear]:
    """Per Remote Desktop port: whether a session opens before the user has proved who they are (without NLA)."""
    return each(desktops, _before_login)


def _before_login(row: Row) -> bool:
    if "Security layer" not in row.output or ": Unknown" in row.output:
        raise Undetermined(f"{row.subject} does not show its security layers")
    return any(f"{layer}: SUCCESS" in row.output for layer in ("Native RDP", "SSL"))


@check("network.access.default_communities", SNMP)
def default_communities(snmp: list[Row]) -> dict[str, list[str] | Unclear]:
    """Per SNMP port: the communities of those that agents come with ("public", "private") to which it answers."""
    return each(snmp, lambda row: mapping(row)["communities"].split(", ") if row.structured or row.output else [])
