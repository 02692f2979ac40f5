"""What is installed: packages with their source, where they come from, and the kernels on disk and running.

An advisory names source packages on Debian and Ubuntu, and binary packages on the RPM distributions; `Installed.name`
and `.version` are what an advisory of the host's own distribution is held against.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from scanner import parse
from scanner.errors import Unparsable
from scanner.model import Fact
from scanner.probes import file, sh

from . import rpm_shell
from .versions import deb_key

# One row for each version that an archive offers of an installed package: the very one (=) or another (~). The names
# of the archives, and whether their packages are taken unasked, stand in their release files; what apt has not fetched
# says nothing.
OFFERED = r"""
l=/var/lib/apt/lists
for f in "$l"/*_Packages*; do
  [ -e "$f" ] || continue
  r=${f%_*_binary-*}
  [ "$r" != "$f" ] || r=${f%_Packages*}
  [ -e "${r}_InRelease" ] && r="${r}_InRelease" || r="${r}_Release"
  printf '>%s\t%s/%s\t%s\n' "$(sed -n 's/^Origin: *//p' "$r" 2>/dev/null | head -n 1)" \
    "$(sed -n 's/^Suite: *//p' "$r" 2>/dev/null | head -n 1)" \
    "$(sed -n 's/^Codename: *//p' "$r" 2>/dev/null | head -n 1)" \
    "$(sed -nE 's/^(NotAutomatic|ButAutomaticUpgrades): *yes *$/\1/p' "$r" 2>/dev/null | tr '\n' ' ')"
  { /usr/lib/apt/apt-helper cat-file "$f" || printf '\nFailed: %s\n' "$f"; } |
    grep -aE '^(Package|Version|Architecture|Failed): '
done | { dpkg-query -W -f '${Package} ${Version}\n'; echo --; cat; } | awk '
  function told() {
    if (p in name && v != "") print ((p " " v) in have ? "=" : "~") "\t" o "\t" p "\t" v "\t" a
    p = v = a = ""
  }
  $0 == "--" { s = 1; next }
  !s { have[$1 " " $2] = 1; name[$1] = 1; next }
  $1 == "Failed:" { print "failed"; exit }
  /^>/ { told(); o = substr($0, 2); next }
  $1 == "Package:" { told(); p = $2 }
  $1 == "Version:" { v = $2 }
  $1 == "Architecture:" { a = $2 }
  END { told(); print "end" }'
