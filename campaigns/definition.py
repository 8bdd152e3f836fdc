"""What a campaign is: frozen models of the YAML file, without any I/O.

The loader (`campaigns.loader`) turns text into these models and every mistake into a problem with
its place in the file. The store keeps the model as JSON, one version per change of rules.

Times are `timedelta`; in YAML they are written `90s`, `15m`, `4h`, `2d`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

_DURATION = re.compile(r"(\d+)\s*([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: Any) -> Any:
    """Read `90s`, `15m`, `4h` or `2d`; anything else is an error that says so."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("a duration is a whole number and a unit: 90s, 15m, 4h or 2d")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError("this duration is too long") from None


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest unit that keeps it whole; the inverse of `parse_duration`."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
]


class Frozen(BaseModel):
    """A value: it cannot change, and it knows every key that it was given."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Purpose(StrEnum):
    """Why people are called; the law differs by it."""

    SALES = "sales"
    COLLECTION = "collection"
    SERVICE = "service"
    SURVEY = "survey"
    DONATION = "donation"


class DialList(Frozen):
    """Where the contacts come from, and which columns matter."""

    file: str
    id: str | None = None
    numbers: tuple[str, ...] = Field(min_length=1)


class Call(Frozen):
    """The fields of `POST /chamada`, and which of its two legs is the contact."""

    contact_leg: Literal["origem", "destino"] = "origem"
    connect_to: str
    bina_origem: str | None = None
    bina_destino: str | None = None
    gravar_audio: bool = False
    detecta_caixa_origem: bool = False
    tags: str = ""


class Pacing(Frozen):
    """How fast and how wide the campaign dials, at most."""

    channels: int = Field(default=10, ge=1, le=100_000)
    calls_per_second: float = Field(default=1.0, gt=0, le=10_000)


class ContactLimits(Frozen):
    """Caps for one contact; `total` counts the calls that the API accepted."""

    total: int = Field(default=5, ge=1, le=1_000)


class Limits(Frozen):
    """The outer fence: no rule dials beyond it."""

    per_contact: ContactLimits = ContactLimits()


class Reconcile(Frozen):
    """What to do with a call whose answer was lost."""

    quiet: Duration = timedelta(minutes=2)
    then: Literal["requeue", "park"] = "requeue"


class RetryRule(Frozen):
    """One line of the retry table: conditions that must all hold, and one action.

    A rule whose `times` are used up for the current number no longer matches, so that the line
    below it gets its turn.
    """

    leg: Literal["contact", "other"] | None = None
    status: tuple[str, ...] = ()
    reasons: tuple[int, ...] = ()
    after: Duration | None = None
    times: int | None = Field(default=None, ge=1, le=1_000)
    then: Literal["next_number", "stop"] | None = None

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if (self.after is None) == (self.then is None):
            raise ValueError("a retry rule has either `after` and `times`, or `then`")
        if (self.after is None) != (self.times is None):
            raise ValueError("`after` and `times` go together")
        return self


class Campaign(Frozen):
    """A whole campaign file."""

    campaign: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")
    purpose: Purpose
    dial_list: DialList
    call: Call
    pacing: Pacing = Pacing()
    calling_hours: Literal["always"] | None = None
    limits: Limits = Limits()
    reconcile: Reconcile = Reconcile()
    retry: tuple[RetryRule, ...] = ()
