"""An endpoint that stands in for AWS and means no good: every visit ends in time, in bounds, and passes nothing."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scanner.catalogue import Catalogue
from scanner.collect import collect
from scanner.evaluate import Judge
from scanner.model import Access, Asset, Aws, Finding, Inventory, Outcome
from scanner.plan import make_plan
from scanner.transports import Bounds

pytestmark = pytest.mark.live
WHO = (
    b'<R xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111111111111:user/a'
    b"</Arn><UserId>A</UserId><Account>111111111111</Account></GetCallerIdentityResult></R>"
)
DEADLINES_S = (8, 40)
"""The second where the first was over before anything was asked: on a busy machine it takes long to be ready to."""


class Hostile(BaseHTTPRequestHandler):
    """Says who is asked for, and answers everything else by `answer`."""

    protocol_version = "HTTP/1.1"
    answer: Callable[[Hostile], None]
    seen: Counter[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen["requests"] += 1
        with contextlib.suppress(OSError):
            if b"GetCallerIdentity" in body:
                self.whole(WHO)
            else:
                type(self).answer(self)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def whole(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def without_end(self, part: bytes, pause_s: float) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 40))
        self.end_headers()
        while True:
            self.wfile.write(part)
            self.wfile.flush()
            time.sleep(pause_s)

    def head_without_end(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.2)


@contextlib.contextmanager
def endpoint(answer: Callable[[Hostile], None]) -> Iterator[tuple[str, Counter[str]]]:
    seen: Counter[str] = Counter()
    handler = type("Answering", (Hostile,), {"answer": answer, "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("RISKLINE_TEST_KEY", "testing")


def scan(url: str, deadline_s: float = DEADLINES_S[1]) -> list[Finding]:
    way = Aws(
        endpoint=url, regions=("us-east-1",), access_key_id="env:RISKLINE_TEST_KEY",
        secret_access_key="env:RISKLINE_TEST_KEY",
    )  # fmt: skip
    plan = make_plan(Inventory("lab", (Asset("cloud", access=Access(aws=way)),)), Catalogue(), ["aws"])
    (one,) = collect(plan.assets, Bounds(deadline_s=deadline_s, max_bytes=4 << 20))
    assert not one.bug, one.evidence.failures
    return Judge().findings(one.planned, one.evidence)


NESTED = b"[" * 100_000
ODD = json.dumps({"Functions": {"a": 1}, "trailList": 5, "Buckets": "x", "nextToken": ["x"]}).encode()
COUNT = itertools.count()


def page(token: object) -> bytes:
    """One more page, by the names that services give to what leads to the next."""
    names = ("NextToken", "nextToken", "NextMarker", "nextMarker", "Marker", "PaginationToken", "NextPageToken")
    return json.dumps({"IsTruncated": True, "Truncated": True, **dict.fromkeys(names, str(token))}).encode()


ANSWERS: dict[str, Callable[[Hostile], None]] = {
    "a body without end": lambda one: one.without_end(b"x" * 65536, 0),
    "a byte now and then": lambda one: one.without_end(b" ", 0.2),
    "a header without end": Hostile.head_without_end,
    "nesting without end": lambda one: one.whole(NESTED),
    "other types": lambda one: one.whole(ODD),
    "the same page for ever": lambda one: one.whole(page("next")),
    "pages without end": lambda one: one.whole(page(next(COUNT))),
    "nothing": lambda one: one.whole(b""),
    "null": lambda one: one.whole(b"null"),
    "XML of another answer": lambda one: one.whole(WHO),
}


@pytest.mark.fault("N16")
@pytest.mark.timeout(100)
@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_an_endpoint_answers_the_visit_ends_and_passes_nothing(name: str) -> None:
    with endpoint(ANSWERS[name]) as (url, seen):
        for deadline_s in DEADLINES_S:
            found = scan(url, deadline_s)
            if seen["requests"] > 1:
                break
    assert seen["requests"] > 1
    assert Outcome.PASS not in {one.outcome for one in found}
    assert [one.detail for one in found if one.reason == "check-bug"] == []
    said = {one.reason for one in found if one.outcome is Outcome.UNKNOWN}
    assert said & {"failed", "timed-out", "truncated"}


@pytest.mark.fault("N16")
def test_a_redirect_is_not_followed_with_the_signed_request() -> None:
    def lure(one: Hostile) -> None:
        one.seen["lured"] += 1

    with endpoint(lure) as (elsewhere, seen), endpoint(lambda one: one.whole(b"", 307, Location=elsewhere)) as (url, _):
        scan(url)
    assert seen == {}
