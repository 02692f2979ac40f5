"""`riskline notify` to a real web hook on loopback: only what is new is told, once, and no secret stands anywhere."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.cli import notify as verb
from scanner.cli import riskline
from scanner.errors import UsageError
from scanner.register import open_register
from tests.register_contract import fail, ok, record, unknown

from .http_server import Answering, serving

pytestmark = pytest.mark.live


@contextmanager
def hook(status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The address of a web hook, and what it was told."""
    told: list[dict[str, str]] = []

    class Handler(Answering):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(b"", status)

    with serving(Handler) as address:
        yield f"{address.replace('http', 'json')}/s3cret-path", told


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "register.db")


def notify(monkeypatch: pytest.MonkeyPatch, url: str, address: str, *words: str) -> Result:
    monkeypatch.setenv("RISKLINE_HOOK", address)
    return CliRunner().invoke(riskline, ["notify", "--register", url, "--to", "env:RISKLINE_HOOK", *words])


def test_new_risks_are_told_grouped_with_the_next_step(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh")], "b": [fail("ssh")]})
    opened.close()
    with hook() as (address, told):
        done = notify(monkeypatch, url, address)
    assert (done.exit_code, done.output) == (0, "")
    [message] = told
    assert message["title"] == "Riskline: 1 new risk"
    assert "Root cannot log in: not so on a, b" in message["message"]
    assert "Next: f" in message["message"]
    assert "s3cret" not in json.dumps(message)


def test_nothing_is_told_when_nothing_is_new(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh"), ok("users")]})
    record(opened, 1, {"a": [fail("ssh"), ok("users")]})
    opened.close()
    with hook() as (address, told):
        assert notify(monkeypatch, url, address).exit_code == 0
    assert told == []


def test_what_came_back_and_what_can_no_longer_be_judged_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh")], "b": [ok("ssh"), ok("users")]})
    record(opened, 1, {"a": [ok("ssh")], "b": [ok("ssh"), ok("users")]})
    record(opened, 2, {"a": [fail("ssh")], "b": [unknown("ssh"), unknown("users")]})
    opened.close()
    done = notify(monkeypatch, url, "json://127.0.0.1:9/", "--dry-run")
    assert "1 risk that came back, 1 system that can no longer be judged" in done.output.splitlines()[0]
    assert "- Root cannot log in: not so on a" in done.output
    assert "- b: unreachable: no route" in done.output


@pytest.mark.fault("R6")
def test_an_address_that_does_not_answer_is_said_without_naming_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh")]})
    opened.close()
    with hook(500) as (address, _):
        done = notify(monkeypatch, url, address)
    assert done.exit_code == 3
    assert "env:RISKLINE_HOOK could not be reached" in done.output
    assert "s3cret" not in done.output
    assert notify(monkeypatch, url, "nonsense").exit_code == 3


@pytest.mark.fault("R6")
def test_what_could_not_be_told_is_told_before_what_is_new_the_next_time(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh")]})
    with hook(500) as (address, told):
        done = notify(monkeypatch, url, address)
    assert done.exit_code == 3
    assert "told the next time" in done.output
    kept = Path(f"{url}.untold")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "s3cret" not in kept.read_text() and "127.0.0.1" not in kept.read_text()
    record(opened, 1, {"a": [fail("ssh"), fail("users")]})
    opened.close()
    with hook() as (address, told):
        assert notify(monkeypatch, url, address).exit_code == 0
        assert [("Root cannot log in" in one["message"], "No empty passwords" in one["message"]) for one in told] == [
            (True, False),
            (False, True),
        ]
        assert notify(monkeypatch, url, address).exit_code == 0
        assert len(told) == 3, "a run that is asked for is told again, and those before are not"


@pytest.mark.parametrize("manner", ["accepts", "refuses the recipient", "refuses the message", "is silent", "drips"])
@pytest.mark.timeout(60)
@pytest.mark.fault("R6")
def test_a_mail_server_that_is_slow_or_rejects_is_told_and_one_that_accepts_has_the_mail(
    url: str, monkeypatch: pytest.MonkeyPatch, manner: str
) -> None:
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh")]})
    opened.close()
    monkeypatch.setattr(verb, "LIMIT_S", 30.0 if manner == "accepts" else 8.0)
    with mail_server(manner) as (port, mails):
        done = notify(
            monkeypatch, url, f"mailto://127.0.0.1:{port}?from=riskline@example.org&to=ciso@example.org&mode=insecure"
        )
    assert done.exit_code == (0 if manner == "accepts" else 3), done.output
    assert ["Root cannot log in" in mail for mail in mails] == ([True] if manner == "accepts" else [])
    assert Path(f"{url}.untold").exists() is (manner != "accepts")


@contextmanager
def mail_server(manner: str) -> Iterator[tuple[int, list[str]]]:
    """Its port, and the mails that it took."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if manner == "is silent":
                self.rfile.readline()
                return
            if manner == "drips":
                while True:
                    self.wfile.write(b"220-welcome\r\n")
                    time.sleep(0.2)
            self.wfile.write(b"220 here\r\n")
            while words := self.rfile.readline().upper().split():
                answer = b"250 so be it"
                if words[0] == b"DATA" and manner != "refuses the message":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                        lines.append(line)
                    body = message_from_bytes(b"".join(lines), policy=policy.default).get_body(("plain", "html"))
                    mails.append(body.get_content() if body else "")
                elif words[0] == b"DATA" or (words[0] == b"RCPT" and manner == "refuses the recipient"):
                    answer = b"550 no"
                self.wfile.write(answer + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            return  # the other side has left

    with Server(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield server.server_address[1], mails
        server.shutdown()
        serving.join()


@pytest.mark.timeout(90)
def test_a_hook_whose_answer_drips_or_never_ends_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_register(url)
    record(opened, 0, {"a": [fail("ssh")]})
    opened.close()
    monkeypatch.setattr(verb, "LIMIT_S", 8.0)  # within which a busy machine has begun to ask
    for piece, pause_s in ((b"1", 0.05), (b"1" * (1 << 20), 0)):
        with socket.create_server(("127.0.0.1", 0)) as door:

            def answer(door: socket.socket = door, piece: bytes = piece, pause_s: float = pause_s) -> None:
                peer, _ = door.accept()
                with peer, contextlib.suppress(OSError):
                    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    while True:
                        peer.sendall(piece)
                        time.sleep(pause_s)

            answering = threading.Thread(target=answer, daemon=True)
            answering.start()
            done = notify(monkeypatch, url, f"json://127.0.0.1:{door.getsockname()[1]}/s3cret-path")
            answering.join(5)
        assert not answering.is_alive()
        assert done.exit_code == 3
        assert "env:RISKLINE_HOOK" in done.output
        assert "s3cret" not in done.output


def test_only_references_are_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(riskline, ["notify", "--register", url, "--to", "json://127.0.0.1/s3cret"])
    assert isinstance(done.exception, UsageError)
    assert "s3cret" not in str(done.exception)
