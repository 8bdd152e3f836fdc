"""The Voice API as a typed asynchronous client.

One method per operation; what each takes and gives back is named as in the API. Errors are those
of `zenvia.errors`. Nothing is retried here: whoever calls knows whether doing it again is safe.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from zenvia import envelope, errors, operations
from zenvia.models import Chamada, CreatedId, NewCall
from zenvia.numbers import NumberFormat, written
from zenvia.operations import Operation
from zenvia.transport import HttpTransport, Timeouts

__all__ = ["Timeouts", "VoiceClient"]

_PAGE = 200
_DEFAULT_PAGE = 100

_Model = TypeVar("_Model", bound=BaseModel)


class VoiceClient:
    """A client for one account; open it with `async with`, in the event loop that uses it.

    `number_format` is how the account wants Brazilian numbers written. `connections` caps open
    connections. One client serves any number of concurrent requests.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - a frozen value
        number_format: NumberFormat = "e164",
        connections: int = 4000,
    ) -> None:
        self._transport = HttpTransport(base_url, token, timeouts=timeouts, connections=connections)
        self._token = token
        self._number_format = number_format

    def __repr__(self) -> str:
        return f"VoiceClient({self._transport.address!r}, token=***)"

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.__aexit__(exc_type, exc, trace)

    async def create_call(
        self,
        call: NewCall,
        *,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> int:
        """Ask for a call and return its id. Doing it twice makes two calls.

        `send_by` is a time on `clock`. The last act before the request is written is to compare
        them; once `send_by` has passed, nothing is written and `DeadlinePassed` is raised. That
        holds after any wait, and for a process that was frozen in between.
        """
        created = await self._object(
            CreatedId,
            operations.CREATE_CALL,
            body=self._call_body(call),
            send_by=send_by,
            clock=clock,
        )
        return created.id

    async def fetch_call(self, id: int) -> Chamada:  # noqa: A002 - the API's own name
        """Fetch one call. Raises `NotFound` for an id that the account does not have."""
        return await self._object(Chamada, operations.FETCH_CALL, id=id)

    async def hang_up(self, id: int) -> None:  # noqa: A002 - the API's own name
        """Ask for a running call to be ended; it ends a moment later. Twice does no harm.

        Raises `NotActive` when it has ended already, `NotFound` when there is no such call.
        """
        await self._dados(operations.HANG_UP, id=id)

    async def call_report(
        self,
        data_inicio: datetime,
        data_fim: datetime,
        *,
        origem: str | None = None,
        destino: str | None = None,
        posicao: int = 0,
        limite: int = _PAGE,
    ) -> list[Chamada]:
        """One page of the calls of a period: `limite` (200 at most) rows from `posicao` on.

        Times must have a zone. `origem` and `destino` are numbers. A row whose id cannot be read
        makes the whole page `Undecodable`: a report that hides a call must not pass for complete.
        """
        query = _period(data_inicio, data_fim, posicao, limite)
        for name, number in (("origem", origem), ("destino", destino)):
            if number is not None:
                query[name] = written(number, self._number_format)
        return await self._page(Chamada, operations.CALL_REPORT, query)

    async def iter_call_report(
        self,
        data_inicio: datetime,
        data_fim: datetime,
        *,
        origem: str | None = None,
        destino: str | None = None,
        limite: int = _PAGE,
    ) -> AsyncIterator[Chamada]:
        """All calls of a period, page by page to the end; each id once."""
        async for call in _pages(
            lambda posicao: self.call_report(
                data_inicio,
                data_fim,
                origem=origem,
                destino=destino,
                posicao=posicao,
                limite=limite,
            ),
            limite,
            operations.CALL_REPORT,
        ):
            yield call

    def _call_body(self, call: NewCall) -> dict[str, Any]:
        body = call.model_dump(exclude_none=True)
        for name in ("numero_origem", "numero_destino", "bina_origem", "bina_destino"):
            if name in body:
                body[name] = written(body[name], self._number_format)
        if call.data_criacao is not None:
            body["data_criacao"] = _instant(call.data_criacao)
        return body

    async def _page(
        self, model: type[_Model], operation: Operation, query: Mapping[str, str]
    ) -> list[_Model]:
        dados = await self._dados(operation, query=query)
        rows = dados.get("relatorio") if isinstance(dados, dict) else dados
        if not isinstance(rows, list):
            raise errors.Undecodable(
                "no report in the answer", operation=operation.name, status=200
            )
        return [_read(model, row, operation) for row in rows]

    async def _object(
        self,
        model: type[_Model],
        operation: Operation,
        **request: Any,
    ) -> _Model:
        return _read(model, await self._dados(operation, **request), operation)

    async def _dados(
        self,
        operation: Operation,
        *,
        id: int | None = None,  # noqa: A002 - the API's own name
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Any:
        answer = await self._transport.exchange(
            operation.name,
            operation.verb,
            operation.path if id is None else operation.path.format(id=int(id)),
            body=None if body is None else to_json(body),
            query=query,
            send_by=send_by,
            clock=clock,
        )
        return envelope.dados(answer, operation=operation.name, token=self._token)


def _read(model: type[_Model], value: Any, operation: Operation) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError:
        pass
    raise errors.Undecodable(
        "the answer lacks what the API documents", operation=operation.name, status=200
    )


async def _pages(
    fetch: Callable[[int], Any], limite: int, operation: Operation
) -> AsyncIterator[Any]:
    """Page until a short page.

    A page of the API's default length counts as full even when more was asked for, so a server
    that ignores `limite` does not end the report early; one that ignores `posicao` is an error.
    """
    posicao, seen = 0, frozenset[int]()
    while True:
        page = await fetch(posicao)
        fresh = [row for row in page if row.id not in seen]
        if page and not fresh:
            raise errors.Undecodable(
                "the report gives the same page again", operation=operation.name, status=200
            )
        for row in fresh:
            yield row
        if len(page) < limite and len(page) != _DEFAULT_PAGE:
            return
        seen = frozenset(row.id for row in page)
        posicao += len(page)


def _period(data_inicio: datetime, data_fim: datetime, posicao: int, limite: int) -> dict[str, str]:
    ceiling = data_fim if data_fim.microsecond == 0 else data_fim + timedelta(seconds=1)
    return {
        "data_inicio": _instant(data_inicio),
        "data_fim": _instant(ceiling),
        "posicao": str(posicao),
        "limite": str(limite),
    }


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time for the API needs a zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
