"""What a guard is asked, and what it says: requests, needs, principals, decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence


class GuardError(Exception):
    """A guard that cannot be made or cannot reach its server. The message holds no credential."""


@dataclass(frozen=True)
class Needs:
    """What a route needs of a credential.

    ``scopes``: all of them. ``organization``: the id that the request names; None: it names none. ``feature``: what
    the plan of the organization has to include. ``object``: the type and the id of the object that the request names.
    ``credits``: what a call costs, in whole credits; API keys pay, and clients that act for people. Raises
    ``ValueError`` for negative credits.
    """

    scopes: tuple[str, ...] = ()
    api_key_only: bool = False
    organization: str | None = None
    feature: str | None = None
    object: tuple[str, str] | None = None
    credits: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.scopes, str):
            raise ValueError(f"scopes is a text, {self.scopes!r}: write ({self.scopes!r},)")
        if self.credits < 0:
            raise ValueError(f"credits is {self.credits}: write 0 or more")


@dataclass(frozen=True)
class Request:
    """A request as it arrived.

    ``path``: as sent, without query. ``query``: as sent, after the question mark. ``headers``: names and values, with
    repetitions. ``address``: of the caller, without port; None: unknown, and no allowlist lets it pass.
    """

    method: str
    path: str
    query: str = ""
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    address: str | None = None
    tls: bool = False
    request_id: str = ""

    def __repr__(self) -> str:
        # The query and the headers hold credentials.
        return f"Request({self.method} {self.path.partition('?')[0]!r})"


@dataclass(frozen=True)
class Principal:
    """Whom a credential proves. ``kind`` is ``api_key`` or ``access_token``; ``expires_at`` None: never."""

    kind: str
    id: str
    name: str
    organization_id: str | None
    organizations: tuple[str, ...]
    environment: str
    resource: str | None
    scopes: tuple[str, ...]
    objects: Mapping[str, Sequence[str]]
    expires_at: str | None
    access: str | None
    #: As the server described it.
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    def may_touch(self, type: str, id: str) -> bool:
        """Whether it may touch an object: types that it is not restricted in are free."""
        return type not in self.objects or id in self.objects[type]

    @staticmethod
    def of(raw: Mapping[str, Any]) -> Principal:
        """Reads the principal of an entry or of an answer to a verification. Raises when it is none."""
        own = raw["organizationId"] if "organizationId" in raw else raw["organization"]
        return Principal(
            kind=text(raw["kind"]),
            id=text(raw["id"]),
            name=text(raw["name"]),
            organization_id=None if own is None else text(own),
            organizations=texts(raw["organizations"]),
            environment=text(raw["environment"]),
            resource=raw["resource"],
            scopes=texts(raw["scopes"]),
            objects={text(name): texts(ids) for name, ids in raw["objects"].items()},
            expires_at=raw["expiresAt"],
            access=raw["access"],
            raw=raw,
        )


@dataclass(frozen=True)
class Decision:
    """``allowed``: ``headers`` are for the answer of the API. Else ``status``, ``headers`` and ``body`` are the answer.

    ``reason``: for logs, never for the caller; None: the call is allowed.
    """

    allowed: bool
    principal: Principal | None
    reason: str | None
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: The headers in which credentials travel, for `Vary`.
    vary: tuple[str, ...] = ("authorization",)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return tuple(text(value) for value in values)
