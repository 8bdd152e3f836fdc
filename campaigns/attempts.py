"""What is known about an attempt, and what was decided about it: values only.

Workflows and activities exchange these, so they are passed through the workflow sandbox. The
modules that decide (`campaigns.outcomes`, `campaigns.policy`) run inside it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from campaigns.definition import Frozen, RetryRule

LegName = Literal["contact", "other"]
RefusalClass = Literal["number", "pacing", "account", "campaign", "other"]


class Outcome(StrEnum):
    """What an attempt came to. A contact ends with the outcome of its last attempt."""

    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    OTHER_LEG = "other_leg"
    TECHNICAL = "technical"
    HUNG_UP = "hung_up"
    NEVER_RAN = "never_ran"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    NOT_PLACED = "not_placed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    NOT_ALLOWED = "not_allowed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    OTHER = "other"


class LegFacts(Frozen):
    """One leg of a finished call. `reason` is the disconnect code, `talked` is in seconds."""

    status: str | None = None
    reason: int | None = None
    talked: int = 0
    total: int = 0
    substatus: str | None = None


class CallFacts(Frozen):
    """A finished call. `voicemail_detection` is the call's `detecta_caixa`, null if absent."""

    contact: LegFacts
    other: LegFacts
    voicemail_detection: bool | None = None
    contact_rings_first: bool = True
    hung_up: bool = False
    """We asked the API to end this call."""


class DialingRules(Frozen):
    """The part of a campaign that the workflow decides by. It holds no personal data."""

    version: int = 1
    retry: tuple[RetryRule, ...] = ()
    total_per_contact: int = 5


class Ended(Frozen):
    """An attempt that is over and waits for a decision.

    `how` tells how it ended: a finished call (then `call` is there) or an attempt that never became
    one. `rule_uses` counts, for each retry rule, how often it has acted for the current number.
    """

    key: str
    how: Literal["call", "refused", "not_sent", "not_placed", "unknown"]
    call: CallFacts | None = None
    refusal: RefusalClass | None = None
    accepted: int = 0
    """Calls of this contact that the API has accepted so far, this one included."""
    technical: int = 0
    """Attempts in a row that never became a call, this one included."""
    numbers_left: int = 0
    """Numbers of the contact after the current one."""
    rule_uses: tuple[int, ...] = ()


class Step(Frozen):
    """What to do with the contact.

    `delay` is in seconds. `rule` is the index in the retry table, and `why` a short code for the
    decisions that no rule made.
    """

    key: str
    action: Literal["retry", "next_number", "final"]
    outcome: Outcome
    delay: float = 0.0
    rule: int | None = None
    why: str = ""
    version: int = 1
    suppress: bool = False
    """Never call this number again, in any campaign."""
    spared: bool = False
    """The person never noticed: the attempt does not count against their caps."""
    other_daypart: bool = False
    """Not before another part of the day than the one in which this attempt was made."""
    short: bool | None = None
    """Whether the call counts as short for the regulator; None: the contact was not dialed."""
