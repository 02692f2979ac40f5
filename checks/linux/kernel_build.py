"""How the installed kernels were built: the protections that are compiled in, or can never be switched on."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scanner import Absent, Fact, Undetermined, Unparsable, check, sh

# A kernel's configuration has some ten thousand lines; only those that a control could ask for leave the target.
OPTIONS = (
    *("ACPI_CUSTOM_METHOD", "BUG", "BUG_ON_DATA_CORRUPTION", "COMPAT_BRK", "COMPAT_VDSO", "DEFAULT_MMAP_MIN_ADDR"),
    *("DEVKMEM", "FORTIFY_SOURCE", "HARDENED_USERCOPY", "INIT_ON_ALLOC_DEFAULT_ON", "IO_STRICT_DEVMEM", "LEGACY_PTYS"),
    *("LEGACY_VSYSCALL_EMULATE", "LEGACY_VSYSCALL_NONE", "LEGACY_VSYSCALL_XONLY", "MITIGATION_PAGE_TABLE_ISOLATION"),
    *("MITIGATION_RETPOLINE", "MODULE_SIG", "PAGE_TABLE_ISOLATION", "RANDOMIZE_BASE", "RANDOMIZE_MEMORY", "RETPOLINE"),
    *("SCHED_STACK_END_CHECK", "SECCOMP", "SECCOMP_FILTER", "SECURITY", "SECURITY_YAMA", "SLAB_FREELIST_HARDENED"),
    *("SLAB_FREELIST_RANDOM", "STACKPROTECTOR", "STACKPROTECTOR_STRONG", "STRICT_DEVMEM", "STRICT_KERNEL_RWX"),
    *("STRICT_MODULE_RWX", "SYN_COOKIES", "VMAP_STACK"),
)
LOOK = rf"""
for f in /boot/config-* /lib/modules/*/config; do
  [ -f "$f" ] || continue
  printf '== %s\n' "$f"
  grep -E '^(# )?CONFIG_({"|".join(OPTIONS)})[ =]' "$f" || [ $? = 1 ] || exit 1
done
for f in /boot/vmlinuz-* /lib/modules/*/vmlinuz; do
  [ ! -f "$f" ] || printf '!! %s\n' "$f"
done
"""
_PLACE = re.compile(r"/boot/(?:config|vmlinuz)-([^/]+)|/lib/modules/([^/]+)/(?:config|vmlinuz)")
_LINE = re.compile(r"CONFIG_(\w+)=(.*)|# CONFIG_(\w+) is not set")
Builds = Mapping[str, Mapping[str, str] | None]


def builds(text: str) -> Builds:
    """'== /boot/config-6.1.0\\nCONFIG_BUG=y\\n!! /boot/vmlinuz-6.1.0\\n' -> {'6.1.0': {'BUG': 'y'}}.

    None for a kernel whose configuration is not there. A rescue image is the kernel of another name.
    """
    found: dict[str, dict[str, str] | None] = {}
    current: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        place = _PLACE.fullmatch(line[3:]) if line.startswith(("== ", "!! ")) else None
        said = _LINE.fullmatch(line)
        if place is not None:
            name = place[1] or place[2]
            if line.startswith("== "):
                current = found.setdefault(name, {}) or {}
                found[name] = current
            elif not name.startswith("0-rescue"):
                found.setdefault(name, None)
        elif said is None or not found:
            raise Unparsable(line[:200])
        else:
            current[said[1] or said[3]] = said[2].strip('"') if said[1] else "n"
    return found


BUILDS = Fact(sh(LOOK, sudo=True, marked=True), builds)


def _known(found: Builds) -> dict[str, Mapping[str, str]]:
    if not found:
        raise Absent("no kernel is installed here")
    missing = [name for name, options in found.items() if options is None]
    if missing:
        raise Undetermined(f"how the kernel {missing[0]} was built is written nowhere")
    return {name: options for name, options in found.items() if options is not None}


@check("linux.kernel_build.lacks", BUILDS)
def lacks(found: Builds, wanted: list[str]) -> list[str]:
    """What installed kernels lack of `wanted` (STRICT_DEVMEM=y, COMPAT_BRK=n): ['6.1.0-9-amd64: STRICT_DEVMEM=y'].

    "A=y|B=y" wants one of them: options change their names. What is not named is not set.
    """

    def has(options: Mapping[str, str], words: str) -> bool:
        pairs = (word.partition("=") for word in words.split("|"))
        return any(options.get(name, "n") == value for name, _, value in pairs)

    known = _known(found)
    return [f"{name}: {words}" for name, options in known.items() for words in wanted if not has(options, words)]


@check("linux.kernel_build.least", BUILDS)
def least(found: Builds, option: str) -> int:
    """The least number that an installed kernel was given for `option`; 0 where one was given none."""
    values = [options.get(option, "") for options in _known(found).values()]
    return min(int(value) if re.fullmatch(r"[0-9]{1,12}", value) else 0 for value in values)
