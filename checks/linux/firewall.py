"""The packet filter: which tool keeps it, and what it lets in, by its files and by the kernel's rules now."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scanner import Fact, Undetermined, Unparsable, check, parse, sh
from scanner import files as texts

from . import nft_rules
from .network import LISTENING, Socket
from .packages import PACKAGES
from .services import UNITS, Units

Words = tuple[str, ...]
UFW_CONF = "/etc/ufw/ufw.conf"
UFW_DEFAULTS = "/etc/default/ufw"
UFW_RULES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
UFW_BEFORE = ("/etc/ufw/before.rules", "/etc/ufw/before6.rules")
"""What ufw always puts before the rules of its user, one file for each family."""
SAVED = {"ipv4": "/etc/iptables/rules.v4", "ipv6": "/etc/iptables/rules.v6"}


@dataclass(frozen=True, slots=True)
class Ufw:
    """ufw's own files. rules: its lines '### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in', split into words.

    loop: "in", "out" where the rules that come before the user's own let the host talk to itself, over both families.
    """

    enabled: bool
    defaults: Mapping[str, str]
    rules: tuple[tuple[str, ...], ...]
    loop: frozenset[str] = frozenset()


def ufw(text: str) -> Ufw:
    """{'/etc/ufw/ufw.conf': 'ENABLED=yes'} -> Ufw(True, {}, ()). Source: ufw(8), ufw-framework(8)."""
    found = parse.files(text)
    switch = re.findall(r"^[ \t]*ENABLED=[\"']?(\w+)", found.get(UFW_CONF, ""), re.MULTILINE)
    policies = re.findall(r"^[ \t]*DEFAULT_([A-Z]+)_POLICY=[\"']?(\w+)", found.get(UFW_DEFAULTS, ""), re.MULTILINE)
    lines = [line for path in UFW_RULES for line in found.get(path, "").split("\n")]
    rules = [tuple(line.split()[3:]) for line in lines if line.startswith("### tuple ###")]
    return Ufw(
        bool(switch) and switch[-1].lower() == "yes",
        {name.lower(): policy.lower() for name, policy in policies},
        tuple(one for one in rules if len(one) >= 7),
        _loop_before(found),
    )


def _loop_before(found: Mapping[str, str]) -> frozenset[str]:
    ways = {"in": r"-A ufw6?-before-input -i lo -j ACCEPT", "out": r"-A ufw6?-before-output -o lo -j ACCEPT"}
    texts_before = [found.get(path, "") for path in UFW_BEFORE]
    return frozenset(
        way
        for way, rule in ways.items()
        if all(re.search(rf"^{rule}[ \t]*$", one, re.MULTILINE) for one in texts_before)
    )


@dataclass(frozen=True, slots=True)
class Table:
    """The filter table of iptables-save(8): policies by chain, and the rules as words."""

    policies: Mapping[str, str]
    rules: tuple[tuple[str, ...], ...]


def saved(text: str) -> dict[str, Table]:
    """{'/etc/iptables/rules.v4': '*filter\\n:INPUT DROP [0:0]\\n'} -> {'ipv4': Table({'INPUT': 'DROP'}, ())}."""
    found = parse.files(text)
    return {family: filter_table(found[path]) for family, path in SAVED.items() if path in found}


def filter_table(text: str, strict: bool = False) -> Table:
    """'*filter\\n:INPUT DROP [0:0]\\n-A INPUT -j ACCEPT\\nCOMMIT\\n' -> Table({'INPUT': 'DROP'}, (('-A', …),)).

    strict: a line that iptables-save never writes is Unparsable.
    """
    policies: dict[str, str] = {}
    rules: list[tuple[str, ...]] = []
    inside = False
    for line in text.split("\n"):
        bare = line.strip()
        if strict and bare and not _SAVED_LINE.match(bare):
            raise Unparsable(bare[:200])
        if bare.startswith("*"):
            inside = bare == "*filter"
        elif inside and bare.startswith(":"):
            name, _, policy = bare[1:].partition(" ")
            policies[name] = policy.split(" ", 1)[0]
        elif inside and bare.startswith("-A "):
            rules.append(tuple(bare.split()))
    return Table(policies, tuple(rules))


_SAVED_LINE = re.compile(r"#|\*\w+$|:\S+ \S+|-[AI] |\[\d+:\d+\] -A |COMMIT$")


def both(text: str) -> dict[str, Table]:
    """The output of iptables-save, a line '--', that of ip6tables-save -> {'ipv4': Table, 'ipv6': Table}."""
    first, line, second = f"\n{text}".partition("\n--\n")
    if not line:
        raise Unparsable(text[:200])
    return {"ipv4": filter_table(first, True), "ipv6": filter_table(second, True)}


NFT_FILES = Fact(
    texts(*nft_rules.PLACES, sudo=True),
    nft_rules.nft_files,
)
_COUNTED = r"\[\d+:\d+\]$|^# (Generated|Completed) .*"
"""What iptables-save says of this moment: how much came by, and when it was asked."""
NFT_NOW = Fact(
    sh("nft list ruleset", of="nft", sudo=True, running=True, max_bytes=4 << 20, marked=True),
    nft_rules.listed,
    fleeting=r"packets \d+ bytes \d+",
)
UFW = Fact(texts(UFW_CONF, UFW_DEFAULTS, *UFW_RULES, *UFW_BEFORE, sudo=True), ufw)
UFW_NOW = Fact(
    sh("iptables-save -t filter", of="iptables-save", sudo=True, running=True, max_bytes=4 << 20, marked=True),
    lambda text: frozenset(filter_table(text, True).policies),
    fleeting=_COUNTED,
)
IPTABLES = Fact(texts(*SAVED.values(), sudo=True), saved)
IPTABLES_NOW = Fact(
    sh(
        "iptables-save && echo -- && ip6tables-save",
        of="iptables-save",
        sudo=True,
        running=True,
        max_bytes=4 << 20,
        marked=True,
    ),
    both,
    fleeting=_COUNTED,
)


@check("linux.firewall.tool", UNITS, UFW)
def tool(units: Units, found: Ufw) -> str:
    """The tool whose rules are loaded at boot: ufw, nftables or iptables, several joined by " and "; "none"."""
    names = [
        ("ufw", found.enabled and units.starts("ufw.service")),
        ("nftables", units.starts("nftables.service")),
        (
            "iptables",
            any(units.starts(f"{name}.service") for name in ("netfilter-persistent", "iptables", "ip6tables")),
        ),
        ("firewalld", units.starts("firewalld.service")),
    ]
    return " and ".join(name for name, on in names if on) or "none"


@check("linux.firewall.ufw_enabled", UFW)
def ufw_enabled(found: Ufw) -> bool:
    """Whether ufw sets its rules when its service starts."""
    return found.enabled


@check("linux.firewall.ufw_active", UFW_NOW)
def ufw_active(found: frozenset[str]) -> bool:
    """Whether the kernel holds ufw's own chains now."""
    return "ufw-before-input" in found


