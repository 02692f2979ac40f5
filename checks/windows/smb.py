"""Windows file sharing: the server's and the client's settings in force, and who may use each share."""

from __future__ import annotations

from scanner import Fact, Unclear, Unparsable, check, powershell

from . import sddl
from .rows import Row, field, row, rows

_SERVER = """
$found = Get-SmbServerConfiguration
@{
    EnableSMB1Protocol = [bool]$found.EnableSMB1Protocol
    RequireSecuritySignature = [bool]$found.RequireSecuritySignature
    EncryptData = [bool]$found.EncryptData
    RejectUnencryptedAccess = [bool]$found.RejectUnencryptedAccess
}
""".strip()
_CLIENT = """
$found = Get-SmbClientConfiguration
@{
    RequireSecuritySignature = [bool]$found.RequireSecuritySignature
    EnableInsecureGuestLogons = [bool]$found.EnableInsecureGuestLogons
}
""".strip()
_SHARES = """
foreach ($one in @(Get-SmbShare)) {
    @{ Name = '' + $one.Name; Special = [bool]$one.Special; Sddl = '' + $one.SecurityDescriptor }
}
""".strip()

SERVER = Fact(powershell(_SERVER, of="Get-SmbServerConfiguration", timeout_s=60.0), row)
CLIENT = Fact(powershell(_CLIENT, of="Get-SmbClientConfiguration", timeout_s=60.0), row)
SHARES = Fact(powershell(_SHARES, of="Get-SmbShare", timeout_s=60.0), rows)


@check("windows.smb.server", SERVER)
def server(found: Row, setting: str) -> bool:
    """A setting of the server in force: EnableSMB1Protocol, RequireSecuritySignature, EncryptData …"""
    return field(found, setting, bool)


@check("windows.smb.client", CLIENT)
def client(found: Row, setting: str) -> bool:
    """A setting of the client in force: RequireSecuritySignature, EnableInsecureGuestLogons."""
    return field(found, setting, bool)


@check("windows.smb.share_access", SHARES)
def share_access(found: list[Row]) -> dict[str, list[str] | Unclear]:
    """Per share that is not Windows' own (ADMIN$, C$, IPC$): the SIDs that its share permissions let in."""
    own = [share for share in found if not field(share, "Special", bool)]
    return {field(share, "Name", str): _let_in(field(share, "Sddl", str)) for share in own}


def _let_in(permissions: str) -> list[str] | Unclear:
    try:
        return sddl.allowed(permissions)
    except Unparsable as error:
        return Unclear(str(error))
