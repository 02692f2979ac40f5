"""From a route to an authenticated connection: key exchange, host key, login, each within its time.

paramiko's own time-outs count from one packet to the next, and a server decides when its next packet comes. Here every
wait has an end of its own, and a watchdog (in ssh.py) tears the socket for what still blocks inside paramiko.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import Literal

import paramiko

from scanner.errors import AuthFailed, HostKeyChanged, TargetError, Unreachable
from scanner.secrets import resolve

from .ssh_hosts import HostKey, Line, Shown, compare, kinds, learn
from .ssh_keys import keys
from .ssh_route import Hop
from .ssh_socket import HungUp, PromptPackets

# what goes wrong reaches the user as a TargetError; paramiko's own log would add a traceback for each
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_SHA1 = {"ssh-rsa", "ssh-dss"}  # paramiko before 4.0 still offers them
_QUICK = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
MAX_KEYS = 5  # OpenSSH hangs up after six tries, and locks out some accounts before


class Connection(paramiko.Transport):
    """paramiko's connection, which asks for plain host keys only and raises nothing but designed exceptions."""

    known: Sequence[Line] = ()
    """What the known_hosts files said of the host when the key exchange began."""

    proved: HostKey
    """The key that the server proved to own in the key exchange; stays when the connection does not."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        super().__init__(sock, packetizer_class=PromptPackets)

    @property
    def preferred_keys(self) -> Sequence[str]:
        """Known types first. No host certificates: nothing here verifies their authority."""
        wanted = [name for kind in kinds(self.known) for name in _ALGORITHMS.get(kind, (kind,))]
        able = [name for name in self.get_security_options().key_types if name not in _SHA1]
        return tuple(dict.fromkeys([name for name in wanted if name in able] + able))

    def get_exception(self) -> Exception | None:
        """The exception of the reading thread; a hostile server can provoke any, so others become an SSHException."""
        error = super().get_exception()
        if error is None or isinstance(error, (paramiko.SSHException, OSError, EOFError)):
            return error
        return paramiko.SSHException(f"{type(error).__name__}: {error}")

    def _parse_debug(self, _: paramiko.Message) -> None:
        """Nothing: paramiko takes what a server says to be logged apart letter by letter, and nobody reads that log."""

    def _log(self, level: int, msg: str | list[str], *words: object) -> None:
        """Only where somebody reads it: some forty lines a login."""
        if self.logger.isEnabledFor(level):
            super()._log(level, msg, *words)  # type: ignore[misc]


class Silent(Unreachable):
    """The server took the connection and did not greet in time; a busy sshd does so, too."""


def tear(transport: paramiko.Transport) -> None:
    """End a connection whatever state it is in: both directions of the socket, then paramiko's thread."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        transport.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread at once; close() would let it wait in recv
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(1)


def secure(sock: socket.socket | paramiko.Channel, hop: Hop, until: float) -> Connection:
    """An encrypted connection over `sock`, the server's host key not yet judged. Raises Unreachable."""
    transport = Connection(sock)
    # before the visit's end each wait below gives up by itself; these only hold paramiko's thread to the same end
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = max(_left(until), 0.1)
    options = transport.get_security_options()
    options.ciphers = tuple(dict.fromkeys((*(c for c in _QUICK if c in options.ciphers), *options.ciphers)))
    transport.known = _lines(hop)
    agreed = threading.Event()
    started = time.monotonic()
    transport.start_client(agreed)
    ended = agreed.wait(max(_left(until), 0))
    if ended:
        with contextlib.suppress(paramiko.SSHException):  # it went away since
            key = transport.get_remote_server_key()
            transport.proved = HostKey(key.get_name(), key.asbytes())
            return transport
    error = transport.get_exception()
    spoke = bool(transport.remote_version)
    tear(transport)
    if not ended:
        waited = f"{hop.label}: no answer within {time.monotonic() - started:.0f} s"
        raise Unreachable(f"{waited}, in the key exchange") if spoke else Silent(f"{waited}, before its SSH greeting")
    raise _unsecured(hop, error, spoke)


def _unsecured(hop: Hop, error: Exception | None, spoke: bool) -> TargetError:
    said = plain(error)
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return Unreachable(f"{hop.label}: no algorithm in common with this server: {said}")
    if spoke:
        return Unreachable(f"{hop.label}: the key exchange broke off: {said}")
    # paramiko wraps what ended its reading of the greeting; a server that turns us away after ours came resets
    ended = error.__context__ if isinstance(error, paramiko.SSHException) else error
    if error is None or isinstance(ended, (EOFError, ConnectionError)):
        return HungUp(f"{hop.label}: the connection was closed before an SSH greeting came")
    return Unreachable(f"{hop.label}: this is no SSH server: {said}")


def plain(error: Exception | None) -> str:
    """What paramiko failed with, for people, in one line without control characters: it may quote the server."""
    text = f"refused: {error.text}" if isinstance(error, paramiko.ChannelException) else str(error or "")
    closed = isinstance(error, (EOFError, ConnectionError))
    if closed or text in {"", "No existing session"}:  # what paramiko calls a closed connection
        text = "no answer in time" if isinstance(error, TimeoutError) else "the connection was closed"
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()


