"""Memory images of crashed programs: who may write one, and what collects them."""

from __future__ import annotations

from dataclasses import dataclass

from scanner import Fact, check, parse
from scanner import files as texts

from .systemd import Settings, settings_of


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of limits.conf(5). kind: soft, hard or - (both)."""

    domain: str
    kind: str
    item: str
    value: str


def limits(text: str) -> tuple[Limit, ...]:
    """'* hard core 0\\n' in limits.conf, then in limits.d by name -> (Limit('*', 'hard', 'core', '0'),).

    Lines that are not four words set nothing. Source: limits.conf(5), pam_limits(8).
    """
    found = parse.files(text)
    lines = [line.split("#", 1)[0].split() for path in sorted(found, key=_order) for line in found[path].split("\n")]
    return tuple(Limit(words[0], words[1].lower(), words[2].lower(), words[3]) for words in lines if len(words) == 4)


def _order(path: str) -> tuple[bool, str]:
    return path != "/etc/security/limits.conf", path


LIMITS = Fact(texts("/etc/security/limits.conf", "/etc/security/limits.d/*.conf"), limits)
COREDUMP = settings_of("coredump.conf")


@check("linux.kernel.core_limit", LIMITS)
def core_limit(found: tuple[Limit, ...]) -> str | None:
    """The hard limit of memory images for everybody; where a line of its own gives somebody more, that line."""
    hard: dict[str, str] = {line.domain: line.value for line in found if line.item == "core" and line.kind in "hard-"}
    more = next((domain for domain, value in hard.items() if domain not in {"*", "root"} and value != "0"), None)
    return f"{hard[more]} for {more}" if more and hard.get("*") == "0" else hard.get("*")


@check("linux.kernel.coredump", COREDUMP)
def coredump(found: Settings, key: str) -> str | None:
    """What systemd-coredump is told under `key`; nothing where it is left to its default."""
    return found.get("Coredump", {}).get(key)
