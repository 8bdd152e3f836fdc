"""What workflows say to the activities that ask the Voice API directly.

Histories keep every message, so none of them holds a phone number, a name, a token or an address
that opens something: numbers go by reference (`Party`) and are read from the store at the last
moment, recordings and webphone addresses are kept by the worker. New fields need defaults.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, field_validator

from campaigns.definition import Frozen

CallId = Annotated[int, Field(ge=0, lt=2**63)]
LegName = Literal["origem", "destino"]


class Extension(Frozen):
    """A ramal of our own, by its number of three or four digits."""

    kind: Literal["ramal"] = "ramal"
    ramal: str = Field(pattern=r"^[0-9]{3,4}$")


class ContactNumber(Frozen):
    """A number of a contact: the run, the contact's ordinal in it, and which of its numbers."""

    kind: Literal["contact"] = "contact"
    run: str
    contact: int = Field(ge=0)
    position: int = Field(default=0, ge=0)


class AttemptNumber(Frozen):
    """The number of an attempt, by the attempt's key."""

    kind: Literal["attempt"] = "attempt"
    key: str


class CampaignNumber(Frozen):
    """A number of the company's own, as a run's campaign defines it."""

    kind: Literal["campaign"] = "campaign"
    run: str
    field: Literal["connect_to", "bina_origem", "bina_destino"]


Party = Annotated[
    Extension | ContactNumber | AttemptNumber | CampaignNumber, Field(discriminator="kind")
]
"""Somebody to call or to show, without saying the number."""


class CreateCallInput(Frozen):
    """Call two parties and join them; the fields are those of `POST /chamada`.

    `tags` is for ids of our own: text that looks like a phone number is refused. `data_criacao`
    lets the provider make the call later, out of reach of a pause.
    """

    origem: Party
    destino: Party
    bina_origem: Party | None = None
    bina_destino: Party | None = None
    gravar_audio: bool = False
    detecta_caixa_origem: bool = False
    tags: str = Field(default="", max_length=100)
    data_criacao: AwareDatetime | None = None

    @field_validator("tags")
    @classmethod
    def _no_number(cls, value: str) -> str:
        run = 0
        for character in value:
            run = run + 1 if character.isdigit() else 0
            if run >= 8:  # noqa: PLR2004 - the shortest phone number
                raise ValueError("tags must not hold anything like a phone number")
        return value


class Created(Frozen):
    """The id that the API gave; None where it gave none."""

    id: int | None


class CallInput(Frozen):
    """A call, by its id."""

    id: CallId


class Done(Frozen):
    """The API took the request. `changed` is false when there was nothing left to do."""

    id: int
    changed: bool = True


class LegView(Frozen):
    """One side of a call without its number; times in seconds, the price in reais."""

    tipo: str | None = None
    status: str | None = None
    substatus: str | None = None
    seconds: int | None = None
    billed_seconds: int | None = None
    talked_seconds: int | None = None
    preco: float | None = None
    reason: int | None = None


class CallView(Frozen):
    """A call without numbers and without its owner's text."""

    id: int
    status_geral: str | None = None
    ativa: bool | None = None
    data_criacao: datetime | None = None
    has_recording: bool = False
    origem: LegView = LegView()
    destino: LegView = LegView()


class CallReportInput(Frozen):
    """One page of the calls of a period."""

    data_inicio: AwareDatetime
    data_fim: AwareDatetime
    origem: Party | None = None
    destino: Party | None = None
    posicao: int = Field(default=0, ge=0)
    limite: int = Field(default=200, ge=1, le=200)


class CallReportPage(Frozen):
    """Calls of one page; `next` is the position to go on from, None after the last page."""

    calls: tuple[CallView, ...]
    next: int | None = None


class RecordingKept(Frozen):
    """A recording in the worker's folder: the file's name there, and its size in bytes."""

    name: str
    size: int


class ListenInInput(Frozen):
    """Let a party listen to a running call: 1 escuta, 2 sussurro, 3 conferência."""

    id: CallId
    numero: Party
    modo: Literal[1, 2, 3] = 1


class TransferInput(Frozen):
    """Move one leg of a running call; the other one is disconnected."""

    id: CallId
    numero: Party
    perna: LegName


class RateCallInput(Frozen):
    """Rate a call from 1 to 5."""

    id: CallId
    nota: int = Field(ge=1, le=5)
    comentario: str | None = Field(default=None, max_length=1000)


class AddToConferenceInput(Frozen):
    """Call a party into a room."""

    id: CallId
    numero: Party
    bina: Party | None = None
    gravar_audio: bool = False


class ConferenceInput(Frozen):
    """A conference, by its id."""

    id: CallId


class ConferenceCallView(Frozen):
    """A call into a room, without its number."""

    id: int | None = None
    conferencia_id: int | None = None
    status: str | None = None
    preco: float | None = None
    has_recording: bool = False


class ConferenceView(Frozen):
    """A room and the calls into it, without their numbers."""

    id: int
    data_criacao: datetime | None = None
    data_termino: datetime | None = None
    chamadas: tuple[ConferenceCallView, ...] = ()


class PeriodInput(Frozen):
    """One page of a conference report."""

    data_inicio: AwareDatetime
    data_fim: AwareDatetime
    posicao: int = Field(default=0, ge=0)
    limite: int = Field(default=200, ge=1, le=200)


class ConferenceReportPage(Frozen):
    """Rooms of one page; `next` as in `CallReportPage`."""

    conferences: tuple[ConferenceView, ...]
    next: int | None = None


class ConferenceCallsPage(Frozen):
    """Calls into rooms, one page; `next` as in `CallReportPage`."""

    calls: tuple[ConferenceCallView, ...]
    next: int | None = None


class WebphoneInput(Frozen):
    """Ask for a ramal's webphone and have its address handed to `recipient`, an id of our own."""

    recipient: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    ramal: str | None = Field(default=None, pattern=r"^[0-9]{3,4}$")
    id_ramal: CallId | None = None
    ligar_para: Party | None = None
    fechar_fim: bool = False
    tipo: Literal["floating", "embedded", "hidden"] = "floating"


class WebphoneHanded(Frozen):
    """The address was handed over; it stays out of the history. `expires` when it says so."""

    recipient: str
    expires: datetime | None = None
