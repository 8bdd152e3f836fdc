"""What a turn dials by: a run's campaign as it stands, and the call that is made for an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from activities.gates import CampaignGate
from campaigns.definition import Campaign
from campaigns.guarding import Watch, watch_of
from campaigns.keys import fill, tags_with
from campaigns.numbers import PhoneNumber, normalise
from campaigns.period import Period
from store.gate import Gate
from store.placing import Claim
from zenvia.models import NewCall

SHORTEST_HORIZON = 1.0
LONGEST_HORIZON = 5.0
PER_TURN = 5
"""Attempts that a turn carries at least where pacing is slow, as far as the horizon allows."""
HOLD_DEFAULT = 600.0


@dataclass(frozen=True)
class TrackRules:
    """What of the campaign the tracker needs; times in seconds."""

    contact_leg: Literal["origem", "destino"]
    quiet: float
    park: bool
    http_total: float
    max_ring: float | None = None
    max_duration: float | None = None

    @property
    def hold(self) -> float:
        """Seconds for which an unknown attempt keeps its number and channel."""
        return self.max_duration or HOLD_DEFAULT


@dataclass(frozen=True)
class Plan:
    """A run's campaign as the dialing turn needs it, for one version of its rules."""

    definition: Campaign
    version: int
    gate: Gate
    connect_to: str
    track: TrackRules
    watch: Watch
    starts_at: float | None = None
    ends_at: float | None = None

    @property
    def horizon(self) -> float:
        """Seconds of pacing that one turn reserves."""
        wanted = PER_TURN / self.definition.pacing.calls_per_second
        return min(max(SHORTEST_HORIZON, wanted), LONGEST_HORIZON)


def plan_of(definition: Campaign, version: int, *, loopback: bool, http_total: float) -> Plan:
    """Return the plan by that version of a run's rules; `http_total` is a POST's whole time."""
    call = definition.call
    period = Period.of(definition.schedule)
    return Plan(
        definition=definition,
        version=version,
        gate=CampaignGate(definition, loopback=loopback),
        connect_to=_number(call.connect_to) or call.connect_to,
        watch=watch_of(definition, loopback=loopback),
        track=TrackRules(
            contact_leg=call.contact_leg,
            quiet=definition.reconcile.quiet.total_seconds(),
            park=definition.reconcile.then == "park",
            http_total=http_total,
            max_ring=call.max_ring.total_seconds() if call.max_ring else None,
            max_duration=call.max_duration.total_seconds() if call.max_duration else None,
        ),
        starts_at=period.starts_at.timestamp() if period.starts_at else None,
        ends_at=period.ends_at.timestamp() if period.ends_at else None,
    )


def new_call(plan: Plan, claim: Claim) -> NewCall:
    """Return the call for a claimed attempt: the contact on its leg, the key first in the tags."""
    call = plan.definition.call
    origin = call.contact_leg == "origem"
    return NewCall(
        numero_origem=claim.e164 if origin else plan.connect_to,
        numero_destino=plan.connect_to if origin else claim.e164,
        gravar_audio=call.gravar_audio or None,
        bina_origem=_number(call.bina_origem),
        bina_destino=_number(call.bina_destino),
        detecta_caixa_origem=call.detecta_caixa_origem or None,
        tags=tags_with(claim.key, fill(call.tags, claim.columns)),
    )


def _number(text: str | None) -> str | None:
    """Return a number of our own as E.164; a ramal or a short code stays as it is written."""
    if text is None:
        return None
    number = normalise(text)
    return number.e164 if isinstance(number, PhoneNumber) else text
