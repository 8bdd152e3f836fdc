"""What a campaign is: frozen models of the YAML file, without any I/O.

The loader (`campaigns.loader`) turns text into these models and every mistake into a problem with
its place in the file. The store keeps the model as JSON, one version per change of rules.

Times are `timedelta`; in YAML they are written `90s`, `15m`, `4h`, `2d`. The models refuse what can
be seen to be wrong in one value or one section; what needs two sections, a file or the numbering
plan is refused by `campaigns.checks`.
"""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from campaigns.guards import Guards
from campaigns.opening import ZONE_NAME, CallingHours, Window
from campaigns.scalars import (
    Decimal,
    Duration,
    Flag,
    Frozen,
    Instant,
    OneOrMany,
    Whole,
    fold,
    format_duration,
    parse_duration,
)
from campaigns.vocabulary import LEG_STATUSES, OUTCOMES, REASON_CLASSES, REASON_CODES

__all__ = [
    "Call",
    "CallingHours",
    "Campaign",
    "ContactLimits",
    "DialList",
    "Duplicates",
    "Duration",
    "Frozen",
    "Guards",
    "Limits",
    "NumberLimits",
    "Pacing",
    "Purpose",
    "Reconcile",
    "RetryRule",
    "RuleOverride",
    "Schedule",
    "Sector",
    "Suppression",
    "Window",
    "format_duration",
    "parse_duration",
]


class Purpose(StrEnum):
    """Why people are called; the law differs by it."""

    SALES = "sales"
    COLLECTION = "collection"
    SERVICE = "service"
    SURVEY = "survey"
    DONATION = "donation"


#: The caller's own trade where rules differ by it; `other` is none of those that they name.
Sector = Literal["telecom", "bank", "other"]


class Duplicates(Frozen):
    """What becomes of a row whose id or number an earlier row already has.

    `reject` reports the later row. `join` adds its numbers to the earlier contact.
    """

    id: Literal["reject", "join"] = "reject"
    number: Literal["reject", "join"] = "reject"


#: The shape of a rule's id; whether a pack has the rule is checked by the loader.
RULE_NAME: Final = r"^[a-z0-9][a-z0-9-]*$"

#: What is said of a list that comes from nowhere or from two places.
ONE_SOURCE: Final = "name a `file` with the contacts, or write them under `contacts`"


class DialList(Frozen):
    """Where the contacts come from, and which columns matter.

    The contacts stand in a `file`, relative to the campaign file (CSV, TSV, XLSX, XLS or ODS; of a
    workbook the first visible sheet, or `sheet`), or in the campaign itself under `contacts`, each
    with its columns. `numbers` are tried in the order in which they stand. `default_ddd` completes
    numbers that were written without an area code.
    """

    file: str = ""
    sheet: str | None = Field(default=None, min_length=1)
    contacts: tuple[dict[str, str], ...] = Field(default=(), max_length=1_000)
    id: str | None = Field(default=None, min_length=1)
    numbers: Annotated[tuple[str, ...], OneOrMany] = Field(min_length=1)
    default_ddd: str | None = Field(default=None, pattern=r"^[0-9]{2}$")
    ninth_digit: Literal["add", "reject"] = "add"
    duplicates: Duplicates = Duplicates()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.file) == bool(self.contacts):
            raise PydanticCustomError("list_source", ONE_SOURCE)
        if self.sheet is not None and not self.file:
            raise PydanticCustomError("list_source", "`sheet` names a sheet of `file`")
        return self


class Call(Frozen):
    """The fields of `POST /chamada`, and which of its two legs is the contact.

    `max_ring` and `max_duration` are kept by hanging up: the API has no such fields.
    """

    contact_leg: Literal["origem", "destino"] = "origem"
    connect_to: str
    bina_origem: str | None = None
    bina_destino: str | None = None
    gravar_audio: Flag = False
    detecta_caixa_origem: Flag = False
    tags: str = Field(default="", max_length=500)
    max_ring: Duration | None = Field(default=None, ge=timedelta(seconds=5))
    max_duration: Duration | None = Field(default=None, ge=timedelta(seconds=10))


