"""A server of raw sockets: it opens sessions and answers as a test says, also with what is no answer."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any, Callable, Optional

from latchkey_guard import Decision, Guard, Needs, Request

VECTORS = json.loads((Path(__file__).parents[3] / "test/vectors/guard.json").read_text("utf-8"))
OPENCRANE = VECTORS["resources"]["opencrane"]

#: What a reply does to the connection: the bytes to send, and whether the connection ends then.
Reply = tuple[bytes, bool]


def answer(status: int, body: Any = None) -> Reply:
    text = b"" if body is None else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    return head.encode() + text, False


def kind_of(method: str, path: str) -> str:
    if path == "/api/v1/guard/sessions":
        return "open"
    return "end" if method == "DELETE" else path.rsplit("/", 1)[1]


class Stub:
    """``on[kind]`` answers the questions of a kind: open, poll, lookup, usage, verify, end."""

    def __init__(self, resource: dict[str, Any] = OPENCRANE, lease: int = 1000) -> None:
        self.asked: list[tuple[str, Any]] = []
        #: The Idempotency-Key of each question in ``asked``; empty: it has none.
        self.keys: list[str] = []
        self.changed = threading.Condition()
        self.sessions = 0
        self.stopping = threading.Event()
        self.news: list[str] = []
        self.position = 0
        self.trust_for = lease
        self.hold = 0.05
        self.opened = {
            "position": 0, "lease": lease, "issuer": "http://stub", "keys": [],
            "resource": {
                name: resource[name]
                for name in ("id", "identifier", "organization", "style", "metadata", "tokenScopes", "initialScopes")
            },
            "refusals": resource["refusals"], "unavailable": resource["unavailable"],
        }
        self.entry: Any = None
        self.on: dict[str, Callable[[Any], Optional[Reply]]] = {
            "open": self.open, "poll": self.poll, "lookup": self.lookup, "usage": lambda _: answer(204),
            "verify": lambda _: answer(503, {"error": "no", "code": "X"}), "end": lambda _: answer(204),
        }
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self, _: Any) -> Reply:
        self.sessions += 1
        self.position = 0
        self.news = []
        return answer(201, {**self.opened, "session": f"gds_{self.sessions}"})

    def poll(self, body: Any) -> Reply:
        with self.changed:
            self.news = [each for each in self.news if int(each.partition("|")[0]) > body["applied"]]
            if not self.news:
                self.changed.wait_for(lambda: bool(self.news) or self.stopping.is_set(), self.hold)
            changes = [each.partition("|")[2] for each in self.news]
            return answer(200, {"position": self.position, "changes": changes, "trustFor": self.trust_for})

    def lookup(self, _: Any) -> Reply:
        return answer(200, {"position": self.position, "entry": self.entry})

    def change(self, subject: str) -> None:
        """A change that the guard has to apply."""
        with self.changed:
            self.position += 1
            self.news.append(f"{self.position}|{subject}")
            self.changed.notify_all()

    def count(self, kind: str) -> int:
        with self.changed:
            return sum(1 for each, _ in self.asked if each == kind)

    def wait(self, holds: Callable[[], Any], timeout: float = 10.0) -> None:
        """Waits until a condition on what was asked holds."""
        with self.changed:
            if not self.changed.wait_for(holds, timeout):
                raise AssertionError("it did not happen within 10 s")

    def wait_for(self, kind: str, n: int) -> None:
        self.wait(lambda: sum(1 for each, _ in self.asked if each == kind) >= n)

    def close(self) -> None:
        self.stopping.set()
        with self.changed:
            self.changed.notify_all()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection."""
        for each in self._connections:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as source:
                while True:
                    line = source.readline().decode()
                    if not line:
                        return
                    method, path, _ = line.split(" ")
                    length, key = 0, ""
                    while (header := source.readline().decode().strip()):
                        name, _, value = header.partition(":")
                        if name.lower() == "content-length":
                            length = int(value)
                        elif name.lower() == "idempotency-key":
                            key = value.strip()
                    text = source.read(length)
                    kind = kind_of(method, path)
                    with self.changed:
                        self.asked.append((kind, json.loads(text) if text else None))
                        self.keys.append(key)
                        self.changed.notify_all()
                    reply = self.on[kind](json.loads(text) if text else None)
                    if reply is None:
                        return
                    connection.sendall(reply[0])
                    if reply[1]:
                        return
        except (OSError, ValueError):
            return


def guard_of(stub: Stub, **more: Any) -> Guard:
    return Guard(stub.url, "cli_test", "secret-of-the-client", "https://api.example.test/opencrane", **more)


KEY = "oc_live_0123456789abcdefghijklmnopq012345"


def request(text: str = KEY, **more: Any) -> Request:
    return Request("GET", "/v1/invoices", headers=[("authorization", f"Bearer {text}")], tls=True, **more)


def entry_of(name: str = "a key passes") -> Any:
    """An entry of the vectors, of the style opencrane."""
    return next(case["entry"] for case in VECTORS["cases"] if case["resource"] == "opencrane" and case["name"] == name)


def status_of(decision: Decision) -> int:
    return decision.status


ANY = Needs()
