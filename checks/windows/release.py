"""Which Windows this is, by its own registry: build number, patch level, and what part it plays in a domain."""

from __future__ import annotations

from scanner import Absent, Fact, Unparsable, check, registry

from .registry import Reading, reading
from .rows import whole

_CURRENT = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_ROLES = {"WinNT": "workstation", "ServerNT": "member-server", "LanmanNT": "domain-controller"}

BUILD = Fact(registry(_CURRENT, "CurrentBuildNumber"), reading)
REVISION = Fact(registry(_CURRENT, "UBR"), reading)
INSTALLATION = Fact(registry(_CURRENT, "InstallationType"), reading)
PRODUCT = Fact(registry(r"HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions", "ProductType"), reading)


def number(found: Reading, what: str) -> int:
    """A whole number out of a reading, whether Windows wrote it as text or number."""
    if found.found != "value":
        raise Absent(f"Windows does not say its {what}")
    return whole(str(found.value))


@check("windows.release.build", BUILD)
def build(found: Reading) -> int:
    """The build number: 17763 is Server 2019, 20348 Server 2022, 26100 Server 2025."""
    return number(found, "build number")


@check("windows.release.patch_level", BUILD, REVISION)
def patch_level(found: Reading, revision: Reading) -> str:
    """Build and revision, which every cumulative update raises: "20348.2700"."""
    return f"{number(found, 'build number')}.{number(revision, 'revision')}"


@check("windows.release.role", PRODUCT)
def role(product: Reading) -> str:
    """member-server (in a domain or not), domain-controller or workstation."""
    if str(product.value) not in _ROLES:
        raise Unparsable(f"ProductType: {product.value!r:.100}")
    return _ROLES[str(product.value)]


@check("windows.release.installation", INSTALLATION)
def installation(found: Reading) -> str:
    """ "Server Core", "Server" (with the desktop) or "Client"."""
    if found.found != "value":
        raise Absent("Windows does not say how it was installed")
    return str(found.value)
