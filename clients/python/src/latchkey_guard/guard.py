"""The guard: decides requests from memory, and asks the server where memory does not count."""

from __future__ import annotations

import atexit
import logging
import os
import re
import secrets
import time
import unicodedata
import weakref
from typing import Any, Iterable
from urllib.parse import quote

from .addresses import Proxies
from .connection import Server, Unreachable
from .core import Core, Options
from .judge import ASKS, Entry, judge
from .limits import rate_limit_headers
from .presentation import Credential, Refusal, presented_credential
from .refusals import path_of, unavailable_unstyled
from .session import Resource, Session
from .types import Decision, GuardError, Needs, Principal, Request, text

log = logging.getLogger("latchkey_guard")

#: Characters that the server takes for ids, and a method that it names in its audit log.
_LONGEST_ORGANIZATION = 512
_LONGEST_OBJECT = 128
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")

#: An id of no organization.
_NO_ORGANIZATION = "org_none"

_living: weakref.WeakSet[Guard] = weakref.WeakSet()


class Guard:
    """Guards one resource. Safe for threads; a process that forks goes on with a session of its own.

    ``server``: the origin of Latchkey, https or on this machine; ``allow_plain_http``: http elsewhere, in clear.
    ``client_id``, ``client_secret``: of a client that may introspect ``resource``, the identifier or the id.
    ``environment``: ``live`` or ``test`` where the API serves one.
    ``trusted_proxies``: addresses and ranges of the proxies whose ``X-Forwarded-For`` and ``-Proto`` count.
    ``timeout``: seconds for each question. ``most_entries``: of the memory. ``ca_file``: instead of the certificates of
    the system.
    Raises ``GuardError``, ``ValueError``. It starts with the first request, or with ``start``.
    """

    def __init__(self, server: str, client_id: str, client_secret: str, resource: str, *,
                 environment: str | None = None, trusted_proxies: Iterable[str] = (), timeout: float = 2.0,
                 most_entries: int = 50_000, ca_file: str | None = None, allow_plain_http: bool = False,
                 _session: type[Session] = Session) -> None:
        if environment not in (None, "live", "test"):
            raise ValueError(f"environment is {environment!r}: write 'live' or 'test', or leave it out for both")
        if timeout <= 0 or most_entries < 1:
            raise ValueError("timeout and most_entries are more than 0")
        if not resource:
            raise GuardError("resource is empty: name the identifier of the API")
        self._options = Options(
            Server(server, client_id, client_secret, ca_file, allow_plain_http), resource, most_entries, timeout,
            "latchkey-guard (Python)", _session
        )
        self.environment = environment
        self.proxies = Proxies(trusted_proxies)
        self._clock = _milliseconds
        self._renew()
        _living.add(self)
        atexit.register(_close, weakref.ref(self))

    def __repr__(self) -> str:
        return f"Guard({self._options.resource!r})"

    def _renew(self) -> None:
        """As in a new process: without threads, memory and counts."""
        self._core = Core(self._options)

    def start(self, wait: float = 0.0) -> bool:
        """Opens its session, and waits for trust for ``wait`` seconds at most. Whether it has trust."""
        self._core.start()
        return self._core.wait_until(lambda: self.is_trusted, wait)

    def close(self) -> None:
        """Stops: every request is refused from now on. Reports the last calls and ends the session."""
        self._core.stop()

    @property
    def is_trusted(self) -> bool:
        """Whether it decides from memory at this moment."""
        session = self._core.session
        return session is not None and session.is_trusted

    @property
    def problem(self) -> str | None:
        """What keeps it from its server, for health checks; None: nothing."""
        return self._core.problem

    def decide(self, request: Request, needs: Needs) -> Decision:
        """Decides a request; may wait for the server."""
        decided = self.decide_now(request, needs)
        return decided if decided is not None else self._ask(request, needs)

    def decide_now(self, request: Request, needs: Needs) -> Decision | None:
        """Decides a request from memory, without waiting; None: the server has to be asked."""
        core = self._core
        core.start()
        resource = core.resource
        if core.is_stopping:
            return self._unavailable(resource, request)
        if resource is None:
            return None
        credential = self._credential(resource, request)
        if isinstance(credential, Refusal):
            return self._refused(resource, request, needs, credential)
        session = core.session
        entry = None if session is None else session.recall(credential)
        # Looked at after the entry was read: a pause in between leaves no outdated answer.
        if entry is None or session is None or not session.is_trusted:
            return None
        return self._judged(session, request, needs, credential, entry)

    def _credential(self, resource: Resource, request: Request) -> Credential | Refusal:
        if resource.style.requires_tls and not request.tls:
            return Refusal("tls_required", "none")
        return presented_credential(request, resource.style)

    def _judged(self, session: Session, request: Request, needs: Needs, credential: Credential,
                entry: Entry) -> Decision | None:
        resource, now = session.resource, self._clock()
        refusal = judge(entry, needs, self.environment, request.address, now)
        if refusal is ASKS:
            return None
        if refusal is not None:
            return self._refused(resource, request, needs, refusal, entry.principal)
        wait, states = session.limits.take(entry.bounds, now) if entry.bounds else (None, ())
        fields = rate_limit_headers(states)
        if wait is not None:
            more = fields + (("retry-after", str(wait)),)
            return self._refused(
                resource, request, needs, Refusal("rate_limited", entry.kind), entry.principal, more
            )
        if entry.consumer is not None:
            self._core.usage.count(entry.consumer, now / 1000)
        return _admitted(resource, credential, entry.principal, fields)

    def _ask(self, request: Request, needs: Needs) -> Decision:
        core = self._core
        if core.resource is None:
            core.wait_until(lambda: core.resource is not None or core.is_refused, self._options.timeout)
        resource = core.resource
        if resource is None or core.is_stopping or core.is_refused:
            return self._unavailable(resource, request)
        credential = self._credential(resource, request)
        if isinstance(credential, Refusal):
            return self._refused(resource, request, needs, credential)
        try:
            session = core.session
            if session is not None and session.is_trusted:
                entry = session.recall(credential)
                if entry is None:
                    looked_up = self._look_up(session, request, credential)
                    if isinstance(looked_up, Refusal):
                        return self._refused(resource, request, needs, looked_up)
                    entry = looked_up
                if entry is not None and session.is_trusted:
                    decided = self._judged(session, request, needs, credential, entry)
                    if decided is not None:
                        return decided
            return self._verify(resource, request, needs, credential)
        except Unreachable as error:
            core.failed(f"a request could not be decided: {error}")
            return self._unavailable(resource, request)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # An answer of another form: the text of the error may quote it.
            core.failed(f"an unreadable answer of the server: {type(error).__name__}")
            return self._unavailable(resource, request)

    def _look_up(self, session: Session, request: Request, credential: Credential) -> Entry | Refusal | None:
        """None: the server does not know the session."""
        body: dict[str, Any] = {"credential": credential.text, "kind": credential.kind}
        if request.address is not None:
            body["address"] = request.address
        status, found = self._core.ask(f"/guard/sessions/{session.id}/lookup", body, "always")
        if status in (404, 410):
            session.end()
            return None
        if status == 400:
            # What the server cannot read as a credential is none.
            return Refusal("malformed", credential.kind)
        self._core.refused(status)
        if status != 200:
            raise Unreachable(f"the look-up was answered with {status}")
        if "refusal" in found:
            refusal = found["refusal"]
            return Refusal(text(refusal["reason"]), refusal["presented"] or "none")
        entry = Entry.of(found["entry"])
        session.keep(credential, entry, found)
        return entry

    def _verify(self, resource: Resource, request: Request, needs: Needs, credential: Credential) -> Decision:
        body: dict[str, Any] = {
            "credential": credential.text, "resource": resource.id, "scopes": list(needs.scopes),
            "apiKeyOnly": needs.api_key_only, "credits": needs.credits, "path": _sendable(path_of(request))
        }
        organization = needs.organization
        if organization is not None and not _is_id(organization, _LONGEST_ORGANIZATION):
            organization = _NO_ORGANIZATION
        optional = {
            "organization": organization, "feature": needs.feature, "address": request.address,
            "environment": self.environment, "method": request.method if _METHOD.fullmatch(request.method) else None
        }
        body.update({name: value for name, value in optional.items() if value is not None})
        if needs.object is not None:
            kind, name = needs.object
            if not _is_id(name, _LONGEST_OBJECT):
                # No credential is restricted to an id that was made just now.
                name = f"obj_{secrets.token_hex(16)}"
            body["object"] = {"type": kind, "id": name}
        status, answer = self._core.ask("/verify", body, "once")
        self._core.refused(status)
        if status != 200:
            raise Unreachable(f"the verification was answered with {status}")
        if answer["allowed"] is True:
            principal = Principal.of(answer["principal"])
            return _admitted(resource, credential, principal, _fields(answer.get("headers")))
        refusal = answer["refusal"]
        status = refusal["status"]
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ValueError("a refusal has a status from 400 to 599")
        reason = answer.get("reason")
        log.info("refused by the server: %s", reason)
        return Decision(False, None, str(reason), status, _fields(refusal["headers"]), text(refusal["body"]).encode())

    def _refused(self, resource: Resource, request: Request, needs: Needs, refusal: Refusal,
                 principal: Principal | None = None, more: tuple[tuple[str, str], ...] = ()) -> Decision:
        log.info("refused: %s (%s)", refusal.reason, "unknown" if principal is None else principal.id)
        template = resource.templates.of(refusal)
        return template.answer(refusal.reason, request, needs.scopes, resource.challenged(needs), self._clock(), more)

    def _unavailable(self, resource: Resource | None, request: Request) -> Decision:
        template = unavailable_unstyled if resource is None else resource.templates.unavailable
        return template.answer("unavailable", request, (), (), self._clock())


