"""The Voice API as an ASGI application."""

import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import chamadas, envelope
from sandbox.account import Account
from sandbox.control import Control
from sandbox.envelope import ApiError
from sandbox.operations import Handler, Operation
from sandbox.serving import SandboxServer
from sandbox.settings import SandboxSettings

__all__ = ["SandboxServer", "create_app"]


class Digits(Convertor[int]):
    """An id in a path: digits only, and no more than 64 bits hold."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        """Read an id."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Write an id."""
        return str(value)


register_url_convertor("digits", Digits())


# Fixed paths stand before those with an id: `relatorio` is no id.
API: list[tuple[str, str, str, Handler]] = [
    ("chamada.criar", "POST", "/chamada", chamadas.criar),
    ("chamada.sem_id", "GET", "/chamada", chamadas.sem_id),
    ("chamada.relatorio", "GET", "/chamada/relatorio", chamadas.relatorio),
    ("chamada.buscar", "GET", "/chamada/{id:digits}", chamadas.buscar),
    ("chamada.desligar", "DELETE", "/chamada/{id:digits}", chamadas.desligar),
]


class TrailingSlash:
    """Takes any path with or without a slash at its end, as the PHP client needs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without the slash."""
        path = scope.get("path", "/")
        if len(path) > 1 and path.endswith("/"):
            scope["path"] = path.rstrip("/") or "/"
        await self._app(scope, receive, send)


def create_app(
    settings: SandboxSettings | None = None, *, clock: Callable[[], float] = time.time
) -> Starlette:
    """Build the application; `app.state.account` holds everything that it knows.

    `clock` gives epoch seconds and may jump forward by any amount.
    """
    account = Account(settings or SandboxSettings(), clock)
    api = [
        Route(path, Operation(account, name, handler), methods=[method])
        for name, method, path, handler in API
    ]
    app = Starlette(
        routes=[*api, *Control(account).routes()],
        exception_handlers={HTTPException: no_path},
    )
    app.router.redirect_slashes = False
    app.add_middleware(TrailingSlash)
    app.state.account = account
    return app


async def no_path(request: Request, _error: Exception) -> Response:
    """Answer an unknown path, or a known one with another method: 404/90 for both."""
    account: Any = request.app.state.account
    account.requests["unknown"] += 1
    known = request.headers.get("access-token") == account.settings.token
    return envelope.refusal(ApiError(envelope.NO_PATH if known else envelope.BAD_TOKEN))
