"""The guards of a campaign as they are written: when a run stops dialing by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from campaigns.scalars import Decimal, Duration, Frozen, Whole

LAW_SHARE: Final = 0.85
LAW_CALLS: Final = 100_000
"""Anatel, Despacho 22/2024/RCTS/SRC: from so many calls a day of one caller ID, with such a share
of short ones, the line is blocked for 15 days."""


class Price(Frozen):
    """What calls cost, in reais: a minute by kind of leg, and a detection of voicemail.

    A leg is billed for `minimum` at least, then in steps of `step`.
    """

    movel: Decimal = Field(ge=0, le=1_000)
    fixo: Decimal = Field(ge=0, le=1_000)
    ramal: Decimal = Field(default=0.0, ge=0, le=1_000)
    detection: Decimal | None = Field(default=None, ge=0, le=1_000)
    minimum: Duration = Field(default=timedelta(seconds=60), ge=timedelta(seconds=1))
    step: Duration = Field(default=timedelta(seconds=60), ge=timedelta(seconds=1))


class Budget(Frozen):
    """What the run may spend, the worst case of its live calls included."""

    total_brl: Decimal = Field(gt=0, le=1_000_000_000)
    price: Price


class NoBalance(Frozen):
    """What follows when the API says that the account has no balance: the run pauses anyway."""

    resume_after: Duration | None = Field(default=None, ge=timedelta(seconds=10))


class Failures(Frozen):
    """Pauses when too many of the last attempts failed for technical reasons."""

    share: Decimal = Field(default=0.5, gt=0, le=1)
    window: Whole = Field(default=50, ge=5, le=1_000)
    resume_after: Duration | None = Field(default=None, ge=timedelta(seconds=10))


class ShortCalls(Frozen):
    """Warns and pauses by the share of short calls of the caller ID in this day, all campaigns.

    The law's own line is `LAW_SHARE` of `LAW_CALLS`; nothing here may lie beyond it.
    """

    warn: Decimal = Field(default=0.5, gt=0, le=LAW_SHARE)
    pause: Decimal = Field(default=0.7, gt=0, le=LAW_SHARE)
    after: Whole = Field(default=1_000, ge=1, le=LAW_CALLS * 9 // 10)

    @model_validator(mode="after")
    def _warned_first(self) -> Self:
        if self.warn > self.pause:
            raise PydanticCustomError("guard_order", "`warn` comes before `pause`: make it smaller")
        return self


class Guards(Frozen):
    """When the run pauses by itself. The state and reason of each is in `discador status`."""

    budget: Budget | None = None
    no_balance: NoBalance = NoBalance()
    failures: Failures | None = None
    short_calls: ShortCalls | None = None
