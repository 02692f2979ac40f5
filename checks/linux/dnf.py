"""dnf: whose packages it takes, how it checks them, which updates its lists know of, and whether it installs them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scanner import Absent, Fact, NotApplicable, Undetermined, Unparsable, check, parse, sh
from scanner import files as texts
from scanner.threats.rpm_shell import RPM
from scanner.threats.versions import rpm_key

from .services import UNITS, Units
from .system import RELEASE

MAIN = "/etc/dnf/dnf.conf"
OLD_MAIN = "/etc/yum.conf"
VARIABLES = ("/etc/dnf/vars/", "/etc/yum/vars/")
"""Folders with a file for each variable that addresses may use. Source: dnf.conf(5), varsdir."""
TRUE, FALSE = {"1", "yes", "true", "on"}, {"0", "no", "false", "off"}

# dnf itself writes logs and caches even when it only lists, so its own copies of the advisories are read instead.
WAITING = (
    RPM
    + r"""
c=/var/cache/dnf
[ -d "$c" ] || { echo 'lists 0 0'; echo end; exit 0; }
n=0; t=0
for f in "$c"/*/repodata/*updateinfo.xml*; do
  [ -e "$f" ] || continue
  n=$((n + 1))
done
for f in "$c"/*/repodata/repomd.xml; do
  [ -e "$f" ] || continue
  m=$(stat -c %Y "$f") && [ "$m" -gt "$t" ] && t=$m
