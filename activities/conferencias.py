"""One activity per operation on conferences. Failures as in `activities.chamadas`."""

from __future__ import annotations

from temporalio import activity

from activities.api_messages import (
    AddToConferenceInput,
    ConferenceCallsPage,
    ConferenceInput,
    ConferenceReportPage,
    ConferenceView,
    Created,
    Done,
    PeriodInput,
)
from activities.asking import once, repeatable, send_by
from activities.numberbook import NumberBook
from activities.views import conference_call_view, conference_view
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.session import may_go_on


class ConferenceActivities:
    """Built in the worker."""

    def __init__(self, client: VoiceClient, numbers: NumberBook) -> None:
        self._client = client
        self._numbers = numbers

    @activity.defn(name="create_conference")
    async def create_conference(self) -> Created:
        """Open a room. Twice opens two, of which one stays empty: nobody is called by it."""
        return Created(id=await repeatable(self._client.create_conference()))

    @activity.defn(name="add_to_conference")
    async def add_to_conference(self, request: AddToConferenceInput) -> Created:
        """Call a party into a room. It rings a phone.

        Twice would ring twice, so a second attempt asks nothing and fails as `Unsure`; give it
        one attempt. Nothing leaves once Temporal has stopped waiting.
        """
        deadline = send_by()
        number = await self._numbers.to_call(request.numero)
        bina = None if request.bina is None else await self._numbers.to_show(request.bina)
        added = await once(
            self._client.add_to_conference(
                request.id,
                number,
                bina=bina,
                gravar_audio=request.gravar_audio or None,
                send_by=deadline,
            )
        )
        return Created(id=added)

    @activity.defn(name="fetch_conference")
    async def fetch_conference(self, request: ConferenceInput) -> ConferenceView:
        """Look at a room. Reads only: twice is the same, unless somebody came or went."""
        return conference_view(await repeatable(self._client.fetch_conference(request.id)))

    @activity.defn(name="end_conference")
    async def end_conference(self, request: ConferenceInput) -> Done:
        """Close a room. Twice is once: one that is closed is reported as nothing to do."""
        return Done(id=request.id, changed=await repeatable(self._end(request.id)))

    @activity.defn(name="conference_report")
    async def conference_report(self, request: PeriodInput) -> ConferenceReportPage:
        """Read one page of rooms. Reads only: twice is the same, but for new rooms."""
        rooms = await repeatable(
            self._client.conference_report(
                request.data_inicio,
                request.data_fim,
                posicao=request.posicao,
                limite=request.limite,
            )
        )
        return ConferenceReportPage(
            conferences=tuple(conference_view(room) for room in rooms),
            next=_next(request, len(rooms)),
        )

    @activity.defn(name="conference_calls_report")
    async def conference_calls_report(self, request: PeriodInput) -> ConferenceCallsPage:
        """Read one page of calls into rooms. Reads only: twice is the same, but for new calls."""
        calls = await repeatable(
            self._client.conference_calls_report(
                request.data_inicio,
                request.data_fim,
                posicao=request.posicao,
                limite=request.limite,
            )
        )
        return ConferenceCallsPage(
            calls=tuple(conference_call_view(call) for call in calls),
            next=_next(request, len(calls)),
        )

    async def _end(self, id: int) -> bool:  # noqa: A002 - the API's own name
        try:
            await self._client.end_conference(id)
        except (errors.NotActive, errors.NotFound):
            return False
        return True


def _next(request: PeriodInput, rows: int) -> int | None:
    return request.posicao + rows if may_go_on(rows, request.limite) else None
