"""The control plane: what a test sets and what it reads. It needs no token."""

import json
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox import ledger
from sandbox.account import Account
from sandbox.faults import Faults
from sandbox.limits import Limits
from sandbox.numbers import parse
from sandbox.profile import Outcome
from sandbox.settable import problems
from sandbox.timeline import Scripted
from sandbox.webphone import Webphones

SCRIPTS: TypeAdapter[dict[str, list[Outcome | Scripted]]] = TypeAdapter(
    dict[str, list[Outcome | Scripted]]
)
Change = Callable[[Account, object], dict[str, Any]]
CHUNK = 500  # ledger lines between two looks at other requests


class ControlError(Exception):
    """A setting that cannot be taken; the text says why."""


def set_faults(account: Account, content: object) -> dict[str, Any]:
    """Replace all faults; what is not named is off. Returns what is now set."""
    account.faults = Faults.model_validate(content)
    return account.faults.model_dump(mode="json")


def set_limits(account: Account, content: object) -> dict[str, Any]:
    """Replace all limits; what is not named is unlimited. Returns what is now set."""
    account.set_limits(Limits.model_validate(content))
    return account.limits.model_dump(mode="json")


def set_script(account: Account, content: object) -> dict[str, Any]:
    """Say what calls to some numbers will do; other numbers keep what they had."""
    scripts: dict[str, list[Scripted]] = {}
    for text, entries in SCRIPTS.validate_python(content).items():
        number = parse(text)
        if number is None:
            raise ControlError(f"{text!r} is not a number that the API would take")
        scripts[number.digits] = [
            entry if isinstance(entry, Scripted) else Scripted(outcome=entry) for entry in entries
        ]
    account.timeline.script(scripts)
    return {digits: len(entries) for digits, entries in scripts.items()}


class Control:
    """The endpoints under `/_sandbox`."""

    def __init__(self, account: Account, webphones: Webphones) -> None:
        self._account = account
        self._webphones = webphones

    def routes(self) -> list[Route]:
        """Routes to all of them."""
        return [
            Route("/_sandbox/ledger", self._ledger, methods=["GET"]),
            Route("/_sandbox/stats", self._stats, methods=["GET"]),
            Route("/_sandbox/faults", self._faults, methods=["GET", "PUT"]),
            Route("/_sandbox/limits", self._limits, methods=["GET", "PUT"]),
            Route("/_sandbox/script", self._script, methods=["PUT"]),
            Route("/_sandbox/webphones", self._lines, methods=["GET"]),
        ]

    async def _ledger(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isdecimal():
            return JSONResponse({"error": "after: the id of a call"}, 400)

        async def stream() -> AsyncIterator[str]:
            remaining = ledger.lines(self._account, int(after))
            while chunk := "".join(islice(remaining, CHUNK)):
                yield chunk

        return StreamingResponse(stream(), media_type="application/x-ndjson")

    async def _stats(self, _request: Request) -> Response:
        return JSONResponse(self._account.stats())

    async def _lines(self, _request: Request) -> Response:
        return JSONResponse([line.state() for line in self._webphones.lines()])

    async def _faults(self, request: Request) -> Response:
        if request.method == "PUT":
            return await self._put(request, set_faults)
        return JSONResponse(self._account.faults.model_dump(mode="json"))

    async def _limits(self, request: Request) -> Response:
        if request.method == "PUT":
            return await self._put(request, set_limits)
        return JSONResponse(self._account.limits.model_dump(mode="json"))

    async def _script(self, request: Request) -> Response:
        return await self._put(request, set_script)

    async def _put(self, request: Request, change: Change) -> Response:
        try:
            return JSONResponse(change(self._account, json.loads(await request.body() or b"null")))
        except ValidationError as error:
            return JSONResponse({"error": problems(error)}, 400)
        except (ControlError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