"""
DPKG = r"${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\t${source:Package}\t${source:Version}\n"
RPM = r"%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\t%{MODULARITYLABEL}\n"
_KERNEL_IMAGE = re.compile(r"linux-image-(?:unsigned-)?(\d\S*?)(?:-unsigned)?(?<!-dbg)\Z")
_DPKG_STATE = re.compile(r"[a-z?][a-z?A-Z]. ?")
_SIGNED = re.compile(r"linux-signed(\S*?)(?:-(?:amd64|arm64|i386|armhf|ppc64el|s390x|riscv64))?\Z")
_DISTRIBUTIONS = {"debian": {"Debian"}, "ubuntu": {"Ubuntu"}}
_VENDORS = {
    "almalinux": "AlmaLinux",
    "rocky": "Rocky Enterprise Software Foundation",
    "rhel": "Red Hat, Inc.",
    "ol": "Oracle America",
    "centos": "CentOS",
    "sles": "SUSE LLC",
    "sles_sap": "SUSE LLC",
    "opensuse-leap": ("openSUSE", "SUSE LLC"),
}
MANAGERS: Mapping[str, str] = {
    **dict.fromkeys(("debian", "ubuntu"), "dpkg"),
    **dict.fromkeys((*_VENDORS, "ol", "centos", "fedora"), "rpm"),
    "alpine": "apk",
}
"""ID in os-release -> the package manager that knows what is installed."""
_RED_HAT_KERNEL = re.compile(r"kernel(?:-rt|-64k)?-core")
_SUSE_KERNEL = re.compile(r"kernel-(default|azure|rt|64kb)(?:-base)?")
_PLACE = re.compile(r"(?:@\S+\s+)?(?:/|[a-z]+://)\S*")
_RPM_VERSION = re.compile(r"[0-9]+:\S+|\(none\)")
_ALPINE_KERNEL = re.compile(r"linux-(lts|virt|rpi|edge|stable|asahi)")


@dataclass(frozen=True, slots=True)
class Installed:
    """One package whose files are on disk. name, version: as advisories name it. kernel: its release, for an image.

    stream: the module stream it was built for ('nodejs:18'), on RPM distributions. source: what one upgrade replaces;
    source_version: its version and release, on RPM distributions.
    """

    binary: str
    binary_version: str
    name: str
    version: str
    kernel: str = ""
    stream: str = ""
    vendor: str = ""
    source: str = ""
    source_version: str = ""


def dpkg(text: str) -> tuple[Installed, ...]:
    """'ii \\tlibssl3\\tamd64\\t3.0.11-1+b1\\topenssl\\t3.0.11-1\\n' -> (Installed('libssl3', …),).

    Only n (not installed) and c (configuration files left) have no code on disk; U, F, H, W and t have.
    A signed kernel's source is `linux-signed-amd64` 6.1.192+2 (or `linux-signed-6.1-amd64`, of another series), while
    advisories speak of `linux` 6.1.192-2: the source without `-signed` and architecture, and the version of the image
    itself. Source: dpkg-query(1).
    """
    found: dict[tuple[str, str], Installed] = {}
    for state, binary, _, version, source, source_version in parse.table(text, 6, "\t"):
        if not _DPKG_STATE.fullmatch(state):
            raise Unparsable(f"{state} {binary}"[:200])
        if state[1:2] in {"n", "c"}:
            continue
        image = _KERNEL_IMAGE.match(binary)
        if signed := _SIGNED.match(source):
            source, source_version = f"linux{signed[1]}", version
        one = Installed(binary, version, source, source_version, image[1] if image else "", source=source)
        found[binary, version] = one  # the same package of two architectures is one
    return tuple(found.values())


def rpm(text: str) -> tuple[Installed, ...]:
    """'bash\\t0:5.1.8-9.el9\\tx86_64\\tbash-5.1.8-9.el9.src.rpm\\tAlmaLinux\\t(none)\\n' -> (Installed('bash', …),)."""
    found: dict[tuple[str, str], Installed] = {}
    for name, version, architecture, made_of, vendor, label in parse.table(text, 6, "\t"):
        if name == "gpg-pubkey":
            continue
        if not _RPM_VERSION.fullmatch(version):
            raise Unparsable(f"{name} {version}"[:200])
        stream = ":".join(label.split(":")[:2]) if label != "(none)" else ""
        made_from, *made = made_of.removesuffix(".src.rpm").removesuffix(".nosrc.rpm").rsplit("-", 2)
        release = _rpm_kernel(name, version.partition(":")[2], architecture)
        found[name, version] = Installed(
            name, version, name, version, release, stream, vendor, made_from, "-".join(made)
        )
    return tuple(found.values())


def _rpm_kernel(name: str, version: str, architecture: str) -> str:
    """What `uname -r` says where this package is the kernel that runs; "" where it holds none.

    kernel-core 5.14.0-503.el9 -> '5.14.0-503.el9.x86_64'; SUSE leaves the last number of a release out:
    kernel-default 6.4.0-150600.23.7.1 -> '6.4.0-150600.23.7-default'.
    """
    if _RED_HAT_KERNEL.fullmatch(name):
        return f"{version}.{architecture}"
    suse = _SUSE_KERNEL.fullmatch(name)
    return f"{version.rpartition('.')[0]}-{suse[1]}" if suse else ""


def apk(text: str) -> tuple[Installed, ...]:
    """'P:libssl3\\nV:3.3.1-r0\\no:openssl\\n\\n' -> (Installed('libssl3', '3.3.1-r0', 'openssl', …),).

    Of each package its name, version and origin; other lines are left out by the question. Source: apk-package(5).
    """
    found = []
    for stanza in text.strip("\n").split("\n\n"):
        said = dict(line.split(":", 1) for line in stanza.splitlines() if line)
        if said:
            name, version = said["P"], said["V"]
            image = _ALPINE_KERNEL.fullmatch(name)
            bare, _, revision = version.partition("-r")
            kernel = f"{bare}-{revision}-{image[1]}" if image else ""
            origin = said.get("o", name)
            found.append(Installed(name, version, origin, version, kernel, source=origin))
    return tuple(found)


def repositories(text: str) -> tuple[str, ...]:
    """'https://cdn/alpine/v3.20/main\\n#…\\n@x http://y\\n' -> those two addresses. Source: apk-repositories(5)."""
    return tuple(line.split()[-1] for line in parse.every(parse.lines(text), _PLACE.fullmatch))


def foreign_repositories(places: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Those that are not `main` or `community` of the host's own release."""
    release = ".".join(known.get("VERSION_ID", "").split(".")[:2])
    own = re.compile(rf"(?:https?://[^ ]*|/[^ ]*)?/v{re.escape(release)}/(?:main|community)/?")
    return [place for place in places if not own.fullmatch(place)]


