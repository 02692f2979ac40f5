"""Small servers on loopback that speak just enough of a protocol for a look from outside to judge them.

`with listening(redis_open, redis_locked) as (open_port, locked_port): …`; each server is a function from one
connection to nothing and runs in threads that end with the block.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Conversation = Callable[[socket.socket], None]


def redis_open(connection: socket.socket) -> None:
    """A Redis 7 without password."""
    for line in _lines(connection):
        if line == b"INFO":
            said = b"# Server\r\nredis_version:7.0.15\r\nos:Linux 6.1.0 x86_64\r\narch_bits:64\r\nprocess_id:7\r\n"
            connection.sendall(b"$%d\r\n%s\r\n" % (len(said), said))
        elif line == b"PING":
            connection.sendall(b"+PONG\r\n")
        elif line[:1] not in {b"*", b"$"}:
            connection.sendall(b"-ERR unknown command '%s', with args beginning with: \r\n" % line[:40])


def redis_locked(connection: socket.socket) -> None:
    """A Redis 7 that wants a password first."""
    for line in _lines(connection):
        if line[:1] not in {b"*", b"$"}:
            connection.sendall(b"-NOAUTH Authentication required.\r\n")


def redis_overloaded(connection: socket.socket) -> None:
    """A Redis that names itself to a PING and breaks off whatever asks more of it."""
    for line in _lines(connection):
        if line != b"PING":
            if line[:1] not in {b"*", b"$"}:
                return
            continue
        connection.sendall(b"+PONG\r\n")


def ftp_anonymous(connection: socket.socket) -> None:
    """An FTP server that lets anybody in."""
    _ftp(connection, b"230 Login successful.\r\n")


def ftp_locked(connection: socket.socket) -> None:
    """An FTP server that lets nobody in without a password."""
    _ftp(connection, b"530 Login incorrect.\r\n")


def ftp_broken(connection: socket.socket) -> None:
    """An FTP server that is set up wrongly, as vsftpd 3.0.3 says it."""
    _ftp(connection, b"500 OOPS: cannot change directory:/srv/ftp\r\n")


def _ftp(connection: socket.socket, verdict: bytes) -> None:
    connection.sendall(b"220 (vsFTPd 3.0.3)\r\n")
    for line in _lines(connection):
        said = {b"USER": b"331 Please specify the password.\r\n", b"PASS": verdict, b"QUIT": b"221 Goodbye.\r\n"}
        connection.sendall(said.get(line[:4].upper(), b"530 Please login with USER and PASS.\r\n"))


def mail_relay(connection: socket.socket) -> None:
    """A mail server that takes mail from anybody to anybody."""
    _mail(connection, b"250 2.1.5 Ok\r\n")


def mail_locked(connection: socket.socket) -> None:
    """A mail server that takes no mail for others."""
    _mail(connection, b"554 5.7.1 <nobody@example.net>: Relay access denied\r\n")


def mail_deferred(connection: socket.socket) -> None:
    """The same as Postfix says it by default."""
    _mail(connection, b"454 4.7.1 <nobody@example.net>: Relay access denied\r\n")


def _mail(connection: socket.socket, verdict: bytes) -> None:
    connection.sendall(b"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n")
    for line in _lines(connection):
        said = {b"EHLO": b"250-mail.example.org\r\n250 SIZE 10240000\r\n", b"RCPT": verdict, b"QUIT": b"221 Bye\r\n",
                b"DATA": b"354 End data\r\n"}  # fmt: skip
        connection.sendall(said.get(line[:4].upper(), b"250 2.1.0 Ok\r\n"))


def dns_for_all(connection: socket.socket) -> None:
    """A DNS server over TCP that offers recursion."""
    _dns(connection, 0x8183)


def dns_of_its_own(connection: socket.socket) -> None:
    """A DNS server over TCP that answers for its own names only."""
    _dns(connection, 0x8105)


def _dns(connection: socket.socket, flags: int) -> None:
    with connection.makefile("rb") as reader:
        while 12 <= (length := int.from_bytes(reader.read(2), "big")) <= 512:
            question = reader.read(length)
            answer = question[:2] + flags.to_bytes(2, "big") + question[4:]
            connection.sendall(len(answer).to_bytes(2, "big") + answer)


def mysql_open(connection: socket.socket) -> None:
    """A MySQL 8 whose root has no password. Source: MySQL's client/server protocol, "Connection Phase"."""
    _mysql(connection, b"\x00\x00\x00\x02\x00\x00\x00")


def mysql_locked(connection: socket.socket) -> None:
    """A MySQL that wants a password, asks for another plug-in first, and offers no TLS."""
    _mysql(connection, b"\xff\x15\x04#28000Access denied for user", switch=b"\xfecaching_sha2_password\0" + bytes(21))


