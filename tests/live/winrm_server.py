"""A WinRM server on loopback that an unmodified pywinrm talks to: WS-Man shells over TLS or plain HTTP, with Basic or
NTLM (pyspnego's acceptor, channel binding checked), messages sealed where the client seals them, and faults on demand.

    with winrm_server(described_machine()) as server:
        server.url, server.port, server.ca, server.fingerprint, server.user, server.password, server.requests
"""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import struct
import tempfile
import threading
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from tests.live.winrm_certificates import certificates
from tests.live.winrm_host import Machine, answer

USER, PASSWORD = "AUDIT\\riskline", "correct horse battery staple"
BOUNDARY = b"--Encrypted Boundary"
SEALED = b"application/HTTP-SPNEGO-session-encrypted"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
NAMESPACES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    f'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{SHELL}" '
    'xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"'
)
MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
RECEIVE_BYTES = 60_000
TIMED_OUT = 2150858793


@dataclass
class Faults:
    """What goes wrong, and where.

    code: a WS-Man fault for the action named in `at`. rewrite: changes the whole envelope. output: changes stdout.
    drip: bytes come one at a time ("headers" or "body"). status: an HTTP status instead of an answer. half: the first
    answer holds half the output, and the fault comes after it. refuse: nobody is let in. delay_s: before each answer.
    """

    at: str = ""
    code: int | None = None
    subcode: str = "w:InternalError"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    rewrite: Callable[[bytes], bytes] | None = None
    output: Callable[[bytes], bytes] | None = None
    stderr: bytes = b""
    drip: str = ""
    hang: bool = False
    half: bool = False
    refuse: bool = False
    delay_s: float = 0.0