def _left(until: float) -> float:
    return until - time.monotonic()


def _lines(hop: Hop) -> list[Line]:
    try:
        return hop.place.lines()
    except OSError as error:
        raise AuthFailed(f"{error.filename}: {error.strerror}; host keys cannot be compared") from error


def host_key(transport: Connection, hop: Hop, policy: Literal["known", "accept-new"]) -> Shown:
    """Compare the key that the server proved to own with the known ones; learn a first one where the policy says so."""
    seen = transport.proved
    shown = compare(transport.known, seen)
    if shown.state == "unknown" and policy == "accept-new" and hop.place.files:
        try:
            shown = learn(hop.place, seen)
        except OSError as error:
            raise AuthFailed(f"{error.filename}: {error.strerror}; the new host key cannot be kept") from error
    return shown


def refusal(hop: Hop, shown: Shown) -> AuthFailed | None:
    """Why a server with this key is not talked to; None where it is."""
    title, seen = hop.place.title, shown.seen
    if shown.state == "changed":
        known = ", ".join(f"{key.kind} {key.fingerprint}" for key in shown.expected)
        return HostKeyChanged(
            f"{hop.label} shows another host key ({seen.kind} {seen.fingerprint}) than the known one ({known}); "
            f"compare at its console, then `ssh-keygen -R '{title}'` if it was rebuilt"
        )
    if shown.state == "revoked":
        return HostKeyChanged(f"{hop.label} shows the host key {seen.fingerprint}, which known_hosts marks as revoked")
    if shown.state == "unknown":
        marked = any(line.marker == "cert-authority" for line in _lines(hop))
        why = "; @cert-authority lines are not used, list the host's own key" if marked else ""
        return AuthFailed(
            f"{hop.label}: host key {seen.kind} {seen.fingerprint} is unknown; compare it and add '{title}' to "
            f"known_hosts, or set `host_keys: accept-new`{why}"
        )
    return None


def log_in(transport: Connection, hop: Hop, until: float) -> None:
    """Authenticate: each credential once, no prompt but one for the password. Raises AuthFailed, Unreachable."""
    tried: list[str] = []
    offered: Sequence[str] = ()
    for name, key in keys(hop):
        if len(tried) == MAX_KEYS:
            break
        tried.append(name)
        offered = _attempt(transport, hop, until, key)
        if transport.is_authenticated():
            return
        if "publickey" not in offered:
            break
    if hop.password and (not tried or not offered or {"password", "keyboard-interactive"} & set(offered)):
        tried.append("password")
        offered = _attempt(transport, hop, until, None)
        if transport.is_authenticated():
            return
    if not tried:
        raise AuthFailed(f"{hop.label}: nothing to log in with: no key file, no agent key, no password")
    allows = f"; the server takes {', '.join(map(_plain_word, offered))}" if offered else ""
    raise AuthFailed(f"{hop.user}@{hop.label}: the server refused {', '.join(tried)}{allows}")


def _plain_word(word: str) -> str:
    return "".join(c for c in word[:40] if c.isprintable())


def _attempt(transport: Connection, hop: Hop, until: float, key: paramiko.PKey | None) -> Sequence[str]:
    """One credential, the password where there is no key: the methods that the server still takes."""
    transport.auth_timeout = max(_left(until), 0.1)
    try:
        if key is not None:
            return _public_key(transport, hop, key, until)
        return _password(transport, hop) or ()
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except (paramiko.SSHException, OSError, EOFError) as error:
        if _left(until) <= 0:
            raise Unreachable(f"{hop.label}: the login was not answered in time") from error
        if not transport.is_active():
            raise AuthFailed(f"{hop.user}@{hop.label}: the server hung up during the login: {plain(error)}") from error
        if isinstance(error, paramiko.AuthenticationException):
            return ("publickey", "password", "keyboard-interactive")
        raise AuthFailed(f"{hop.user}@{hop.label}: {plain(error)}") from error


def _public_key(transport: Connection, hop: Hop, key: paramiko.PKey, until: float) -> Sequence[str]:
    """As paramiko's own waiting, which looks ten times a second."""
    answered = threading.Event()
    transport.auth_publickey(hop.user, key, answered)
    if not answered.wait(max(_left(until), 0.1)):
        raise paramiko.AuthenticationException("no answer in time")
    assert transport.auth_handler is not None
    return transport.auth_handler.wait_for_response(answered)


def _password(transport: Connection, hop: Hop) -> Sequence[str]:
    assert hop.password is not None
    secret = resolve(hop.password, "password")
    try:
        return transport.auth_password(hop.user, secret.reveal(), fallback=False)
    except paramiko.BadAuthenticationType as error:
        if "keyboard-interactive" not in error.allowed_types:
            raise
    asked = 0

    def answer(_title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        nonlocal asked
        asked += len(prompts)
        if asked > 1:
            raise paramiko.SSHException("it asks for more than a password")
        return [secret.reveal() for _ in prompts]

    return transport.auth_interactive(hop.user, answer)
