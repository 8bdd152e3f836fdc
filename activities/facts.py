"""From the API's words to ours: a finished call as facts about the contact and the other leg."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from campaigns.attempts import CallFacts, LegFacts
from zenvia.models import CallState, Chamada, Leg, LegState

RING_LIMIT_STATUS = "sem resposta"
RING_LIMIT_REASON = 19


def _leg(leg: Leg | LegState) -> LegFacts:
    return LegFacts(
        status=leg.status,
        reason=leg.disconnect_reason.code,
        talked=max(leg.duracao_falada_segundos or 0, 0),
        total=max(leg.duracao_segundos or 0, 0),
        substatus=leg.substatus,
    )


# Most calls came to what others came to before. What holds a number is not kept.
_known_leg = lru_cache(maxsize=8_192)(_leg)
_facts = lru_cache(maxsize=8_192)(CallFacts)


def _legs(call: Chamada | CallState) -> tuple[LegFacts, LegFacts]:
    if isinstance(call, CallState):  # which is where nearly all ends are seen
        return _known_leg(call.origem), _known_leg(call.destino)
    return _leg(call.origem), _leg(call.destino)


def call_facts(
    call: Chamada | CallState,
    contact_leg: Literal["origem", "destino"],
    *,
    hung_up: bool,
    ring_limit: bool,
) -> CallFacts:
    """Return what decides about a finished call.

    A call that our ring limit ended is a call that nobody answered: its contact leg says so,
    because the API reports such a leg as `cancelada`.
    """
    contact, other = _legs(call)
    if contact_leg == "destino":
        contact, other = other, contact
    if ring_limit and contact.status != "atendida":
        contact = contact.model_copy(
            update={"status": RING_LIMIT_STATUS, "reason": RING_LIMIT_REASON}
        )
    return _facts(
        contact=contact,
        other=other,
        voicemail_detection=call.detecta_caixa,
        contact_rings_first=contact_leg == "origem",
        hung_up=hung_up and not ring_limit,
    )


def cost_brl(call: Chamada | CallState) -> float | None:
    """Return what both legs cost in reais, None where the API gave no price."""
    prices = [leg.preco for leg in (call.origem, call.destino) if leg.preco is not None]
    return round(sum(prices), 4) if prices else None
