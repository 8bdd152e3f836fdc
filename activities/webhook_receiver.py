"""Receives the API's webhooks: hints that end a wait early, never the truth.

The API signs nothing and promises no order, no single delivery and no delivery at all. So the only
thing that an event does is to name a call worth looking at; a stranger who guesses the secret can
cause a GET too many and nothing else.

Set the API's webhooks to `https://<host>/<secret>/chamada_fim` and `.../status_tempo_real`, and run
the application without an access log (`uvicorn --no-access-log`): the path holds the secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from zenvia.errors import BadEvent
from zenvia.webhooks import EVENT_NAMES, EventName, read_event

_MAX_BODY = 64 * 1024
_SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Hint:
    """A call worth looking at. `ended` is what the event says, to be checked by a GET."""

    event: EventName
    id: int
    ended: bool


Wake = Callable[[Hint], Awaitable[None]]
"""Called for each event; must be quick, and may be called twice or out of order for one call."""


def create_receiver(secret: str, wake: Wake) -> Starlette:
    """Make the application that listens under `/<secret>/<event>`.

    Answers 204 to an event, 400 to what is none, 413 to more than 64 KiB, 404 to everything else, a
    wrong secret included. `ValueError` for a secret of fewer than 16 characters.
    """
    if len(secret) < _SHORTEST_SECRET or not secret.isascii() or not secret.isalnum():
        raise ValueError("the webhook's secret needs at least 16 letters or digits")

    async def receive(request: Request) -> Response:
        name = next((n for n in EVENT_NAMES if n == request.path_params["event"]), None)
        given = request.path_params["secret"].encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, secret.encode()) or name is None:
            return Response(status_code=404)
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_BODY:
                    return Response(status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        try:
            event = read_event(name, bytes(body))
        except BadEvent:
            return Response(status_code=400)
        await wake(Hint(event=name, id=event.id, ended=event.ended))
        return Response(status_code=204)

    return Starlette(routes=[Route("/{secret}/{event}", receive, methods=["POST"])])
