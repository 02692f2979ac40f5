"""What is installed: packages with their source, where they come from, and the kernels on disk and running.

An advisory names source packages on Debian and Ubuntu, and binary packages on the RPM distributions; `Installed.name`
and `.version` are what an advisory of the host's own distribution is held against.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scanner import parse
from scanner.errors import Unparsable
from scanner.model import Fact
from scanner.probes import file, sh

# One row per package, then one per archive that offers this very version (=) or knows the name (~). The names of the
# archives stand in their signed release files; what apt has not fetched says nothing.
OFFERED = r"""
l=/var/lib/apt/lists
n=0
for f in "$l"/*_Packages*; do
  [ -e "$f" ] || continue
  r=${f%_*_binary-*}
  [ "$r" != "$f" ] || r=${f%_Packages*}
  [ -e "${r}_InRelease" ] && r="${r}_InRelease" || r="${r}_Release"
  printf '>%s\t%s\n' "$(sed -n 's/^Origin: *//p' "$r" 2>/dev/null | head -n 1)" \
    "$(sed -n 's/^Suite: *//p' "$r" 2>/dev/null | head -n 1)"
  { /usr/lib/apt/apt-helper cat-file "$f" || printf '\nFailed: %s\n' "$f"; } | grep -aE '^(Package|Version|Failed): '
done | { dpkg-query -W -f '${Package} ${Version}\n'; echo --; cat; } | awk '
  $0 == "--" { s = 1; next }
  !s { have[$1 " " $2] = 1; name[$1] = 1; next }
  $1 == "Failed:" { print "failed"; exit }
  /^>/ { o = substr($0, 2); next }
  $1 == "Package:" { p = $2 }
  $1 == "Version:" && p in name { print ((p " " $2) in have ? "=" : "~") "\t" o "\t" p "\t" $2 }
  END { print "end" }'
