"""GRUB and the kernel's command line: as generated for the next start, as set for the next update, and as it is now."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from scanner import Absent, Fact, Unparsable, check, file, parse, sh

# Passwords and their hashes stay on the target: what is said of them is only that they are there.
REDUCE = r"""
for f in /boot/grub/grub.cfg /boot/grub2/grub.cfg /boot/efi/EFI/*/grub.cfg /boot/grub/user.cfg /boot/grub2/user.cfg \
  /boot/efi/EFI/*/user.cfg /etc/default/grub /etc/default/grub.d/*.cfg /boot/grub2/grubenv /boot/loader/entries/*.conf \
  /etc/kernel/cmdline; do
  [ -f "$f" ] || continue
  printf '== %s\n' "$f"
  case $f in /etc/kernel/cmdline) sed 's/^/options /' "$f"; continue;; esac
  sed -n -E -e 's/^[[:space:]]*(password_pbkdf2[[:space:]]+[^[:space:]]+[[:space:]]+grub\.pbkdf2)\..*/\1/p;t' \
    -e 's/^[[:space:]]*(password[[:space:]]+[^[:space:]]+).*/\1/p;t' \
    -e 's/^[[:space:]]*(GRUB2_PASSWORD=grub\.pbkdf2)\..*/\1/p;t' \
    -e '/^[[:space:]]*(set[[:space:]]+superusers|linux(16|efi)?[[:space:]]|GRUB_[A-Z0-9_]*=|export[[:space:]])/p;t' \
    -e '/^[[:space:]]*(blscfg([[:space:]].*)?$|options[[:space:]]|kernelopts=)/p' "$f"
done
"""
SET = "/etc/default/grub"


@dataclass(frozen=True, slots=True)
class Boot:
    """menu: the arguments of each entry by its name; generated, set_up: whether there is such a file.

    always, usually: the arguments that update-grub will give to every entry, and to all but the recovery entries.
    """

    generated: bool
    menu: tuple[tuple[str, tuple[str, ...]], ...]
    set_up: bool
    always: tuple[str, ...]
    usually: tuple[str, ...]
    superusers: frozenset[str]
    protected: frozenset[str]


def boot(text: str) -> Boot:
    """'== /boot/grub/grub.cfg\\n linux /vmlinuz root=x\\n' -> Boot(menu=(('menu entry 1', ('root=x',)),), …)."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.split("\n"):
        if line.startswith("== "):
            current = sections.setdefault(line[3:], [])
        elif line and not sections:
            raise Unparsable(line[:200])
        else:
            current.append(line.strip())
    if any(re.match(r"/boot/grub2?/grub\.cfg", path) for path in sections):
        # What lies beside the firmware's own files then only leads to it.
        sections = {path: lines for path, lines in sections.items() if not re.match(r"/boot/efi/.*/grub\.cfg", path)}
    generated = [line for path, lines in sections.items() if path.startswith("/boot/") for line in lines]
    assigned = _assigned([line for path, lines in sections.items() if path.startswith(SET) for line in lines])
    always = tuple(assigned.get("GRUB_CMDLINE_LINUX", "").split())
    usually = tuple(assigned.get("GRUB_CMDLINE_LINUX_DEFAULT", "").split())
    no_recovery = assigned.get("GRUB_DISABLE_RECOVERY", "").lower() == "true"
    names = [name for line in generated for name in re.findall(r"set\s+superusers=[\"']?([^\"']*)", line)]
    hashed = re.findall(r"^password_pbkdf2\s+(\S+)\s+grub\.pbkdf2", "\n".join(generated), re.MULTILINE)
    if any(line.startswith("GRUB2_PASSWORD=grub.pbkdf2") for line in generated):
        # Red Hat's menu gives this hash to whomever it makes the superuser; another one could not log in at all.
        hashed += ["root", *(name for group in names for name in re.split(r"[ ,;&|]+", group))]
    return Boot(
        any(path.endswith("/grub.cfg") for path in sections),
        _menu(sections, generated),
        any(path.startswith(SET) for path in sections),
        (*always, *usually) if no_recovery else always,
        usually,
        frozenset(name for group in names for name in re.split(r"[ ,;&|]+", group) if name),
        frozenset(name.strip("\"'") for name in hashed),
    )


