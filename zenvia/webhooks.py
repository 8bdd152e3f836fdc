"""Reading what the API posts to us: `chamada_fim` and `status_tempo_real`.

Both carry a whole call, without an envelope and without a signature.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

from zenvia import errors
from zenvia.envelope import decode
from zenvia.models import CallEvent

EventName = Literal["chamada_fim", "status_tempo_real"]

EVENT_NAMES: tuple[EventName, ...] = ("chamada_fim", "status_tempo_real")


def read_event(name: EventName, body: bytes) -> CallEvent:
    """Read the body of one event; raises `BadEvent` for anything that names no call."""
    try:
        return CallEvent.model_validate(decode(body))
    except (ValueError, ValidationError, RecursionError):
        pass
    raise errors.BadEvent("this is not an event about a call", operation=f"webhook {name}")
