"""WSGI middleware (PEP 3333): Flask, Django, Bottle, or any other application."""

from __future__ import annotations

import http
import uuid
from typing import Any, Callable, Iterable
from urllib.parse import quote

from .caching import with_decision
from .guard import Guard
from .rules import NOT_FOUND_BODY, NOT_FOUND_HEADERS, Rule, Rules
from .types import Decision, Request

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class WSGIGuard:
    """An application behind a guard. ``environ["latchkey.principal"]`` is whom the credential proves, and
    ``environ["latchkey.decision"]`` the decision; on public routes both are None.

    Servers join repeated headers, as PEP 3333 asks for: a request with two keys in two headers is refused as one with
    an unknown key.
    """

    def __init__(self, app: Application, guard: Guard, rules: Iterable[Rule]) -> None:
        self._app = app
        self._guard = guard
        self._rules = Rules(rules)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        found = self._rules.find(environ["REQUEST_METHOD"], _decoded_path(environ))
        # Never what a server made of a header by this name.
        environ["latchkey.principal"] = environ["latchkey.decision"] = None
        if found is None:
            start_response("404 Not Found", list(NOT_FOUND_HEADERS))
            return [NOT_FOUND_BODY]
        rule, needs = found
        if rule.public:
            return self._app(environ, start_response)
        decision = self._guard.decide(self._request(environ), needs)
        if not decision.allowed:
            return _refuse(decision, environ, start_response)
        environ["latchkey.principal"] = decision.principal
        environ["latchkey.decision"] = decision

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, with_decision(headers, decision), *error)

        return self._app(environ, start)

    def _request(self, environ: Environ) -> Request:
        headers = [
            (name[5:].replace("_", "-").lower(), value)
            for name, value in environ.items() if name.startswith("HTTP_")
        ]
        address, tls = self._guard.proxies.caller(
            environ.get("REMOTE_ADDR"), _values(headers, "x-forwarded-for"), _values(headers, "x-forwarded-proto"),
            environ.get("wsgi.url_scheme", "http")
        )
        return Request(
            method=environ["REQUEST_METHOD"],
            path=_path(environ),
            query=environ.get("QUERY_STRING", ""),
            headers=headers,
            address=address,
            tls=tls,
            request_id=str(uuid.uuid4()),
        )


def _decoded_path(environ: Environ) -> str:
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path.encode("latin-1", "replace").decode("utf-8", "replace") or "/"


def _path(environ: Environ) -> str:
    """As sent, where the server tells: the path that PEP 3333 has is decoded."""
    sent = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if isinstance(sent, str) and sent:
        return sent.partition("?")[0]
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return quote(path.encode("latin-1", "replace"), safe="/!$&'()*+,;=:@~") or "/"


def _values(headers: list[tuple[str, str]], name: str) -> list[str]:
    return [value for each, value in headers if each == name]


def _refuse(decision: Decision, environ: Environ, start_response: StartResponse) -> list[bytes]:
    try:
        phrase = http.HTTPStatus(decision.status).phrase
    except ValueError:
        phrase = "Refused"
    headers = [*decision.headers, ("content-length", str(len(decision.body)))]
    start_response(f"{decision.status} {phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [decision.body]
