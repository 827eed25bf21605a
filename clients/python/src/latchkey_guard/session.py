"""One session with the server: what the guard remembers, which changes it has applied, and until when it has trust."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Any, Mapping

from .judge import Entry
from .limits import Limits
from .memory import Memory, digest_of
from .presentation import Credential, Style
from .refusals import Templates
from .types import Needs, text, texts

#: A twentieth is left for the drift of clocks.
SHARE = 0.95


@dataclass(frozen=True)
class Resource:
    """The resource of a guard, as the server last described it."""

    id: str
    organization: str | None
    style: Style
    templates: Templates
    #: The scopes that a token may have.
    token_scopes: frozenset[str] = frozenset()
    #: Those that a client of an MCP server asks for at first.
    initial_scopes: tuple[str, ...] = ()

    def challenged(self, needs: Needs) -> tuple[str, ...]:
        """The scopes that the challenge of a route names. None where no token passes, whatever its scopes."""
        if needs.api_key_only:
            return ()
        if not needs.scopes:
            return self.initial_scopes
        return needs.scopes if self.token_scopes.issuperset(needs.scopes) else ()


@dataclass(frozen=True)
class Moment:
    """An instant by two clocks, in seconds: the monotonic one stands still in a machine that sleeps."""

    monotonic: float
    wall: float

    @staticmethod
    def now() -> Moment:
        return Moment(time.monotonic(), time.time())


#: The server ends a session earlier.
_MOST_ASKED_ABOUT = 250_000

_NEVER = Moment(-math.inf, -math.inf)


class Session:
    """Rules 1 to 7 of docs/remote-guard.md. Every method may be called by any thread; none waits for the server."""

    def __init__(self, opened: Mapping[str, Any], most_entries: int) -> None:
        """``opened``: the answer that opened it. Raises when it is none."""
        resource = opened["resource"]
        self.id = text(opened["session"])
        self.lease = _milliseconds(opened["lease"])
        self.resource = Resource(
            id=text(resource["id"]),
            organization=resource["organization"],
            style=Style.of(resource["style"]),
            templates=Templates(opened["refusals"], opened["unavailable"]),
            token_scopes=frozenset(texts(resource.get("tokenScopes", []))),
            initial_scopes=tuple(texts(resource.get("initialScopes", []))),
        )
        self.applied = _position(opened["position"])
        #: The number of the last answer whose counts were added.
        self.counted = 0
        #: Begins with the session: what the server has counted comes with the entries that it hands out.
        self.limits = Limits()
        self._lock = threading.Lock()
        self._memory = Memory(most_entries)
        self._trusted_until = _NEVER
        #: The ids of the keys whose calls may be reported.
        self.asked_about: set[str] = set()
        self.has_ended = False

    def __len__(self) -> int:
        return len(self._memory)

    @property
    def is_trusted(self) -> bool:
        """Whether the memory counts at this moment."""
        until, now = self._trusted_until, Moment.now()
        return now.monotonic < until.monotonic and now.wall < until.wall

    def recall(self, credential: Credential) -> Entry | None:
        """The entry of a credential. It counts if ``is_trusted`` holds after it was read."""
        digest = digest_of(credential.kind, credential.text)
        with self._lock:
            return self._memory.get(digest)

    def keep(self, credential: Credential, entry: Entry, found: Mapping[str, Any]) -> None:
        """Keeps the answer to a look-up, unless a change came in between, and adds what it says was counted elsewhere.
        Raises when it is none."""
        self.limits.found(entry.bounds, found.get("elsewhere", {}), _now())
        position = found["position"]
        if position is None:
            return
        position = _position(position)
        digest = digest_of(credential.kind, credential.text)
        with self._lock:
            if self.has_ended:
                return
            if entry.consumer is not None and len(self.asked_about) < _MOST_ASKED_ABOUT:
                self.asked_about.add(entry.consumer)
            if self._may_keep(position):
                self._memory.put(digest, entry)

    def _may_keep(self, position: int) -> bool:
        return position >= self.applied

    def apply(self, news: Mapping[str, Any], sent: Moment) -> bool:
        """Applies the answer to a poll that was sent at ``sent``; only then it counts as trust. False: the session is
        over, and another one has to be opened. Raises when the answer is none."""
        position = _position(news["position"])
        changes = texts(news["changes"])
        trust = min(_number(news["trustFor"]), self.lease)
        with self._lock:
            if position < self.applied:
                raise ValueError("the server went back in its changes")
            for subject in changes:
                self._memory.outdate(subject)
            self.applied = position
            if self.has_ended or any(self._ends_it(subject) for subject in changes):
                self._end()
                return False
            if trust > 0:
                since = self._trust_begins(sent)
                self._trusted_until = Moment(
                    since.monotonic + trust * SHARE / 1000, since.wall + trust * SHARE / 1000
                )
            else:
                self._trusted_until = _NEVER
        if "elsewhere" in news:
            self.limits.hear(news["elsewhere"], _now())
            self.counted = _position(news["counted"])
        return True

    def _trust_begins(self, sent: Moment) -> Moment:
        return sent

    def _ends_it(self, subject: str) -> bool:
        organization = self.resource.organization
        return subject in ("resources", "signing-keys") or (
            organization is not None and subject == f"resources:{organization}"
        )

    def distrust(self) -> None:
        """A poll got no answer: what is remembered does not count until another one does."""
        with self._lock:
            self._trusted_until = _NEVER

    def end(self) -> None:
        """Empties the memory, for good."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        self.has_ended = True
        self._trusted_until = _NEVER
        self._memory.clear()


def _now() -> int:
    return time.time_ns() // 1_000_000


def _position(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a position is a whole number from 0")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError("not a number from 0")
    return float(value)


def _milliseconds(value: Any) -> float:
    if not 1 <= _number(value) <= 600_000:
        raise ValueError("a lease is 1 to 600,000 ms")
    return _number(value)
