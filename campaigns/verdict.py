"""What is asked of the rules and what they answer: values that any module may hold and store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, Literal

from campaigns.calendar import DataVersions
from campaigns.definition import Campaign, RuleOverride, Sector
from campaigns.opening import CallingHours
from campaigns.packs import AttemptLimits, Automation, Cause, Confidence, NumberKind
from campaigns.period import Period
from campaigns.scalars import Frozen

DEFAULT_MARGIN: Final = timedelta(minutes=5)
"""How long a call may last where the campaign does not say: a call starts only if it can end by
the close of the hours."""

OWN_HOURS: Final = "calling-hours"
MARGIN: Final = "margin"
ALWAYS: Final = "always"
START_AT: Final = "start-at"
END_AT: Final = "end-at"


class Terms(Frozen):
    """What a campaign says that bears on whether it may call.

    `hours` None means that nothing was written: the polite profile holds. `registries` are the
    names of suppression lists at hand and fresh enough, None where nobody has looked. `limits` are
    the caps as written. `period` is when the campaign may call at all.
    """

    purpose: Cause
    automation: Automation = "person"
    recording: bool = False
    hours: CallingHours | Literal["always"] | None = None
    margin: timedelta = DEFAULT_MARGIN
    overrides: tuple[RuleOverride, ...] = ()
    registries: frozenset[str] | None = None
    sector: Sector | None = None
    limits: AttemptLimits = AttemptLimits()
    period: Period = Period()

    @classmethod
    def of(cls, campaign: Campaign, registries: Iterable[str] | None = None) -> Terms:
        """Take the terms out of a campaign."""
        written = campaign.limits.per_number
        return Terms(
            purpose=campaign.purpose,
            automation=campaign.automation,
            sector=campaign.sector,
            recording=campaign.call.gravar_audio,
            hours=campaign.calling_hours,
            margin=campaign.call.max_duration or DEFAULT_MARGIN,
            overrides=campaign.overrides,
            registries=None if registries is None else frozenset(registries),
            limits=AttemptLimits(
                per_day=written.per_day,
                per_week=written.per_week,
                per_month=written.per_month,
                min_gap=written.min_gap,
            ),
            period=Period.of(campaign.schedule),
        )


class CallFacts(Frozen):
    """One call to be judged. `ufs` and `zones` empty: those of the area code."""

    terms: Terms
    ddd: str
    kind: NumberKind = "movel"
    ufs: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


class Reason(Frozen):
    """A link in the chain of a decision.

    `met` says whether something required is there; None where nothing is, or nobody has looked.
    """

    rule: str
    law: str
    text: str
    blocks: bool
    effect: Literal[
        "hours",
        "margin",
        "period",
        "deny",
        "require",
        "limit",
        "duty",
        "override",
        "expired",
        "always",
    ]
    confidence: Confidence | None = None
    met: bool | None = None


class Verdict(Frozen):
    """The decision. Instants are UTC.

    `callable_until` is the last instant at which the call may start, the margin of the hours taken
    off; None where it may not be called, or where no end is in sight. `next` is the next
    instant at which it may, where it may not now; None where it may, or never will. The reasons
    that block come first.
    """

    callable: bool
    callable_until: datetime | None
    next: datetime | None
    reasons: tuple[Reason, ...]
    versions: DataVersions

    @cached_property
    def why(self) -> str:
        """The id of the first rule that blocks; empty where none does."""
        return next((reason.rule for reason in self.reasons if reason.blocks), "")


class Unmet(Frozen):
    """Something that rules require before the campaign may start, and for which area codes."""

    reason: Reason
    ddds: tuple[str, ...]
