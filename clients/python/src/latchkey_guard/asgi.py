"""ASGI middleware: Starlette, FastAPI, Django, Quart, or any other application on asyncio. Never blocks the loop."""

from __future__ import annotations

import asyncio
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Awaitable, Callable, Iterable, MutableMapping

from .caching import with_decision
from .guard import Guard
from .rules import NOT_FOUND_BODY, NOT_FOUND_HEADERS, Rule, Rules
from .types import Decision, Needs, Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Questions to the server that are under way at a time, in a process.
_MOST_QUESTIONS = 32

_questions: tuple[int, ThreadPoolExecutor] | None = None


def _executor() -> ThreadPoolExecutor:
    """The threads that wait for the server; those of this process."""
    global _questions
    if _questions is None or _questions[0] != os.getpid():
        _questions = (os.getpid(), ThreadPoolExecutor(_MOST_QUESTIONS, "latchkey-guard-ask"))
    return _questions[1]


async def decide(guard: Guard, request: Request, needs: Needs) -> Decision:
    """As ``Guard.decide``, without blocking the loop: what is in memory is decided at once, the rest by a thread."""
    decided = guard.decide_now(request, needs)
    if decided is not None:
        return decided
    return await asyncio.get_running_loop().run_in_executor(_executor(), guard.decide, request, needs)


def request_of(scope: Scope, guard: Guard) -> Request:
    """The request of a scope of type ``http`` or ``websocket``."""
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    client = scope.get("client")
    address, tls = guard.proxies.caller(
        client[0] if client else None,
        [value for name, value in headers if name == "x-forwarded-for"],
        [value for name, value in headers if name == "x-forwarded-proto"],
        scope.get("scheme", "http"),
    )
    raw = scope.get("raw_path")
    return Request(
        method=scope.get("method", "GET"),
        path=raw.decode("latin-1").partition("?")[0] if raw else scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        address=address,
        tls=tls,
        request_id=str(uuid.uuid4()),
    )


class ASGIGuard:
    """An application behind a guard. ``scope["latchkey.principal"]`` is whom the credential proves, and
    ``scope["latchkey.decision"]`` the decision; on public routes both are None. Starts and closes the guard with the
    application, where the server speaks the lifespan protocol."""

    def __init__(self, app: Application, guard: Guard, rules: Iterable[Rule]) -> None:
        self._app = app
        self._guard = guard
        self._rules = Rules(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await with_lifespan(self._app, self._guard, scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise RuntimeError(f"the guard knows no scope of type {scope['type']!r}")
        found = self._rules.find(scope.get("method", "GET"), scope["path"])
        scope = {**scope, "latchkey.principal": None, "latchkey.decision": None}
        if found is None:
            await _answer(scope, send, 404, NOT_FOUND_HEADERS, NOT_FOUND_BODY)
            return
        rule, needs = found
        if rule.public:
            await self._app(scope, receive, send)
            return
        decision = await decide(self._guard, request_of(scope, self._guard), needs)
        if not decision.allowed:
            await _answer(scope, send, decision.status, decision.headers, decision.body)
            return
        scope["latchkey.principal"] = decision.principal
        scope["latchkey.decision"] = decision
        await self._app(scope, receive, with_headers(send, lambda: decision))


def with_headers(send: Send, decision_of: Callable[[], Decision | None]) -> Send:
    """Adds the headers of a decision to the answer."""
    async def sending(message: Message) -> None:
        decision = decision_of() if message["type"] in ("http.response.start", "websocket.accept") else None
        if decision is not None and decision.allowed:
            own = [(bytes(n).decode("latin-1"), bytes(v).decode("latin-1")) for n, v in message.get("headers", ())]
            merged = with_decision(own, decision)
            message = {**message, "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in merged]}
        await send(message)
    return sending


async def with_lifespan(app: Application, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
    """Starts the guard before the application, and closes it when the application ends."""
    guard.start()
    try:
        await app(scope, receive, send)
    finally:
        await asyncio.get_running_loop().run_in_executor(None, guard.close)


async def _answer(scope: Scope, send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    lines.append((b"content-length", str(len(body)).encode()))
    start, rest = "http.response.start", "http.response.body"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        start, rest = f"websocket.{start}", f"websocket.{rest}"
    await send({"type": start, "status": status, "headers": lines})
    await send({"type": rest, "body": b"" if scope.get("method") == "HEAD" else body})
