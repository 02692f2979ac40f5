"""Known flaws: what waits to be installed, and what is installed that no advisory of the distribution speaks of."""

from __future__ import annotations

from collections.abc import Mapping

from scanner import Fact, NotApplicable, Undetermined, check
from scanner.threats import packages
from scanner.threats.packages import (
    APK_PACKAGES,
    APK_REPOSITORIES,
    DPKG_PACKAGES,
    OFFERS,
    RELEASE,
    RPM_PACKAGES,
    RUNNING,
    Installed,
    Offer,
    foreign_repositories,
    from_elsewhere,
    on_disk,
)

ON_DISK = Fact(DPKG_PACKAGES.probe, on_disk)


@check("linux.vulnerabilities.behind", ON_DISK, OFFERS)
def behind(installed: tuple[tuple[str, str, str], ...], offered: tuple[Offer, ...]) -> list[str]:
    """Installed packages of which apt's own lists offer a newer version: 'bash 5.2.15-1 (5.2.15-2 is offered)'."""
    if not offered:
        raise Undetermined("this host holds no package lists; `apt update` fetches them")
    if not installed:
        raise Undetermined("dpkg named no package, not even itself")
    found = packages.behind(installed, offered)
    return sorted(f"{name} {now} ({newer} is offered)" for name, (now, newer) in found.items())


@check("linux.vulnerabilities.elsewhere", DPKG_PACKAGES, RELEASE, OFFERS)
def elsewhere(installed: tuple[Installed, ...], release: Mapping[str, str], offered: tuple[Offer, ...]) -> list[str]:
    """Installed packages of dpkg that are backports, of third parties, or in no archive of the distribution."""
    if not offered:
        raise Undetermined("this host holds no package lists; `apt update` fetches them")
    if not installed:
        raise Undetermined("dpkg named no package, not even itself")
    return sorted(from_elsewhere(installed, release, offered))


@check("linux.vulnerabilities.rpm_elsewhere", RPM_PACKAGES, RELEASE)
def rpm_elsewhere(installed: tuple[Installed, ...], release: Mapping[str, str]) -> list[str]:
    """Installed RPM packages whose vendor is not the distribution."""
    if not installed:
        raise NotApplicable("no package is installed by rpm")
    return sorted(from_elsewhere(installed, release, None))


@check("linux.vulnerabilities.apk_elsewhere", APK_PACKAGES, RELEASE, APK_REPOSITORIES)
def apk_elsewhere(installed: tuple[Installed, ...], release: Mapping[str, str], places: tuple[str, ...]) -> list[str]:
    """Places that Alpine takes packages from which are not the main and community archives of its own release."""
    if not installed:
        raise Undetermined("apk lists no package at all")
    return sorted(foreign_repositories(places, release))


@check("linux.vulnerabilities.kernel_of_a_package", DPKG_PACKAGES, RUNNING)
def kernel_of_a_package(installed: tuple[Installed, ...], running: str) -> bool:
    """Whether the running kernel is one of the installed packages."""
    images = {one.kernel for one in installed if one.kernel}
    if not images:
        raise NotApplicable("no kernel is installed here; the running one comes from elsewhere")
    return running in images
