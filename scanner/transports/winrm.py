"""Windows over WinRM: one shell, one PowerShell, the whole script on its standard input, one document back.

Six messages after authentication: create the shell, start PowerShell, send the script, receive, signal, delete. HTTPS
with the certificate verified (by the public authorities, a `ca_file`, or pinned by `fingerprint`); plain HTTP only
where NTLM, Kerberos or CredSSP encrypts every message. Neither password nor script is ever part of a command line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from winrm.exceptions import WinRMOperationTimeoutError
from winrm.protocol import Protocol

from scanner.errors import AuthFailed, TargetError, UsageError, VisitFailed
from scanner.model import Asset, Probe, Reply, Winrm
from scanner.secrets import resolve
from scanner.transports import Bounds
from scanner.transports.powershell import BOOTSTRAP, Batch, Ended
from scanner.transports.winrm_faults import EXPECTED, translated
from scanner.transports.winrm_session import Leash, LeashedTransport, TooLarge

LOG = logging.getLogger("riskline.winrm")
SEND_BYTES = 192 << 10
"""Of script per message: base64 and the envelope around it stay below Windows' default limit of 500 KB."""
_SEALED = {"ntlm", "kerberos", "credssp"}
_OPERATION_S = 50  # Windows ends an operation after 60 s by default (MaxTimeoutms)
_CLOSING_S = 10
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{64}")


def visit(asset: Asset, probes: Sequence[Probe], bounds: Bounds) -> Mapping[Probe, Reply]:
    """Put all probes to a Windows machine in one batch. Raises a TargetError where it could not be visited."""
    way = asset.access.winrm if asset.access else None
    if way is None or not asset.address:
        raise VisitFailed(f"{asset.id} has no `winrm` access")
    refuse_unsafe(way)
    batch = Batch(probes, seconds=max(1, int(bounds.deadline_s * 0.8)))
    with Leash(bounds.deadline_s, bounds.max_bytes) as leash:
        try:
            protocol = _connect(asset.address, way, leash)
            stdout, stderr, ended = _run(protocol, batch.script.encode("ascii"), leash)
        except EXPECTED as error:
            raise translated(error, leash, way) from error
        LOG.debug("%s: %d requests, %d bytes of answer", asset.id, leash.requests, len(stdout))
    return batch.replies(stdout, stderr, ended, bounds.max_bytes)


def refuse_unsafe(way: Winrm) -> None:
    """Raise AuthFailed, with the remedy, where a credential or the answers would cross the network readable."""
    if way.scheme == "http" and way.transport not in _SEALED:
        raise AuthFailed(
            f"`transport: {way.transport}` over plain HTTP sends the login readable; "
            "write `scheme: https`, or `transport: ntlm`, which encrypts every message"
        )
    files = way.password.startswith("file:") and Path(way.user).expanduser().is_file()
    if way.transport == "certificate" and not files:
        raise AuthFailed(
            "`transport: certificate` takes the certificate's PEM file as `user`, its key's as `password: file:PATH`"
        )
    if way.fingerprint and not _FINGERPRINT.fullmatch(way.fingerprint.replace(":", "")):
        raise AuthFailed("`fingerprint` must be the certificate's SHA-256: 64 hexadecimal digits")
    if way.ca_file and not Path(way.ca_file).expanduser().is_file():
        raise AuthFailed(f"`ca_file`: there is no file {way.ca_file}")


def _key_file(way: Winrm) -> str:
    """'file:~/key.pem' -> its path. In a login by certificate `user` names the certificate, `password` its key."""
    return str(Path(way.password.removeprefix("file:")).expanduser())


def endpoint(address: str, way: Winrm) -> str:
    """'srv1' -> 'https://srv1:5986/wsman'; an IPv6 address goes in brackets."""
    host = f"[{address}]" if ":" in address else address
    return f"{way.scheme}://{host}:{way.port or (5986 if way.scheme == 'https' else 5985)}/wsman"


def _connect(address: str, way: Winrm, leash: Leash) -> Protocol:
    try:
        password = resolve(way.password)
    except UsageError as error:
        raise AuthFailed(str(error)) from error
    by_certificate = way.transport == "certificate"
    operation_s = max(1, min(_OPERATION_S, int(leash.left_s)))
    place = endpoint(address, way)
    transport = LeashedTransport(
        endpoint=place,
        username=way.user,
        password=None if by_certificate else password.reveal(),
        cert_pem=str(Path(way.user).expanduser()) if by_certificate else None,
        cert_key_pem=_key_file(way) if by_certificate else None,
        auth_method=way.transport,
        service="HTTP",
        ca_trust_path=str(Path(way.ca_file).expanduser()) if way.ca_file else None,  # type: ignore[arg-type]
        server_cert_validation="ignore" if way.fingerprint else "validate",
        message_encryption="always" if way.scheme == "http" else "auto",
        read_timeout_sec=operation_s + 10,
        proxy=None,
    )
    transport.leash = leash
    transport.fingerprint = way.fingerprint.replace(":", "").lower() if way.fingerprint else None
    transport.connect_timeout_s = way.connect_timeout_s
    # The protocol insists on making a transport of its own; this one never connects.
    protocol = Protocol(
        place, "ntlm", "-", "-", read_timeout_sec=operation_s + 10, operation_timeout_sec=operation_s, proxy=None
    )
    protocol.transport = transport
    return protocol


def _run(protocol: Protocol, script: bytes, leash: Leash) -> tuple[bytes, bytes, Ended]:
    """Run the script in a shell of its own, which is closed whatever happens; stdout, stderr, how it ended."""
    shell = protocol.open_shell(codepage=65001, noprofile=True)
    command = ""
    try:
        command = protocol.run_command(shell, BOOTSTRAP, console_mode_stdin=False)
        parts = [script[start : start + SEND_BYTES] for start in range(0, len(script), SEND_BYTES)]
        for number, part in enumerate(parts, 1):
            protocol.send_command_input(shell, command, part, end=number == len(parts))
        return _receive(protocol, shell, command, leash)
    finally:
        _close(protocol, shell, command, leash)


def _receive(protocol: Protocol, shell: str, command: str, leash: Leash) -> tuple[bytes, bytes, Ended]:
    """Output until the command is done, the deadline comes, or the byte limit; pywinrm's own loop knows neither."""
    stdout, stderr = bytearray(), bytearray()
    while not leash.expired():
        try:
            out, err, _, done = protocol.get_command_output_raw(shell, command)
        except WinRMOperationTimeoutError:
            continue  # nothing to say yet: the normal answer of a machine that is still at work
        except TooLarge:
            return bytes(stdout), bytes(stderr), "truncated"
        except EXPECTED as error:
            if leash.expired():
                break
            reason = translated(error, leash, None)
            if not stdout:
                raise reason from error
            return bytes(stdout), str(reason).encode(), "broken-off"
        stdout += out
        stderr += err[: max(0, 20000 - len(stderr))]
        if done:
            return bytes(stdout), bytes(stderr), "complete"
    return bytes(stdout), bytes(stderr), "timed-out"


def _close(protocol: Protocol, shell: str, command: str, leash: Leash) -> None:
    """End the command and delete the shell. The answer is already here, so a failure changes nothing."""
    if leash.expired() or leash.left_bytes < 0:
        protocol.transport.close_session()
        return
    try:
        protocol.transport.read_timeout_sec = _CLOSING_S
        if command:
            protocol.cleanup_command(shell, command)
        protocol.close_shell(shell)
    except (*EXPECTED, TargetError) as error:
        LOG.debug("the shell could not be closed: %s", type(error).__name__)
