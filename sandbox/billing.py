"""What a call costs and how many of its seconds are billed."""

from dataclasses import dataclass
from math import ceil

from sandbox.calls import FOREVER, Call, Leg
from sandbox.settings import SandboxSettings


@dataclass(frozen=True, slots=True)
class Bill:
    """One ended leg: whole simulated seconds, and reais."""

    duracao: int
    falada: int
    cobrada: int
    preco: float


def bill(leg: Leg, settings: SandboxSettings) -> Bill:
    """Bill an ended leg; a leg that was never dialled is all zeros.

    A leg that was answered by a telephone is billed from its answer, for at least the minimum
    and then in steps; a ramal is billed as spoken.
    """
    speed = settings.speed
    if leg.dialed_at == FOREVER:
        return Bill(0, 0, 0, 0)
    duracao = round((leg.ended_at - leg.dialed_at) * speed)
    if leg.answered_at == FOREVER:
        return Bill(duracao, 0, 0, 0)
    falada = round((leg.ended_at - leg.answered_at) * speed)
    kind = leg.number.kind
    cobrada = falada
    if kind != "ramal":
        beyond = max(0, falada - settings.billing_minimum)
        step = settings.billing_step
        cobrada = settings.billing_minimum + ceil(beyond / step) * step
    preco = settings.price(kind) * cobrada / 60
    if leg.machine:
        preco += settings.price_machine_detection
    return Bill(duracao, falada, cobrada, round(preco, 4))


def cost(call: Call, settings: SandboxSettings) -> float:
    """Reais for the whole of an ended call."""
    return round(bill(call.origem, settings).preco + bill(call.destino, settings).preco, 4)
