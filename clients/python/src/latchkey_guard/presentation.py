"""The credential of a request, read by the rules of the style of its resource. Decides nothing but form."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from .types import Request, text

#: Characters. A longer text is no credential: the server takes none either.
LONGEST = 8_192


@dataclass(frozen=True)
class Style:
    """How credentials travel to a resource. Names are in lower case."""

    header: str | None
    query: tuple[str, ...]
    bearer: bool
    requires_tls: bool

    @staticmethod
    def of(raw: Mapping[str, Any]) -> Style:
        """Reads the style of a resource. Raises when it is none, or one that is not known here."""
        header: str | None = None
        query: list[str] = []
        bearer = False
        for transport in raw["transports"]:
            kind = transport["in"]
            if kind == "header" and header is None:
                header = text(transport["name"]).lower()
            elif kind == "query":
                query.append(text(transport["name"]))
            elif kind == "bearer":
                bearer = True
            else:
                raise ValueError("an unknown transport of keys")
        return Style(header, tuple(query), bearer, raw.get("requireTls") is True)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers in which credentials travel."""
        return ("authorization",) if self.header in (None, "authorization") else ("authorization", self.header)


@dataclass(frozen=True)
class Credential:
    """``kind`` is ``api_key`` or ``access_token``."""

    kind: str
    text: str
    in_query: bool = False

    def __repr__(self) -> str:
        return f"Credential({self.kind})"


@dataclass(frozen=True)
class Refusal:
    """``presented`` is ``none``, ``api_key`` or ``access_token``."""

    reason: str
    presented: str


_several = Refusal("several_credentials", "none")
_is_bearer = re.compile(r"bearer(\s|$)", re.IGNORECASE | re.ASCII)
_bearer = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE | re.ASCII)
_two_in_one = re.compile(r"bearer\s[^,]*,\s*bearer(\s|$)", re.IGNORECASE | re.ASCII)
_like_a_key = re.compile(r"[a-z][a-z0-9]{0,15}_(live|test)_", re.ASCII)
_like_a_jwt = re.compile(r"([A-Za-z0-9_-]{14,2048})\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)


def presented_credential(request: Request, style: Style) -> Credential | Refusal:
    """The one credential of a request. More than one, in whatever places, is refused (RFC 6750 §2)."""
    found: list[tuple[str, str]] = []
    lines = [value for name, value in request.headers if name.lower() == "authorization"]
    if len(lines) > 1:
        return _several
    if lines and _is_bearer.match(lines[0]):
        # Several lines come as one where the server joins them, as WSGI asks for.
        if _two_in_one.match(lines[0]):
            return _several
        found.append(("authorization", lines[0]))
    if style.header is not None:
        found.extend(("header", value) for name, value in request.headers if name.lower() == style.header)
    query = parse_query(request.query) if request.query else {}
    if style.header is not None and style.header not in style.query:
        found.extend(("misplaced", value) for value in query.get(style.header, ()))
    for name in style.query:
        found.extend(("query", value) for value in query.get(name, ()))
    found.extend(("access_token", value) for value in query.get("access_token", ()))
    if len(found) > 1:
        return _several
    return _read(*found[0], style) if found else Refusal("no_credential", "none")


def _read(place: str, value: str, style: Style) -> Credential | Refusal:
    if place == "access_token":
        return Refusal("credential_in_query", "access_token")
    if place == "misplaced":
        return Refusal("credential_in_query", "api_key")
    if place == "authorization":
        return _read_bearer(value, style)
    return _of_length(Credential("api_key", value, place == "query"))


def _read_bearer(value: str, style: Style) -> Credential | Refusal:
    match = _bearer.fullmatch(value)
    if match is None:
        return Refusal("malformed", "api_key" if style.bearer else "access_token")
    if style.bearer:
        return _of_length(Credential("access_token" if is_jwt_by_form(match[1]) else "api_key", match[1]))
    if _like_a_key.match(match[1]):
        return Refusal("key_as_bearer", "api_key")
    return _of_length(Credential("access_token", match[1]))


def _of_length(credential: Credential) -> Credential | Refusal:
    return credential if 0 < len(credential.text) <= LONGEST else Refusal("malformed", credential.kind)


def is_jwt_by_form(text: str) -> bool:
    """Whether a text is three parts of base64url, the first a JSON object that names an algorithm (RFC 7519 §7.2)."""
    match = _like_a_jwt.fullmatch(text)
    if match is None:
        return False
    try:
        header = json.loads(base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str)


def parse_query(query: str) -> Mapping[str, Sequence[str]]:
    """The values of each name, after `+` and `%` are decoded."""
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            values.setdefault(_decoded(name), []).append(_decoded(value))
    return values


def _decoded(part: str) -> str:
    if "+" not in part and "%" not in part:
        return part
    return unquote_to_bytes(part.replace("+", " ")).decode("utf-8", "replace")
