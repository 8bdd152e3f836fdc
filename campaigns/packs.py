"""Rule packs: what law and custom demand of calls, as dated and sourced data.

A pack is a YAML file of `rules/`; this module reads it and knows what a rule is. What rules mean
for one call is worked out by `campaigns.explain`. Rules only narrow: each allows some hours of
those left, denies, requires something of the campaign, or caps attempts; a rule that does none of
these is a duty in words, shown to people. **Not legal advice**: each rule names its law, its
sources, how sure we are and when that was last looked at, so that counsel can confirm it.

Values are read as the text that was written; YAML's guesses about types are switched off.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import groupby
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from campaigns.calendar import AddedHoliday, HolidayKind
from campaigns.definition import Purpose, Sector
from campaigns.opening import DAYS, CallingHours
from campaigns.scalars import Day, Duration, Flag, Frozen, Instant, OneOrMany, Whole

#: What a campaign may be for; electoral propaganda can be judged, never declared in a campaign.
Cause = Purpose | Literal["election"]
Automation = Literal["person", "recorded", "voicebot"]
NumberKind = Literal["movel", "fixo"]
Confidence = Literal["A", "B", "C"]
Effect = Literal["hours", "deny", "require", "limit", "duty"]

_RULE_ID = r"^[a-z0-9][a-z0-9-]*$"


class PackError(ValueError):
    """A rule pack that cannot be used; the message names the file and every mistake in it."""


class When(Frozen):
    """Which calls a rule is about; all that is named must hold, nothing named means every call.

    `sector` is the caller's trade. Where the campaign does not say it, a rule
    that asks for it is shown as a duty and not applied.
    """

    uf: Annotated[tuple[str, ...], OneOrMany] = ()
    purpose: Annotated[tuple[Cause, ...], OneOrMany] = ()
    automation: Annotated[tuple[Automation, ...], OneOrMany] = ()
    kind: Annotated[tuple[NumberKind, ...], OneOrMany] = ()
    sector: Annotated[tuple[Sector, ...], OneOrMany] = ()


class Requirement(Frozen):
    """What a campaign must bring before it may start. `registry` names a list of suppressions."""

    recording: Flag = False
    registry: str | None = Field(default=None, pattern=_RULE_ID)


class AttemptLimits(Frozen):
    """Caps on attempts at one number, over all campaigns of the account. None: no cap.

    Days, weeks (from Monday) and months are those of the number's own calendar.
    """

    per_day: Whole | None = Field(default=None, ge=1)
    per_week: Whole | None = Field(default=None, ge=1)
    per_month: Whole | None = Field(default=None, ge=1)
    min_gap: Duration | None = None

    def tightened(self, other: AttemptLimits) -> AttemptLimits:
        """Give the caps that obey both."""

        def least(mine: int | None, its: int | None) -> int | None:
            return min((cap for cap in (mine, its) if cap is not None), default=None)

        gaps = [gap for gap in (self.min_gap, other.min_gap) if gap is not None]
        return AttemptLimits(
            per_day=least(self.per_day, other.per_day),
            per_week=least(self.per_week, other.per_week),
            per_month=least(self.per_month, other.per_month),
            min_gap=max(gaps, default=None),
        )


class Example(Frozen):
    """A call and what the rule does to it; a test runs every one.

    `at` is local time of the area code unless it has an offset. `gives`: `allowed` or `blocked` by
    this rule, `met` or `unmet` for what it requires, `applies` for caps and duties, `silent` where
    the rule is not about such a call, `expired` outside its dates.
    """

    ddd: str
    at: Instant
    purpose: Cause
    automation: Automation = "person"
    sector: Sector | None = None
    recording: Flag = False
    registries: Annotated[tuple[str, ...], OneOrMany] = ()
    gives: Literal["allowed", "blocked", "met", "unmet", "applies", "expired", "silent"]


class Rule(Frozen):
    """One rule. It has one effect: `allow`, `deny`, `require` or `limit`, or else it is a duty.

    `allow` are the only hours left open; `holidays` are the kinds of holidays on which they are
    closed as well. Outside `valid_from` to `valid_until` (local days, both included) a rule is
    shown and not applied.
    """

    id: str = Field(pattern=_RULE_ID, max_length=100)
    text: str = Field(min_length=20)
    law: str = Field(min_length=5)
    confidence: Confidence
    sources: Annotated[tuple[str, ...], OneOrMany] = Field(min_length=1)
    verified_on: Day
    valid_from: Day | None = None
    valid_until: Day | None = None
    when: When = When()
    allow: CallingHours | None = None
    holidays: Annotated[tuple[HolidayKind, ...], OneOrMany] = ()
    deny: Flag = False
    require: Requirement | None = None
    limit: AttemptLimits | None = None
    examples: tuple[Example, ...] = Field(min_length=1)

    @property
    def effect(self) -> Effect:
        """What the rule does."""
        if self.allow is not None:
            return "hours"
        if self.deny:
            return "deny"
        if self.require is not None:
            return "require"
        return "limit" if self.limit is not None else "duty"

    def in_force(self, day: date) -> bool:
        """Whether the rule holds on a day."""
        if self.valid_from is not None and day < self.valid_from:
            return False
        return self.valid_until is None or day <= self.valid_until

    @model_validator(mode="after")
    def _one_effect(self) -> Self:
        effects = [self.allow is not None, self.deny, self.require is not None, bool(self.limit)]
        if sum(effects) > 1:
            raise ValueError("a rule has one effect; write two rules")
        if self.holidays and self.allow is None:
            raise ValueError("`holidays` goes with `allow`")
        return self


class Pack(Frozen):
    """A file of rules. `applies: unwritten` holds where the campaign file says nothing itself.

    `uf` and `verified_on` are the defaults of its rules.
    """

    pack: str = Field(pattern=_RULE_ID)
    applies: Literal["always", "unwritten"] = "always"
    uf: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    verified_on: Day
    rules: tuple[Rule, ...] = ()
    holidays: tuple[AddedHoliday, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
            return data
        uf, verified_on = data.get("uf"), data.get("verified_on")
        rules = []
        for rule in data["rules"]:
            if isinstance(rule, dict):
                when = {**({"uf": uf} if uf else {}), **rule.get("when", {})}
                rules.append({"verified_on": verified_on, **rule, "when": when})
            else:
                rules.append(rule)
        return {**data, "rules": rules}


class Packs(Frozen):
    """All packs in use, and the hash of the text that they were read from."""

    packs: tuple[Pack, ...] = ()
    digest: str = "none"

    def rules(self, applies: Literal["always", "unwritten"] = "always") -> tuple[Rule, ...]:
        """Give the rules of all packs that apply so, in the order of the files."""
        return tuple(rule for pack in self.packs if pack.applies == applies for rule in pack.rules)

    def rule_ids(self) -> frozenset[str]:
        """Give the ids that an override may name."""
        return frozenset(rule.id for rule in self.rules())

    def holidays(self) -> tuple[AddedHoliday, ...]:
        """Give the days that the packs add to the calendar."""
        return tuple(day for pack in self.packs for day in pack.holidays)

    def stale(self, day: date, age: timedelta = timedelta(days=365)) -> tuple[str, ...]:
        """Name the rules that nobody has verified for longer than `age`."""
        return tuple(
            rule.id for pack in self.packs for rule in pack.rules if day - rule.verified_on > age
        )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = Counter(rule.id for pack in self.packs for rule in pack.rules)
        twice = sorted(rule for rule, count in ids.items() if count > 1)
        if twice:
            raise ValueError(f"these rule ids occur twice: {', '.join(twice)}")
        return self


class _TextLoader(yaml.SafeLoader):
    """Reads every scalar as text and refuses a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # PyYAML's own signature
        keys = Counter(str(key.value) for key, _ in node.value)
        for key, count in keys.items():
            if count > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