@check("linux.firewall.ufw_outgoing", UFW)
def ufw_outgoing(found: Ufw) -> list[str]:
    """What ufw lets out beyond its default, a rule's words each; all of it where nothing is kept in."""
    return [
        " ".join(one) for one in found.rules if one[0] == "allow" and one[-1].startswith("out") and one[-1] != "out_lo"
    ]


@check("linux.firewall.ufw_policy", UFW)
def ufw_policy(found: Ufw, direction: str) -> str | None:
    """What ufw does with packets that no rule names, lower-cased. direction: input, output or forward."""
    return found.defaults.get(direction)


@check("linux.firewall.ufw_loopback", UFW)
def ufw_loopback(found: Ufw) -> list[str]:
    """Which of ufw's rules about the host's own loop are missing: take and send there, refuse its addresses."""
    wanted: dict[str, Callable[[Words], bool]] = {
        "allow in on lo": lambda r: r[0] == "allow" and r[-1] == "in_lo",
        "allow out on lo": lambda r: r[0] == "allow" and r[-1] == "out_lo",
        "deny in from 127.0.0.0/8": lambda r: r[0] in {"deny", "reject"} and r[5] == "127.0.0.0/8" and r[-1] == "in",
        "deny in from ::1": lambda r: r[0] in {"deny", "reject"} and r[5] in {"::1", "::1/128"} and r[-1] == "in",
    }
    given = {f"allow {way} on lo" for way in found.loop}
    return [name for name, fits in wanted.items() if name not in given and not any(map(fits, found.rules))]


