"""Conferences: rooms that dial people in."""

from bisect import bisect_left
from dataclasses import dataclass, field
from math import floor
from operator import attrgetter
from typing import Any, TypeVar

from sandbox import envelope
from sandbox.account import Account
from sandbox.billing import bill
from sandbox.calls import FOREVER, Leg
from sandbox.chamada import billed, recording_key
from sandbox.chamadas import RETURNED, bina, page, period
from sandbox.envelope import Answer, ApiError, Row
from sandbox.incoming import Incoming, boolean, number
from sandbox.moments import iso

T = TypeVar("T")
GO_KEYS = {"Numero": "numero", "Bina": "bina", "GravarAudio": "gravar_audio"}
FLAT_AMOUNTS = (
    "duracao_segundos",
    "duracao",
    "duracao_cobrada_segundos",
    "duracao_cobrada",
    "duracao_falada_segundos",
    "duracao_falada",
    "preco",
)
NOT_FOUND = Row(404, 60, "conferência não encontrada")
NOT_ACTIVE = Row(404, 80, "a conferência não está ativa")


@dataclass(slots=True)
class Guest:
    """One call of a conference."""

    id: int
    conference_id: int
    created_at: float
    leg: Leg
    gravar_audio: bool


@dataclass(slots=True)
class Conference:
    """One room, open until it is ended."""

    id: int
    created_at: float
    ended_at: float = FOREVER
    guests: list[Guest] = field(default_factory=list)


class Rooms:
    """The conferences of an account and the endpoints that act on them."""

    def __init__(self) -> None:
        self._by_id: dict[int, Conference] = {}
        self._rooms: list[Conference] = []
        self._guests: list[Guest] = []

    def criar(self, account: Account, _incoming: Incoming) -> Answer:
        """Open a room. Whatever the body says is ignored."""
        room = Conference(next(account.ids), account.now())
        self._by_id[room.id] = room
        self._rooms.append(room)
        return Answer("conferencia criado com sucesso", {"id": room.id})

    def adicionar(self, account: Account, incoming: Incoming) -> Answer:
        """Dial somebody into a room; answers with the id of that call."""
        fields = incoming.fields()
        if account.settings.add_number_case_insensitive:
            fields = {GO_KEYS.get(key, key): value for key, value in fields.items()}
        room = self._find(incoming)
        now = account.now()
        if room.ended_at <= now:
            raise ApiError(NOT_ACTIVE)
        called = number(fields.get("numero"), ApiError(envelope.BAD_NUMERO))
        leg = Leg(called, bina=bina(account, fields.get("bina")))
        guest = Guest(next(account.ids), room.id, now, leg, boolean(fields.get("gravar_audio")))
        account.timeline.join(leg, ("conferencia", called.digits, len(room.guests)), now)
        room.guests.append(guest)
        self._guests.append(guest)
        return Answer("número adicionado com sucesso", {"id": guest.id})

    def buscar(self, account: Account, incoming: Incoming) -> Answer:
        """Show one room with its calls."""
        return Answer(RETURNED, show(account, self._find(incoming)))

    def encerrar(self, account: Account, incoming: Incoming) -> Answer:
        """End a room and every call in it."""
        room = self._find(incoming)
        now = account.now()
        if room.ended_at <= now:
            raise ApiError(NOT_ACTIVE)
        room.ended_at = now
        for leg in (guest.leg for guest in room.guests):
            leg.cut(now)
            if leg.dialed_at == FOREVER:
                leg.status = "cancelada"
        return Answer("conferencia encerrada com sucesso", None)

    def relatorio(self, account: Account, incoming: Incoming) -> Answer:
        """Show one page of the rooms opened in a period."""
        rooms = self._page(incoming, self._rooms)
        return Answer(RETURNED, {"relatorio": [show(account, room) for room in rooms]})

    def chamadas(self, account: Account, incoming: Incoming) -> Answer:
        """Show one page of the calls made into rooms in a period."""
        guests = self._page(incoming, self._guests)
        return Answer(RETURNED, {"relatorio": [show_guest(account, guest) for guest in guests]})

    def _page(self, incoming: Incoming, rows: list[T]) -> list[T]:
        query = incoming.query()
        start, end = period(query)
        skip, limit = page(query)
        created = attrgetter("created_at")
        low = bisect_left(rows, floor(start), key=created)
        high = bisect_left(rows, floor(end) + 1, key=created)
        return rows[low:high][skip : skip + limit]

    def _find(self, incoming: Incoming) -> Conference:
        room = self._by_id.get(incoming.path["id"])
        if room is None:
            raise ApiError(NOT_FOUND)
        return room


def show(account: Account, room: Conference) -> dict[str, Any]:
    """Print a room as the object section declares it, or flat as two samples do."""
    if account.settings.flat_conference:
        return show_flat(account, room)
    return {
        "id": room.id,
        "data_criacao": iso(room.created_at),
        "data_termino": iso(room.ended_at) if room.ended_at < FOREVER else None,
        "chamadas": [show_guest(account, guest) for guest in room.guests],
    }


def show_guest(account: Account, guest: Guest) -> dict[str, Any]:
    """Print one call of a room; durations and price are null until it has ended."""
    settings = account.settings
    leg, now = guest.leg, account.now()
    ended = leg.ended_at <= now or leg.dialed_at == FOREVER
    amounts = billed(bill(leg, settings)) if ended else {}
    answered = leg.answered_at <= now
    url = None
    if ended and answered and guest.gravar_audio:
        key = recording_key(guest.id, settings.seed)
        url = f"{account.public_url}/rec/?id={guest.id}&x={key}&cid={settings.conta_id}"
    return {
        "id": guest.id,
        "conferencia_id": guest.conference_id,
        "url_gravacao": url,
        "numero": leg.number.text,
        "data_criacao": iso(guest.created_at),
        "cli": settings.cliente_id,
        "duracao": amounts.get("duracao"),
        "duracao_cobrada": amounts.get("duracao_cobrada"),
        "duracao_falada": amounts.get("duracao_falada"),
        "status": leg.status if ended else leg.state(now),
        "preco": amounts.get("preco"),
        "data_inicio": iso(leg.dialed_at) if leg.dialed_at <= now else None,
    }


def show_flat(account: Account, room: Conference) -> dict[str, Any]:
    """Print a room in the document's other shape, from its first call."""
    now = account.now()
    leg = room.guests[0].leg if room.guests else None
    amounts: dict[str, Any] = dict.fromkeys(FLAT_AMOUNTS)
    if leg is not None and leg.ended_at <= now:
        amounts = billed(bill(leg, account.settings))
    return {
        "id": room.id,
        "numero_destino": leg.number.text if leg else None,
        "data_criacao": iso(room.created_at),
        "data_inicio": iso(leg.dialed_at) if leg and leg.dialed_at <= now else None,
        "tipo": leg.number.kind if leg else None,
        "status": leg.state(now) if leg else None,
        **amounts,
        "url_conferencia": None,
        "resposta_usuario": False,
        "resposta": None,
    }
