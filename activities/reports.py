"""Reading the report page by page, several pages of a long one at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from activities.polling import PAGE
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import CallState
from zenvia.session import Known

MAX_PAGES = 500
AT_ONCE = 16
"""Requests under way at a time."""
PAGES_IN_TURN = 4
"""Into how many rounds of requests a long report is divided: POSTs go in between."""

T = TypeVar("T")


async def side_by_side(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run requests with `AT_ONCE` of them under way at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await item

    return list(await asyncio.gather(*(one(item) for item in work)))


@dataclass
class Reports:
    """Reads windows of the account's report; times in seconds on the provider's clock."""

    client: VoiceClient
    rows_per_second: float = 0.0
    """How dense the report is, as far as is known."""

    async def read(
        self,
        start: float,
        end: float,
        known: Known | None,
        *,
        calls: Collection[int] | None = None,
    ) -> AsyncGenerator[tuple[list[CallState], set[int]], None]:
        """Read a window, round by round: the rows that are not `known`, and every id.

        To its end; or, where it is read for some `calls`, until it has shown them all: the API
        knows whole seconds, and what is younger than those would be rows in vain. Several pages of
        a long one are then asked for together, which may miss a row that moves from one page to
        another meanwhile. Raises a `VoiceError` of a request.
        """
        missing = None if calls is None else set(calls)
        expected = 0 if calls is None else int(self.rows_per_second * (end - start) / PAGE)
        page, together = 0, min(max(expected // PAGES_IN_TURN, 1), AT_ONCE)
        since, until = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        while page < MAX_PAGES:
            pages = await side_by_side(
                self._page(since, until, page + index, known) for index in range(together)
            )
            rows = [row for page_rows, _ in pages for row in page_rows]
            ids = {row.id for row in rows}.union(*(left_out for _, left_out in pages))
            yield rows, ids
            if missing is not None:
                missing -= ids
                if not missing:
                    return
            if min(len(page_rows) + len(left_out) for page_rows, left_out in pages) < PAGE:
                return
            page += together
        raise errors.TotalTimeout("the report has no end", operation="chamada relatorio")

    async def _page(
        self, since: datetime, until: datetime, page: int, known: Known | None
    ) -> tuple[list[CallState], list[int]]:
        """Return a page's rows that are not known, and the ids of those that are."""
        left_out: list[int] = []

        def noted(call: int, status: Any, tags: Any) -> bool:
            yes = known is not None and known(call, status, tags)
            if yes:
                left_out.append(call)
            return yes

        rows = await self.client.call_states(
            since, until, posicao=page * PAGE, limite=PAGE, known=noted
        )
        return rows, left_out
