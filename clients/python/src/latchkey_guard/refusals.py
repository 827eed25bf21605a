"""The answers to refused requests, made from the templates of the resource."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Callable, Mapping

from .presentation import Refusal
from .types import Decision, Request, text

_placeholder = re.compile(r'\["\{scope\}"\]|\{(?:scope|path|timestamp|requestId)\}')


class Template:
    """One answer, with places for what the request decides."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        status = raw["status"]
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ValueError("a refusal has a status from 400 to 599")
        self.status = status
        self.headers = tuple((text(name), text(value)) for name, value in raw["headers"].items())
        self.body = text(raw["body"])

    def answer(self, reason: str, request: Request, scopes: tuple[str, ...], challenged: tuple[str, ...], now: int,
               more: tuple[tuple[str, str], ...] = ()) -> Decision:
        """``challenged``: the scopes that the challenge names. ``now``: milliseconds since the epoch. ``more``: further
        headers."""
        places: dict[str, Callable[[], str]] = {
            '["{scope}"]': lambda: json.dumps(scopes, ensure_ascii=False, separators=(",", ":")),
            "{scope}": lambda: _escaped(" ".join(scopes)),
            "{path}": lambda: _escaped(path_of(request)),
            "{timestamp}": lambda: timestamp(now),
            "{requestId}": lambda: _escaped(request.request_id),
        }
        body = _placeholder.sub(lambda found: places[found[0]](), self.body)
        headers = tuple((name, _challenge(value, challenged)) for name, value in self.headers)
        return Decision(False, None, reason, self.status, headers + more, body.encode("utf-8", "replace"))


class Templates:
    """The answers to every reason, and the one for a guard that cannot decide. Raises when one is missing."""

    def __init__(self, refusals: Mapping[str, Any], unavailable: Mapping[str, Any]) -> None:
        self._refusals = {
            (reason, presented): Template(raw)
            for reason, by_presented in refusals.items() for presented, raw in by_presented.items()
        }
        self._fallback = self._refusals[("unknown", "access_token")]
        self.unavailable = Template(unavailable)

    def of(self, refusal: Refusal) -> Template:
        """A reason that is not known here is answered as a credential that does not exist."""
        return self._refusals.get((refusal.reason, refusal.presented), self._fallback)


#: For the time before the server has said how its resource answers.
unavailable_unstyled = Template({
    "status": 503,
    "headers": {
        "retry-after": "1", "content-type": "application/json; charset=utf-8", "cache-control": "no-store"
    },
    "body": '{"error":"This API cannot reach its authorization server; retry shortly.",'
            '"code":"AUTHORIZATION_UNAVAILABLE"}',
})


def path_of(request: Request) -> str:
    """The path without scheme, host and query."""
    path = request.path if request.path.startswith("/") else re.sub(
        r"^[a-z][a-z0-9+.-]*://[^/?]*", "", request.path, flags=re.IGNORECASE
    )
    return path.partition("?")[0]


def timestamp(now: int) -> str:
    moment = datetime.fromtimestamp(now // 1000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{now % 1000:03d}Z"


def _challenge(header: str, scopes: tuple[str, ...]) -> str:
    """A list of scopes has one at least (RFC 6749 section 3.3): without any, the parameter is left out."""
    if scopes:
        return header.replace("{scope}", " ".join(scopes))
    return header.replace(', scope="{scope}"', "").replace(' scope="{scope}"', "")


def _escaped(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
