"""Which Match blocks of the SSH server hold for one connection, as `sshd -T -C` decides.

Source: sshd_config(5), PATTERNS in ssh_config(5); match_cfg_line in servconf.c.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterator, Mapping

from scanner import Undetermined

EVERY = "all"
"""The criterion that every connection meets; what stands in such a block overrides what stands outside of any."""
CRITERIA = {
    "user": "user",
    "group": "groups",
    "host": "host",
    "address": "address",
    "localaddress": "local_address",
    "localport": "local_port",
    "rdomain": "routing_domain",
}
"""Criterion of a Match line -> its name in a connection."""
Connection = Mapping[str, str | int | list[str]]


def holds(scope: str, connection: Connection) -> bool:
    """Whether every criterion of a scope ('User bob and Address 192.0.2.0/24') holds for a connection ({user: bob}).

    Raises Undetermined where it hangs on something that the connection does not say.
    """
    unknown = set(connection) - set(CRITERIA.values())
    if unknown:
        raise Undetermined(f"a connection has no {min(unknown)!r}; known: {', '.join(CRITERIA.values())}")
    missing = ""
    for criterion, pattern in _criteria(scope):
        name = CRITERIA.get(criterion, criterion)
        if name not in connection:
            missing = missing or name
        elif not _meets(criterion, pattern, connection[name]):
            return False
    if missing:
        raise Undetermined(f"a Match block ({scope}) asks for {missing!r}; name it in `connection`")
    return True


def _criteria(scope: str) -> Iterator[tuple[str, str]]:
    """'User bob Group=ops and all' -> ('user', 'bob'), ('group', 'ops')."""
    for block in scope.split(" and "):
        words = iter(block.split())
        for word in words:
            name, equals, value = word.partition("=")
            if name.lower() != EVERY:
                yield name.lower(), value if equals else next(words, "")


def _meets(criterion: str, pattern: str, said: str | int | list[str]) -> bool:
    values = [str(one) for one in said] if isinstance(said, list) else [str(said)]
    if criterion == "localport":
        return values == [pattern]
    fits = _address_fits if criterion in {"address", "localaddress"} else _name_fits
    if criterion == "host":
        values, pattern = [value.lower() for value in values], pattern.lower()
    patterns = [one for one in pattern.split(",") if one]
    denied = [one[1:] for one in patterns if one.startswith("!")]
    if any(fits(value, one) for value in values for one in denied):
        return False
    return any(fits(value, one) for value in values for one in patterns if not one.startswith("!"))


def _name_fits(value: str, pattern: str) -> bool:
    """Only * and ? are wildcards."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _address_fits(value: str, pattern: str) -> bool:
    """A network in CIDR form holds its addresses; anything else is a pattern."""
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return _name_fits(value, pattern)
