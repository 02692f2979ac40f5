"""The files of /etc/ssh/sshd_config.d: whose they are and who may use them, whatever their name ends in."""

from __future__ import annotations

from scanner import Fact, check, sh

from .sshd import KeyFile, key_files

DROP_INS = Fact(
    sh('for f in /etc/ssh/sshd_config.d/*; do [ ! -f "$f" ] || stat -L -c \'%a %U %G %n\' "$f"; done', sudo=True),
    key_files,
)


@check("linux.sshd_files.mode", DROP_INS)
def mode(found: dict[str, KeyFile]) -> dict[str, str]:
    """Permission bits of each file, in octal."""
    return {path: f"{one.mode:04o}" for path, one in found.items()}


@check("linux.sshd_files.owner", DROP_INS)
def owner(found: dict[str, KeyFile]) -> dict[str, str]:
    """Owner of each file."""
    return {path: one.owner for path, one in found.items()}


@check("linux.sshd_files.group", DROP_INS)
def group(found: dict[str, KeyFile]) -> dict[str, str]:
    """Group of each file."""
    return {path: one.group for path, one in found.items()}