def as_advisories_name(installed: Iterable[Installed], ecosystem: str) -> list[Installed]:
    """Packages under the names that the ecosystem's advisories have: of SUSE the sources', of Rocky both.

    A source package has no epoch of its own; it has that of its packages.
    """
    if not ecosystem.startswith(("SUSE", "openSUSE", "Rocky")):
        return list(installed)
    found: dict[tuple[str, str], Installed] = {}
    for one in installed:
        if ecosystem.startswith("Rocky") and not one.kernel:
            found[one.name, one.version] = one
        epoch = one.binary_version.partition(":")[0]
        of_source = replace(one, name=one.source, version=f"{epoch}:{one.source_version}")
        if one.source and one.source_version:
            kept = found.get((of_source.name, of_source.version))
            if kept is None or (of_source.kernel and not kept.kernel):
                found[of_source.name, of_source.version] = of_source
    return list(found.values())


Taking = Literal["automatic", "upgrades", "never"]
"""automatic: whatever is newer is taken; upgrades: only over what came from there; never: only when asked for."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An archive that apt knows, and that has a package: this very version (`same`) or another one.

    taking: what apt does with it unasked, by the archive's own NotAutomatic and ButAutomaticUpgrades.
    codename: of the archive's release, 'bookworm-security'; '' where it has none.
    """

    origin: str
    suite: str
    binary: str
    version: str
    same: bool
    architecture: str = "all"
    taking: Taking = "automatic"
    codename: str = ""


def offers(text: str) -> tuple[Offer, ...]:
    """'=\\tDebian\\toldstable/bookworm\\t\\tbash\\t5.2.15-2\\tamd64\\nend\\n' -> (Offer('Debian', …, True),).

    The fourth says what is not taken unasked. Source: apt_preferences(5).
    """
    rows = text.splitlines()
    if not rows or rows[-1] != "end" or "failed" in rows:
        raise Unparsable("the package lists could not be read to their end")
    found = []
    for sign, origin, suite, asked, binary, version, architecture in parse.table("\n".join(rows[:-1]), 7, "\t"):
        words = set(asked.split())
        taking: Taking = "automatic" if not words else "upgrades" if "ButAutomaticUpgrades" in words else "never"
        suite, _, codename = suite.partition("/")
        found.append(Offer(origin, suite, binary, version, sign == "=", architecture, taking, codename))
    return tuple(found)


