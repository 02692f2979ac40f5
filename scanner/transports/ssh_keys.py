"""Private keys for a login: files opened once per process, and what the agent holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko

from scanner.errors import AuthFailed
from scanner.secrets import resolve

from .ssh_route import Hop

_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_opened: dict[tuple[Path, str | None, int, int], paramiko.PKey] = {}
_opening = threading.Lock()


def keys(hop: Hop) -> Iterator[tuple[str, paramiko.PKey]]:
    """(name for people, key) in the order of trying: the files, then the agent; no key twice.

    A named file that cannot be opened (an encrypted one, or a public half) is looked for in the agent; where nothing
    else is found either, AuthFailed says what is wrong with the file. Default files are passed over, as ssh does.
    """
    trouble: list[AuthFailed] = []
    tried: set[bytes] = set()
    for path in hop.identities:
        try:
            key = open_key(path, hop.key_passphrase)
        except AuthFailed as error:
            trouble.append(error)
        else:
            tried.add(key.asbytes())
            yield str(path), key
    if hop.agent or trouble:
        wanted = {_public(path) for path in hop.identities} if hop.only_these or not hop.agent else None
        for name, key in _agent_keys():
            if key.asbytes() not in tried and (wanted is None or key.asbytes() in wanted):
                tried.add(key.asbytes())
                yield name, key
    if trouble and hop.named_keys and not tried:
        raise trouble[0]


def _agent_keys() -> Iterator[tuple[str, paramiko.PKey]]:
    try:
        agent = paramiko.Agent()
    except (OSError, paramiko.SSHException):  # none, or it refuses us: the other keys may do
        return
    try:
        for key in agent.get_keys():
            yield f"agent key {key.fingerprint}", key
    finally:
        agent.close()


def _public(path: Path) -> bytes:
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        return paramiko.pkey.PublicBlob.from_file(str(public)).key_blob
    except (OSError, ValueError, paramiko.SSHException):
        return b""


def open_key(path: Path, passphrase: str | None) -> paramiko.PKey:
    """The key in a file, with the certificate beside it (`<path>-cert.pub`) where there is one; opened once.

    passphrase: a reference. Raises AuthFailed naming the file and the remedy.
    """
    certificate = path.with_name(path.name + "-cert.pub")
    try:
        second = certificate.stat().st_mtime_ns if certificate.exists() else 0
        wanted = (path, passphrase, path.stat().st_mtime_ns, second)
        if wanted in _opened:
            return _opened[wanted]
        with _opening:  # whoever waits here finds it opened
            if wanted not in _opened:
                key = _decrypt(path, passphrase)
                if second:
                    key.load_certificate(str(certificate))
                _opened[wanted] = key
    except OSError as error:
        raise AuthFailed(f"the key {path} cannot be read: {error.strerror}") from error
    except (ValueError, paramiko.SSHException) as error:
        raise AuthFailed(f"the key {path} cannot be used: {error}") from error
    return _opened[wanted]


def _decrypt(path: Path, passphrase: str | None) -> paramiko.PKey:
    secret = resolve(passphrase, "key_passphrase") if passphrase else None
    for kind in _KINDS:
        try:
            return kind.from_private_key_file(str(path), secret.reveal() if secret else None)
        except paramiko.PasswordRequiredException:
            raise AuthFailed(f"the key {path} is encrypted; add `key_passphrase`, or load it into the agent") from None
        except (ValueError, LookupError, TypeError, paramiko.SSHException):
            continue
    remedy = "the passphrase is wrong, or it is" if passphrase else "it is"
    raise AuthFailed(f"the key {path} cannot be opened: {remedy} no Ed25519, ECDSA or RSA private key")