@check("linux.firewall.ufw_unruled_ports", UFW, LISTENING)
def ufw_unruled_ports(found: Ufw, sockets: tuple[Socket, ...]) -> list[str]:
    """Ports that other hosts can reach and that no rule of ufw names, like 22/tcp."""
    ruled = {(port, r[1]) for r in found.rules if r[-1].startswith("in") for port in r[2].split(",")}
    exposed = sorted({(s.port, s.protocol) for s in sockets if not s.is_local})
    return [f"{p}/{kind}" for p, kind in exposed if not {(str(p), kind), (str(p), "any")} & ruled]


def _whole(found: nft_rules.Ruleset) -> nft_rules.Ruleset:
    if found.unread:
        raise Undetermined(f"nftables' file includes {found.unread[0]}, which was not read")
    return found


@check("linux.firewall.nft_tables", NFT_FILES)
def nft_tables(found: nft_rules.Ruleset) -> list[str]:
    """nftables' tables by its files: "inet filter"."""
    return sorted(f"{family} {name}" for family, name in _whole(found).tables)


@check("linux.firewall.nft_tables_now", NFT_NOW)
def nft_tables_now(found: nft_rules.Ruleset) -> list[str]:
    """nftables' tables in the kernel: "inet filter"."""
    return sorted(f"{family} {name}" for family, name in found.tables)


@check("linux.firewall.nft_hooks", NFT_FILES)
def nft_hooks(found: nft_rules.Ruleset) -> list[str]:
    """The ways of a packet (input, forward, output) that a filter of nftables' files looks at."""
    return nft_rules.hooks(_whole(found))


@check("linux.firewall.nft_hooks_now", NFT_NOW)
def nft_hooks_now(found: nft_rules.Ruleset) -> list[str]:
    """The ways of a packet (input, forward, output) that a filter in the kernel looks at."""
    return nft_rules.hooks(found)


@check("linux.firewall.nft_policy", NFT_FILES)
def nft_policy(found: nft_rules.Ruleset, hook: str) -> str:
    """What becomes of a packet at `hook` that no rule of nftables' files names: drop, accept, or none looks at it."""
    return nft_rules.policy(_whole(found), hook)


@check("linux.firewall.nft_policy_now", NFT_NOW)
def nft_policy_now(found: nft_rules.Ruleset, hook: str) -> str:
    """What becomes of a packet at `hook` that no rule in the kernel names: drop, accept, or none looks at it."""
    return nft_rules.policy(found, hook)


@check("linux.firewall.nft_loopback", NFT_FILES)
def nft_loopback(found: nft_rules.Ruleset) -> list[str]:
    """Which rules about the host's own loop are missing in nftables' files."""
    return nft_rules.loopback(_whole(found))


@check("linux.firewall.nft_established", NFT_FILES)
def nft_established(found: nft_rules.Ruleset) -> bool:
    """Whether nftables' files let answers in to connections that this host began."""
    return nft_rules.established(_whole(found))


@check("linux.firewall.iptables_kept", PACKAGES, IPTABLES)
def iptables_kept(packages: Mapping[str, str], found: dict[str, Table]) -> bool:
    """Whether rules of iptables are saved here, or what loads saved ones at boot is installed."""
    return bool(found) or "iptables-persistent" in packages