class Pacing(Frozen):
    """How fast and how wide the campaign dials, at most. Priority 1 goes before 5.

    `lanes` are dialing loops that share the contacts, for more than one worker's work.
    """

    channels: Whole = Field(default=10, ge=1, le=100_000)
    calls_per_second: Decimal = Field(default=1.0, gt=0, le=10_000, allow_inf_nan=False)
    priority: Whole = Field(default=3, ge=1, le=5)
    lanes: Whole = Field(default=1, ge=1, le=64)


class ContactLimits(Frozen):
    """Caps for one contact, over all its numbers; `total` counts the calls that the API accepted.

    `per_day`, `per_week` (from Monday) and `per_month` follow the contact's calendar,
    `rolling_24h` the clock.
    """

    total: Whole = Field(default=5, ge=1, le=1_000)
    per_day: Whole | None = Field(default=None, ge=1, le=100)
    rolling_24h: Whole | None = Field(default=None, ge=1, le=100)
    per_week: Whole | None = Field(default=None, ge=1, le=1_000)
    per_month: Whole | None = Field(default=None, ge=1, le=1_000)
    min_gap: Duration | None = Field(default=None, ge=timedelta(seconds=1))


class NumberLimits(Frozen):
    """Caps for one number, over all campaigns of the account."""

    total: Whole | None = Field(default=None, ge=1, le=1_000)
    per_day: Whole | None = Field(default=None, ge=1, le=100)
    rolling_24h: Whole | None = Field(default=None, ge=1, le=100)
    per_week: Whole | None = Field(default=None, ge=1, le=1_000)
    per_month: Whole | None = Field(default=None, ge=1, le=1_000)
    min_gap: Duration | None = Field(default=None, ge=timedelta(seconds=1))


class Limits(Frozen):
    """The outer fence: no rule dials beyond it."""

    per_contact: ContactLimits = ContactLimits()
    per_number: NumberLimits = NumberLimits()


class Reconcile(Frozen):
    """What to do with a call whose answer was lost."""

    quiet: Duration = Field(default=timedelta(minutes=2), ge=timedelta(seconds=1))
    then: Literal["requeue", "park"] = "requeue"


_CODES = {str(code): code for code in REASON_CODES}


def _status(value: Any) -> Any:
    for status in LEG_STATUSES:
        if isinstance(value, str) and fold(value) == fold(status):
            return unicodedata.normalize("NFC", status)
    raise PydanticCustomError(
        "not_a_choice",
        "this is not a status with which a leg ends; choose one of {choices}",
        {"choices": ", ".join(LEG_STATUSES), "options": LEG_STATUSES},
    )


def _codes(value: Any) -> Any:
    text = str(value)
    if text in REASON_CLASSES:
        return REASON_CLASSES[text]
    if text in _CODES:
        return (_CODES[text],)
    raise PydanticCustomError(
        "unknown_reason",
        "this is neither one of the {count} documented disconnect reasons nor a class of them"
        " ({choices})",
        {
            "count": len(REASON_CODES),
            "choices": ", ".join(REASON_CLASSES),
            "options": tuple(REASON_CLASSES),
        },
    )


_LISTED_CODES: TypeAdapter[tuple[tuple[int, ...], ...]] = TypeAdapter(
    Annotated[tuple[Annotated[tuple[int, ...], BeforeValidator(_codes)], ...], OneOrMany]
)


def _reasons(value: Any, _: ValidatorFunctionWrapHandler) -> tuple[int, ...]:
    codes = (code for group in _LISTED_CODES.validate_python(value) for code in group)
    return tuple(dict.fromkeys(codes))


Status = Annotated[str, BeforeValidator(_status), WithJsonSchema({"enum": list(LEG_STATUSES)})]
_REASON_SCHEMA = {"enum": [*sorted(REASON_CODES), *REASON_CLASSES]}
Reasons = Annotated[
    tuple[int, ...],
    WrapValidator(_reasons),
    WithJsonSchema({"anyOf": [_REASON_SCHEMA, {"type": "array", "items": _REASON_SCHEMA}]}),
]


