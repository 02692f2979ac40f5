"""The message of the day that a login shows."""

from scanner import Fact, check, file

MOTD = Fact(file("/etc/motd"), str.strip)


@check("acme.motd.text", MOTD)
def text(motd: str) -> str:
    """The text of /etc/motd, without white space at its ends."""
    return motd
