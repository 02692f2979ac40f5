"""Who asks, where, and through which clients: the session of one visit to one AWS account."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import boto3
import botocore
from botocore import exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from botocore.utils import parse_timestamp

from scanner import secrets
from scanner.errors import AuthFailed, UsageError
from scanner.model import Aws

from . import Bounds
from .aws_descriptions import descriptions
from .aws_errors import TooLate, TooMuch, judge, of_the_visit
from .aws_wire import SHAPES, Wires

AT_ONCE = 16
"""Calls under way together. More gains nothing on two cores and only draws throttling."""
ATTEMPTS = 6
"""With `adaptive`, six attempts lost no read at 5 requests/s, where `standard` with three lost one in six."""

SLACK_S = 1.0
"""So long after the visit's time is over its connections are shut down."""
HURRIED = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 2})
"""For signing in: an account that cannot be reached should be said to be so in seconds."""


@dataclass(slots=True)
class Budget:
    """The seconds and bytes that are left to one visit; every request and every answer is held against it."""

    ends_at_s: float
    bytes_left: int
    calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def left_s(self) -> float:
        """Seconds until nothing more is sent, never below 0."""
        return max(0.0, self.ends_at_s - time.monotonic())

    def on_request(self, **_: Any) -> None:
        """Before each request goes out, retries included. Raises TooLate."""
        if not self.left_s:
            raise TooLate
        with self._lock:
            self.calls += 1

    def on_bytes(self, count: int) -> None:
        """While an answer arrives. Raises TooMuch."""
        with self._lock:
            self.bytes_left -= count
            if self.bytes_left < 0:
                raise TooMuch


class Clients:
    """botocore's clients, made once per service and region: making one costs more than most calls."""

    def __init__(self, session: Any, endpoint: str | None, budget: Budget) -> None:
        self._session = session
        self._endpoint = endpoint
        self._made: dict[tuple[str, str], Any] = {}
        self._wires = Wires(budget.on_bytes, budget.left_s + SLACK_S)
        self._lock = threading.Lock()  # boto3 sessions are not safe to make clients from in several threads
        for_endpoint: Any = {"s3": {"addressing_style": "path"}, "inject_host_prefix": False} if endpoint else {}
        self._config = Config(
            connect_timeout=10,
            read_timeout=30,
            retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
            max_pool_connections=AT_ONCE,
            parameter_validation=False,
            user_agent=f"riskline botocore/{botocore.__version__}",  # its own is put together anew for each request
            **for_endpoint,
        )
        if _is_number(endpoint):
            session.events.register("before-sign.s3-control", _ask_by_number)
        session.events.register("before-send", budget.on_request)

    def of(self, service: str, region: str) -> Any:
        """The client of a service in a region."""
        with self._lock:
            if (service, region) not in self._made:
                config = self._config.merge(HURRIED) if service == "sts" else self._config
                made = self._session.client(service, region_name=region, endpoint_url=self._endpoint, config=config)
                self._wires.guard(made)
                self._made[service, region] = made
            return self._made[service, region]

    def offered(self, service: str, region: str, partition: str) -> bool:
        """Whether this botocore knows the service in the region; True where it knows nothing of the service."""
        known = self._session.get_available_regions(service, partition_name=partition)
        return not known or region in known

    def close(self) -> None:
        """Close every connection."""
        self._wires.end()
        self._wires.shut()  # what still waits for an answer would keep the program from ending
        with self._lock:
            for client in self._made.values():
                client.close()


def _is_number(endpoint: str | None) -> bool:
    """Whether an endpoint is named by its address, as test servers are: 'http://127.0.0.1:5000'."""
    try:
        return bool(ip_address(urlsplit(endpoint or "").hostname or ""))
    except ValueError:
        return False


def _ask_by_number(request: Any, **_: Any) -> None:
    """S3 Control puts the account before the host's name; before an address, that leads nowhere: take it off."""
    parts = urlsplit(request.url)
    account, _dot, host = parts.netloc.partition(".")
    if account.isdigit() and len(account) == 12:
        request.url = urlunsplit(parts._replace(netloc=host))


