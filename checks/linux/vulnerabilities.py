"""Known flaws: what is installed that no advisory of the distribution speaks of."""

from __future__ import annotations

from collections.abc import Mapping

from scanner import NotApplicable, Undetermined, check
from scanner.threats.packages import (
    DPKG_PACKAGES,
    OFFERS,
    RELEASE,
    RPM_PACKAGES,
    RUNNING,
    Installed,
    Offer,
    from_elsewhere,
)


@check("linux.vulnerabilities.elsewhere", DPKG_PACKAGES, RELEASE, OFFERS)
def elsewhere(installed: tuple[Installed, ...], release: Mapping[str, str], offered: tuple[Offer, ...]) -> list[str]:
    """Installed packages of dpkg that are backports, of third parties, or in no archive of the distribution."""
    if not offered:
        raise Undetermined("this host holds no package lists; `apt update` fetches them")
    return sorted(from_elsewhere(installed, release, offered))


@check("linux.vulnerabilities.rpm_elsewhere", RPM_PACKAGES, RELEASE)
def rpm_elsewhere(installed: tuple[Installed, ...], release: Mapping[str, str]) -> list[str]:
    """Installed RPM packages whose vendor is not the distribution."""
    return sorted(from_elsewhere(installed, release, None))


@check("linux.vulnerabilities.kernel_of_a_package", DPKG_PACKAGES, RUNNING)
def kernel_of_a_package(installed: tuple[Installed, ...], running: str) -> bool:
    """Whether the running kernel is one of the installed packages."""
    images = {one.kernel for one in installed if one.kernel}
    if not images:
        raise NotApplicable("no kernel is installed here; the running one comes from elsewhere")
    return running in images
