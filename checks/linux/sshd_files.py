"""The files around the SSH server's own: its drop-ins, its public keys, and what the service starts it with."""

from __future__ import annotations

import re

from scanner import Fact, check, parse, sh
from scanner import files as texts

from .sshd import HOST_KEYS, KeyFile, files_below

DROP_INS = Fact(
    sh(
        'for f in /etc/ssh/sshd_config.d/*; do [ ! -f "$f" ] || stat -L -c \'%a %U %G %n\' "$f"; done',
        sudo=True,
        marked=True,
    ),
    lambda text: files_below(text, "/etc/ssh/sshd_config.d/"),
)


def environment(text: str) -> dict[str, str]:
    """/etc/sysconfig/sshd, as systemd reads it: 'OPTIONS="-4"\\n' -> {'OPTIONS': '-4'}. Source: systemd.exec(5)."""
    found = parse.files(text).get("/etc/sysconfig/sshd", "").replace("\\\n", "")
    read = {}
    for line in found.split("\n"):
        match = re.match(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", line)
        if match:
            read[match[1]] = re.sub(r"""["']""", "", match[2]).strip()
    return read


ENVIRONMENT = Fact(texts("/etc/sysconfig/sshd"), environment)


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


@check("linux.sshd_files.public_key_owner", HOST_KEYS)
def public_key_owner(found: dict[str, KeyFile]) -> dict[str, str]:
    """Owner and group of each public host key: "root:root"."""
    return {path: f"{one.owner}:{one.group}" for path, one in found.items() if path.endswith(".pub")}


@check("linux.sshd_files.started_with", ENVIRONMENT)
def started_with(found: dict[str, str], key: str) -> str | None:
    """What /etc/sysconfig/sshd sets for the service under `key`: OPTIONS, CRYPTO_POLICY; nothing where it does not."""
    return found.get(key)
