"""firewalld: what its zones let in, by the files that the next start reads and by the running service itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from scanner import Fact, Undetermined, Unparsable, check, parse, sh
from scanner import files as texts

MAIN = "/etc/firewalld/firewalld.conf"
FOLDERS = ("/etc/firewalld/zones", "/usr/lib/firewalld/zones")
LOOP = "lo"
OTHERS = ("protocol", "source-port", "forward-port")
"""What opens a way beside services and ports. Source: firewalld.zone(5)."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone. target: default, ACCEPT, DROP or REJECT; rules: rich rules, in firewall-cmd's own language.

    others: what else opens a way, as firewall-cmd calls it: 'protocol gre', 'source-port 53/udp', 'forward-port …'.
    """

    target: str = "default"
    interfaces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Firewall:
    """The zones by name, and the one that holds every interface that no zone names."""

    default: str
    zones: Mapping[str, Zone] = field(default_factory=dict)


_TAG = re.compile(r"<(/?)([a-z-]{1,40})((?:\s+[\w-]{1,40}\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*(/?)>")
_ATTRIBUTE = re.compile(r"([\w-]{1,40})\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


def zone(text: str) -> Zone:
    """'<zone target="DROP"><service name="ssh"/></zone>' -> Zone('DROP', services=('ssh',)). Source: firewalld.zone(5).

    Read tag by tag, without entities: a zone file has none, and a hostile one gets nothing to expand.
    """
    bare = re.sub(r"<!--.*?(?:-->|\Z)", "", text, flags=re.DOTALL)
    if "<zone" not in bare or "<!ENTITY" in bare:
        raise Unparsable(text[:200])
    target = "default"
    found: dict[str, list[str]] = {"interface": [], "source": [], "service": [], "port": [], "other": []}
    rules: list[list[str]] = []
    inside = False
    for closing, name, rest, _ in _TAG.findall(bare):
        words = {key: double or single for key, double, single in _ATTRIBUTE.findall(rest)}
        if name == "rule":
            inside = not closing
            if inside:
                rules.append([_rule_word("rule", words)])
        elif closing:
            continue
        elif inside:
            rules[-1].append(_rule_word(name, words))
        elif name == "zone":
            target = words.get("target", "default").strip("%")
        elif name in found:
            found[name].append(_named(name, words))
        elif name in OTHERS:
            found["other"].append(f"{name} {_named(name, words)}")
    return Zone(
        target,
        tuple(found["interface"]),
        tuple(found["source"]),
        tuple(found["service"]),
        tuple(found["port"]),
        tuple(" ".join(one) for one in rules),
        tuple(found["other"]),
    )


def _named(tag: str, words: Mapping[str, str]) -> str:
    if tag == "protocol":
        return words.get("value", "")
    if tag == "forward-port":
        return " ".join(f"{key}={value}" for key, value in sorted(words.items()))
    if tag in {"port", "source-port"}:
        return f"{words.get('port', '')}/{words.get('protocol', '')}"
    if tag == "source":
        return words.get("address") or words.get("mac") or f"ipset:{words.get('ipset', '')}"
    return words.get("name", "")


def _rule_word(tag: str, words: Mapping[str, str]) -> str:
    """('source', {'address': '127.0.0.1', 'invert': 'True'}) -> 'source NOT address="127.0.0.1"'."""
    turned = words.get("invert", "").lower() in {"true", "yes", "1"}
    shown = [f'{key}="{value}"' for key, value in sorted(words.items()) if key != "invert"]
    return " ".join([tag, *(["NOT"] if turned else []), *shown])


def configured(text: str) -> Firewall:
    """{'/etc/firewalld/firewalld.conf': 'DefaultZone=drop\\n'} -> Firewall('drop'); /etc hides /usr/lib."""
    found = parse.files(text)
    said = re.findall(r"^[ \t]*DefaultZone[ \t]*=[ \t]*(\S+)", found.get(MAIN, ""), re.MULTILINE)
    zones: dict[str, Zone] = {}
    for folder in FOLDERS:
        for path, one in found.items():
            name = PurePosixPath(path).stem
            if str(PurePosixPath(path).parent) == folder and name not in zones:
                zones[name] = zone(one)
    return Firewall(said[-1] if said else "public", zones)


def running(text: str) -> Firewall:
    """'public\\n--\\npublic (active)\\n  target: default\\n  services: ssh\\n' -> Firewall('public', {'public': …})."""
    default, line, rest = text.partition("\n--\n")
    if not line or not default.strip():
        raise Unparsable(text[:200])
    zones: dict[str, Zone] = {}
    for block in re.split(r"\n(?=\S)", rest.strip("\n")):
        head, _, body = block.partition("\n")
        words = dict(re.findall(r"^  ([a-z -]+):[ ]?(.*)$", body, re.MULTILINE))
        if head.strip() and "target" not in words:
            raise Unparsable(block[:200])
        if head.strip():
            zones[head.split()[0]] = Zone(
                words["target"].strip("%").strip(),
                tuple(words.get("interfaces", "").split()),
                tuple(words.get("sources", "").split()),
                tuple(words.get("services", "").split()),
                tuple(words.get("ports", "").split()),
                tuple(_plain(one) for one in re.findall(r"^\t(.+)$", body, re.MULTILINE) if one.startswith("rule")),
                tuple(f"{one} {what}" for one in OTHERS[:2] for what in words.get(f"{one}s", "").split())
                + tuple(f"forward-port {one}" for one in re.findall(r"^\t(port=.+)$", body, re.MULTILINE)),
            )
    return Firewall(default.strip(), zones)


def _plain(rule: str) -> str:
    """firewall-cmd writes `destination NOT address="x"`; older ones `not`."""
    return re.sub(r"\bnot\b", "NOT", rule)


# Connections of NetworkManager may name a zone; their files hold passwords, so no other line of them leaves the host.
CONNECTIONS = r"""
for f in /etc/NetworkManager/system-connections/* /usr/lib/NetworkManager/system-connections/* \
  /run/NetworkManager/system-connections/* /etc/sysconfig/network-scripts/ifcfg-*; do
  [ -f "$f" ] || continue
  sed -n -E "s/^[[:space:]]*(zone|ZONE)[[:space:]]*=[[:space:]]*[\"']?([A-Za-z0-9_-]+).*/\2/p" "$f" || exit 1
