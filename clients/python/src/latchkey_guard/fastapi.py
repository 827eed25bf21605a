"""FastAPI: a dependency for each route. Needs FastAPI, which this package does not install."""

# Without `from __future__ import annotations`: FastAPI reads the annotations of a dependency.
from typing import Any, Awaitable, Callable, Optional

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response

from .asgi import Receive, Scope, Send, decide, request_of, with_headers, with_lifespan
from .guard import Guard
from .types import Decision, Needs, Principal


class Refused(HTTPException):
    """A request that does not pass. ``install`` answers it in the style of the resource."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.status, "The request was refused.", dict(decision.headers))
        self.decision = decision


class Protect:
    """Makes dependencies: ``Depends(protect("invoices:read"))``, whose value is the principal.

    Adds to ``app`` the answers to refused requests, and the headers of admitted ones. Starts the guard with the
    application and closes it afterwards.
    """

    def __init__(self, app: FastAPI, guard: Guard) -> None:
        self._guard = guard
        app.add_exception_handler(Refused, _answer)
        app.add_middleware(_Headers, guard=guard)

    def __call__(self, *scopes: str, api_key_only: bool = False, organization: Optional[str] = None,
                 feature: Optional[str] = None, object: Optional["tuple[str, str]"] = None,
                 credits: int = 0) -> Callable[[Request], Awaitable[Principal]]:
        """What a route needs. ``organization``: the path parameter with an organization's id. ``object``: a type, and
        the path parameter with the object's id. The application fails at a request whose path has no such parameter."""
        guard = self._guard
        Needs(scopes, credits=credits)

        async def principal(request: Request) -> Principal:
            needs = Needs(
                scopes=scopes,
                api_key_only=api_key_only,
                organization=None if organization is None else str(request.path_params[organization]),
                feature=feature,
                object=None if object is None else (object[0], str(request.path_params[object[1]])),
                credits=credits,
            )
            decision = await decide(guard, request_of(request.scope, guard), needs)
            if not decision.allowed or decision.principal is None:
                raise Refused(decision)
            request.scope["latchkey.admission"]["decision"] = decision
            return decision.principal

        return principal


async def _answer(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    return Response(error.decision.body, error.decision.status, dict(error.decision.headers))


class _Headers:
    def __init__(self, app: Any, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await with_lifespan(self._app, self._guard, scope, receive, send)
            return
        admission: dict[str, Optional[Decision]] = {"decision": None}
        scope["latchkey.admission"] = admission
        await self._app(scope, receive, with_headers(send, lambda: admission["decision"]))
