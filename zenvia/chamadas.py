"""The operations on calls. A call has two legs: `origem` rings first, `destino` when it answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from zenvia import envelope, operations
from zenvia.models import CallState, Chamada, CreatedId, Modo, NewCall, Perna
from zenvia.recording import AudioFile, Recording
from zenvia.session import PAGE, Known, Session, instant, pages, period


class CallOperations(Session):
    """Every operation of the resource `chamada`."""

    async def create_call(
        self,
        call: NewCall,
        *,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
        permit: Callable[[], bool] | None = None,
    ) -> int:
        """Ask for a call and return its id. Doing it twice makes two calls.

        `send_by` is a time on `clock`. The last act before the request is written is to compare
        them; once `send_by` has passed, nothing is written and `DeadlinePassed` is raised. That
        holds after any wait, and for a process that was frozen in between. `permit` is asked at the
        same moment; where it says no, nothing is written either.
        """
        body = call.model_dump(exclude_none=True)
        for name in ("numero_origem", "numero_destino", "bina_origem", "bina_destino"):
            if name in body:
                body[name] = self._written(body[name])
        if call.data_criacao is not None:
            body["data_criacao"] = instant(call.data_criacao)
        created = await self._object(
            CreatedId,
            operations.CREATE_CALL,
            body=body,
            send_by=send_by,
            clock=clock,
            permit=permit,
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
        limite: int = PAGE,
    ) -> list[Chamada]:
        """One page of the calls of a period: `limite` (200 at most) rows from `posicao` on.

        Times must have a zone. `origem` and `destino` are numbers. A row whose id cannot be read
        makes the whole page `Undecodable`: a report that hides a call must not pass for complete.
        """
        query = period(data_inicio, data_fim, posicao, limite)
        for name, number in (("origem", origem), ("destino", destino)):
            if number is not None:
                query[name] = self._written(number)
        return await self._page(Chamada, operations.CALL_REPORT, query)

    async def call_states(
        self,
        data_inicio: datetime,
        data_fim: datetime,
        *,
        posicao: int = 0,
        limite: int = PAGE,
        known: Known | None = None,
    ) -> list[CallState]:
        """One page of the report as `call_report` gives it, read as far as tells how calls are.

        A row that `known` says is known is left out: reading one costs several times as much.
        """
        query = period(data_inicio, data_fim, posicao, limite)
        return await self._page(CallState, operations.CALL_REPORT, query, known)

    async def iter_call_report(
        self,
        data_inicio: datetime,
        data_fim: datetime,
        *,
        origem: str | None = None,
        destino: str | None = None,
        limite: int = PAGE,
    ) -> AsyncIterator[Chamada]:
        """Give all calls of a period, page by page to the end."""

        async def fetch(posicao: int) -> list[Chamada]:
            return await self.call_report(
                data_inicio,
                data_fim,
                origem=origem,
                destino=destino,
                posicao=posicao,
                limite=limite,
            )

        async for call in pages(fetch, limite, operations.CALL_REPORT):
            yield call

    async def call_recording(
        self,
        id: int,  # noqa: A002 - the API's own name
        path: Path,
        *,
        total: float = 300.0,
    ) -> Recording:
        """Download a call's recording (MP3) to `path`, in `total` seconds at most.

        The file appears whole or not at all: a download that breaks leaves what was there before.
        Raises `NoRecording`, `NotFound`, and `OSError` when the file cannot be written. Twice
        writes the same file again.
        """
        operation = operations.CALL_RECORDING
        await self._let_go(operation)
        with AudioFile(path, operation=operation.name) as audio:
            answer = await self._transport.exchange(
                operation.name,
                operation.verb,
                operation.path.format(id=int(id)),
                total=total,
                sink=audio.begin,
            )
            if not audio.begun:
                envelope.dados(answer, operation=operation.name, token=self._token)
            return await audio.keep(answer.status)

    async def listen_in(
        self,
        id: int,  # noqa: A002 - the API's own name
        numero: str,
        modo: Modo,
        *,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ring `numero` and let it listen to a running call. Twice rings twice.

        Raises `ParameterRefused`, `NotActive`; `send_by` and `clock` as in `create_call`.
        """
        body = {"numero": self._written(numero), "modo": modo}
        await self._dados(operations.LISTEN_IN, id=id, body=body, send_by=send_by, clock=clock)

    async def transfer(
        self,
        id: int,  # noqa: A002 - the API's own name
        numero: str,
        perna: Perna,
        *,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Move one leg of a running call to `numero`; the other leg is disconnected.

        Twice transfers the transferred call once more. Raises `ParameterRefused`, `NotActive`,
        `NotFound`; `send_by` and `clock` as in `create_call`.
        """
        body = {"numero": self._written(numero), "perna": perna}
        await self._dados(operations.TRANSFER, id=id, body=body, send_by=send_by, clock=clock)

    async def rate_call(self, id: int, nota: int, comentario: str | None = None) -> None:  # noqa: A002 - the API's own name
        """Rate a call from 1 to 5; a comment has 1,000 characters at most. The last one stays."""
        body: dict[str, Any] = {"nota": str(nota)}
        if comentario is not None:
            body["comentario"] = comentario
        await self._dados(operations.RATE_CALL, id=id, body=body)