"""
DPKG = r"${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\t${source:Package}\t${source:Version}\n"
RPM = r"%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\t%{MODULARITYLABEL}\n"
_KERNEL_IMAGE = re.compile(r"linux-image-(?:unsigned-)?(\d\S*?)(?:-dbg)?\Z")
_DISTRIBUTIONS = {"debian": {"Debian"}, "ubuntu": {"Ubuntu"}}
_VENDORS = {"almalinux": "AlmaLinux", "rocky": "Rocky Enterprise Software Foundation"}


@dataclass(frozen=True, slots=True)
class Installed:
    """One package whose files are on disk. name, version: as advisories name it. kernel: its release, for an image.

    stream: the module stream it was built for ('nodejs:18'), on RPM distributions. source: what one upgrade replaces.
    """

    binary: str
    binary_version: str
    name: str
    version: str
    kernel: str = ""
    stream: str = ""
    vendor: str = ""
    source: str = ""


def dpkg(text: str) -> tuple[Installed, ...]:
    """'ii \\tlibssl3\\tamd64\\t3.0.11-1+b1\\topenssl\\t3.0.11-1\\n' -> (Installed('libssl3', …),).

    Only n (not installed) and c (configuration files left) have no code on disk; U, F, H, W and t have.
    A signed kernel's source is `linux-signed-amd64` 6.1.192+2, while advisories speak of `linux` 6.1.192-2: the source
    without `-signed`, and the version of the image itself. Source: dpkg-query(1).
    """
    found: dict[tuple[str, str], Installed] = {}
    for state, binary, _, version, source, source_version in parse.table(text, 6, "\t"):
        if state[1:2] in {"n", "c"}:
            continue
        image = _KERNEL_IMAGE.match(binary)
        if source.startswith("linux-signed"):
            rest = source.removeprefix("linux-signed")
            source, source_version = "linux" + (rest if rest not in _ARCHITECTURES else ""), version
        one = Installed(binary, version, source, source_version, image[1] if image else "", source=source)
        found[binary, version] = one  # the same package of two architectures is one
    return tuple(found.values())


_ARCHITECTURES = {"-amd64", "-arm64", "-i386", "-armhf", "-ppc64el", "-s390x", "-riscv64"}


def rpm(text: str) -> tuple[Installed, ...]:
    """'bash\\t0:5.1.8-9.el9\\tx86_64\\tbash-5.1.8-9.el9.src.rpm\\tAlmaLinux\\t(none)\\n' -> (Installed('bash', …),)."""
    found: dict[tuple[str, str], Installed] = {}
    for name, version, architecture, made_of, vendor, label in parse.table(text, 6, "\t"):
        if name == "gpg-pubkey":
            continue
        image = re.fullmatch(r"kernel(?:-rt|-64k)?-core", name)
        release = f"{version.partition(':')[2]}.{architecture}" if image else ""
        stream = ":".join(label.split(":")[:2]) if label != "(none)" else ""
        found[name, version] = Installed(
            name, version, name, version, release, stream, vendor, made_of.rsplit("-", 2)[0]
        )
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Offer:
    """An archive that apt knows, and that has a package: this very version (`same`) or another one."""

    origin: str
    suite: str
    binary: str
    version: str
    same: bool


def offers(text: str) -> tuple[Offer, ...]:
    """'=\\tDebian\\toldstable\\tbash\\t5.2.15-2\\nend\\n' -> (Offer('Debian', …, True),)."""
    rows = text.splitlines()
    if not rows or rows[-1] != "end" or "failed" in rows:
        raise Unparsable("the package lists could not be read to their end")
    found = []
    for sign, origin, suite, binary, version in parse.table("\n".join(rows[:-1]), 5, "\t"):
        found.append(Offer(origin, suite, binary, version, sign == "="))
    return tuple(found)


def release(text: str) -> Mapping[str, str]:
    """'ID=debian\\nVERSION_ID="12"\\n' -> {'ID': 'debian', 'VERSION_ID': '12'}. Source: os-release(5)."""
    return {key: value.strip("\"'") for key, value in parse.key_values(text).items()}


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
    return {"debian": f"Debian:{major}", "almalinux": f"AlmaLinux:{major}", "rocky": f"Rocky Linux:{major}"}.get(id, "")


def from_elsewhere(
    installed: Iterable[Installed], known: Mapping[str, str], offered: Iterable[Offer] | None
) -> dict[str, str]:
    """Binary package -> why advisories of the host's own distribution do not speak of it.

    offered: what apt's lists say; None on RPM distributions, where the vendor of the package decides.
    """
    found: dict[str, str] = {}
    id = known.get("ID", "")
    if offered is None:
        wanted = _VENDORS.get(id, "")
        return {one.binary: f"its vendor is {one.vendor}" for one in installed if wanted not in one.vendor}
    own, same, named = _DISTRIBUTIONS.get(id, set()), dict[str, list[Offer]](), set[str]()
    for offer in offered:
        if offer.origin in own:
            named.add(offer.binary)
        if offer.same:
            same.setdefault(offer.binary, []).append(offer)
    for one in installed:
        places = same.get(one.binary, [])
        main = [p for p in places if p.origin in own and "backports" not in p.suite]
        if "~bpo" in one.binary_version or (places and not main and any("backports" in p.suite for p in places)):
            found[one.binary] = "it is a backport"
        elif places and not main:
            found[one.binary] = f"it comes from {places[0].origin or 'an archive without a name'}"
        elif named and one.binary not in named and not one.kernel:
            found[one.binary] = "no archive of the distribution has a package of that name"
    return found


DPKG_PACKAGES = Fact(sh(f"dpkg-query -W -f '{DPKG}'", of="dpkg-query", max_bytes=8 << 20), dpkg)
RPM_PACKAGES = Fact(sh(f"rpm -qa --qf '{RPM}'", of="rpm", timeout_s=60.0, max_bytes=8 << 20), rpm)
OFFERS = Fact(sh(OFFERED, of="apt-get", timeout_s=60.0, max_bytes=8 << 20), offers)
RELEASE = Fact(file("/etc/os-release"), release)
RUNNING = Fact(sh("uname -r", running=True), lambda text: text.strip())