_TextLoader.yaml_implicit_resolvers = {}


def parse_pack(text: str, name: str) -> Pack:
    """Read one pack. PackError, naming the file, where it is not one."""
    try:
        return Pack.model_validate(yaml.load(text, Loader=_TextLoader))  # noqa: S506  # derived from SafeLoader
    except yaml.YAMLError as error:
        raise PackError(f"{name}: {error}") from None
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in error.errors()
        )
        raise PackError(f"{name}: {mistakes}") from None


def parse_packs(files: Mapping[str, str]) -> Packs:
    """Read packs from name and text of each file. PackError where one is wrong."""
    digest = hashlib.sha256()
    packs = []
    for name, text in sorted(files.items()):
        digest.update(f"{name}\n{len(text)}\n{text}".encode())
        packs.append(parse_pack(text, name))
    try:
        return Packs(packs=tuple(packs), digest=digest.hexdigest()[:12])
    except ValidationError as error:
        raise PackError("; ".join(mistake["msg"] for mistake in error.errors())) from None


def read_packs(folder: Traversable) -> Packs:
    """Read every `*.yaml` of a folder and of the folders in it."""

    def files(place: Traversable, path: str) -> Iterable[tuple[str, str]]:
        for entry in place.iterdir():
            if entry.is_dir():
                yield from files(entry, f"{path}{entry.name}/")
            elif entry.name.endswith(".yaml"):
                yield f"{path}{entry.name}", entry.read_text(encoding="utf-8")

    return parse_packs(dict(files(folder, "")))


@lru_cache(maxsize=1)
def shipped_packs() -> Packs:
    """Read the packs that come with the engine, once."""
    return read_packs(resources.files("campaigns").joinpath("rules"))


def describe_hours(hours: CallingHours) -> str:
    """Say hours in words, such as `mon-fri 09:00-20:00, sat 10:00-13:00`."""
    by_day = [" and ".join(map(str, hours.windows(day))) for day in range(len(DAYS))]
    words = []
    for text, run in groupby(enumerate(by_day), key=lambda item: item[1]):
        days = [DAYS[number] for number, _ in run]
        if text:
            words.append(f"{days[0]}-{days[-1]} {text}" if len(days) > 1 else f"{days[0]} {text}")
    return ", ".join(words)


def describe_limits(limits: AttemptLimits) -> str:
    """Say the caps in words, such as `2 a day, 15 a month, 4h apart`."""
    words = [
        f"{cap} a {unit}"
        for cap, unit in (
            (limits.per_day, "day"),
            (limits.per_week, "week"),
            (limits.per_month, "month"),
        )
        if cap is not None
    ]
    if limits.min_gap is not None:
        hours = limits.min_gap / timedelta(hours=1)
        words.append(f"{hours:g} h apart")
    return ", ".join(words) or "no cap"
