"""What every operation needs: one exchange, its envelope, and the model that its data becomes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from zenvia import envelope, errors
from zenvia.numbers import NumberFormat, written
from zenvia.operations import Operation
from zenvia.rate import RequestRate
from zenvia.transport import HttpTransport, Timeouts

PAGE = 200
"""The largest page that the API gives."""

_DEFAULT_PAGE = 100

Model = TypeVar("Model", bound=BaseModel)

Known = Callable[[int, Any, Any], bool]
"""Whether nothing more is wanted of a row: from its id, its `status_geral` and `tags` as they came.
"""

Observer = Callable[[str, float, str | None], None]
"""Told of each exchange: the operation, its seconds, and the name of its error, None for none."""


class Session:
    """A connection to one account, with which the operations are written."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - a frozen value
        number_format: NumberFormat = "e164",
        connections: int = 4000,
        requests_per_second: float | None = None,
        observe: Observer | None = None,
    ) -> None:
        self._rate = RequestRate(requests_per_second)
        self._transport = HttpTransport(base_url, token, timeouts=timeouts, connections=connections)
        self._token = token
        self._number_format = number_format
        self._observe = observe

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.address!r}, token=***)"

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

    @property
    def requests_per_second(self) -> float | None:
        """How many requests this client makes in a second at the most; None: as many as needed."""
        return self._rate.per_second

    def _written(self, number: str) -> str:
        return written(number, self._number_format)

    async def _dados(
        self,
        operation: Operation,
        *,
        id: int | None = None,  # noqa: A002 - the API's own name
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
        permit: Callable[[], bool] | None = None,
    ) -> Any:
        content = None
        if body is not None:
            try:
                content = to_json(body)
            except ValueError:  # text that UTF-8 cannot carry
                raise errors.RequestNotPossible(
                    "a value holds characters that cannot be sent", operation=operation.name
                ) from None
        await self._let_go(operation)
        began, failed = time.perf_counter(), None
        try:
            answer = await self._transport.exchange(
                operation.name,
                operation.verb,
                operation.path if id is None else operation.path.format(id=int(id)),
                body=content,
                query=query,
                send_by=send_by,
                clock=clock,
                permit=permit,
            )
            return envelope.dados(answer, operation=operation.name, token=self._token)
        except errors.VoiceError as error:
            failed = type(error).__name__
            raise
        finally:
            if self._observe is not None:
                self._observe(operation.name, time.perf_counter() - began, failed)

    async def _let_go(self, operation: Operation) -> None:
        """Wait for the request's turn, where it only asks."""
        if operation.verb == "GET":
            await self._rate.turn()
        else:
            self._rate.count()

    async def _object(self, model: type[Model], operation: Operation, **request: Any) -> Model:
        return read(model, await self._dados(operation, **request), operation)

    async def _page(
        self,
        model: type[Model],
        operation: Operation,
        query: Mapping[str, str],
        known: Known | None = None,
    ) -> list[Model]:
        dados = await self._dados(operation, query=query)
        rows = dados.get("relatorio") if isinstance(dados, dict) else dados
        if not isinstance(rows, list):
            raise errors.Undecodable(
                "no report in the answer", operation=operation.name, status=200
            )
        if known is not None:
            rows = [
                row
                for row in rows
                if not (
                    type(row) is dict
                    and type(row.get("id")) is int
                    and known(row["id"], row.get("status_geral"), row.get("tags"))
                )
            ]
        return [read(model, row, operation) for row in rows]


def read(model: type[Model], value: Any, operation: Operation) -> Model:
    """Make `value` a `model`; raises `Undecodable`."""
    try:
        return model.model_validate(value)
    except (ValidationError, RecursionError):
        pass
    raise errors.Undecodable(
        "the answer lacks what the API documents", operation=operation.name, status=200
    )


def may_go_on(rows: int, limite: int) -> bool:
    """Whether more rows may follow a page of so many, of which `limite` were asked for.

    A page of the API's default length counts as full even when more was asked for, so a server
    that ignores `limite` does not end a report early.
    """
    return rows >= limite or rows == _DEFAULT_PAGE


async def pages(
    fetch: Callable[[int], Awaitable[Sequence[Model]]], limite: int, operation: Operation
) -> AsyncIterator[Model]:
    """Give the rows of all pages, up to a short page.

    An API that ignores `posicao` gives the same page again and again: `Undecodable`. A row that
    moved from one page to the next comes once.
    """
    posicao = 0
    before: frozenset[object] = frozenset()
    while True:
        page = await fetch(posicao)
        fresh = [row for row in page if _identity(row) not in before]
        if page and not fresh:
            raise errors.Undecodable(
                "the report gives the same page again", operation=operation.name, status=200
            )
        for row in fresh:
            yield row
        if not may_go_on(len(page), limite):
            return
        before = frozenset(map(_identity, page))
        posicao += len(page)


def _identity(row: BaseModel) -> object:
    given = getattr(row, "id", None)
    return row.model_dump_json() if given is None else given


def period(data_inicio: datetime, data_fim: datetime, posicao: int, limite: int) -> dict[str, str]:
    """Write the query of a report. The API knows whole seconds: the end is rounded up."""
    ceiling = data_fim if data_fim.microsecond == 0 else data_fim + timedelta(seconds=1)
    return {
        "data_inicio": instant(data_inicio),
        "data_fim": instant(ceiling),
        "posicao": str(posicao),
        "limite": str(limite),
    }


def instant(moment: datetime) -> str:
    """Write a time for the API: UTC with `Z`. `ValueError` for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time for the API needs a zone")
    utc = moment.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    return utc.isoformat() + "Z"
