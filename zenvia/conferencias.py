"""The operations on conferences: rooms that numbers are called into."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from zenvia import operations
from zenvia.models import AddedCall, ConferenceCall, Conferencia, CreatedId
from zenvia.session import PAGE, Session, pages, period


class ConferenceOperations(Session):
    """Every operation of the resource `conferencia`."""

    async def create_conference(self) -> int:
        """Open a room and return its id. Twice opens two rooms, which calls nobody."""
        created = await self._object(CreatedId, operations.CREATE_CONFERENCE, body={})
        return created.id

    async def add_to_conference(
        self,
        id: int,  # noqa: A002 - the API's own name
        numero: str,
        *,
        bina: str | None = None,
        gravar_audio: bool | None = None,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> int | None:
        """Call `numero` into a room; return the id of that call where the API gives one.

        Twice calls twice; `send_by` and `clock` as in `create_call`.
        """
        body: dict[str, Any] = {"numero": self._written(numero)}
        if bina is not None:
            body["bina"] = self._written(bina)
        if gravar_audio is not None:
            body["gravar_audio"] = gravar_audio
        dados = await self._dados(
            operations.ADD_TO_CONFERENCE, id=id, body=body, send_by=send_by, clock=clock
        )
        return AddedCall.model_validate(dados if isinstance(dados, dict) else {}).id

    async def fetch_conference(self, id: int) -> Conferencia:  # noqa: A002 - the API's own name
        """Fetch a room and the calls into it, in either documented shape."""
        return await self._object(Conferencia, operations.FETCH_CONFERENCE, id=id)

    async def end_conference(self, id: int) -> None:  # noqa: A002 - the API's own name
        """Close a room. Twice does no harm; raises `NotFound` for one that does not exist."""
        await self._dados(operations.END_CONFERENCE, id=id)

    async def conference_report(
        self, data_inicio: datetime, data_fim: datetime, *, posicao: int = 0, limite: int = PAGE
    ) -> list[Conferencia]:
        """One page of the rooms of a period; times must have a zone."""
        query = period(data_inicio, data_fim, posicao, limite)
        return await self._page(Conferencia, operations.CONFERENCE_REPORT, query)

    async def iter_conference_report(
        self, data_inicio: datetime, data_fim: datetime, *, limite: int = PAGE
    ) -> AsyncIterator[Conferencia]:
        """Give all rooms of a period, page by page to the end."""

        async def fetch(posicao: int) -> list[Conferencia]:
            return await self.conference_report(
                data_inicio, data_fim, posicao=posicao, limite=limite
            )

        async for room in pages(fetch, limite, operations.CONFERENCE_REPORT):
            yield room

    async def conference_calls_report(
        self, data_inicio: datetime, data_fim: datetime, *, posicao: int = 0, limite: int = PAGE
    ) -> list[ConferenceCall]:
        """One page of the calls into the rooms of a period; times must have a zone."""
        query = period(data_inicio, data_fim, posicao, limite)
        return await self._page(ConferenceCall, operations.CONFERENCE_CALLS_REPORT, query)

    async def iter_conference_calls_report(
        self, data_inicio: datetime, data_fim: datetime, *, limite: int = PAGE
    ) -> AsyncIterator[ConferenceCall]:
        """Give all calls into rooms of a period, page by page to the end."""

        async def fetch(posicao: int) -> list[ConferenceCall]:
            return await self.conference_calls_report(
                data_inicio, data_fim, posicao=posicao, limite=limite
            )

        async for call in pages(fetch, limite, operations.CONFERENCE_CALLS_REPORT):
            yield call
