"""What an answer of the API becomes in a history: no numbers, no free text, no secret address."""

from __future__ import annotations

from activities.api_messages import CallView, ConferenceCallView, ConferenceView, LegView
from zenvia.models import Chamada, ConferenceCall, Conferencia, Leg

_WORD = 40


def call_view(call: Chamada) -> CallView:
    """Leave out numbers, tags and the recording's address."""
    return CallView(
        id=call.id,
        status_geral=_word(call.status_geral),
        ativa=call.ativa,
        data_criacao=call.data_criacao,
        has_recording=bool(call.url_gravacao),
        origem=_leg_view(call.origem),
        destino=_leg_view(call.destino),
    )


def conference_view(room: Conferencia) -> ConferenceView:
    """Leave out the numbers of the calls and the addresses of their recordings."""
    return ConferenceView(
        id=room.id,
        data_criacao=room.data_criacao,
        data_termino=room.data_termino,
        chamadas=tuple(conference_call_view(call) for call in room.chamadas),
    )


def conference_call_view(call: ConferenceCall) -> ConferenceCallView:
    """Leave out the number and the address of the recording."""
    return ConferenceCallView(
        id=call.id,
        conferencia_id=call.conferencia_id,
        status=_word(call.status),
        preco=call.preco,
        has_recording=bool(call.url_gravacao),
    )


def _leg_view(leg: Leg) -> LegView:
    return LegView(
        tipo=_word(leg.tipo),
        status=_word(leg.status),
        substatus=_word(leg.substatus),
        seconds=leg.duracao_segundos,
        billed_seconds=leg.duracao_cobrada_segundos,
        talked_seconds=leg.duracao_falada_segundos,
        preco=leg.preco,
        reason=leg.disconnect_reason.code,
    )


def _word(text: str | None) -> str | None:
    """Keep a word of the API as it is; text with digits is none of its words."""
    if text is None or any(character.isdigit() for character in text):
        return None
    return text[:_WORD]
