"""What went wrong with one AWS call, as a problem and a sentence with its remedy.

Source of the codes: botocore's retry conditions, and "Common errors" of the services' API references.
"""

from __future__ import annotations

import re

from botocore import exceptions as boto

from scanner.errors import AuthFailed, TargetError, Unreachable
from scanner.model import Problem

DENIED = re.compile(
    r"AccessDenied(Exception)?|UnauthorizedOperation|AuthorizationError(Exception)?|UnauthorizedAccess|Forbidden"
    r"|NotAuthorized(Exception)?|AccessDeniedFault|AccessForbidden|403|UnauthorizedException"
)
EXPIRED = re.compile(r"ExpiredToken(Exception)?|RequestExpired|TokenRefreshRequired|ExpiredTokenFault")
REFUSED = re.compile(
    r"InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|AuthFailure"
    r"|IncompleteSignature|MissingAuthenticationToken|InvalidToken|InvalidSignatureException|InvalidSecurity"
)
THROTTLED = re.compile(
    r"Throttl(ing|ed)(Exception)?|RequestThrottled(Exception)?|TooManyRequests(Exception)?|RequestLimitExceeded"
    r"|SlowDown|ProvisionedThroughputExceededException|PriorRequestNotComplete|BandwidthLimitExceeded"
    r"|EC2ThrottledException|Rate ?[Ee]xceeded|LimitExceededException"
)
UNSUPPORTED = re.compile(
    r"UnknownOperation(Exception)?|InvalidAction|UnsupportedOperation(Exception)?|NotImplemented(Error)?"
    r"|UnsupportedFeature\w*|OptInRequired|501"
)


class TooLate(Exception):
    """The visit's time is over; nothing more is sent."""


class TooMuch(Exception):
    """The visit's bytes are used up; nothing more is read."""


def judge(error: Exception, action: str, region: str) -> tuple[Problem, str]:
    """A call's error -> its problem and a sentence. action: the IAM action it needs. Raises AuthFailed once expired."""
    if isinstance(error, TooLate):
        return "timed-out", "the visit's time was over before this was answered"
    if isinstance(error, TooMuch):
        return "truncated", "the visit's bytes were used up before this was answered"
    if isinstance(error, boto.ClientError):
        return _refusal(error, action, region)
    if isinstance(error, boto.NoCredentialsError | boto.TokenRetrievalError | boto.CredentialRetrievalError):
        raise credentials_failed(error) from error
    if isinstance(error, boto.ReadTimeoutError):
        return "timed-out", f"{region} did not answer in time"
    if isinstance(error, boto.HTTPClientError | boto.EndpointConnectionError):
        return "unreachable", f"{region}: {_short(error)}"
    return "failed", f"{type(error).__name__}: {_short(error)}"


def code_of(error: boto.ClientError) -> str:
    """The service's error code, without the prefix or suffix that some protocols add: 'Client.X' -> 'X'."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rpartition("#")[2].split(":")[0].removeprefix("Client.").removeprefix("Server.")


def _refusal(error: boto.ClientError, action: str, region: str) -> tuple[Problem, str]:
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if EXPIRED.fullmatch(code):
        raise AuthFailed(f"the session's credentials have expired ({code}); sign in again, or allow a longer session")
    if DENIED.fullmatch(code):
        return "denied", f"not allowed in {region}; allow {action}"
    if THROTTLED.fullmatch(code):
        return "throttled", f"{region} kept refusing for too many requests ({code}); scan again later"
    if UNSUPPORTED.fullmatch(code) or status == 501:
        return "unsupported", f"{region} does not offer this ({code})"
    if REFUSED.fullmatch(code):
        return "auth-failed", f"{region} does not take these credentials ({code}); is the region enabled?"
    return "failed", f"{code}: {_short(error)}"


def credentials_failed(error: Exception) -> AuthFailed:
    """The refusal of a visit without usable credentials, with the remedy."""
    remedy = (
        "name `profile`, or `access_key_id` and `secret_access_key`, in the inventory, or sign in with `aws sso login`"
    )
    return AuthFailed(f"no usable AWS credentials ({_short(error)}); {remedy}")


def of_the_visit(error: Exception, action: str, region: str) -> TargetError:
    """The same for the first call of a visit, without which there is none: a TargetError to raise."""
    if isinstance(error, boto.ProfileNotFound | boto.PartialCredentialsError | boto.ConfigParseError):
        return credentials_failed(error)
    try:
        problem, detail = judge(error, action, region)
    except AuthFailed as expired:
        return expired
    if problem in {"unreachable", "timed-out"}:
        return Unreachable(detail)
    return AuthFailed(detail)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