class Server(ThreadingHTTPServer):
    """One listener and what it saw. requests: messages after authentication, by action."""

    daemon_threads = True

    def __init__(self, machine: Machine, faults: Faults, tls: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.machine = machine
        self.faults = faults
        self.requests: list[str] = []
        self.handshakes = 0
        self.seen: list[bytes] = []
        self.sealed = 0
        self.scripts: list[str] = []
        self.stdin: dict[str, bytes] = {}
        self.pending: dict[str, bytes] = {}
        self.stopping = threading.Event()
        self.user, self.password = USER, PASSWORD
        self.port = self.server_address[1]
        made = certificates()
        self.ca, self.fingerprint = str(made.ca), made.fingerprint
        self.bindings: bytes | None = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(made.chain)
            context.load_verify_locations(made.ca)
            context.verify_mode = ssl.CERT_OPTIONAL
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.bindings = b"tls-server-end-point:" + bytes.fromhex(made.fingerprint)
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/wsman"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is part of the tests."""


@contextlib.contextmanager
def winrm_server(machine: Machine, faults: Faults | None = None, tls: bool = True) -> Iterator[Server]:
    """A running server for that machine, stopped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "users")
        domain, user = USER.split("\\")
        store.write_text(f"{domain}:{user}:{PASSWORD}\n")
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = str(store)
        server = Server(machine, faults or Faults(), tls)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            server.server_close()
            thread.join(10)
            os.environ.pop("NTLM_USER_FILE")
            if before is not None:
                os.environ["NTLM_USER_FILE"] = before


class Handler(BaseHTTPRequestHandler):
    """One connection: its authentication belongs to it, as with Windows."""

    protocol_version = "HTTP/1.1"
    server: Server
    context: Any = None
    allowed = False

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.stopping.wait(self.server.faults.delay_s)
        self.server.seen.append(body)
        if not self.allowed and not self._authenticated():
            return
        if not body:
            self._send(200, b"")
            return
        sealed = self.headers.get("Content-Type", "").startswith("multipart/encrypted")
        if sealed:
            self.server.sealed += 1
            body = self._unseal(body)
        status, envelope = self._wsman(ET.fromstring(body))
        if envelope is None:
            return
        if sealed:
            self._send(status, self._seal(envelope), f'multipart/encrypted;protocol="{SEALED.decode()}"')
        else:
            self._send(status, envelope, "application/soap+xml;charset=UTF-8")

    # ── who is it ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _authenticated(self) -> bool:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if self.server.faults.refuse or not (token or scheme == MUTUAL):
            return self._challenge()
        self.server.handshakes += 1
        if scheme == MUTUAL:
            self.allowed = bool(getattr(self.connection, "getpeercert", dict)())
            return self.allowed or self._challenge()
        if scheme == "Basic":
            self.allowed = base64.b64decode(token).decode() == f"{USER}:{PASSWORD}"
            return self.allowed or self._challenge()
        if self.context is None:
            bindings = self.server.bindings
            made = GssChannelBindings(application_data=bindings) if bindings else None
            self.context = spnego.server(protocol="ntlm", channel_bindings=made)
        try:
            answered = self.context.step(base64.b64decode(token))
        except SpnegoError:
            self.context = None
            return self._challenge()
        if answered:
            return self._challenge(f"{scheme} {base64.b64encode(answered).decode()}")
        self.allowed = bool(self.context.complete)
        return self.allowed or self._challenge()

    def _challenge(self, how: str = "") -> bool:
        self.send_response(401)
        for offered in [how] if how else ["Negotiate", 'Basic realm="WSMAN"']:
            self.send_header("WWW-Authenticate", offered)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _unseal(self, body: bytes) -> bytes:
        packed = body.split(b"application/octet-stream\r\n", 1)[1].removesuffix(BOUNDARY + b"--\r\n")
        size = struct.unpack("<i", packed[:4])[0]
        assert size == 16
        return bytes(self.context.unwrap(packed[4:]).data)

    def _seal(self, envelope: bytes) -> bytes:
        wrapped: bytes = self.context.wrap(envelope).data
        head = (
            BOUNDARY + b"\r\n\tContent-Type: " + SEALED + b"\r\n\tOriginalContent: "
            b"type=application/soap+xml;charset=UTF-8;Length=" + str(len(envelope)).encode() + b"\r\n"
        )
        body = BOUNDARY + b"\r\n\tContent-Type: application/octet-stream\r\n" + struct.pack("<i", 16) + wrapped
        return head + body + BOUNDARY + b"--\r\n"

    # ── what does it want ────────────────────────────────────────────────────────────────────────────────────────────

    def _wsman(self, envelope: ET.Element) -> tuple[int, bytes | None]:
        action = _text(envelope, "Action").rsplit("/", 1)[-1]
        self.server.requests.append(action)
        faults = self.server.faults
        if faults.at == action:
            if faults.hang:
                self.server.stopping.wait(60)
                return 200, None
            if faults.status is not None:
                self._send(faults.status, b"", headers=faults.headers)
                return 200, None
            if faults.code is not None and not (faults.half and self.server.requests.count(action) == 1):
                return 500, _fault(faults.code, faults.subcode)
        found = getattr(self, f"on_{action.lower()}")(envelope)
        whole = _envelope(action, _text(envelope, "MessageID"), found)
        if faults.at == action and faults.rewrite is not None:
            whole = faults.rewrite(whole)
        return 200, whole

    def on_create(self, _envelope: ET.Element) -> str:
        shell = str(uuid.uuid4()).upper()
        return f'<rsp:Shell><w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet></rsp:Shell>'

    def on_command(self, envelope: ET.Element) -> str:
        command = str(uuid.uuid4()).upper()
        self.server.stdin[command] = b""
        self.server.scripts.append(_text(envelope, "Command"))
        return f"<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>"

    def on_send(self, envelope: ET.Element) -> str:
        stream = next(node for node in envelope.iter() if node.tag.endswith("Stream"))
        command = stream.attrib["CommandId"]
        self.server.stdin[command] += base64.b64decode(stream.text or "")
        if stream.attrib.get("End") == "true":
            script = self.server.stdin[command].decode("ascii")
            self.server.scripts.append(script)
            output = answer(self.server.machine, script) if "$nonce" in script else b"ok\r\n"
            faults = self.server.faults
            self.server.pending[command] = faults.output(output) if faults.output else output
        return "<rsp:SendResponse/>"

    def on_receive(self, envelope: ET.Element) -> str:
        command = next(n for n in envelope.iter() if n.tag.endswith("DesiredStream")).attrib["CommandId"]
        waiting = self.server.pending.get(command, b"ok\r\n")
        size = len(waiting) // 2 if self.server.faults.half else RECEIVE_BYTES
        part, rest = waiting[:size], waiting[size:]
        self.server.pending[command] = rest
        streams = _stream(command, "stdout", part) + _stream(command, "stderr", self.server.faults.stderr)
        state = "Running" if rest else "Done"
        code = "" if rest else "<rsp:ExitCode>0</rsp:ExitCode>"
        return (
            f"<rsp:ReceiveResponse>{streams}"
            f'<rsp:CommandState CommandId="{command}" State="{SHELL}/CommandState/{state}">'
            f"{code}</rsp:CommandState></rsp:ReceiveResponse>"
        )

    def on_signal(self, _envelope: ET.Element) -> str:
        return "<rsp:SignalResponse/>"

    def on_delete(self, _envelope: ET.Element) -> str:
        return ""

    # ── on the wire ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, status: int, body: bytes, kind: str = "text/plain", headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} x", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        drip = self.server.faults.drip if self.server.requests else ""
        for name, part in (("headers", head), ("body", body)):
            if drip != name:
                self.wfile.write(part)
                continue
            for byte in part:
                if self.server.stopping.wait(0.05):
                    return
                self.wfile.write(bytes([byte]))


def _text(envelope: ET.Element, name: str) -> str:
    return next(node.text or "" for node in envelope.iter() if node.tag.endswith(f"}}{name}"))


def _stream(command: str, name: str, part: bytes) -> str:
    if not part:
        return ""
    packed = base64.b64encode(part).decode()
    return f'<rsp:Stream Name="{name}" CommandId="{command}">{packed}</rsp:Stream>'


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    return (
        f"<s:Envelope {NAMESPACES}><s:Header><a:Action>{action}Response</a:Action>"
        f"<a:RelatesTo>{relates_to}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _fault(code: int, subcode: str) -> bytes:
    return (
        f"<s:Envelope {NAMESPACES}><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}"
        '</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">as the test wished</s:Text></s:Reason>'
        f'<s:Detail><f:WSManFault Code="{code}" Machine="srv"><f:Message>x</f:Message></f:WSManFault></s:Detail>'
        "</s:Fault></s:Body></s:Envelope>"
    ).encode()
