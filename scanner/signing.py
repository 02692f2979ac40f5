"""Signatures beside files, made and checked by OpenSSH's own `ssh-keygen -Y`: no key of ours, no format of ours.

The key may lie in a file, in an agent (name its public half), or in a security key. Source: ssh-keygen(1), -Y sign.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from .errors import UsageError

NAMESPACE = "riskline"
"""What such a signature is good for; one made for another purpose does not count here."""


def sign(file: Path, key: Path) -> bytes:
    """The signature of a file's present bytes, as text that begins with -----BEGIN SSH SIGNATURE-----."""
    command = ["-Y", "sign", "-f", _plain(key), "-n", NAMESPACE]
    done = _run(command, file)
    if done.returncode or b"BEGIN SSH SIGNATURE" not in done.stdout:
        raise UsageError(f"{file} could not be signed with {key}: {_said(done)}")
    return done.stdout


def signer(file: Path, signature: Path, allowed: Path, identity: str | None) -> str:
    """Who signed a file: one of those that `allowed` lists (ssh-keygen(1), ALLOWED SIGNERS). UsageError names a file
    that cannot be read; ValueError says why the signature does not hold. identity: nobody else will do.
    """
    for needed in (file, signature, allowed):
        if not needed.is_file():
            raise UsageError(f"{needed}: there is no such file")
    who = identity or _principal(file, signature, allowed)
    command = ["-Y", "verify", "-f", _plain(allowed), "-I", who, "-n", NAMESPACE, "-s", _plain(signature)]
    done = _run(command, file)
    if done.returncode:
        raise ValueError(_said(done))
    return who


def _principal(file: Path, signature: Path, allowed: Path) -> str:
    done = _run(["-Y", "find-principals", "-f", _plain(allowed), "-s", _plain(signature)], file)
    names = done.stdout.decode(errors="replace").split()
    if done.returncode or not names:
        raise ValueError(f"its key belongs to none of those in {allowed}")
    return names[0]


def _plain(path: Path) -> str:
    """An absolute path: never an option, whatever it begins with."""
    return str(path.expanduser().absolute())


def _run(words: list[str], file: Path) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UsageError("signatures need ssh-keygen (Debian: openssh-client)")
    known = {name: value for name in ("PATH", "HOME", "SSH_AUTH_SOCK", "TERM") if (value := os.environ.get(name))}
    try:
        with file.open("rb") as content:
            return subprocess.run([program, *words], stdin=content, capture_output=True, check=False, env=known)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return re.sub(r"\s+", " ", lines[-1])[:300] if lines else f"ssh-keygen ended with status {done.returncode}"
