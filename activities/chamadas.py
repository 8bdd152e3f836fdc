"""One activity per operation on calls. None of them belongs to a campaign's dialing: lanes do that.

Failures are `ApplicationError`s whose `type` is the client's error class (`NotFound`,
`ParameterRefused`, ...), or `Unsure` when it is not known whether the API acted.
"""

from __future__ import annotations

from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.api_messages import (
    CallInput,
    CallReportInput,
    CallReportPage,
    CallView,
    CreateCallInput,
    Created,
    Done,
    ListenInInput,
    Party,
    RateCallInput,
    RecordingKept,
    TransferInput,
)
from activities.asking import once, repeatable, send_by
from activities.numberbook import NumberBook
from activities.views import call_view
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import NewCall
from zenvia.session import may_go_on


class CallActivities:
    """Built in the worker. `recordings` is the folder that downloads go to."""

    def __init__(self, client: VoiceClient, numbers: NumberBook, recordings: Path) -> None:
        self._client = client
        self._numbers = numbers
        self._recordings = recordings

    @activity.defn(name="create_call")
    async def create_call(self, request: CreateCallInput) -> Created:
        """Ask for a call between two parties. It rings a phone.

        Twice would ring twice, so a second attempt asks nothing and fails as `Unsure`; give it
        one attempt. Nothing leaves once Temporal has stopped waiting.
        """
        deadline = send_by()
        call = NewCall(
            numero_origem=await self._numbers.to_call(request.origem),
            numero_destino=await self._numbers.to_call(request.destino),
            data_criacao=request.data_criacao,
            gravar_audio=request.gravar_audio or None,
            bina_origem=await self._shown(request.bina_origem),
            bina_destino=await self._shown(request.bina_destino),
            tags=request.tags or None,
            detecta_caixa_origem=request.detecta_caixa_origem or None,
        )
        return Created(id=await once(self._client.create_call(call, send_by=deadline)))

    @activity.defn(name="fetch_call")
    async def fetch_call(self, request: CallInput) -> CallView:
        """Look at a call. Reads only: twice is the same, unless the call moved on."""
        return call_view(await repeatable(self._client.fetch_call(request.id)))

    @activity.defn(name="hang_up")
    async def hang_up(self, request: CallInput) -> Done:
        """End a call. Twice is once: a call that has ended is reported as nothing to do.

        The call ends a moment later; only `fetch_call` says when it has.
        """
        return Done(id=request.id, changed=await repeatable(self._hang_up(request.id)))

    @activity.defn(name="call_recording")
    async def call_recording(self, request: CallInput) -> RecordingKept:
        """Download a recording into the worker's folder. Twice writes the same file again.

        The file is there whole or not at all.
        """
        path = self._recordings / f"{request.id}.mp3"
        try:
            self._recordings.mkdir(mode=0o750, parents=True, exist_ok=True)
            kept = await repeatable(self._client.call_recording(request.id, path))
        except OSError as error:
            raise ApplicationError(
                f"the recording cannot be written: {error.strerror}", type="DiskError"
            ) from None
        return RecordingKept(name=kept.path.name, size=kept.size)

    @activity.defn(name="call_report")
    async def call_report(self, request: CallReportInput) -> CallReportPage:
        """Read one page of calls. Reads only: twice is the same, but for calls made in between."""
        calls = await repeatable(
            self._client.call_report(
                request.data_inicio,
                request.data_fim,
                origem=await self._shown(request.origem),
                destino=await self._shown(request.destino),
                posicao=request.posicao,
                limite=request.limite,
            )
        )
        more = may_go_on(len(calls), request.limite)
        return CallReportPage(
            calls=tuple(call_view(call) for call in calls),
            next=request.posicao + len(calls) if more else None,
        )

    @activity.defn(name="listen_in")
    async def listen_in(self, request: ListenInInput) -> Done:
        """Ring a party that then listens to a running call.

        Twice would ring twice, so a second attempt asks nothing and fails as `Unsure`; give it
        one attempt.
        """
        deadline = send_by()
        number = await self._numbers.to_call(request.numero)
        await once(self._client.listen_in(request.id, number, request.modo, send_by=deadline))
        return Done(id=request.id)

    @activity.defn(name="transfer")
    async def transfer(self, request: TransferInput) -> Done:
        """Move one leg of a running call to a party; the other leg is disconnected.

        Twice would transfer what was already transferred, so a second attempt asks nothing and
        fails as `Unsure`; give it one attempt.
        """
        deadline = send_by()
        number = await self._numbers.to_call(request.numero)
        await once(self._client.transfer(request.id, number, request.perna, send_by=deadline))
        return Done(id=request.id)

    @activity.defn(name="rate_call")
    async def rate_call(self, request: RateCallInput) -> Done:
        """Rate a call. Twice is once: the last rating stays."""
        await repeatable(self._client.rate_call(request.id, request.nota, request.comentario))
        return Done(id=request.id)

    async def _hang_up(self, id: int) -> bool:  # noqa: A002 - the API's own name
        try:
            await self._client.hang_up(id)
        except errors.NotActive:
            return False
        return True

    async def _shown(self, party: Party | None) -> str | None:
        return None if party is None else await self._numbers.to_show(party)
