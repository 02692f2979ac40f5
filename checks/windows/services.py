"""Windows services: how they start, whether they run, and whether their command line can be hijacked."""

from __future__ import annotations

import re

from scanner import Absent, Fact, Unparsable, check, powershell

from .rows import Row, field, rows

_SERVICES = """
Get-CimInstance -ClassName Win32_Service | Select-Object 'Name', 'StartMode', 'State', 'StartName', 'PathName'
""".strip()


_MODES = ("Boot", "System", "Auto", "Manual", "Disabled", "Unknown")


def services(text: str) -> dict[str, Row]:
    """'[{"Name": "Spooler", "StartMode": "Auto", …}]' -> {'spooler': {…}}. Win32_Service's words are fixed.

    A list in which another word stands is none of services, and what it lacks is not proved to be absent.
    """
    found = {field(entry, "Name", str).lower(): entry for entry in rows(text)}
    if not found:
        raise Unparsable("no service at all")
    for name, entry in found.items():
        if entry.get("StartMode") not in _MODES:
            raise Unparsable(f"service {name[:100]!r} starts in no known way: {str(entry.get('StartMode'))[:100]!r}")
    return found


SERVICES = Fact(powershell(_SERVICES, of="Get-CimInstance", timeout_s=60.0), services)


def _named(found: dict[str, Row], service: str) -> Row:
    if service.lower() not in found:
        raise Absent(f"there is no service {service}")
    return found[service.lower()]


@check("windows.services.start", SERVICES)
def start(found: dict[str, Row], service: str) -> str:
    """How a service starts: Auto, Manual or Disabled."""
    return field(_named(found, service), "StartMode", str)


@check("windows.services.state", SERVICES)
def state(found: dict[str, Row], service: str) -> str:
    """Whether a service runs: Running, Stopped, Paused …"""
    return field(_named(found, service), "State", str)


@check("windows.services.command_line", SERVICES)
def command_line(found: dict[str, Row]) -> dict[str, str]:
    """Per service whose program lies in a folder with a space in its path: "quoted", or "open" to another program."""
    judged = {}
    for entry in found.values():
        written = str(entry.get("PathName") or "")[:4096].strip()
        program = re.match(r'"[^"]+"|.*?\.[a-z0-9]{1,4}(?=\s|$)', written, re.IGNORECASE)
        path = program[0] if program else written
        if " " in path.strip('"'):
            judged[field(entry, "Name", str)] = "quoted" if path.startswith('"') else "open"
    return judged