@check("linux.firewall.iptables_policy", IPTABLES)
def iptables_policy(found: dict[str, Table], family: str, chain: str) -> str | None:
    """What the saved rules do with a packet of `family` (ipv4, ipv6) in `chain` that no rule names; None: not saved."""
    return found[family].policies.get(chain) if family in found else None


@check("linux.firewall.iptables_policy_now", IPTABLES_NOW)
def iptables_policy_now(found: dict[str, Table], family: str, chain: str) -> str | None:
    """What the kernel does with a packet of `family` in `chain` that no rule names."""
    return found[family].policies.get(chain)


@check("linux.firewall.iptables_loopback", IPTABLES)
def iptables_loopback(found: dict[str, Table], family: str) -> list[str]:
    """Which rules about the host's own loop are missing in the saved rules of `family`."""
    own = {"ipv4": {"127.0.0.0/8"}, "ipv6": {"::1", "::1/128"}}[family]
    rules = found[family].rules if family in found else ()
    wanted: dict[str, Callable[[Words], bool]] = {
        "take what comes from lo": lambda r: (
            r[:2] == ("-A", "INPUT") and _pair(r, "-i", {"lo"}) and _pair(r, "-j", {"ACCEPT"})
        ),
        "send to lo": lambda r: r[:2] == ("-A", "OUTPUT") and _pair(r, "-o", {"lo"}) and _pair(r, "-j", {"ACCEPT"}),
        "drop its addresses from elsewhere": lambda r: (
            r[:2] == ("-A", "INPUT") and _pair(r, "-s", own) and _pair(r, "-j", {"DROP", "REJECT"})
        ),
    }
    return [name for name, fits in wanted.items() if not any(fits(one) for one in rules)]


@check("linux.firewall.iptables_established", IPTABLES)
def iptables_established(found: dict[str, Table], family: str) -> bool:
    """Whether the saved rules of `family` let answers in to connections that this host began."""
    rules = found[family].rules if family in found else ()
    states = [
        set(word.split(",")) for r in rules if r[:2] == ("-A", "INPUT") and r[-2:] == ("-j", "ACCEPT") for word in r
    ]
    return any("ESTABLISHED" in words for words in states)


@check("linux.firewall.iptables_rules_now", IPTABLES_NOW)
def iptables_rules_now(found: dict[str, Table]) -> list[str]:
    """Rules of the filter table that the kernel took from iptables."""
    return [f"{family}: {' '.join(rule)}" for family, table in found.items() for rule in table.rules]


@check("linux.firewall.iptables_unruled_ports", IPTABLES, LISTENING)
def iptables_unruled_ports(found: dict[str, Table], sockets: tuple[Socket, ...], family: str) -> list[str]:
    """Ports that other hosts can reach and that no saved rule of `family` for INPUT names, like 22/tcp."""
    rules = found[family].rules if family in found else ()
    ruled = {
        (p, kind)
        for r in rules
        if r[:2] == ("-A", "INPUT")
        for kind in ("tcp", "udp")
        if _pair(r, "-p", {kind})
        for p in _ports(r)
    }
    exposed = sorted(
        {(s.port, s.protocol) for s in sockets if not s.is_local and (":" in s.address) == (family == "ipv6")}
    )
    return [f"{p}/{kind}" for p, kind in exposed if (str(p), kind) not in ruled]


def _pair(rule: tuple[str, ...], option: str, values: set[str]) -> bool:
    """Whether `option` is followed by one of `values`, and not turned around by a '!' before it."""
    return any(rule[i] == option and rule[i + 1] in values and rule[i - 1] != "!" for i in range(2, len(rule) - 1))


def _ports(rule: tuple[str, ...]) -> list[str]:
    return [p for i, word in enumerate(rule[:-1]) if word in {"--dport", "--dports"} for p in rule[i + 1].split(",")]