def _admitted(resource: Resource, credential: Credential, principal: Principal,
              headers: tuple[tuple[str, str], ...]) -> Decision:
    if credential.in_query:
        header = resource.style.header
        if header is not None:
            warning = f'299 - "Send the API key in the {header} header: a URL ends up in logs"'
            headers += (("warning", warning),)
        headers += (("cache-control", "no-store, private"), ("referrer-policy", "no-referrer"))
    return Decision(True, principal, None, 200, headers, b"", resource.style.headers)


def _fields(headers: Any) -> tuple[tuple[str, str], ...]:
    return tuple((text(name), text(value)) for name, value in (headers or {}).items())


def _sendable(path: str) -> str:
    """The path as the server takes it: without spaces and other characters than ASCII, at most 2,048."""
    return quote(path, safe="!\"#$%&'()*+,/:;<=>?@[\\]^_`{|}~")[:2048] or "/"


def _is_id(text: str, longest: int) -> bool:
    """Whether the server takes a text of a path for an id. Another text is the id of nothing, and is judged as such."""
    return 0 < len(text) <= longest and not any(unicodedata.category(each) in ("Cc", "Cs") for each in text)


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _close(reference: weakref.ref[Guard]) -> None:
    guard = reference()
    if guard is not None:
        guard.close()


def _after_fork() -> None:
    for guard in tuple(_living):
        guard._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
