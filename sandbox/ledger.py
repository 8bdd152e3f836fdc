"""The witness's record: every accepted call, as the provider saw it."""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.account import Account
from sandbox.calls import FOREVER, Call, Leg, LegName


def lines(account: Account, after_id: int = 0) -> Iterator[str]:
    """Write the ledger as NDJSON, in order of acceptance, calls with an id above `after_id`."""
    for entry in entries(account, after_id):
        yield json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"


def entries(account: Account, after_id: int = 0) -> Iterator[dict[str, Any]]:
    """Give the same as objects. All entries are of one instant."""
    now = account.now()
    account.book.advance(now)
    for call in account.book.since(after_id):
        yield entry(call, now)


def entry(call: Call, now: float) -> dict[str, Any]:
    """One call. Instants are epoch seconds of the sandbox's clock, as precise as it is."""
    return {
        "id": call.id,
        "tags": call.tags,
        "numero_origem": call.origem.number.text,
        "numero_destino": call.destino.number.text,
        "asked_at": call.accepted_at if call.asked_at is None else call.asked_at,
        "accepted_at": call.accepted_at,
        "live_from": call.live_from,
        "ended_at": past(call.ended_at, now),
        "status_geral": call.general(now),
        "origem": side(call, "origem", now),
        "destino": side(call, "destino", now),
        "hung_up_by_api": call.hung_up_by_api,
        "from_webphone": call.from_webphone,
        "attempt": call.attempt,
        "cost": call.cost,
        "gravar_audio": call.gravar_audio,
        "detecta_caixa": call.detecta_caixa,
        "listeners": [{"numero": numero, "modo": modo} for numero, modo in call.listeners],
        "transfers": [
            {"at": moved.at, "perna": moved.perna, "numero": moved.numero}
            for moved in call.transfers
        ],
        "rating": None
        if call.rating is None
        else {"nota": call.rating[0], "comentario": call.rating[1]},
    }


def side(call: Call, name: LegName, now: float) -> dict[str, Any]:
    """One leg, its instants null until they have come."""
    leg: Leg = call.leg(name)
    ended = call.general(now) == "finalizada"
    return {
        "status": leg.status if ended else leg.state(now),
        "motivo_desconexao": leg.reason if ended else None,
        "dialed_at": past(leg.dialed_at, now),
        "answered_at": past(leg.answered_at, now),
        "ended_at": past(leg.ended_at, now),
        "machine": leg.machine and ended,
        "bina": leg.bina,
    }


def past(instant: float, now: float) -> float | None:
    """Show an instant, once it has come."""
    return instant if instant <= now and instant < FOREVER else None
