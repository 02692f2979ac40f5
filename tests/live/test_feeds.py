"""`riskline feeds` against a real HTTP server on loopback, friendly and hostile."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.cli import feeds
from scanner.model import utc_now
from scanner.threats import store
from scanner.threats.fetching import Feed, fetch, update
from scanner.threats.reading import FeedRefused, Limits
from tests.feeds_of import archive, cve, ends_list, epss_list, kev_list, record
from tests.guide_of import FULL, document, flaw, written, zipped

from .http_server import Answering, serving

pytestmark = pytest.mark.live


@dataclass
class Answer:
    """What the server says next. declared: its Content-Length; pause_s: between single bytes. pages: other paths."""

    body: bytes = b""
    status: int = 200
    etag: str = '"1"'
    declared: int | None = None
    pause_s: float = 0.0
    location: str = ""
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class Handler(Answering):
    planned: Answer

    def do_GET(self) -> None:
        answer = self.planned.pages.get(self.path, self.planned)
        answer.asked.append(self.headers.get("If-None-Match", ""))
        if answer.etag and self.headers.get("If-None-Match") == answer.etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(answer.status)
        if answer.location:
            self.send_header("Location", answer.location)
        self.send_header("ETag", answer.etag)
        self.send_header("Content-Length", str(len(answer.body) if answer.declared is None else answer.declared))
        self.end_headers()
        try:
            for at in range(0, len(answer.body), 1 if answer.pause_s else 1 << 16):
                self.wfile.write(answer.body[at : at + (1 if answer.pause_s else 1 << 16)])
                time.sleep(answer.pause_s)
        except OSError:
            return


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    with serving(type("One", (Handler,), {"planned": answer})) as address:
        yield f"{address}/all.zip"


def good(folder: Path, number: int = 20) -> bytes:
    return archive(folder / "made.zip", [record(cve(n), "bash", "6") for n in range(number)]).read_bytes()


def test_what_has_not_changed_is_not_sent_again_and_counts_as_fresh(tmp_path: Path) -> None:
    answer, now = Answer(good(tmp_path)), utc_now()
    with served(answer) as url:
        feed = Feed("Debian", "osv", url)
        assert update(tmp_path / "f", feed, now, Limits())[1] is True
        found, new = update(tmp_path / "f", feed, now + timedelta(days=2), Limits())
    assert (new, found.fetched_at, answer.asked) == (False, now + timedelta(days=2), ["", '"1"'])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda a: Answer(b"<html>maintenance</html>", etag="2"), "not a whole zip"),
        (lambda a: Answer(a.body[:-50], etag="2"), "not a whole zip"),
        (lambda a: Answer(a.body[:50], etag="2", declared=len(a.body)), "cut off|broke off|fetched"),
        (lambda a: Answer(b"slow down", status=429, etag="2"), "answered 429"),
        (lambda a: Answer(b"", status=302, etag="2", location="http://example.invalid/x"), "https only"),
        (lambda a: Answer(bytes(1 << 20), etag="2"), "longer than"),
        (lambda a: Answer(bytes(500), etag="2", pause_s=0.05), "not done within"),
    ],
)
@pytest.mark.fault("N3", "I9")
def test_a_hostile_server_leaves_the_old_feed_in_force(tmp_path: Path, change: object, complaint: str) -> None:
    first, folder = Answer(good(tmp_path)), tmp_path / "f"
    with served(first) as url:
        update(folder, Feed("Debian", "osv", url), utc_now(), Limits())
    before = store.path_of(folder, "Debian").read_bytes()
    limits = Limits(max_bytes=500_000)
    with served(change(first)) as url, pytest.raises(FeedRefused, match=complaint):  # type: ignore[operator]
        update(folder, Feed("Debian", "osv", url), utc_now(), limits, deadline_s=1.0)
    assert store.path_of(folder, "Debian").read_bytes() == before
    assert [one.name for one in folder.iterdir()] == ["Debian.db"]


def test_no_more_is_written_than_is_allowed_however_much_is_sent(tmp_path: Path) -> None:
    with served(Answer(bytes(8 << 20))) as url, pytest.raises(FeedRefused, match="longer than 100000 bytes"):
        fetch(url, tmp_path / "x", "", 100_000, 30.0)
    assert (tmp_path / "x").stat().st_size <= 100_000


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_peer_that_sends_its_head_sign_by_sign_is_left_at_the_deadline(tmp_path: Path, scheme: str) -> None:
    """As a head of HTTP, or as the first record of TLS (a handshake of 512 bytes), one byte now and then."""
    head = b"HTTP/1.1 200 OK\r\nX-One: " if scheme == "http" else b"\x16\x03\x03\x02\x00\x02\x00\x01\xfc"
    done = threading.Event()

    def trickle(server: socket.socket) -> None:
        wire, _ = server.accept()
        with wire:
            wire.recv(4096)
            wire.sendall(head)
            for _ in range(600):
                if done.wait(0.05):
                    return
                try:
                    wire.sendall(b"a")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/all.zip"
        with pytest.raises(FeedRefused, match="not done within the time allowed"):
            fetch(url, tmp_path / "x", "", 1 << 20, 1.0)
        done.set()
        thread.join()


def test_plain_http_is_refused_beyond_this_machine(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="https only"):
        fetch("http://192.0.2.1/all.zip", tmp_path / "x", "", 10, 1.0)


def test_an_address_that_points_elsewhere_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as trap:
        trap.settimeout(0.2)
        elsewhere = f"http://127.0.0.2:{trap.getsockname()[1]}/all.zip"
        with served(Answer(status=302, location=elsewhere)) as url, pytest.raises(FeedRefused, match="https only"):
            fetch(url, tmp_path / "x", "", 1000, 5.0)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_an_address_that_points_on_is_followed_and_one_that_points_in_circles_is_not(tmp_path: Path) -> None:
    with served(Answer(b"feed", etag="7")) as last, served(Answer(status=301, location=last)) as first:
        assert fetch(first, tmp_path / "x", "", 1000, 5.0) == "7"
    assert (tmp_path / "x").read_bytes() == b"feed"
    answer = Answer(status=308, location="/again")
    with served(answer) as url, pytest.raises(FeedRefused, match="point elsewhere"):
        fetch(url, tmp_path / "x", "", 1000, 5.0)
    assert len(answer.asked) == 5


def test_nobody_listening_is_said(tmp_path: Path) -> None:
    with served(Answer()) as url:
        pass
    with pytest.raises(FeedRefused, match="could not be fetched"):
        fetch(url, tmp_path / "x", "", 10, 1.0)


def riskline(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(feeds.feeds, [words[0], "--feeds", str(folder), *words[1:]])


@pytest.mark.fault("I10")
def test_the_verbs_take_refuse_tell_and_roll_back(tmp_path: Path) -> None:
    folder, answer = tmp_path / "f", Answer(good(tmp_path))
    with served(answer) as url:
        assert "Debian: new; 20 records" in riskline(folder, "update", "Debian", "--url", f"Debian={url}").output
        answer.body, answer.etag = good(tmp_path, 2), "2"
        refused = riskline(folder, "update", "Debian", "--url", f"Debian={url}")
        assert refused.exit_code == 3
        assert "its copy of 0 days ago is in force" in refused.output
        answer.body, answer.etag = good(tmp_path, 30), "3"
        assert "30 records" in riskline(folder, "update", "Debian", "--url", f"Debian={url}").output
    assert "20 records" in riskline(folder, "rollback", "Debian").output
    [one] = json.loads(riskline(folder, "status", "-f", "json").output)
    assert (one["name"], one["records"]) == ("Debian", 20)


def test_a_folder_is_searched_by_the_names_of_the_publishers(tmp_path: Path) -> None:
    place = tmp_path / "carried" / "osv-scanner"
    (place / "Debian").mkdir(parents=True)
    (place / "Debian" / "all.zip").write_bytes(good(tmp_path))
    (place / "PyPI").mkdir()
    (place / "PyPI" / "all.zip").write_bytes(b"of no use here")
    kev_list(place / "known_exploited_vulnerabilities.json", ["CVE-2026-10001"])
    epss_list(place / "epss_scores-2025-11-19.csv.gz", ["CVE-2026-10001,0.1,0.1"])
    epss_list(place / "epss_scores-2025-11-20.csv.gz", ["CVE-2026-10001,0.2,0.1"])
    ends_list(place / "endoflife.json", {"debian": [("12", "2026-06-10", "2028-06-30")]})
    done = riskline(tmp_path / "f", "import", str(place.parent))
    assert done.exit_code == 0, done.output
    assert store.stored(tmp_path / "f") == ["Debian", "ends", "epss", "kev"]
    with store.opened(store.path_of(tmp_path / "f", "epss")) as db:
        assert db.execute("SELECT chance FROM epss").fetchall() == [(0.2,)]
    refused = riskline(tmp_path / "f", "import", str(tmp_path / "f"))
    assert "under its publisher's name" in str(refused.exception)


def test_a_file_that_is_refused_leaves_the_others_taken(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("<html>")
    listed = kev_list(tmp_path / "k", ["CVE-2026-10001"])
    done = riskline(tmp_path / "f", "import", f"epss={tmp_path / 'bad'}", f"kev={listed}")
    assert (done.exit_code, store.stored(tmp_path / "f")) == (3, ["kev"])
    assert "epss:" in done.output


def test_feeds_are_taken_from_files_and_are_as_old_as_their_newest_date(tmp_path: Path) -> None:
    listed = kev_list(tmp_path / "k", ["CVE-2026-10001"], released="2020-01-01T00:00:00Z")
    scores = epss_list(tmp_path / "e", ["CVE-2026-10001,5e-05,0.1"])
    done = riskline(tmp_path / "f", "import", f"kev={listed}", f"epss={scores}")
    assert done.exit_code == 0
    found = store.standing(tmp_path / "f", "kev")
    assert found is not None
    assert found.age_days(utc_now()) > 365


class Guide:
    """Microsoft's list of documents and the documents, as a server offers them."""

    def __init__(self) -> None:
        self.answer = Answer(etag="")
        self.current: dict[str, str] = {}

    def put(self, id: str, current: str, *numbers: int) -> None:
        """One month as of then, with these flaws."""
        self.current[id] = current
        whole = document([flaw(f"CVE-2026-{one}", FULL) for one in numbers], id, current)
        self.answer.pages[f"/{id}"] = Answer(json.dumps(whole).encode(), etag="")

    def update(self, folder: Path) -> tuple[store.Standing, bool]:
        """What `feeds update` makes of it."""
        with served(self.answer) as url:
            base = url.rpartition("/")[0]
            dates = {id: {"InitialReleaseDate": f"{at[:7]}-01T08:00:00Z"} for id, at in self.current.items()}
            rows = [
                {"ID": id, "CurrentReleaseDate": at, "CvrfUrl": f"{base}/{id}", **dates[id]}
                for id, at in self.current.items()
            ]
            self.answer.body = json.dumps({"value": rows}).encode()
            return update(folder, Feed("Microsoft", "guide", url), utc_now(), Limits())

    @property
    def asked(self) -> list[str]:
        """The months that were fetched since this was last asked."""
        found = [path[1:] for path, one in self.answer.pages.items() if one.asked]
        for one in self.answer.pages.values():
            one.asked.clear()
        return found


