"""HTTP/1.1 to the server, with one deadline for each whole exchange. Nothing that it raises holds a credential."""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
import select
import socket
import ssl
import time
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from .types import GuardError

_LONGEST_HEAD = 65_536
_LONGEST_BODY = 8_000_000

#: Whether a question may be sent a second time, where the server closed a connection that was kept. ``always``: sent
#: twice, it does what it does once. ``once``: the server counts it, so it is sent again with an Idempotency-Key only,
#: which it has where its connection was idle. ``never``: the caller of ``ask`` decides.
Repeat = Literal["always", "once", "never"]

#: Seconds after which a connection was idle. An Idempotency-Key costs the server two writes.
_IDLE_AFTER = 1.0


class Unreachable(GuardError):
    """The server gave no answer that can be read, in time."""


class Server:
    """Where the server is, and how a guard proves itself there. Makes connections."""

    def __init__(self, url: str, client_id: str, client_secret: str, ca_file: str | None = None,
                 allow_plain_http: bool = False) -> None:
        parts = _read_url(url, allow_plain_http)
        assert parts.hostname is not None
        if not client_id or not client_secret or ":" in client_id:
            raise GuardError("a guard needs the id and the secret of a client that may introspect the resource")
        self.host = parts.hostname
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self.address = parts.netloc
        self.authorization = "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"


def _read_url(url: str, allow_plain_http: bool) -> SplitResult:
    """Raises ``GuardError`` without the text, which may hold a password."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise GuardError("server is not a URL: write https://auth.example.com") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
        raise GuardError("server is not the URL of a server: write https://auth.example.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise GuardError("server is a URL with a user, a query or a fragment: use client_id and client_secret")
    if parts.path.strip("/"):
        raise GuardError("server is a URL with a path, and Latchkey has none: write its origin, such as "
                         "https://auth.example.com")
    if parts.scheme == "http" and not allow_plain_http and not _is_loopback(parts.hostname):
        raise GuardError("server is not https, and credentials are sent there: use https, or set allow_plain_http "
                         "where the network is your own")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Connection:
    """One connection, opened on first use and again after a failure. For one thread at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._socket: socket.socket | None = None
        self._closed = False
        self._last_use = 0.0
        #: The Date of the last answer (RFC 9110 §6.6.1); None: it had none.
        self.date: str | None = None

    def ask(self, method: str, path: str, body: Any, timeout: float, repeat: Repeat = "never") -> tuple[int, Any]:
        """Status and JSON of an answer. ``timeout``: seconds for all of it. Raises ``Unreachable``."""
        deadline = time.monotonic() + timeout
        payload = b"" if body is None else json.dumps(body).encode()
        was_kept = self._is_usable()
        is_idle = was_kept and time.monotonic() - self._last_use >= _IDLE_AFTER
        key = secrets.token_hex(16) if repeat == "once" and is_idle else None
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nhost: {self._server.address}\r\n"
            f"authorization: {self._server.authorization}\r\naccept: application/json\r\n"
            + ("" if body is None else "content-type: application/json\r\n")
            + ("" if key is None else f"idempotency-key: {key}\r\n")
            + f"content-length: {len(payload)}\r\n\r\n"
        ).encode("latin-1")
        try:
            return self._exchange(head + payload, deadline)
        except (_Closed, ConnectionError) as error:
            self.drop()
            if not (was_kept and (repeat == "always" or key is not None)):
                raise self._unreachable(error) from None
        except (OSError, ValueError) as error:
            self.drop()
            raise self._unreachable(error) from None
        try:
            return self._exchange(head + payload, deadline)
        except (OSError, ValueError) as error:
            self.drop()
            raise self._unreachable(error) from None

    def _unreachable(self, error: OSError | ValueError) -> Unreachable:
        return Unreachable(f"{self._server.host}:{self._server.port} did not answer: {_reason(error)}")

    def drop(self) -> None:
        """Ends the connection; the next question opens another one."""
        current, self._socket = self._socket, None
        if current is not None:
            current.close()

    def interrupt(self) -> None:
        """From another thread: ends the question under way and refuses all others."""
        self._closed = True
        current = self._socket
        if current is not None:
            try:
                current.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _is_usable(self) -> bool:
        if self._socket is None:
            return False
        try:
            # What can be read before anything was asked is the end, or the rest of another answer.
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            readable = bool(poll.poll(0))
        except (OSError, ValueError, AttributeError):
            readable = True
        if readable:
            self.drop()
        return not readable

    def _exchange(self, message: bytes, deadline: float) -> tuple[int, Any]:
        if self._socket is None:
            self._open(deadline)
        current = self._socket
        if current is None or self._closed:
            raise _Closed
        current.settimeout(_left(deadline))
        current.sendall(message)
        answer = _Answer(current, deadline)
        status, body = answer.read()
        self.date = answer.date
        if not answer.keeps:
            self.drop()
        self._last_use = time.monotonic()
        return status, (json.loads(body) if body else None)

    def _open(self, deadline: float) -> None:
        if self._closed:
            raise _Closed
        server = self._server
        raw = socket.create_connection((server.host, server.port), _left(deadline))
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.settimeout(_left(deadline))
            self._socket = raw if server.tls is None else server.tls.wrap_socket(raw, server_hostname=server.host)
        except BaseException:
            raw.close()
            raise