class RetryRule(Frozen):
    """One line of the retry table: conditions that must all hold, and one action.

    A rule whose `times` are used up for the current number no longer matches, so that the line
    below it gets its turn. `after` may be written as a list of growing delays; the first is kept in
    `after`, the others in `later`, and the last one repeats. Names of reason classes are kept as
    the codes that they stand for.
    """

    leg: Literal["contact", "other"] | None = None
    status: Annotated[tuple[Status, ...], OneOrMany] = ()
    reasons: Reasons = ()
    outcome: Annotated[tuple[Literal["voicemail", "never_ran"], ...], OneOrMany] = ()
    after: Duration | None = None
    later: tuple[Duration, ...] = ()
    times: Whole | None = Field(default=None, ge=1, le=1_000)
    other_daypart: Flag = False
    then: Literal["next_number", "stop", "suppress"] | None = None

    def delay(self, used: int) -> timedelta:
        """Give the wait before the retry that comes after `used` earlier ones by this rule."""
        delays = (self.after or timedelta(0), *self.later)
        return delays[min(max(used, 0), len(delays) - 1)]

    @model_validator(mode="before")
    @classmethod
    def _growing(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("after"), list | tuple):
            first, *later = data["after"] or [""]
            return {**data, "after": first, "later": later}
        return data

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if (self.after is None) == (self.then is None):
            raise PydanticCustomError(
                "retry_action", "a retry rule has either `after` and `times`, or `then`"
            )
        if (self.after is None) != (self.times is None):
            raise PydanticCustomError("retry_action", "`after` and `times` go together")
        if self.other_daypart and self.after is None:
            raise PydanticCustomError("retry_action", "`other_daypart` goes with `after`")
        return self


assert OUTCOMES == ("voicemail", "never_ran")  # the Literal above must spell them out


class Schedule(Frozen):
    """When the campaign starts by itself. Times without an offset are meant in `timezone`.

    `repeat` is a cron line of five fields.
    """

    start_at: Instant | None = None
    end_at: Instant | None = None
    repeat: str | None = Field(default=None, pattern=r"^[0-9A-Za-z*/,-]+( [0-9A-Za-z*/,-]+){4}$")
    timezone: str = Field(default="America/Sao_Paulo", pattern=ZONE_NAME)


class Suppression(Frozen):
    """Lists of numbers that this campaign must not call, beside those of the account."""

    files: Annotated[tuple[str, ...], OneOrMany] = ()
    max_age: Duration = timedelta(days=7)


class RuleOverride(Frozen):
    """A rule of a rule pack that this campaign sets aside, and why; both are stored."""

    rule: str = Field(pattern=RULE_NAME, max_length=100)
    reason: str = Field(min_length=15, max_length=1_000)


def _hours(value: Any, _: ValidatorFunctionWrapHandler) -> CallingHours | Literal["always"] | None:
    if value is None or value == "always" or isinstance(value, CallingHours):
        return value  # type: ignore[no-any-return]  # narrowed by the line above
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "bad_hours", "write the days and their hours, such as mon-fri: 09:00-20:00"
        )
    return CallingHours.model_validate(value)


class Campaign(Frozen):
    """A whole campaign file.

    `automation` says who speaks: a person, a recording or a voicebot. Some states ban sales calls
    by the latter two. `sector` absent: rules for one trade are shown and not applied.
    `calling_hours` absent means the polite default.
    """

    campaign: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")
    purpose: Purpose
    automation: Literal["person", "recorded", "voicebot"] = "person"
    sector: Sector | None = None
    dial_list: DialList
    call: Call
    pacing: Pacing = Pacing()
    calling_hours: Annotated[Literal["always"] | CallingHours | None, WrapValidator(_hours)] = None
    limits: Limits = Limits()
    guards: Guards = Guards()
    reconcile: Reconcile = Reconcile()
    retry: tuple[RetryRule, ...] = ()
    schedule: Schedule | None = None
    suppression: Suppression = Suppression()
    overrides: tuple[RuleOverride, ...] = ()