def test_of_microsofts_months_only_those_that_changed_are_fetched(tmp_path: Path) -> None:
    guide = Guide()
    guide.put("2026-Oct", "2026-10-20T08:00:00Z", 10001, 10002)
    guide.put("2026-Nov", "2026-11-20T08:00:00Z", 10003)
    found, new = guide.update(tmp_path)
    assert (found.records, new, guide.asked) == (3, True, ["2026-Oct", "2026-Nov"])
    assert (guide.update(tmp_path)[1], guide.asked) == (False, [])
    guide.put("2026-Nov", "2026-11-21T08:00:00Z", 10003, 10004)
    found, new = guide.update(tmp_path)
    assert (found.records, new, guide.asked) == (4, True, ["2026-Nov"])


def test_a_month_that_is_not_what_the_list_says_leaves_all_that_is_stored(tmp_path: Path) -> None:
    guide = Guide()
    guide.put("2026-Nov", "2026-11-20T08:00:00Z", 10001)
    guide.update(tmp_path)
    before = store.path_of(tmp_path, "Microsoft").read_bytes()
    guide.put("2026-Dec", "2026-11-21T08:00:00Z", 10002)
    for spoiled in (b"<html>maintenance</html>", guide.answer.pages["/2026-Dec"].body[:-30]):
        guide.answer.pages["/2026-Dec"].body = spoiled
        with pytest.raises(FeedRefused, match="not a document"):
            guide.update(tmp_path)
    guide.answer.pages["/2026-Dec"].status = 503
    with pytest.raises(FeedRefused, match="answered 503"):
        guide.update(tmp_path)
    assert store.path_of(tmp_path, "Microsoft").read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["Microsoft.db"]


def test_microsofts_months_are_found_in_a_folder_that_was_carried_here(tmp_path: Path) -> None:
    place = tmp_path / "carried"
    place.mkdir()
    written(place / "2026-Nov.json", document([flaw("CVE-2026-10001", FULL)]))
    october = document([flaw("CVE-2026-10002", FULL)], "2026-Oct", "2026-10-20T08:00:00")
    zipped(place / "Microsoft.zip", october)
    done = riskline(tmp_path / "f", "import", str(place))
    assert done.exit_code == 0, done.output
    assert "Microsoft: taken; 2 records until 2026-11-20" in done.output