@dataclass(frozen=True, slots=True)
class Account:
    """The account that is visited. regions: those to ask, in order; closed: region -> why it is not asked.

    unlisted: why the regions could not be found, "" where they could.
    """

    id: str
    partition: str
    home: str
    regions: tuple[str, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()
    unlisted: str = ""


def begin(access: Aws, bounds: Bounds) -> tuple[Clients, Account, Budget]:
    """Sign in, as another role where one is named, and find the account and its regions. Raises a TargetError."""
    budget = Budget(time.monotonic() + bounds.deadline_s, bounds.max_bytes)
    home = access.home_region
    try:
        clients = Clients(_session(access), access.endpoint, budget)
        if access.role:
            clients = _as_role(clients, access, budget)
        told = clients.of("sts", home).get_caller_identity()
        id, partition = str(told["Account"]), str(told["Arn"]).split(":")[1]
    except UsageError as error:  # a credential's reference leads nowhere: this asset's trouble, not the run's
        raise AuthFailed(str(error)) from error
    except (boto.SSOError, boto.TokenRetrievalError) as error:
        named = f" --profile {access.profile}" if access.profile else ""
        raise AuthFailed(f"nobody is signed in, or no longer; run: aws sso login{named}") from error
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError, TooLate, TooMuch, *SHAPES) as error:
        raise of_the_visit(error, _needed(access), home) from error
    return clients, _regions(clients, access, id, partition), budget


def _needed(access: Aws) -> str:
    return f"sts:AssumeRole on {access.role}" if access.role else "sts:GetCallerIdentity"


def _session(access: Aws) -> Any:
    if access.access_key_id is None and access.secret_access_key is None:
        return _made(access, profile_name=access.profile)
    if access.access_key_id is None or access.secret_access_key is None:
        raise UsageError("`access_key_id` and `secret_access_key` belong together; one is missing")
    return _made(
        access,
        aws_access_key_id=secrets.resolve(access.access_key_id, "access_key_id").reveal(),
        aws_secret_access_key=secrets.resolve(access.secret_access_key, "secret_access_key").reveal(),
    )


def _made(access: Aws, **identity: str | None) -> Any:
    core = get_session()
    core.register_component("data_loader", descriptions(core.get_config_variable("data_path")))
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_instant)
    return boto3.Session(botocore_session=core, region_name=access.home_region, **identity)


def read_instant(told: Any) -> datetime:
    """A timestamp of an answer: '2026-01-30T00:00:00Z'. botocore's own reader tries all forms that a date can have."""
    if isinstance(told, str) and told[10:11] == "T":
        try:
            found = datetime.fromisoformat(told)
        except ValueError:
            found = None
        if found is not None and found.tzinfo is not None:
            return found
    return parse_timestamp(told)


def _as_role(clients: Clients, access: Aws, budget: Budget) -> Clients:
    proof = {"ExternalId": access.external_id} if access.external_id else {}
    sts = clients.of("sts", access.home_region)
    given = sts.assume_role(RoleArn=access.role, RoleSessionName="riskline", **proof)["Credentials"]
    clients.close()
    session = _made(
        access,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    return Clients(session, access.endpoint, budget)


def _regions(clients: Clients, access: Aws, id: str, partition: str) -> Account:
    """The regions that are enabled, or those of the inventory that are; the others are said, never just left out."""
    try:
        told = clients.of("ec2", access.home_region).describe_regions(AllRegions=True)["Regions"]
        enabled = {r["RegionName"] for r in told if r.get("OptInStatus") != "not-opted-in"}
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError, TooLate, TooMuch, *SHAPES) as error:
        problem, detail = judge(error, "ec2:DescribeRegions", access.home_region)
        if problem == "auth-failed":
            raise AuthFailed(detail) from error
        why = "" if access.regions else f"{problem}: {detail}; or name `regions` in the inventory"
        return Account(id, partition, access.home_region, access.regions, unlisted=why)
    wanted = access.regions or tuple(sorted(enabled))
    off = [(name, "this region is not enabled for the account") for name in wanted if name not in enabled]
    return Account(id, partition, access.home_region, tuple(r for r in wanted if r in enabled), tuple(off))
