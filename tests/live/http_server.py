"""A server of HTTP on a free port of loopback, for as long as a test wants it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answering(BaseHTTPRequestHandler):
    """Says nothing on standard error of what it is asked."""

    def log_message(self, format: str, *args: object) -> None:
        return

    def answer(self, body: bytes, status: int = 200) -> None:
        """The whole answer, with its length."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Its address, http://127.0.0.1:PORT."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving_bytes(content: bytes) -> Iterator[str]:
    """The same for one that answers every GET with these bytes."""

    class Same(Answering):
        def do_GET(self) -> None:
            self.answer(content)

    with serving(Same) as address:
        yield address