def on_disk(text: str) -> tuple[tuple[str, str, str], ...]:
    """'ii \\tlibc6\\tamd64\\t2.36-9\\tglibc\\t2.36-9\\n' -> (('libc6', 'amd64', '2.36-9'),)."""
    rows = parse.table(text, 6, "\t")
    return tuple((binary, arch, version) for state, binary, arch, version, *_ in rows if state[1:2] not in {"n", "c"})


def behind(installed: Iterable[tuple[str, str, str]], offered: Iterable[Offer]) -> dict[str, tuple[str, str]]:
    """Package -> (installed version, the one that apt would take instead): what `apt list --upgradable` says.

    Settings of the host that hold a version back do not count: what is offered and not installed is not installed.
    """
    rows = list(installed)
    seen = [arch for binary, arch, _ in rows if binary == "dpkg"] or [arch for _, arch, _ in rows if arch != "all"]
    native = max(seen, key=seen.count, default="all")
    places: dict[str, list[Offer]] = {}
    for offer in offered:
        places.setdefault(offer.binary, []).append(offer)
    found: dict[str, tuple[str, str]] = {}
    for binary, arch, version in rows:
        own = {arch, "all"} if arch != "all" else {native, "all"}
        now = deb_key(version)
        known = [(deb_key(one.version), one) for one in places.get(binary, ()) if one.architecture in own]
        best = _candidate(now, [one for one in known if one[0] >= now])
        if best is not None:
            found[binary if arch in {native, "all"} else f"{binary}:{arch}"] = version, best.version
    return found


def _candidate(now: bytes, offered: list[tuple[bytes, Offer]]) -> Offer | None:
    """What apt would take over version `now`, of offers that are no older; None where it would keep what is there.

    Priorities are 500, with ButAutomaticUpgrades 100, with NotAutomatic 1, and 100 for what is installed. The highest
    counts, then the version: a newer one from backports is not taken over one that the release itself still offers.
    """
    automatic = [one for one in offered if one[1].taking == "automatic"]
    least = automatic or [one for one in offered if one[1].taking == "upgrades"]
    best = max(least, key=lambda one: one[0], default=None)
    return best[1] if best is not None and best[0] > now else None


def release(text: str) -> Mapping[str, str]:
    """'ID=debian\\nVERSION_ID="12"\\n' -> {'ID': 'debian', 'VERSION_ID': '12'}. Source: os-release(5)."""
    pairs = parse.key_values(text)
    if not {"ID", "NAME"} & pairs.keys():
        raise Unparsable("an os-release without ID and NAME is none of any system")
    return {key: value.strip("\"'") for key, value in pairs.items()}


def ecosystem(known: Mapping[str, str]) -> str:
    """OSV's name of a release: 'Debian:12', 'Ubuntu:24.04:LTS', 'AlmaLinux:9'; '' where none is known here."""
    id, version = known.get("ID", ""), known.get("VERSION_ID", "")
    major = version.partition(".")[0]
    if not version:
        return ""
    if id == "ubuntu":
        year, _, month = version.partition(".")
        lts = month == "04" and year.isdigit() and int(year) % 2 == 0
        return f"Ubuntu:{version}:LTS" if lts else f"Ubuntu:{version}"
    if id in {"sles", "sles_sap"}:
        return f"SUSE:Linux Enterprise {version.replace('.', ' SP')}"
    names = {
        "debian": f"Debian:{major}",
        "almalinux": f"AlmaLinux:{major}",
        "rocky": f"Rocky Linux:{major}",
        "rhel": f"Red Hat:enterprise_linux:{major}",
        "opensuse-leap": f"openSUSE:Leap {version}",
        "alpine": f"Alpine:v{'.'.join(version.split('.')[:2])}",
    }
    return names.get(id, "")