def _reason(error: OSError | ValueError) -> str:
    """For people. The text of a ``ValueError`` may quote an answer."""
    if isinstance(error, _Closed):
        return "the connection was closed"
    if isinstance(error, TimeoutError):
        return "not in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "the connection has no TLS that both sides know"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return "the answer cannot be read"


class _Closed(ConnectionError):
    """The other side ended the connection before an answer began."""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Answer:
    """Reads one answer (RFC 9112 §6.3). Raises ``ValueError`` for what is none."""

    def __init__(self, source: socket.socket, deadline: float) -> None:
        self._source = source
        self._deadline = deadline
        self._buffer = b""
        self.keeps = True
        self.date: str | None = None

    def read(self) -> tuple[int, bytes]:
        while True:
            status, headers = self._head()
            if status >= 200:
                break
        self.keeps = headers.get("connection", "").lower() != "close"
        self.date = headers.get("date")
        if status == 204 or status == 304:
            return status, b""
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
                raise ValueError("an unknown transfer encoding")
            body = self._chunks()
        elif "content-length" in headers:
            length = headers["content-length"]
            if not length.isascii() or not length.isdigit() or int(length) > _LONGEST_BODY:
                raise ValueError("an unreadable length")
            body = self._exactly(int(length))
        else:
            raise ValueError("an answer without a length")
        if self._buffer:
            raise ValueError("more than one answer")
        return status, body

    def _head(self) -> tuple[int, dict[str, str]]:
        lines = self._until(b"\r\n\r\n", _LONGEST_HEAD).decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
            raise ValueError("no HTTP")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, separator, value = line.partition(":")
            name = name.lower()
            if not separator or (name in headers and name in ("content-length", "transfer-encoding")):
                raise ValueError("an unreadable header")
            headers[name] = value.strip()
        if version == "HTTP/1.0":
            headers.setdefault("connection", "close")
        return int(rest[:3]), headers

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(self._until(b"\r\n", 256).partition(b";")[0], 16)
            if size < 0 or len(body) + size > _LONGEST_BODY:
                raise ValueError("too long an answer")
            if size == 0:
                while self._until(b"\r\n", _LONGEST_HEAD):
                    pass
                return body
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise ValueError("an unreadable chunk")

    def _until(self, end: bytes, longest: int) -> bytes:
        while end not in self._buffer:
            if len(self._buffer) > longest:
                raise ValueError("too long a line")
            self._more()
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._more()
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def _more(self) -> None:
        self._source.settimeout(_left(self._deadline))
        read = self._source.recv(65_536)
        if not read:
            raise _Closed
        self._buffer += read


class Pool:
    """Connections that threads take in turn; at most ``kept`` stay open."""

    def __init__(self, server: Server, kept: int = 32) -> None:
        self._server = server
        self._kept = kept
        self._idle: list[Connection] = []

    def ask(self, method: str, path: str, body: Any, timeout: float, repeat: Repeat = "never") -> tuple[int, Any]:
        """As ``Connection.ask``."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = Connection(self._server)
        answer = connection.ask(method, path, body, timeout, repeat)
        if len(self._idle) < self._kept:
            self._idle.append(connection)
        else:
            connection.drop()
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().drop()
