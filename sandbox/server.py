"""The Voice API as an ASGI application."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import envelope
from sandbox.account import Account
from sandbox.api import endpoints
from sandbox.control import Control
from sandbox.envelope import ApiError
from sandbox.journal import Journal
from sandbox.operations import Operation
from sandbox.posting import HttpSender
from sandbox.serving import SandboxServer
from sandbox.settings import SandboxSettings
from sandbox.webhooks import Webhooks
from sandbox.webphone import Webphones
from sandbox.webphone_pages import Pages

__all__ = ["SandboxServer", "create_app"]

OPENAPI = Path(__file__).parent / "openapi.yaml"


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
    """Build the application.

    `app.state.account` holds what it knows; `app.state.webphone` is the application of the
    webphone pages, to be served from another origin. `clock` gives epoch seconds and may jump
    forward by any amount.
    """
    account = Account(settings or SandboxSettings(), clock)
    kept = account.settings.journal
    journal = Journal(account, Path(kept)) if kept else None
    webhooks = Webhooks(account, HttpSender(account.settings.webhook_timeout))
    webphones = Webphones(account)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await webhooks.stop()
        if journal is not None:
            journal.close()

    api = [
        Route(
            endpoint.path,
            Operation(account, endpoint.name, endpoint.handler, open_to_all=endpoint.open_to_all),
            methods=[endpoint.method],
        )
        for endpoint in endpoints(account, webhooks, webphones)
    ]
    app = Starlette(
        routes=[
            *api,
            *Control(account, webphones).routes(),
            Route("/_sandbox/openapi.json", describe, methods=["GET"]),
        ],
        exception_handlers={HTTPException: no_path},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.add_middleware(TrailingSlash)
    app.state.account = account
    app.state.webphone = Pages(webphones).app()
    return app


async def no_path(request: Request, _error: Exception) -> Response:
    """Answer an unknown path, or a known one with another method: 404/90 for both."""
    account: Account = request.app.state.account
    account.requests["unknown"] += 1
    known = request.headers.get("access-token") == account.settings.token
    error = ApiError(envelope.NO_PATH if known else envelope.BAD_TOKEN)
    account.refused[f"{error.row.status}/{error.row.motivo}"] += 1
    return envelope.refusal(error)


async def describe(request: Request) -> Response:
    """Publish the OpenAPI document, with this server's address."""
    document = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    document["servers"] = [{"url": request.app.state.account.public_url or "/"}]
    return JSONResponse(json.loads(json.dumps(document, default=str)))