def _mysql(connection: socket.socket, verdict: bytes, switch: bytes = b"") -> None:
    hello = b"\x0a8.0.36\0" + bytes([7, 0, 0, 0]) + b"saltsalt\0" + b"\xff\xf7" + b"\x21\x02\x00\xff\xdf\x15"
    connection.sendall(_packet(0, hello + bytes(10) + b"saltsaltsalt\0mysql_native_password\0"))
    with connection.makefile("rb") as reader:
        for answer in (switch, verdict) if switch else (verdict,):
            head = reader.read(4)
            if len(head) < 4:
                return
            reader.read(int.from_bytes(head[:3], "little"))
            connection.sendall(_packet(head[3] + 1, answer))


def _packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


def mongo_open(connection: socket.socket) -> None:
    """A MongoDB that lets anybody list its databases, in the protocol since 3.6. Source: its wire protocol, OP_MSG."""
    _mongo(connection, b"\x01ok\0" + struct.pack("<d", 1.0))


def mongo_locked(connection: socket.socket) -> None:
    """A MongoDB that wants a login."""
    _mongo(connection, b"\x01ok\0" + struct.pack("<d", 0.0) + b"\x10code\0" + struct.pack("<i", 13))


def _mongo(connection: socket.socket, verdict: bytes) -> None:
    # what is no message of this protocol is hung up on at once
    while len(head := connection.recv(16)) == 16:
        length, question, _, operation = struct.unpack("<4i", head)
        connection.recv(max(0, min(length, 4096) - 16))
        if operation != 2013:
            return
        document = struct.pack("<i", len(verdict) + 5) + verdict + b"\0"
        body = struct.pack("<ib", 0, 0) + document
        connection.sendall(struct.pack("<4i", 16 + len(body), 7, question, 2013) + body)


def etcd_open(connection: socket.socket) -> None:
    """An etcd 3.4 without users: what it says to a GET of anything, of its version, and to a question of its keys."""
    first = next(_lines(connection), b"")
    pages = {
        b"/version": b'{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}',
        b"/v3/kv/range": b'{"header":{"cluster_id":"28","member_id":"15","revision":"1","raft_term":"2"}}',
    }
    body = pages.get(b" ".join(first.split()[1:2]), b"")
    head = b"HTTP/1.1 200 OK" if body else b"HTTP/1.1 404 Not Found"
    connection.sendall(b"%s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (head, len(body), body))


def telnet(connection: socket.socket) -> None:
    """A telnet server that asks for a login name (inetutils in its first bytes)."""
    connection.sendall(b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27Debian GNU/Linux 12\r\nbox login: ")
    for _ in _lines(connection):
        connection.sendall(b"Password: ")


def ssh_1(connection: socket.socket) -> None:
    """An SSH server that greets with version 1.99 and answers version 1 with its public key packet."""
    connection.sendall(b"SSH-1.99-OpenSSH_4.3\r\n")
    for line in _lines(connection):
        if line.startswith(b"SSH-1."):
            connection.sendall(b"\x00\x00\x01\x0b" + bytes(5) + b"\x02" + bytes(266))
        return


def web(connection: socket.socket) -> None:
    """A web server that gives its page in clear text."""
    _web(connection, b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\n", b"<title>Payroll</title>")


def mute(connection: socket.socket) -> None:
    """A server that takes connections and never says a word."""
    for _ in _lines(connection):
        pass


def _web(connection: socket.socket, head: bytes, body: bytes) -> None:
    for line in _lines(connection):
        if not line:
            connection.sendall(b"%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (head, len(body), body))
            return


def _lines(connection: socket.socket) -> Iterator[bytes]:
    """Lines without their ends, as they come in, until the other side closes."""
    with connection.makefile("rb") as reader:
        while line := reader.readline(65536):
            yield line.rstrip(b"\r\n")


def certificate(folder: Path, name: str, *, bits: int = 2048, days: int = 365) -> Path:
    """A self-signed certificate with its key in one PEM file. days: until its end; below 0 it has expired."""
    key, now = rsa.generate_private_key(65537, bits), datetime.now(UTC)
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(common, common, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1000))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def over_tls(inner: Conversation, pem: Path, *, oldest: ssl.TLSVersion, ciphers: str) -> Conversation:
    """The same conversation inside TLS, with this certificate, lowest version and cipher list."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # first: its security level decides which keys may be loaded
    context.set_ciphers(ciphers)
    context.minimum_version = oldest
    context.load_cert_chain(pem)

    def sealed(connection: socket.socket) -> None:
        with contextlib.closing(context.wrap_socket(connection, server_side=True)) as wrapped:
            inner(wrapped)

    return sealed


@contextlib.contextmanager
def listening(*conversations: Conversation, address: str = "127.0.0.1", port: int = 0) -> Iterator[list[int]]:
    """Their ports, in order, for as long as the block lasts. port: where a service is only known by its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        found = []
        for conversation in conversations:
            server = stack.enter_context(socket.create_server((address, port), family=family, backlog=64))
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=_serve, args=(server, conversation), daemon=True).start()
            found.append(server.getsockname()[1])
        yield found


def _serve(server: socket.socket, conversation: Conversation) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_talk, args=(connection, conversation), daemon=True).start()


def _talk(connection: socket.socket, conversation: Conversation) -> None:
    connection.settimeout(20)
    with contextlib.suppress(OSError, ValueError), connection:
        conversation(connection)
