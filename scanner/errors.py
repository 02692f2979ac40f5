"""What can go wrong, as a tree. The leaf decides the reason in the results and the exit code.

RisklineError
├── UsageError           wrong configuration or usage; nothing was scanned          (exit 2)
├── LockedError          another run holds the lock                                 (exit 5)
├── RegisterError        the register could not be read or written                  (exit 3)
├── PushError            another register did not take what was sent, or not as sent (exit 3)
├── TargetError          one asset could not be visited; the run goes on
│   ├── Unreachable      no route, refused, name not found, time-out
│   ├── AuthFailed       bad credential, unknown host key, expired token
│   │   └── HostKeyChanged   the server shows another key than the one we know
│   └── VisitFailed      connected, but the visit as a whole broke off
├── Unparsable           a reply of a shape nobody had seen                         (raised by parsers)
└── Verdict              a check's own word instead of an observed value
    ├── Absent           proved not to be there → the control's `when_absent`
    ├── NotApplicable    there is nothing to judge
    └── Undetermined     cannot be known from these facts → UNKNOWN
        └── Truncated    … because the look ended at its bound
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Probe, Problem, Reply


class RisklineError(Exception):
    """The root: every error that Riskline raises on purpose."""


class UsageError(RisklineError):
    """Wrong configuration or usage. The message says what, where and the remedy."""


class LockedError(RisklineError):
    """Another run holds the lock on this register."""


class RegisterError(RisklineError):
    """The register could not be read or written: disk full, connection lost, file damaged."""


class PushError(RisklineError):
    """Another register could not be reached, or holds something else than what it was sent."""


class TargetError(RisklineError):
    """One asset could not be visited. `answered` holds what was learned all the same."""

    problem: Problem = "failed"

    def __init__(self, message: str, answered: Mapping[Probe, Reply] | None = None) -> None:
        super().__init__(message)
        self.answered: Mapping[Probe, Reply] = answered or {}


class Unreachable(TargetError):
    """No route, connection refused, name not found, or no answer in time."""

    problem: Problem = "unreachable"


class AuthFailed(TargetError):
    """The target, or its credential, was refused: bad credential, unknown host key, expired token."""

    problem: Problem = "auth-failed"


class HostKeyChanged(AuthFailed):
    """The server shows another host key than the known one. It is not talked to."""


class VisitFailed(TargetError):
    """The connection stood, but the visit broke off before any probe could be answered."""


class Unparsable(RisklineError):
    """A reply of a shape that the parser does not know; the message is its first line."""


class Verdict(RisklineError):
    """A check's own word where no value can be observed."""


class Absent(Verdict):
    """Proved not to be there. The control's `when_absent` decides."""


class NotApplicable(Verdict):
    """There is nothing to judge here; the message says why."""


class Undetermined(Verdict):
    """These facts cannot settle it; the message says what is missing."""

    reason: str = "undetermined"


class Truncated(Undetermined):
    """The look ended at its bound, and what it saw until then does not settle it."""

    reason: str = "truncated"