def kernel_release(text: str) -> str:
    """'6.1.0-28-amd64\\n' -> '6.1.0-28-amd64'. Source: uname(1), option -r."""
    if not re.fullmatch(r"[0-9]+\.[0-9]\S{0,200}\n?", text):
        raise Unparsable(text[:200])
    return text.strip()


def from_elsewhere(
    installed: Iterable[Installed], known: Mapping[str, str], offered: Iterable[Offer] | None
) -> dict[str, str]:
    """Binary package -> why advisories of the host's own distribution do not speak of it.

    offered: what apt's lists say; None on RPM distributions, where the vendor of the package decides.
    """
    found: dict[str, str] = {}
    id = known.get("ID", "")
    if offered is None:
        wanted = _VENDORS.get(id, ())
        own_vendors = (wanted,) if isinstance(wanted, str) else wanted
        return {
            one.binary: f"its vendor is {one.vendor}"
            for one in installed
            if not any(vendor in one.vendor for vendor in own_vendors)
        }
    own = _DISTRIBUTIONS.get(id, set())
    release = known.get("VERSION_CODENAME", "")
    same, named = dict[str, list[Offer]](), dict[str, list[str]]()
    for offer in offered:
        if offer.origin in own and "backports" not in offer.suite and not _other_release(offer, release):
            named.setdefault(offer.binary, []).append(offer.version)
        if offer.same:
            same.setdefault(offer.binary, []).append(offer)
    for one in installed:
        why = _why_elsewhere(one, same.get(one.binary, []), named.get(one.binary, []), own, release)
        if why and (named or one.binary in same or "~bpo" in one.binary_version):
            found[one.binary] = why
    return found


def _why_elsewhere(one: Installed, places: list[Offer], named: list[str], own: set[str], release: str) -> str:
    """places: that offer this very version. named: versions that the host's own release has of the package."""
    ours = [place for place in places if place.origin in own]
    if "~bpo" in one.binary_version or (ours and all("backports" in place.suite for place in ours)):
        return "it is a backport"
    if places and not ours:
        return f"it comes from {places[0].origin or 'an archive without a name'}"
    if ours and all(_other_release(place, release) for place in ours):
        return f"it comes from another release, {ours[0].codename or ours[0].suite}"
    if places or one.kernel:
        return ""
    if not named:
        return "no archive of the distribution has a package of that name"
    return "no archive of the distribution has so new a version of it" if _newer_than_all(one, named) else ""


def _other_release(offer: Offer, release: str) -> bool:
    """Whether an archive is of another release than the host's: 'trixie-updates' for one of 'bookworm'."""
    if release and offer.codename:
        return offer.codename.partition("-")[0] != release
    return offer.suite.partition("-")[0] in {"unstable", "testing", "experimental"}


def _newer_than_all(one: Installed, named: Iterable[str]) -> bool:
    """Whether a package is ahead of all archives of its distribution: so it stays when an archive is given up."""
    try:
        return deb_key(one.binary_version) > max(deb_key(version) for version in named)
    except Unparsable:
        return False


DPKG_PACKAGES = Fact(sh(f"dpkg-query -W -f '{DPKG}'", of="dpkg-query", max_bytes=8 << 20, marked=True), dpkg)
RPM_PACKAGES = Fact(
    sh(f"{rpm_shell.RPM}rpm_ -qa --qf '{RPM}'", of="rpm", timeout_s=60.0, max_bytes=8 << 20, marked=True), rpm
)
OFFERS = Fact(sh(OFFERED, of="apt-get", timeout_s=60.0, max_bytes=8 << 20, marked=True), offers)
APK_PACKAGES = Fact(sh("grep -hE '^([PVo]:|$)' /lib/apk/db/installed", of="apk", max_bytes=8 << 20, marked=True), apk)
APK_REPOSITORIES = Fact(file("/etc/apk/repositories"), repositories)
RELEASE = Fact(file("/etc/os-release"), release)
RUNNING = Fact(sh("uname -r", running=True), kernel_release)