done
printf 'lists %s %s\n' "$n" "$(( ($(date +%s) - t) / 86400 ))"
{ rpm_ -qa --qf 'have\t%{NAME}\t%{ARCH}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{MODULARITYLABEL}\n' || echo failed
echo --
for f in "$c"/*/repodata/*updateinfo.xml*; do
  [ -e "$f" ] || continue
  r=${f#"$c"/}; printf '\f%s\n' "${r%%/*}"
  case $f in
    *.gz) gzip -dc "$f";; *.xz) xz -dc "$f";; *.zst) zstd -dcq "$f";; *.bz2) bzip2 -dc "$f";; *.xml) cat "$f";;
    *) false;;
  esac || printf '\nfailed\n'
done | tr '>' '\n' | grep -aE '^(\f|failed)|<update |</collection|<module |<package '
} | awk '
  function at(k,  p) { p = index($0, k "=\""); if (!p) return ""; p = substr($0, p + length(k) + 2)
    return substr(p, 1, index(p, "\"") - 1) }
  $0 == "failed" { print; exit }
  $0 == "--" { s = 1; next }
  !s { split($0, h, "\t"); mine[h[2]] = 1; have[h[2] "\t" h[3] "\t" h[4]] = 1; print; next }
  sub(/^\f/, ">") { split("", told); print; next }
  /<update / { y = $0 ~ /type="security"/; next }
  /<\/collection/ { o = ""; next }
  /<module / { o = at(" name") ":" at(" stream"); next }
  y && /<package / {
    n = at(" name"); a = at(" arch"); e = at(" epoch"); if (e == "") e = 0
    k = n "\t" a "\t" e ":" at(" version") "-" at(" release")
    if (n in mine && a != "src" && !((k "\t" o) in told)) { told[k "\t" o] = 1; print "offer\t" k "\t" o }
  }
  END { print "end" }'
"""
)
KEYS = RPM + r"rpm_ -qa gpg-pubkey rpm --qf '%{NAME}\t%{VERSION}\t%{SUMMARY}\n'"


@dataclass(frozen=True, slots=True)
class Repositories:
    """main: what [main] says; rest: each repository's own words, by its id. Words in lower case but for URLs."""

    main: Mapping[str, str]
    rest: Mapping[str, Mapping[str, str]]


def repositories(text: str) -> Repositories:
    """{'/etc/yum.repos.d/x.repo': '[base]\\ngpgcheck=1\\n'} -> Repositories({}, {'base': {'gpgcheck': '1'}}).

    A repository that stands in two files has the words of both, later ones win. Source: dnf.conf(5).
    """
    found = parse.files(text)
    main: dict[str, str] = {}
    rest: dict[str, dict[str, str]] = {}
    known = _variables(found)
    for path, one in found.items():
        if (path == OLD_MAIN and MAIN in found) or path.startswith(VARIABLES):
            continue
        for section, pairs in parse.ini(one).items():
            if not section and pairs:
                raise Unparsable(f"{path} has words outside of any [repository]")
            words = {key.strip().lower(): _filled(values[-1].strip(), known) for key, values in pairs.items()}
            if section == "main":
                main |= words
            elif section:
                rest.setdefault(section, {}).update(words)
    return Repositories(main, rest)


def _variables(found: Mapping[str, str]) -> dict[str, str]:
    """{'/etc/dnf/vars/ocidomain': 'oracle.com\n'} -> {'ocidomain': 'oracle.com'}; dnf's own folder wins."""
    paths = sorted(path for path in found if path.startswith(VARIABLES))
    return {path.rpartition("/")[2].lower(): found[path].split("\n", 1)[0] for path in reversed(paths)}


def _filled(text: str, known: Mapping[str, str]) -> str:
    """The value with the variables of this host filled in; $releasever and other ones of dnf's own stay."""
    return re.sub(r"\$\{?(\w{1,100})\}?", lambda name: known.get(name[1].lower(), name[0]), text[:65536])


@dataclass(frozen=True, slots=True)
class Advised:
    """What dnf's copies of the advisories say. have, offer: (name, arch, version, module stream or ""), of a folder.

    lists: how many copies there are; age_days: since the newest was fetched.
    """

    have: tuple[tuple[str, str, str, str], ...]
    offer: tuple[tuple[str, tuple[str, str, str, str]], ...]
    lists: int
    age_days: int


def advised(text: str) -> Advised:
    """'lists 1 0\\nhave\\tbash\\tx86_64\\t0:5.1-1\\t(none)\\n>baseos-0a1b\\noffer\\tbash\\t…\\nend\\n' -> Advised."""
    lines = text.split("\n")
    first = lines[0].split()
    if first[:1] != ["lists"] or len(first) != 3 or "end" not in lines or "failed" in lines:
        raise Unparsable("the advisories, or rpm's database, could not be read to their end")
    have, offer = [], []
    folder = ""
    for line in lines[1 : lines.index("end")]:
        fields = line.split("\t")
        if line.startswith(">"):
            folder = line[1:]
        elif len(fields) == 5 and fields[0] == "have":
            stream = "" if fields[4] == "(none)" else ":".join(fields[4].split(":")[:2])
            have.append((fields[1], fields[2], fields[3], stream))
        elif len(fields) == 5 and fields[0] == "offer":
            offer.append((folder, (fields[1], fields[2], fields[3], fields[4])))
        elif line:
            raise Unparsable(line[:200])
    return Advised(tuple(have), tuple(offer), int(first[1]), int(first[2]))


def keys(text: str) -> Mapping[str, str]:
    """'rpm\\t4.16.1.3\\tThe RPM …\\ngpg-pubkey\\tfd431d51\\tRed Hat, Inc. (release …\\n' -> {'fd431d51': 'Red Hat, …'}.

    rpm's own package is asked for too: where it is missing, the database is not one to believe.
    """
    rows = list(parse.table(text, 3, "\t"))
    if not any(name == "rpm" for name, _, _ in rows):
        raise Unparsable("rpm's database names no package, not even its own")
    return {version.lower(): title[:80] for name, version, title in rows if name == "gpg-pubkey"}


REPOSITORIES = Fact(
    texts(
        MAIN, OLD_MAIN, "/etc/yum.repos.d/*.repo", "/etc/distro.repos.d/*.repo", *(f"{folder}*" for folder in VARIABLES)
    ),
    repositories,
)
ADVISED = Fact(sh(WAITING, of="rpm", timeout_s=60.0, max_bytes=8 << 20, marked=True), advised)
IMPORTED = Fact(sh(KEYS, of="rpm", timeout_s=30.0, marked=True), keys)
AUTOMATIC = Fact(
    texts("/etc/dnf/automatic.conf"), lambda text: parse.ini(parse.files(text).get("/etc/dnf/automatic.conf", ""))
)


def _on(word: str) -> bool:
    return word.lower() in TRUE


def _enabled(found: Repositories) -> list[str]:
    return [name for name, words in found.rest.items() if words.get("enabled", "1").lower() not in FALSE]


def _settled(found: Repositories) -> None:
    if "reposdir" in found.main:
        raise Undetermined(f"dnf reads its repositories from {found.main['reposdir']}, which was not looked at")


@check("linux.dnf.main", REPOSITORIES)
def main(found: Repositories, key: str) -> str | None:
    """What dnf's main section says under `key`, in lower case; nothing where it leaves the default."""
    value = found.main.get(key)
    return None if value is None else value.lower()


@check("linux.dnf.unchecked", REPOSITORIES)
def unchecked(found: Repositories, key: str) -> list[str]:
    """Repositories, switched off ones too, that say something else than yes under `key`, such as gpgcheck."""
    _settled(found)
    return sorted(name for name, words in found.rest.items() if key in words and not _on(words[key]))


@check("linux.dnf.unsigned_lists", REPOSITORIES)
def unsigned_lists(found: Repositories) -> list[str]:
    """Enabled repositories whose lists are taken without a signature, by their own word or by the main section's."""
    _settled(found)
    usual = found.main.get("repo_gpgcheck", "0")
    return sorted(name for name in _enabled(found) if not _on(found.rest[name].get("repo_gpgcheck", usual)))


@check("linux.dnf.hosts", REPOSITORIES)
def hosts(found: Repositories) -> list[str]:
    """The hosts that enabled repositories are fetched from: cdn.redhat.com …; "this host" for local folders."""
    _settled(found)
    if not _enabled(found):
        raise Undetermined("no repository is enabled in the files; where updates come from cannot be seen")
    places = [
        place
        for name in _enabled(found)
        for key in ("baseurl", "mirrorlist", "metalink")
        for place in re.split(r"[\s,]+", found.rest[name].get(key, ""))
        if place
    ]
    names = {re.sub(r"^[a-zA-Z+]+:(?://)?(?:[^/@]*@)?([^/:]*).*", r"\1", place) for place in places}
    return sorted(name.lower() or "this host" for name in names)


@check("linux.dnf.plain_places", REPOSITORIES)
def plain_places(found: Repositories) -> list[str]:
    """Enabled repositories that are fetched over HTTP or FTP in clear text, or whose server's name is not checked."""
    _settled(found)
    usual = found.main.get("sslverify", "1")
    hits = []
    for name in _enabled(found):
        words = found.rest[name]
        clear = any(
            re.search(r"(?:^|[\s,])(http|ftp)://", words.get(key, "")) for key in ("baseurl", "mirrorlist", "metalink")
        )
        if clear or not _on(words.get("sslverify", usual)):
            hits.append(name)
    return sorted(hits)


@check("linux.dnf.keys_beyond", IMPORTED)
def keys_beyond(found: Mapping[str, str], known: list[str]) -> list[str]:
    """Keys that rpm trusts and that are none of `known` (the last eight digits of a fingerprint)."""
    if not found:
        raise Absent("rpm trusts no key")
    return sorted(f"{key} {title}" for key, title in found.items() if key[-8:] not in {one.lower() for one in known})


@check("linux.dnf.keys_missing", IMPORTED, RELEASE)
def keys_missing(found: Mapping[str, str], release: Mapping[str, str], vendors: dict[str, list[str]]) -> list[str]:
    """Keys of the distribution's maker that rpm does not trust. vendors: os-release's ID -> ends of fingerprints."""
    id = release.get("ID", "")
    if id not in vendors:
        raise NotApplicable(f"the keys of the maker of {id or 'this system'} are not known here")
    return [key for key in vendors[id] if key.lower() not in {one[-8:] for one in found}]


@check("linux.dnf.waiting", ADVISED, REPOSITORIES)
def waiting(found: Advised, repositories: Repositories) -> list[str]:
    """Installed packages for which an advisory of an enabled repository names a newer version: 'bash 0:5.1-2'."""
    if not found.lists:
        raise Undetermined("this host holds no advisories of its repositories; `dnf makecache` fetches them")
    enabled = set(_enabled(repositories))
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    for name, arch, version, stream in found.have:
        one = newest.get((name, arch))
        if one is None or rpm_key(one[0]) < rpm_key(version):
            newest[name, arch] = (version, stream)
    wanted: dict[str, str] = {}
    for folder, (name, arch, version, stream) in found.offer:
        here = newest.get((name, arch))
        if here is None or here[1] != stream or folder.rpartition("-")[0] not in enabled:
            continue
        if rpm_key(here[0]) < rpm_key(version) and (name not in wanted or rpm_key(wanted[name]) < rpm_key(version)):
            wanted[name] = version
    return sorted(f"{name} {version}" for name, version in wanted.items())


@check("linux.dnf.list_age_days", ADVISED)
def list_age_days(found: Advised) -> int:
    """Days since dnf last fetched the lists of a repository."""
    if not found.lists:
        raise Undetermined("this host holds no advisories of its repositories; `dnf makecache` fetches them")
    return found.age_days


@check("linux.dnf.installs_by_itself", UNITS, AUTOMATIC)
def installs_by_itself(units: Units, settings: Mapping[str, Mapping[str, list[str]]]) -> bool:
    """Whether a timer of dnf-automatic installs updates: one made for it, or the usual one told to apply them."""
    apply = settings.get("commands", {}).get("apply_updates", ["no"])[-1]
    return units.starts("dnf-automatic-install.timer") or (units.starts("dnf-automatic.timer") and _on(apply))
