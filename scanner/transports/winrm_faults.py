"""What pywinrm and the libraries below it may raise, as the designed reasons: who has to act, and how.

Codes of WS-Management faults: [MS-WSMV] 2.2.4.43 and Windows' WsmError.h.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET

import requests
from spnego.exceptions import SpnegoError
from winrm.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError

from scanner.errors import AuthFailed, HostKeyChanged, TargetError, Unreachable, VisitFailed
from scanner.model import Winrm
from scanner.transports.winrm_session import Leash, Refused, TooLarge

EXPECTED = (
    requests.exceptions.RequestException,
    WinRMError,
    WinRMTransportError,
    SpnegoError,
    Refused,
    OSError,
    # pywinrm and requests-ntlm take an answer's shape for granted; these are how a broken or hostile one shows.
    ET.ParseError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    StopIteration,
    AssertionError,
    struct.error,
)
_QUOTA = {0x803381A5, 0x803381A6}  # too many shells, too many operations of this user
_PASSWORD = {1330, 1907, 0x80070532, 0x80070773}  # expired, must be changed
_DENIED = {5, 0x80070005}
_GONE = {995, 0x800703E3, 0x8033805B}  # aborted; no such shell


def translated(error: BaseException, leash: Leash, way: Winrm | None) -> TargetError:
    """The TargetError for whatever a visit broke off with."""
    if leash.expired():
        return Unreachable("no complete answer before the visit's deadline")
    if isinstance(error, WSManFaultError):
        return _fault(error)
    if isinstance(error, AuthenticationError | SpnegoError | PermissionError):
        return AuthFailed(
            "the login was refused: wrong user or password, a password that has expired or must be changed, a locked "
            f"account, or a server that does not take `transport: {way.transport if way else 'this'}`"
        )
    if isinstance(error, WinRMTransportError):
        return VisitFailed(f"it answered with HTTP status {error.code}, not as WS-Management does")
    if isinstance(error, TooLarge):
        failed = VisitFailed(str(error))
        failed.problem = "truncated"
        return failed
    if isinstance(error, Refused):
        return VisitFailed(str(error))
    if isinstance(error, WinRMError):
        if way and "not installed" in str(error):
            return AuthFailed(f"`transport: {way.transport}` needs: pip install 'pywinrm[{way.transport}]'")
        return VisitFailed(str(error)[:300])
    if isinstance(error, requests.exceptions.RequestException | OSError):
        return _connection(error)
    return VisitFailed(f"it answered with something that is not WS-Management ({type(error).__name__})")


def _fault(error: WSManFaultError) -> TargetError:
    """A fault in the server's own words, with the remedy where its code is known."""
    codes = {code & 0xFFFFFFFF for code in (error.wsman_fault_code, error.wmierror_code) if code is not None}
    said = " ".join(str(error.reason).split())[:300]
    subcode = str(error.fault_subcode or "").rpartition(":")[2]
    if codes & _QUOTA or subcode == "QuotaLimit":
        failed = VisitFailed(f"too many shells or operations are open there; scan again later ({said})")
        failed.problem = "throttled"
        return failed
    if codes & _PASSWORD:
        return AuthFailed(f"the password has expired or must be changed at the next logon ({said})")
    if codes & _DENIED or subcode == "AccessDenied":
        return AuthFailed(
            "the login is known, but may not open a remote shell: it must be a local administrator, or a member of "
            f"Remote Management Users (S-1-5-32-580) with rights to WinRM's shell ({said})"
        )
    if codes & _GONE:
        return VisitFailed(f"the shell was ended on the machine before it had answered ({said})")
    return VisitFailed(
        f"WS-Management fault {', '.join(f'0x{c:08X}' for c in sorted(codes)) or 'without code'}: {said}"
    )


def _connection(error: BaseException) -> TargetError:
    """What went wrong below HTTP."""
    text = _innermost(error)
    if isinstance(error, requests.exceptions.SSLError):
        if "ingerprint" in text:
            return HostKeyChanged(f"the server's certificate is not the pinned one: {text}")
        if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text or "certificate" in text.lower():
            return AuthFailed(f"{text}; give `ca_file`, or pin the certificate with `fingerprint`")
        return Unreachable(f"no TLS connection: {text}; is it an HTTPS port?")
    if isinstance(error, requests.exceptions.Timeout | TimeoutError):
        return Unreachable(f"no answer in time: {text}")
    return Unreachable(f"no connection: {text}")


def _innermost(error: BaseException) -> str:
    """The message at the bottom of a chain of wrapped errors: the system's own, at most 300 characters."""
    seen: BaseException = error
    for _ in range(8):
        inner = getattr(seen, "reason", None) or next((a for a in seen.args if isinstance(a, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    return (str(seen) or type(seen).__name__)[:300]
