"""Fetch feeds over HTTPS: conditional, streamed to a file, bounded in bytes and in total time."""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from scanner.cut_off import cut_off
from scanner.disk import private_folder

from .guide import LIST_BYTES, issues
from .guide_store import known_months
from .reading import FeedRefused, Limits
from .store import Form, Standing, confirmed, path_of, standing, take, usable

if TYPE_CHECKING:
    from requests import Response

MOST_HOPS = 5


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a feed is published."""

    name: str
    form: Form
    url: str


_OSV = "https://osv-vulnerabilities.storage.googleapis.com"
# One archive per ecosystem: folders per release, such as Debian:12, are no longer exported.
FEEDS: tuple[Feed, ...] = (
    Feed("Debian", "osv", f"{_OSV}/Debian/all.zip"),
    Feed("Ubuntu", "osv", f"{_OSV}/Ubuntu/all.zip"),
    Feed("AlmaLinux", "osv", f"{_OSV}/AlmaLinux/all.zip"),
    Feed("Rocky", "osv", f"{_OSV}/Rocky%20Linux/all.zip"),
    Feed("RedHat", "osv", f"{_OSV}/Red%20Hat/all.zip"),
    Feed("SUSE", "osv", f"{_OSV}/SUSE/all.zip"),
    Feed("openSUSE", "osv", f"{_OSV}/openSUSE/all.zip"),
    Feed("Alpine", "osv", f"{_OSV}/Alpine/all.zip"),
    Feed("kev", "kev", "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"),
    Feed("epss", "epss", "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"),
    Feed("Microsoft", "guide", "https://api.msrc.microsoft.com/cvrf/v3.0/updates"),
    Feed("ends", "ends", "https://endoflife.date/api/v1/products/full"),
)


def update(folder: Path, feed: Feed, now: datetime, limits: Limits, deadline_s: float = 600.0) -> tuple[Standing, bool]:
    """Bring a feed up to date: what is in force now, and whether it is new. FeedRefused leaves the old one."""
    private_folder(folder)
    old = usable(folder, feed.name)
    tag = old.etag if old is not None and old.url == feed.url else ""
    ends = time.monotonic() + deadline_s
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".fetching-") as file:
        path = Path(file.name)
        etag = fetch(feed.url, path, tag, limits.max_bytes, deadline_s)
        if etag is not None and feed.form == "guide":
            months = known_months(path_of(folder, feed.name)) if old is not None and old.form == "guide" else {}
            etag = etag if _changed_months(path, months, limits, ends) else None
        if etag is None:
            confirmed(folder, feed.name, now)
            again = standing(folder, feed.name)
            assert again is not None
            return again, False
        return take(folder, feed.name, feed.form, path, now, limits, feed.url, etag), True


def _changed_months(path: Path, stored: Mapping[str, tuple[datetime, int]], limits: Limits, ends: float) -> bool:
    """Put the documents that changed, of those that the list in this file names, into it as an archive instead."""
    listed = issues(path.read_bytes()[: LIST_BYTES + 1])
    changed = [one for one in listed if one.id not in stored or stored[one.id][0] < one.current_at]
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".fetching-") as file:
        part = Path(file.name)
        with zipfile.ZipFile(path, "w") as archive:
            for one in changed:
                left = ends - time.monotonic()
                if left <= 0:
                    raise FeedRefused(f"{one.url}: not done within the time allowed")
                fetch(one.url, part, "", limits.max_bytes, left)
                archive.write(part, f"{one.id}.json")
    return bool(changed)


def fetch(url: str, path: Path, etag: str, max_bytes: int, deadline_s: float) -> str | None:
    """Write what an address offers to a file: its tag ("" where it gives none), or None where it has not changed.

    Plain HTTP is taken from this machine alone, and where an answer points elsewhere, that is held to the same before
    it is asked. Any other address, status, length or delay is FeedRefused.
    """
    import requests
    from urllib3.exceptions import HTTPError

    ends = time.monotonic() + deadline_s
    # Microsoft's list answers in XML unless JSON is asked for; every other feed is what it is.
    headers = {
        "Accept": "application/json, */*;q=0.5",
        "Accept-Encoding": "identity",
        **({"If-None-Match": etag} if etag else {}),
    }
    try:
        with requests.Session() as session, cut_off(session, ends):
            for _ in range(MOST_HOPS):
                _safe(url)
                wait_s = max(0.1, min(30.0, ends - time.monotonic()))
                with session.get(url, headers=headers, stream=True, timeout=wait_s, allow_redirects=False) as answer:
                    if answer.is_redirect:
                        url = urljoin(url, answer.headers["Location"])
                        continue
                    return _taken(answer, url, path, etag, max_bytes, ends)
            raise FeedRefused(f"{url}: more than {MOST_HOPS} addresses that point elsewhere")
    except (requests.RequestException, HTTPError, OSError) as error:
        late = time.monotonic() >= ends
        why = "not done within the time allowed" if late else f"could not be fetched ({error})"
        raise FeedRefused(f"{url}: {why}") from error


def _taken(answer: Response, url: str, path: Path, etag: str, max_bytes: int, ends: float) -> str | None:
    """The answer's body into the file, chunk by chunk as they come, so that a peer that trickles is noticed.

    A body that is shorter than its declared length is an error of urllib3's own.
    """
    if answer.status_code == 304 and etag:
        return None
    if answer.status_code != 200:
        raise FeedRefused(f"{url}: answered {answer.status_code} {answer.reason}")
    size = 0
    with path.open("wb") as written:
        while chunk := answer.raw.read1(1 << 16):
            size += len(chunk)
            if size > max_bytes:
                raise FeedRefused(f"{url}: longer than {max_bytes} bytes")
            if time.monotonic() > ends:
                raise FeedRefused(f"{url}: not done within the time allowed")
            written.write(chunk)
    if time.monotonic() > ends:  # to http.client, a connection that was shut in the head is the end of the head
        raise FeedRefused(f"{url}: not done within the time allowed")
    return str(answer.headers.get("ETag", ""))[:200]


def _safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}):
        raise FeedRefused(f"{url[:200]}: feeds are fetched over https only")