def _menu(sections: Mapping[str, list[str]], generated: list[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The entries that GRUB shows: its own file's, and where that asks for them (`blscfg`) those of loader/entries.

    `$kernelopts` stands for what grubenv says; what new kernels will be started with comes last.
    Source: the Boot Loader Specification, kernel-install(8), grubby(8).
    """
    # an entry below loader/entries has a line `linux` too, with the kernel's file alone
    own = [line for path, lines in sections.items() if path.endswith("/grub.cfg") for line in lines]
    kernels = [line.split()[2:] for line in own if re.match(r"linux(16|efi)?\s+\S", line)]
    found = [(f"menu entry {number}", tuple(words)) for number, words in enumerate(kernels, 1)]
    shared = [line.removeprefix("kernelopts=").split() for line in generated if line.startswith("kernelopts=")]
    fragments = not kernels or any(line.split()[0] == "blscfg" for line in generated if line)
    for path, lines in sections.items():
        if not (path.startswith("/boot/loader/") and fragments) and path != "/etc/kernel/cmdline":
            continue
        words: list[str] = []
        for word in [word for line in lines if line.startswith("options") for word in line.split()[1:]]:
            words += (shared[-1] if shared else []) if word in {"$kernelopts", "${kernelopts}"} else [word]
        found.append((path, tuple(words)))
    return tuple(found)


def _assigned(lines: list[str]) -> Mapping[str, str]:
    """'GRUB_X="a"\\nGRUB_X="$GRUB_X b"' -> {'GRUB_X': 'a b'}: assignments in order, earlier values filled in."""
    values: dict[str, str] = {}
    for line in lines:
        found = re.match(r"(?:export\s+)?(GRUB_[A-Z0-9_]+)=(.*)\Z", line)
        if not found:
            continue
        filled = re.sub(r"\$\{?(GRUB_[A-Z0-9_]+)\}?", lambda name: values.get(name[1], ""), found[2])[:65536]
        try:
            values[found[1]] = "".join(shlex.split(filled, comments=True)[:1])
        except ValueError:
            values[found[1]] = filled.strip("\"'")
    return values


GRUB = Fact(sh(REDUCE, sudo=True, marked=True), boot)


def command_line(text: str) -> list[str]:
    """'root=/dev/vda1 quiet\\n' -> ['root=/dev/vda1', 'quiet']: one line, whatever its words. Source: proc(5)."""
    if "\n" in text.rstrip("\n") or text[:1] in {"{", "["}:
        raise Unparsable(text[:200])
    return text.split()


NOW = Fact(file("/proc/cmdline", running=True), command_line)


def value(arguments: tuple[str, ...] | list[str], name: str) -> str | None:
    """The last value given to an argument: value(('audit=0', 'audit=1'), 'audit') is '1'; "" for a bare word."""
    given = [word.partition("=")[2] for word in arguments if word.partition("=")[0] == name]
    return given[-1] if given else None


def _lines(found: Boot) -> list[tuple[str, tuple[str, ...]]]:
    if not found.generated and not found.set_up:
        raise Absent("there is no GRUB here")
    lines = list(found.menu)
    return [*lines, *([("/etc/default/grub", found.always)] if found.set_up or not lines else [])]


@check("linux.boot.menu_entries_without", GRUB)
def menu_entries_without(found: Boot, argument: str) -> list[str]:
    """Menu entries that start a kernel without `argument`, and /etc/default/grub where the next update drops it."""
    name, _, wanted = argument.partition("=")
    return [what for what, words in _lines(found) if value(words, name) != wanted]


@check("linux.boot.menu_entries_with", GRUB)
def menu_entries_with(found: Boot, arguments: list[str]) -> list[str]:
    """Menu entries that start a kernel with one of `arguments`, and /etc/default/grub where the next update adds it."""
    if not found.generated and not found.set_up:
        raise Absent("there is no GRUB here")
    lines = [*found.menu, ("/etc/default/grub", (*found.always, *found.usually))]
    return [what for what, words in lines if set(words) & set(arguments)]


@check("linux.boot.menu_number", GRUB)
def menu_number(found: Boot, name: str) -> int:
    """The least number that a menu entry, or /etc/default/grub, gives to the argument `name`; 0 where one lacks it."""
    given = [value(words, name) or "" for _, words in _lines(found)]
    return min((int(text) if re.fullmatch(r"[0-9]{1,12}", text) else 0 for text in given), default=0)


@check("linux.boot.argument_now", NOW)
def argument_now(words: list[str], argument: str) -> bool:
    """Whether the running kernel was started with `argument`."""
    name, _, wanted = argument.partition("=")
    return value(words, name) == wanted


@check("linux.boot.arguments_now", NOW)
def arguments_now(words: list[str], arguments: list[str]) -> list[str]:
    """Those of `arguments` that the running kernel was started with."""
    return [argument for argument in arguments if argument in words]


@check("linux.boot.number_now", NOW)
def number_now(words: list[str], name: str) -> int:
    """The number that the running kernel was given for the argument `name`; 0 where it was given none."""
    text = value(words, name) or ""
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else 0


def efi_files(text: str) -> dict[str, tuple[str, str, str]]:
    """'700 root root /boot/efi/EFI/x/grub.cfg\\n' -> {'/boot/efi/EFI/x/grub.cfg': ('700', 'root', 'root')}."""
    return {path: (mode, user, group) for mode, user, group, path in parse.table(text, 4, " ")}


EFI = Fact(
    sh(
        "for f in /boot/efi/EFI/*/grub.cfg /boot/efi/EFI/*/user.cfg /boot/efi/EFI/*/grubenv; do "
        '[ ! -e "$f" ] || stat -L -c "%a %U %G %n" "$f" || exit 1; done',
        sudo=True,
    ),
    efi_files,
)


@check("linux.boot.efi_modes", EFI)
def efi_modes(found: dict[str, tuple[str, str, str]]) -> dict[str, str]:
    """The mode of each file of the boot menu on the firmware's own partition, which its mount options decide."""
    return {path: mode.zfill(4) for path, (mode, _, _) in found.items()}


@check("linux.boot.efi_owners", EFI)
def efi_owners(found: dict[str, tuple[str, str, str]]) -> dict[str, str]:
    """Owner and group of each file of the boot menu on the firmware's own partition: root:root."""
    return {path: f"{user}:{group}" for path, (_, user, group) in found.items()}


@check("linux.boot.password", GRUB)
def password(found: Boot) -> bool:
    """Whether GRUB asks for a password before its menu entries can be changed: a superuser with a hashed one."""
    if not found.generated:
        raise Absent("there is no GRUB menu here")
    return bool(found.superusers & found.protected)
