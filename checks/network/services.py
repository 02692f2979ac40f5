"""Which services answer, and whether what is said to them can be read on the way."""

from __future__ import annotations

from scanner import Fact, check, nse, services

from .rows import Row, Service, scripts
from .rows import services as read_services

SERVICES = Fact(services(), read_services)
CERTIFICATES = Fact(nse("ssl-cert"), scripts)
TITLES = Fact(nse("http-title"), scripts)

_SEALED = {"ssh", "https", "ssl", "openvpn", "isakmp"}


@check("network.services.readable", SERVICES, CERTIFICATES)
def readable(services: list[Service], certificates: list[Row]) -> dict[str, str]:
    """Per open port: "encrypted", or the name of the service that is spoken without encryption.

    A service that shows a certificate after STARTTLS counts as encrypted; whether it insists cannot be seen from here.
    """
    with_certificate = {row.subject for row in certificates}
    return {
        one.subject: "encrypted"
        if one.tunnel == "ssl" or one.service in _SEALED or one.subject in with_certificate
        else one.service
        for one in services
    }


@check("network.services.web", TITLES)
def web(titles: list[Row]) -> dict[str, str]:
    """Per port that answers web requests without encryption: "sends on to https" or "answers in clear text"."""
    found = {}
    for row in titles:
        if row.at.tunnel == "ssl":
            continue
        target = row.structured.get("redirect_url", "") if isinstance(row.structured, dict) else ""
        found[row.subject] = "sends on to https" if target.lower().startswith("https://") else "answers in clear text"
    return found
