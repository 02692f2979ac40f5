"""Windows Defender Firewall as it is in force (the active store), all policies taken together."""

from __future__ import annotations

from scanner import Absent, Fact, Unparsable, check, powershell

from .rows import Row, rows, whole, word

_NUMBERS = (
    *("Enabled", "DefaultInboundAction", "DefaultOutboundAction", "AllowLocalFirewallRules"),
    *("AllowLocalIPsecRules", "NotifyOnListen", "LogAllowed", "LogBlocked"),
)
_BOOLEANS = {0: "no", 1: "yes", 2: "not-configured"}
_ACTIONS = {0: "not-configured", 2: "allow", 4: "block"}

_SCRIPT = """
foreach ($one in @(Get-NetFirewallProfile -PolicyStore ActiveStore)) {
    $found = @{ Name = '' + $one.Name; LogFileName = '' + $one.LogFileName }
    $found.LogMaxSizeKilobytes = '' + $one.LogMaxSizeKilobytes
    foreach ($name in @('Enabled', 'DefaultInboundAction', 'DefaultOutboundAction', 'AllowLocalFirewallRules',
        'AllowLocalIPsecRules', 'NotifyOnListen', 'LogAllowed', 'LogBlocked')) { $found[$name] = [int]$one.$name }
    $found
}
""".strip()


def profiles(text: str) -> dict[str, Row]:
    """'[{"Name": "Domain", "Enabled": 1, "DefaultInboundAction": 4, …}]' -> {'domain': {'Enabled': 'yes', …}}.

    Source: MSFT_NetFirewallProfile; its properties are numbers: GpoBoolean 0, 1, 2 and Action 0, 2, 4.
    """
    found = {}
    for entry in rows(text):
        words = {name: word(_ACTIONS if name.endswith("Action") else _BOOLEANS, entry[name]) for name in _NUMBERS}
        size = whole(str(entry["LogMaxSizeKilobytes"]))  # as text: "not configured" is more than a signed number holds
        found[str(entry["Name"]).lower()] = entry | words | {"LogMaxSizeKilobytes": size}
    if not found:
        raise Unparsable("no firewall profile at all")
    return found


PROFILES = Fact(powershell(_SCRIPT, of="Get-NetFirewallProfile", timeout_s=60.0), profiles)


@check("windows.firewall.profile", PROFILES)
def profile(found: dict[str, Row], profile: str, setting: str) -> str | int:
    """A setting of a profile (domain, private, public): yes, no, allow, block, not-configured, a number or a path."""
    if profile not in found:
        raise Absent(f"there is no firewall profile {profile}")
    if setting not in found[profile]:
        raise Unparsable(f"the profile {profile} says nothing of {setting}")
    observed = found[profile][setting]
    return observed if isinstance(observed, int) else str(observed)