done
"""


def names(text: str) -> frozenset[str]:
    """'public\\ndmz\\n' -> {'public', 'dmz'}."""
    return frozenset(parse.every(filter(None, text.split("\n")), re.compile(r"[A-Za-z0-9_-]+").fullmatch))


CONFIGURED = Fact(texts(MAIN, *(f"{folder}/*.xml" for folder in FOLDERS), sudo=True), configured)
RUNNING = Fact(
    sh(
        "firewall-cmd --get-default-zone && echo -- && firewall-cmd --list-all-zones",
        of="firewall-cmd",
        sudo=True,
        running=True,
        timeout_s=30.0,
        marked=True,
    ),
    running,
)
NAMED = Fact(sh(CONNECTIONS, sudo=True, marked=True), names)


def _in_use(found: Firewall, named: frozenset[str] = frozenset()) -> dict[str, Zone]:
    """Zones that packets of other hosts meet: the default one, those of interfaces and sources, those `named`."""
    used = {
        name: one
        for name, one in found.zones.items()
        if name == found.default or name in named or set(one.interfaces) - {LOOP} or one.sources
    }
    missing = [name for name in (found.default, *sorted(named)) if name not in found.zones]
    if missing:
        raise Undetermined(f"no file describes the zone {missing[0]}")
    return used


def _let_in(zones: Mapping[str, Zone]) -> list[str]:
    open_ones = {what for one in zones.values() for what in (*one.services, *one.ports, *one.others)}
    return sorted(open_ones | {_accepted(rule) for one in zones.values() for rule in one.rules if _ACCEPT.search(rule)})


_ACCEPT = re.compile(r"\b(accept|forward-port)\b")


def _accepted(rule: str) -> str:
    """What a rich rule lets in: the service or port that it names, from wherever; without one the whole rule."""
    service = re.search(r'\bservice name="([^"]*)"', rule)
    port = re.search(r'(?<!-)\bport (?:port="([^"]*)" protocol="([^"]*)"|protocol="([^"]*)" port="([^"]*)")', rule)
    if service and "forward-port" not in rule:
        return service[1]
    return f"{port[1] or port[4]}/{port[2] or port[3]}" if port and "forward-port" not in rule else rule


@check("linux.firewalld.let_in", CONFIGURED, NAMED)
def let_in(found: Firewall, named: frozenset[str]) -> list[str]:
    """Services and ports that the zones in use let in after the next start: ssh, 8080/tcp."""
    return _let_in(_in_use(found, named))


@check("linux.firewalld.let_in_now", RUNNING)
def let_in_now(found: Firewall) -> list[str]:
    """Services and ports that the zones in use let in now."""
    return _let_in(_in_use(found))


@check("linux.firewalld.targets", CONFIGURED, NAMED)
def targets(found: Firewall, named: frozenset[str]) -> list[str]:
    """What the zones in use do after the next start with packets that they do not name: default, DROP, ACCEPT …"""
    return sorted({one.target for one in _in_use(found, named).values()})


@check("linux.firewalld.targets_now", RUNNING)
def targets_now(found: Firewall) -> list[str]:
    """What the zones in use do now with packets that they do not name."""
    return sorted({one.target for one in _in_use(found).values()})


def _trusts_loop(found: Firewall) -> bool:
    return LOOP in found.zones.get("trusted", Zone()).interfaces


@check("linux.firewalld.trusts_loop", CONFIGURED)
def trusts_loop(found: Firewall) -> bool:
    """Whether the zone `trusted` holds the host's own loop after the next start."""
    return _trusts_loop(found)


@check("linux.firewalld.trusts_loop_now", RUNNING)
def trusts_loop_now(found: Firewall) -> bool:
    """Whether the zone `trusted` holds the host's own loop now."""
    return _trusts_loop(found)


def _loop_left_open(found: Firewall) -> list[str]:
    """Families of which no rule of `trusted` drops packets that claim a loop address and go elsewhere."""
    own = {"ipv4": r"127\.0\.0\.(1|0/8)", "ipv6": r"::1(/128)?"}
    rules = found.zones.get("trusted", Zone()).rules
    return [
        family
        for family, address in own.items()
        if not any(
            re.match(
                rf'rule (?:priority="[^"]*" )?family="{family}" (?:priority="[^"]*" )?source address="{address}" '
                rf'destination NOT address="{address}" (drop|reject)\b',
                rule,
            )
            for rule in rules
        )
    ]


@check("linux.firewalld.loop_left_open", CONFIGURED)
def loop_left_open(found: Firewall) -> list[str]:
    """Families (ipv4, ipv6) whose loop address other hosts may claim after the next start."""
    return _loop_left_open(found)


@check("linux.firewalld.loop_left_open_now", RUNNING)
def loop_left_open_now(found: Firewall) -> list[str]:
    """Families (ipv4, ipv6) whose loop address other hosts may claim now."""
    return _loop_left_open(found)
