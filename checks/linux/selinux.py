"""SELinux: what its configuration and the boot menu say of the next start, and what the running kernel enforces."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scanner import Absent, Fact, Unparsable, check, file, sh

MODES = ("enforcing", "permissive", "disabled")
_LABEL = re.compile(r"[\w.-]+:[\w.-]+:[\w.-]+(?::\S+)?|[-?]")


def config(text: str) -> Mapping[str, str]:
    """'SELINUX=enforcing\\nSELINUXTYPE=targeted\\n' -> {'mode': 'enforcing', 'policy': 'targeted'}.

    As libselinux reads: the mode is the first line that starts with SELINUX= and a word it knows, whatever follows.
    The policy is the last line, spaces before it allowed, with all that stands behind the sign. Source: selinux(8),
    libselinux's selinux_config.c.
    """
    found: dict[str, str] = {}
    for line in text.split("\n"):
        mode = re.match(r"SELINUX=(enforcing|permissive|disabled)", line, re.IGNORECASE)
        policy = re.match(r"\s*SELINUXTYPE=(.*)", line, re.IGNORECASE)
        if mode:
            found.setdefault("mode", mode[1].lower())
        elif policy:
            found["policy"] = policy[1].strip()
    return found


def enforced(text: str) -> str:
    """'1' -> 'enforcing', '0' -> 'permissive': the kernel's own file. Source: selinuxfs."""
    said = text.strip()
    if said not in {"0", "1"}:
        raise Unparsable(text[:200])
    return "enforcing" if said == "1" else "permissive"


def unconfined(text: str) -> tuple[str, ...]:
    """'system_u:system_r:unconfined_service_t:s0 agent\\n' -> ('agent',): programs of services without confinement.

    Without SELinux ps prints a dash for every label, which says nothing of any of them; under AppArmor other words.
    """
    rows = [line.split(None, 1) for line in text.split("\n") if line.strip()]
    if not rows or any(len(row) != 2 for row in rows):
        raise Unparsable(text[:200])
    if all(label in {"-", "?", "unconfined"} for label, _ in rows):
        return ("SELinux is off",)
    odd = next((label for label, _ in rows if not _LABEL.fullmatch(label)), None)
    if odd is not None:
        raise Unparsable(f"no label of SELinux: {odd[:100]}")
    return tuple(sorted({name.strip() for label, name in rows if ":unconfined_service_t:" in f"{label}:"}))


CONFIG = Fact(file("/etc/selinux/config"), config)
ENFORCE = Fact(file("/sys/fs/selinux/enforce", running=True), enforced)
LABELS = Fact(
    sh("ps -e -o label:256,comm --no-headers", of="ps", sudo=True, running=True, marked=True),
    unconfined,
    fleeting=r"^(?!.*:unconfined_service_t:).*",
)


@check("linux.selinux.mode", CONFIG)
def mode(found: Mapping[str, str]) -> str | None:
    """The mode that the next start takes from the configuration: enforcing, permissive, disabled; nothing unset."""
    return found.get("mode")


@check("linux.selinux.mode_now", ENFORCE)
def mode_now(found: str) -> str:
    """The mode that the kernel is in: enforcing or permissive. Without SELinux in the kernel its file is absent."""
    return found


@check("linux.selinux.policy", CONFIG)
def policy(found: Mapping[str, str]) -> str | None:
    """The policy that the next start loads: targeted, mls …; nothing where none is named."""
    return found.get("policy")


@check("linux.selinux.unconfined_services", LABELS)
def unconfined_services(found: tuple[str, ...]) -> list[str]:
    """Programs of running services that no rule of the policy confines."""
    if found == ("SELinux is off",):
        raise Absent("SELinux is off, and labels nothing")
    return list(found)
