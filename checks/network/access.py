"""Doors that open without a login: what a service gives to anybody who asks. Source: the nmap scripts named below."""

from __future__ import annotations

from scanner import Fact, Undetermined, check, nse

from .rows import Row, mapping, scripts

FTP = Fact(nse("ftp-anon"), scripts)
STORES = Fact(nse("docker-version", "memcached-info", "mongodb-databases", "redis-info"), scripts)
TITLES = Fact(nse("http-title"), scripts)
SCREENS = Fact(nse("vnc-info"), scripts)
DESKTOPS = Fact(nse("rdp-enum-encryption"), scripts)
SNMP = Fact(nse("snmp-sysdescr"), scripts)


@check("network.access.anonymous_ftp", FTP)
def anonymous_ftp(ftp: list[Row]) -> dict[str, bool]:
    """Per FTP port: whether a login as "anonymous" was accepted."""
    return {row.subject: row.output.startswith("Anonymous FTP login allowed") for row in ftp}


@check("network.access.open_store", STORES, TITLES)
def open_store(stores: list[Row], titles: list[Row]) -> dict[str, bool]:
    """Per port of Redis, MongoDB, memcached, Docker or Elasticsearch: whether it answers without a login."""
    found, unclear = {}, ""
    for row in stores:
        try:
            found[row.subject] = _answers(row)
        except Undetermined as error:
            unclear = str(error)
    for row in titles:
        if row.at.product == "Elasticsearch REST API":
            # nmap reads the version from the greeting, which is only given to those who may come in
            found[row.subject] = bool(row.at.version)
    # an open one must be told, whatever else could not be found out
    if unclear and not any(found.values()):
        raise Undetermined(unclear)
    return found


def _answers(row: Row) -> bool:
    if row.script == "redis-info":
        return isinstance(row.structured, dict) and "Version" in row.structured
    if row.script == "mongodb-databases":
        if "OP_QUERY" in row.output:
            raise Undetermined(f"{row.subject}: this MongoDB is too new for nmap's script; ask it on the host itself")
        return "databases" in row.output
    return bool(row.structured)


@check("network.access.open_screen", SCREENS)
def open_screen(screens: list[Row]) -> dict[str, bool]:
    """Per VNC port: whether the screen is given to anybody without a login."""
    found = {}
    for row in screens:
        said = mapping(row)
        if "Security types" not in said:
            raise Undetermined(f"{row.subject} does not show how it lets people in")
        found[row.subject] = "WARNING" in said
    return found


@check("network.access.desktop_before_login", DESKTOPS)
def desktop_before_login(desktops: list[Row]) -> dict[str, bool]:
    """Per Remote Desktop port: whether a session opens before the user has proved who they are (without NLA)."""
    found = {}
    for row in desktops:
        if "Security layer" not in row.output or ": Unknown" in row.output:
            raise Undetermined(f"{row.subject} does not show its security layers")
        found[row.subject] = any(f"{layer}: SUCCESS" in row.output for layer in ("Native RDP", "SSL"))
    return found


@check("network.access.public_snmp", SNMP)
def public_snmp(snmp: list[Row]) -> dict[str, bool]:
    """Per SNMP port: whether it answers to the community "public"."""
    return {row.subject: bool(row.output) for row in snmp}
