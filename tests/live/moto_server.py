"""An AWS account on loopback: moto behind HTTP, seeded with good and bad resources in three regions, its calls counted,
and any of them refused on demand.

    with moto_server() as server:
        server.url, server.calls, server.refuse(lambda call: call.operation == "DescribeVolumes", "denied")
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
ATTEMPT = re.compile(r"attempt=(\d+)")
MISSING = {
    *("access-analyzer", "GetSnapshotBlockPublicAccessState", "GetImageBlockPublicAccessState"),
    *("ListResourceComplianceSummaries", "ListFirewallPolicies", "DescribeClientVpnEndpoints"),
    *("ListRuleGroups", "ListReportGroups", "DescribeInstanceInformation", "ListOrganizationsFeatures"),
    *("GET /resources/?", "POST /getContactInformation?"),  # of AWS Backup, and of the account
}
"""What this moto does not know, and falls over instead of saying so."""
CODES = {
    "denied": (403, "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"),
    "throttled": (400, "Throttling", "ThrottlingException", "RequestLimitExceeded"),
    "expired": (403, "ExpiredToken", "ExpiredTokenException", "RequestExpired"),
}
"""Fault -> HTTP status, and the service's code in its XML, JSON and EC2 dialects."""


@dataclass(frozen=True)
class Call:
    """One request as the server saw it. operation: its name, or method, path and query of a REST service.

    attempt: 1, or more where the client asks once more, as it does of a server on a busy machine.
    """

    service: str
    region: str
    operation: str
    attempt: int


@dataclass
class Server:
    """A running account. faults: (which calls, "denied", "throttled" or "expired")."""

    url: str = ""
    calls: list[tuple[Call, str]] = field(default_factory=list)
    faults: list[tuple[Callable[[Call], bool], str]] = field(default_factory=list)
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    session: Any = None

    @contextmanager
    def refuse(self, which: Callable[[Call], bool], fault: str) -> Iterator[None]:
        """Inside, the named calls are refused."""
        self.faults.append((which, fault))
        try:
            yield
        finally:
            self.faults.pop()

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """A plain boto3 client, for seeding; made once, for making one costs more than a call."""
        if (service, region) not in self.clients:
            self.clients[service, region] = self._make(service, region)
        return self.clients[service, region]

    def _make(self, service: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        from scanner.transports.aws_session import _ask_by_number

        if self.session is None:
            self.session = boto3.Session()
            self.session.events.register("before-sign.s3-control", _ask_by_number)
        return self.session.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(
                inject_host_prefix=False,
                read_timeout=600,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )


class _App:
    """moto's application, with each call written down and perhaps refused before it gets there."""

    def __init__(self, server: Server) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = server

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        call = _call(environ, body)
        self._server.calls.append((call, body.decode("latin-1")))
        for which, fault in self._server.faults:
            if which(call):
                return _refusal(environ, start_response, call, CODES[fault], body)
        if environ["PATH_INFO"].startswith("/v20180820/"):
            environ["HTTP_HOST"] = f"{ACCOUNT}.s3-control.us-east-1.amazonaws.com"
        if call.service in MISSING or call.operation in MISSING:
            return _refusal(environ, start_response, call, (501, "NotImplemented", "NotImplemented", "Not"), body)
        answer: Iterable[bytes] = self._moto(environ, start_response)
        return answer


def _call(environ: WSGIEnvironment, body: bytes) -> Call:
    found = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    region, service = found.groups() if found else ("", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    action = parse_qs(body.decode("latin-1")).get("Action", [""])[0] if b"Action=" in body else ""
    query = "&".join(sorted(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)))
    rest = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{query}"
    attempt = ATTEMPT.search(environ.get("HTTP_AMZ_SDK_REQUEST", ""))
    return Call(service, region, target.rpartition(".")[2] or action or rest, int(attempt[1]) if attempt else 1)


def _refusal(
    environ: WSGIEnvironment, start_response: StartResponse, call: Call, codes: tuple[int, str, str, str], body: bytes
) -> list[bytes]:
    status, xml, plain, ec2 = codes
    kind, text = "text/xml", f"<ErrorResponse><Error><Code>{xml}</Code><Message>no</Message></Error></ErrorResponse>"
    if call.service == "ec2":
        text = f"<Response><Errors><Error><Code>{ec2}</Code><Message>no</Message></Error></Errors></Response>"
    elif call.service == "s3":
        text = f"<Error><Code>{xml}</Code><Message>no</Message></Error>"
    elif b"Action=" not in body:
        kind, text = "application/x-amz-json-1.1", json.dumps({"__type": plain, "message": "no"})
    headers = [("Content-Type", kind), ("x-amzn-ErrorType", plain), ("Content-Length", str(len(text)))]
    start_response(f"{status} No", headers)
    return [text.encode()]


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests, and sends an answer in one segment."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def moto_server(seed: Callable[[Server], None] | None = None) -> Iterator[Server]:
    """A fresh account on a free port of loopback. seed: what to put into it; its calls are not counted."""
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    os.environ["MOTO_ACM_VALIDATION_WAIT"] = "0"  # one that is issued half way would change verdicts between visits
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()
    http = make_server("127.0.0.1", 0, _App(server), threaded=True, request_handler=_Quiet)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        if seed is not None:
            seed(server)
            server.calls.clear()
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        moto_api_backend.reset()


@contextmanager
def moto_account() -> Iterator[str]:
    """The URL of a seeded account; any credentials are taken."""
    from tests.live.moto_seed import seed

    with moto_server(seed) as server:
        yield server.url
