"""HTTP to a register: a token that goes nowhere else, bounded answers, and an error for what may have been done."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from scanner.cut_off import cut_off
from scanner.errors import PushError, UsageError
from scanner.inert import printable
from scanner.secrets import Secret

MOST_BYTES = 64 << 20
PAGE = 500
MOST_PAGES = 20_000
WHOLE = 4
"""The time-out is for each piece that is received; a request that is not done after so many of them is given up."""


class Doubtful(PushError):
    """No answer came: what was sent may have been done or not. It has to be looked up."""


class _Token(requests.auth.AuthBase):
    """Sets the header itself, so that no ~/.netrc takes its place."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Token {self._secret.reveal()}"
        return request


class Wire:
    """One server. url: its root. timeout_s: for each answer. ca_file: whom to trust instead of the system's list.

    pause_s: before looking again for what was sent and not answered.
    """

    def __init__(
        self, url: str, token: Secret, timeout_s: float = 60, ca_file: str | None = None, pause_s: float = 10
    ) -> None:
        self.pause_s = pause_s
        self.url = _checked(url)
        self._session = requests.Session()
        self._session.auth = _Token(token)
        self._timeout = (min(timeout_s, 15), timeout_s)
        self._verify: bool | str = ca_file or True

    def rows(self, path: str, **filters: str) -> list[dict[str, Any]]:
        """Every row of a list, page by page. Filters are a help: the caller holds the rows against what it wants."""
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            asked = {**filters, "limit": str(PAGE), "offset": str(len(found))}
            answer = self.send("GET", path, params=asked)
            rows = answer.get("results") if isinstance(answer, dict) else None
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise PushError(f"{self.url}{path}: the answer is no list of results; is this the right server?")
            found += rows
            if not rows or not answer.get("next"):
                return found
        raise PushError(f"{self.url}{path}: the list does not end")

    def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, **parts: Any) -> Any:
        """One request and its JSON. Doubtful where no answer came; PushError where the answer is a refusal."""
        place = f"{self.url}{path}"
        ends = time.monotonic() + WHOLE * self._timeout[1]
        try:
            with cut_off(self._session, ends), self._session.request(
                method, place, headers=dict(headers or {}), timeout=self._timeout, verify=self._verify,
                allow_redirects=False, stream=True, **parts,
            ) as answer:  # fmt: skip
                body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
                status = answer.status_code
        except requests.exceptions.SSLError as error:
            raise PushError(f"{place}: its certificate is not trusted; name the authority with --ca") from error
        except (requests.RequestException, OSError, _urllib3_error()) as error:
            raise Doubtful(f"{place}: no answer ({type(error).__name__})") from error
        if (
            time.monotonic() >= ends
        ):  # to http.client, a connection that was shut may be the end of the head or the body
            raise Doubtful(f"{place}: no answer that ends ({WHOLE * self._timeout[1]:g} s)")
        if len(body) > MOST_BYTES:
            raise PushError(f"{place}: the answer is larger than {MOST_BYTES >> 20} MiB")
        if status >= 500:
            raise Doubtful(f"{place}: status {status}")
        if not 200 <= status < 300:
            said = printable(body[:300].decode(errors="replace"))
            hint = "; is the token right, and may it do this?" if status in {401, 403} else ""
            raise PushError(f"{place}: status {status}{hint} {said}".rstrip())
        try:
            return json.loads(body)
        except ValueError as error:
            raise PushError(f"{place}: the answer is no JSON; is this the right server?") from error


def _urllib3_error() -> type[Exception]:
    from urllib3.exceptions import HTTPError

    return HTTPError


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise UsageError(f"--url {printable(url)}: write the server's root, such as https://dojo.example.org")
    if parts.scheme == "http" and not _here(parts.hostname):
        raise UsageError(f"--url {printable(url)}: a token is sent over https only, except to this machine")
    return url.rstrip("/")


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
