"""The way in: what the transport itself saw of the host that it logged in to."""

from scanner import Fact, Undetermined, Unparsable, check, parse, visit


def shown(text: str) -> dict[str, str]:
    """'{"state": "known", …}' -> {'state': 'known', …}."""
    found = parse.json(text)
    if not isinstance(found, dict) or not isinstance(found.get("state"), str):
        raise Unparsable(text[:200])
    return found


HOST_KEY = Fact(visit("host-key"), shown)
"""{"state": "known", "seen": "SHA256:…", "expected": "SHA256:…"}; absent where the way in has no host key."""


@check("linux.login.host_key", HOST_KEY)
def host_key(seen: dict[str, str]) -> str:
    """How the host key that the server showed relates to the known one: known, new, changed or revoked."""
    state = seen["state"]
    if state not in {"known", "new", "changed", "revoked"}:
        raise Undetermined(f"the host key's state is {state!r}")
    return state
