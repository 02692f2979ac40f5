"""nftables' own language: its tables, chains and rules, as files and as the kernel's list say them. Source: nft(8)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from scanner import Unparsable, parse

DEBIAN, RED_HAT = "/etc/nftables.conf", "/etc/sysconfig/nftables.conf"
PLACES = (
    *(DEBIAN, RED_HAT, "/etc/nftables/*", "/etc/nftables/*/*", "/etc/nftables.d/*"),
    *("/etc/*.rules", "/etc/*.nft", "/etc/*.ruleset"),
)
"""What a visit brings along."""
MAX_VALUE = 4096
"""Characters of a variable's value; one that grows by naming others is cut."""
_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\\\n|[{};\n]|[^\s{};"#\\]+|\\')
_FAMILIES = {"ip", "ip6", "inet", "arp", "bridge", "netdev"}
_COUNTER = r"(counter(\s+packets\s+\d+\s+bytes\s+\d+)?\s+)?"


@dataclass(frozen=True, slots=True)
class Chain:
    """One nftables chain. hook: "" for one that only others jump to; policy: accept unless it says drop."""

    family: str
    table: str
    name: str
    hook: str
    policy: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """nftables' tables, as (family, name), and chains. unread: files that are included and were not brought along."""

    tables: frozenset[tuple[str, str]]
    chains: tuple[Chain, ...]
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class Block:
    """What stands between two braces: statements, each of words and of blocks."""

    statements: list[list[str | Block]] = field(default_factory=lambda: [[]])


def blocks(text: str) -> Block:
    """'table ip x { chain y { accept; } }' -> Block([['table', 'ip', 'x', Block(…)]]). Braces left open are closed."""
    top = Block()
    path = [top]
    for sign in _TOKEN.findall(text):
        statement = path[-1].statements[-1]
        if sign[0] in "#\\":
            continue
        if sign == "{":
            path.append(Block())
            statement.append(path[-1])
        elif sign == "}":
            if len(path) > 1:
                path.pop()
            # What holds more than one rule ends with its brace; a set goes on with the rule that it stands in.
            if {"table", "chain"} & set(words_of(path[-1].statements[-1])[:2]):
                path[-1].statements.append([])
        elif sign in ";\n":
            path[-1].statements += [[]] if statement else []
        else:
            statement.append(sign)
    return top


def words_of(statement: list[str | Block]) -> list[str]:
    """The words before the first block: ['table', 'ip', 'x', Block(…)] -> ['table', 'ip', 'x']."""
    before = next((i for i, one in enumerate(statement) if isinstance(one, Block)), len(statement))
    return [str(one) for one in statement[:before]]


def flat(statement: list[str | Block], values: Mapping[str, str], depth: int = 0) -> str:
    """A statement as nft prints it, variables filled in: 'iifname { "lo" } accept'."""
    parts = []
    for one in statement:
        if isinstance(one, str):
            parts.append(re.sub(r"\$(\w+)", lambda name: values.get(name[1], name[0]), one))
        elif depth < 16:
            inner = " ".join(filter(None, (flat(each, values, depth + 1) for each in one.statements)))
            parts.append(f"{{ {inner} }}")
    return " ".join(parts)[: MAX_VALUE * 4]


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    tables: dict[tuple[str, str], None] = field(default_factory=dict)
    chains: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def take(self, statement: list[str | Block]) -> None:
        """One statement of a file: a definition, a command, or a table with all that it holds."""
        words = words_of(statement)
        if words[:1] in (["define"], ["redefine"]) and len(words) > 2:
            self.values[words[1]] = flat(statement[3:], self.values)[:MAX_VALUE]
            return
        verb = (
            words.pop(0) if words and words[0] in {"add", "create", "insert", "flush", "delete", "destroy"} else "add"
        )
        kind = words.pop(0) if words else ""
        family = words.pop(0) if words and words[0] in _FAMILIES else "ip"
        if verb in {"flush", "delete", "destroy"}:
            self.remove(verb, kind, (family, *words))
        elif kind == "table" and words:
            self.tables[family, words[0]] = None
            for body in statement:
                self.take_table((family, words[0]), body)
        elif kind == "chain" and len(words) > 1 and (family, words[0]) in self.tables:
            self.take_chain((family, words[0], words[1]), statement)
        elif kind == "rule" and len(words) > 2:
            rule = flat(statement[len(words_of(statement)) - len(words) + 2 :], self.values)
            rules = self.chains.get((family, words[0], words[1]))
            if rules is not None:
                rules.insert(0 if verb == "insert" else len(rules), rule)

    def take_table(self, table: tuple[str, str], body: str | Block) -> None:
        for statement in body.statements if isinstance(body, Block) else []:
            words = words_of(statement)
            if words[:1] == ["chain"] and len(words) > 1:
                self.take_chain((*table, words[1]), statement)

    def take_chain(self, chain: tuple[str, str, str], statement: list[str | Block]) -> None:
        said = self.chains.setdefault(chain, [])
        for body in statement:
            if isinstance(body, Block):
                said += filter(None, (flat(each, self.values) for each in body.statements))

    def remove(self, verb: str, kind: str, named: tuple[str, ...]) -> None:
        if kind == "ruleset":
            self.tables.clear()
            self.chains.clear()
        for chain in [one for one in self.chains if kind in {"table", "chain"} and one[: len(named)] == named]:
            said = self.chains.pop(chain)
            if verb == "flush":
                self.chains[chain] = [one for one in said if re.match(r"(type|policy)\s", one)]
        if kind == "table" and verb != "flush" and len(named) > 1:
            self.tables.pop((named[0], named[1]), None)


def ruleset(text: str) -> Ruleset:
    """'table inet filter {\\n chain input {\\n type filter hook input priority 0; policy drop;\\n …' -> Ruleset.

    Commands (`add rule …`, `flush ruleset`) take effect in their order; what is flushed is gone.
    """
    reading = _Reading()
    for statement in blocks(text).statements:
        reading.take(statement)
    return Ruleset(frozenset(reading.tables), tuple(_chain(key, said) for key, said in reading.chains.items()))


def listed(text: str) -> Ruleset:
    """What `nft list ruleset` prints: tables and nothing else, or nothing at all. Other statements are Unparsable."""
    odd = next((one for one in blocks(text).statements if one and words_of(one)[:1] != ["table"]), None)
    if odd is not None:
        raise Unparsable(flat(odd, {})[:200])
    return ruleset(text)


def _chain(key: tuple[str, str, str], said: list[str]) -> Chain:
    hooks = [found[1] for one in said if (found := re.match(r"type\s+filter\s+hook\s+(\w+)", one))]
    policies = [found[1] for one in said if (found := re.match(r"policy\s+(\w+)", one))]
    rules = tuple(one for one in said if not re.match(r"(type|policy|comment|flags|device|devices)\s", one))
    return Chain(*key, hooks[0] if hooks else "", policies[-1] if policies else "accept", rules)


def nft_files(text: str) -> Ruleset:
    """The file that nftables.service loads, with those that it includes in their places -> Ruleset.

    Where a file that is named outright is missing nft loads nothing at all.
    """
    found: Mapping[str, str] = parse.files(text)
    unread: list[str] = []
    missing: list[str] = []
    left = dict(found)
    whole = "\n".join(_lines(left, RED_HAT if RED_HAT in found else DEBIAN, unread, missing))
    return replace(ruleset("" if missing else whole), unread=tuple(unread))


def _lines(left: dict[str, str], path: str, unread: list[str], missing: list[str]) -> Iterator[str]:
    """The lines of `path`, an `include` replaced by what it names, in the order of names; each file once."""
    for line in left.pop(path, "").split("\n"):
        named = re.match(r'[ \t]*include[ \t]+["\']([^"\'\n]+)["\']', line)
        if not named:
            yield line
            continue
        place = named[1] if named[1].startswith("/") else f"/etc/{named[1]}"
        fitting = sorted(one for one in left if fnmatchcase(one, place) and one.count("/") == place.count("/"))
        if not fitting and not any(fnmatchcase(place, one) for one in PLACES):
            unread.append(place)
        elif not fitting and not re.search(r"[*?\[]", place):
            missing.append(place)
        for one in fitting:
            yield from _lines(left, one, unread, missing)


def hooks(found: Ruleset) -> list[str]:
    """The ways of a packet that some filter looks at: input, forward, output."""
    return sorted({chain.hook for chain in found.chains if chain.hook})


def policy(found: Ruleset, hook: str) -> str:
    """drop where every packet of both IP versions meets a base chain that drops it unless a rule takes it."""
    dropping = {chain.family for chain in found.chains if chain.hook == hook and _drops(chain)}
    if "inet" in dropping or {"ip", "ip6"} <= dropping:
        return "drop"
    return "accept" if any(chain.hook == hook for chain in found.chains) else "none"


def _drops(chain: Chain) -> bool:
    last = chain.rules[-1] if chain.rules else ""
    return chain.policy == "drop" or re.fullmatch(rf"{_COUNTER}(log\b.*\s)?(drop|reject)\b.*", last) is not None


def loopback(found: Ruleset) -> list[str]:
    """Which rules about the host's own loop are missing."""
    rules = [rule for chain in found.chains if chain.hook in {"input", ""} for rule in chain.rules]
    lo = r'(meta\s+)?iif(name)?\s+(\{\s*)?"?lo"?(\s*\})?'
    elsewhere = r'((meta\s+)?iif(name)?\s+!=\s+"?lo"?\s+)?'
    wanted = {
        "take what comes from lo": rf"{lo}\s+{_COUNTER}accept.*",
        "drop 127.0.0.0/8 from elsewhere": rf"{elsewhere}ip\s+(saddr|daddr)\s+(\{{\s*)?127\.0\.0\.0/8.*(drop|reject).*",
        "drop ::1 from elsewhere": rf"{elsewhere}ip6\s+(saddr|daddr)\s+(\{{\s*)?::1(/128)?\b.*(drop|reject).*",
    }
    return [name for name, pattern in wanted.items() if not any(re.match(pattern, rule) for rule in rules)]


def established(found: Ruleset) -> bool:
    """Whether answers are let in to connections that this host began."""
    pattern = r".*\bct\s+state\s+(vmap\s+)?(\{\s*)?(established|related)\b.*\baccept\b"
    return any(re.match(pattern, rule) for chain in found.chains if chain.hook in {"input", ""} for rule in chain.rules)
