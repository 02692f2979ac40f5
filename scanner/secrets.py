"""Credentials are references in the inventory and values only here, for as long as a connection needs them.

env:NAME                an environment variable
file:PATH               the first line of a file that nobody else can read
keyring:SERVICE/USER    the desktop's or server's key store, through the library `keyring`
command:LINE            what a password manager's command prints; no shell is involved
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NoReturn

from .errors import UsageError

FORMS = "env:NAME, file:PATH, keyring:SERVICE/USER or command:LINE"
MAX_KNOWN = 128
"""As many as the visits under way at the same time may use; a longer list would be looked for in every answer."""
_SCHEMES = ("env", "file", "keyring", "command")


class Secret:
    """A value that shows itself nowhere: not by repr, str, format, JSON or pickle. Only `reveal()` gives it away."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source
        _remember(value)

    def reveal(self) -> str:
        """The value itself, for the one call that has to send it."""
        return self._value

    def __repr__(self) -> str:
        return f"<secret from {self.source}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled")


_KNOWN: OrderedDict[str, None] = OrderedDict()
_LOCK = threading.Lock()


def _remember(value: str) -> None:
    with _LOCK:
        _KNOWN[value] = None
        _KNOWN.move_to_end(value)
        while len(_KNOWN) > MAX_KNOWN:
            _KNOWN.popitem(last=False)


def known_values() -> tuple[str, ...]:
    """The values that this process logged in with lately, for scanner.redaction alone to take them out of evidence."""
    with _LOCK:
        return tuple(_KNOWN)


def refuse_literal(reference: str, field: str) -> None:
    """Raise UsageError, without repeating the value, where a credential was written down instead of a reference."""
    scheme, found, rest = reference.partition(":")
    if not found or scheme not in _SCHEMES or not rest:
        raise UsageError(f"`{field}` must be a reference, not the secret itself; write {FORMS}")


def resolve(reference: str, field: str = "password") -> Secret:
    """The secret behind a reference. Raises UsageError that names the reference, never the value."""
    refuse_literal(reference, field)
    scheme, _, rest = reference.partition(":")
    source = f"{scheme}:…" if scheme == "command" else reference
    value = {"env": _from_env, "file": _from_file, "keyring": _from_keyring, "command": _from_command}[scheme](rest)
    if not value:
        raise UsageError(f"{source} is empty; nothing to log in with")
    return Secret(value, source)


def _from_env(name: str) -> str:
    if name not in os.environ:
        raise UsageError(f"the environment variable {name} is not set; export it before the run")
    return os.environ[name]


def _from_file(path: str) -> str:
    place = Path(path).expanduser()
    try:
        with place.open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UsageError(f"{place} can be read by others (mode {mode & 0o777:04o}); run: chmod 600 {place}")
            return opened.readline(65536).rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"{place}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{place} is not UTF-8 text") from error


def _from_keyring(rest: str) -> str:
    service, found, user = rest.rpartition("/")
    if not found or not service or not user:
        raise UsageError("a keyring reference is keyring:SERVICE/USER")
    import keyring

    try:
        value = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise UsageError(f"the key store cannot be used here: {error}") from error
    if value is None:
        raise UsageError(f"the key store has no entry {service}/{user}; add it with: keyring set {service} {user}")
    return str(value)


def _from_command(line: str) -> str:
    try:
        done = subprocess.run(shlex.split(line), capture_output=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"the password command could not be run: {type(error).__name__}") from error
    if done.returncode:
        raise UsageError(f"the password command ended with status {done.returncode}")
    return done.stdout.decode(errors="replace").split("\n", 1)[0].rstrip("\r")
