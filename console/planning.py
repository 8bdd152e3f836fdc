"""What `discador plan` finds out: who would be called when, who never, and what it may come to.

The list is read once, row by row; what is kept of it are counts. Nothing is called and no run is
created. Of the store, where there is one, the suppression lists and past outcomes are read.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from activities.requirements import end_of
from activities.settings import ACCOUNT
from campaigns.areas import ufs
from campaigns.contacts import ContactRow, RejectedRow
from campaigns.definition import Campaign
from campaigns.explain import HoursOracle, Terms
from campaigns.forecast import ASSUMED, Crowd, Forecast, Prices, forecast, measured
from campaigns.numbers import Kind, PhoneNumber
from campaigns.optouts import OptOut, read_optouts
from campaigns.outlook import Blocked, Group, Outlook, calls_per_second, look_ahead
from campaigns.period import Period
from campaigns.problems import Problem
from campaigns.scalars import Frozen, counted
from campaigns.seen import Seen
from campaigns.tables import ListError, nobody_in
from campaigns.verdict import Reason
from console import definitions
from console.failures import InvalidDefinitionError
from console.rejected import RejectedRows, noting
from store import reporting, suppressing
from store.dead import SOURCE as DEAD
from store.engine import Store

Say = Callable[[str], None]

SHORT_SHARE_WARNED: Final = 0.5
"""From which expected share of short calls on a warning is given, well below the regulator's."""

_BATCH: Final = 2_000
_SAID_EVERY: Final = 1.0

_SUPPRESSED: Final = Reason(
    rule="suppressed",
    law="the wish of whoever is called, or a registry that holds it",
    text="The number is on a suppression list; `discador suppress check` tells which.",
    blocks=True,
    effect="deny",
)
_DEAD: Final = Reason(
    rule="dead-number",
    law="none: calls to it said on two days that it does not exist",
    text="Every number of the contact is dead for this account.",
    blocks=True,
    effect="deny",
)


class Warned(Frozen):
    """Something to look at before starting; it keeps nothing from starting."""

    code: str
    message: str


class Plan(Frozen):
    """The whole plan. Instants have an offset; `starts_at` is when calling could begin at all.

    `may_start` is false where the rules require what is missing, or nobody is left to call.
    `nobody` says why nobody would ever be called, where that is so.
    """

    campaign: str
    purpose: str
    asked_at: datetime
    starts_at: datetime
    may_start: bool
    nobody: str | None
    contacts: int
    rejected: int
    rejected_by_reason: dict[str, int]
    outlook: Outlook
    forecast: Forecast
    calls_per_second: float
    warnings: tuple[Warned, ...]
    not_looked_at: tuple[str, ...]


class _Survey:
    """Counts contacts as they are read."""

    def __init__(self) -> None:
        self.contacts = 0
        self.groups = Counter[tuple[str, Kind]]()
        self.crowds = Counter[tuple[str, Kind, int, Kind]]()
        self.blocked: dict[str, Counter[str]] = {_SUPPRESSED.rule: Counter(), _DEAD.rule: Counter()}
        self.reasons = Counter[str]()
        self.ddds: set[str] = set()

    def contact(self, row: ContactRow, held: dict[str, tuple[str, ...]], own: Seen) -> None:
        """Take a contact: its first number that is not dead decides, as when it is dialed."""
        self.contacts += 1
        self.ddds.update(number.ddd for number in row.numbers)
        for at, number in enumerate(row.numbers):
            sources = held.get(number.e164, ())
            listed = own.line_of(int(number.e164)) is not None
            if listed or any(source != DEAD for source in sources):
                self.blocked[_SUPPRESSED.rule][_uf(number)] += 1
                return
            if not sources:
                self.groups[number.ddd, number.kind] += 1
                left = row.numbers[at:]
                dearest: Kind = "movel" if any(n.kind == "movel" for n in left) else "fixo"
                self.crowds[number.ddd, number.kind, len(left), dearest] += 1
                return
        self.blocked[_DEAD.rule][_uf(row.numbers[0])] += 1

    def blocks(self) -> Iterator[Blocked]:
        """Give those whom no rule but a list holds."""
        for reason in (_SUPPRESSED, _DEAD):
            by_uf = self.blocked[reason.rule]
            if by_uf:
                yield Blocked(
                    reason=reason, contacts=by_uf.total(), by_uf=dict(sorted(by_uf.items()))
                )


def _uf(number: PhoneNumber) -> str:
    return "+".join(ufs(number.ddd))


async def make_plan(
    campaign: Campaign,
    path: Path,
    at: datetime,
    *,
    store: Store | None,
    rejected: RejectedRows,
    problems: Iterable[Problem],
    prices: Prices,
    say: Say,
) -> Plan:
    """Read the list and work out the plan from `at` on. Raises `InvalidDefinitionError`."""
    survey = await _read(campaign, path, at, store=store, rejected=rejected, say=say)
    registries: frozenset[str] = frozenset()
    mix = ASSUMED
    if store is not None:
        age = campaign.suppression.max_age.total_seconds()
        registries = await suppressing.registries(store, ACCOUNT, age)
        mix = measured(await reporting.calls_by_outcome(store, ACCOUNT)) or ASSUMED
    period = Period.of(campaign.schedule)
    starts_at = max(at, period.starts_at) if period.starts_at else at
    oracle = HoursOracle(Terms.of(campaign, registries=registries))
    ever = {group for group in survey.groups if _ever_called(oracle, group, starts_at)}
    expected = forecast(
        campaign,
        (
            Crowd(numbers=numbers, dearest=dearest, contacts=count)
            for (ddd, kind, numbers, dearest), count in survey.crowds.items()
            if (ddd, kind) in ever
        ),
        mix,
        prices,
    )
    rate = calls_per_second(
        campaign.pacing.calls_per_second, campaign.pacing.channels, expected.seconds_a_call
    )
    outlook = look_ahead(
        oracle,
        [Group(ddd=ddd, kind=kind, contacts=c) for (ddd, kind), c in survey.groups.items()],
        starts_at,
        rate=rate,
        attempts_per_contact=max(expected.attempts_per_contact, 1.0),
    )
    blocked = sorted((*outlook.blocked, *survey.blocks()), key=lambda item: -item.contacts)
    unmet = oracle.unmet(survey.ddds, at.date())
    outlook = outlook.model_copy(
        update={"blocked": tuple(blocked), "contacts": survey.contacts, "unmet": unmet}
    )
    return Plan(
        campaign=campaign.campaign,
        purpose=campaign.purpose,
        asked_at=at,
        starts_at=starts_at,
        may_start=not unmet and bool(survey.contacts),
        nobody=_nobody(campaign.dial_list.file or "contacts", outlook, rejected.count),
        contacts=survey.contacts,
        rejected=rejected.count,
        rejected_by_reason=dict(survey.reasons.most_common()),
        outlook=outlook,
        forecast=expected,
        calls_per_second=round(rate, 3),
        warnings=tuple(_warnings(campaign, problems, outlook, expected, period)),
        not_looked_at=(
            "how often each number was tried before",
            *(() if store is not None else ("suppression lists: there is no store here yet",)),
        ),
    )


def _nobody(name: str, outlook: Outlook, rejected: int) -> str | None:
    """Say why nobody would be called, at once or later; None where somebody would."""
    if outlook.now or outlook.waiting:
        return None
    if not outlook.contacts:
        return f"{name}: {nobody_in(rejected)}"
    held = ", ".join(f"{item.reason.rule} {item.contacts}" for item in outlook.blocked)
    return f"{name}: all its contacts are held back ({held})"


def _ever_called(oracle: HoursOracle, group: tuple[str, Kind], at: datetime) -> bool:
    verdict = oracle.evaluate(group[0], at, group[1])
    return verdict.callable or verdict.next is not None


async def _read(
    campaign: Campaign,
    path: Path,
    at: datetime,
    *,
    store: Store | None,
    rejected: RejectedRows,
    say: Say,
) -> _Survey:
    survey, own = _Survey(), _own_lists(campaign, path.parent, at)
    said = time.monotonic()
    rows = noting(definitions.list_rows(campaign, path), rejected)
    while batch := list(islice(rows, _BATCH)):
        people = [row for row in batch if isinstance(row, ContactRow)]
        held: dict[str, tuple[str, ...]] = {}
        if store is not None and people:
            e164s = [number.e164 for row in people for number in row.numbers]
            held = await suppressing.held(
                store, ACCOUNT, campaign.campaign, campaign.purpose, e164s
            )
        for row in people:
            survey.contact(row, held, own)
        survey.reasons.update(row.reason for row in batch if isinstance(row, RejectedRow))
        if time.monotonic() - said >= _SAID_EVERY:
            said = time.monotonic()
            say(f"{counted(survey.contacts + rejected.count, 'row')} read ...")
    return survey


def _own_lists(campaign: Campaign, base: Path, at: datetime) -> Seen:
    """Read the campaign's own suppression files; a number takes a dozen bytes."""
    own = Seen()
    for file in campaign.suppression.files:
        try:
            for row in read_optouts(base / file):
                if not isinstance(row, OptOut) or row.scope not in {None, "all", campaign.purpose}:
                    continue
                if row.expires_on is None or end_of(row.expires_on) > at.timestamp():
                    own.remember(int(row.e164), row.line)
        except ListError as error:
            raise InvalidDefinitionError(f"{file}: {error} [{error.code}]") from None
    return own


def _warnings(
    campaign: Campaign,
    problems: Iterable[Problem],
    outlook: Outlook,
    expected: Forecast,
    period: Period,
) -> Iterator[Warned]:
    for problem in problems:
        if problem.severity == "warning":
            yield Warned(code=problem.code, message=f"line {problem.line}: {problem.message}")
    if campaign.call.max_duration is None:
        yield Warned(
            code="no_max_duration",
            message="nothing cuts a call (call.max_duration), so the worst case reckons with"
            f" {expected.longest_call_seconds / 60:g} minutes each",
        )
    if expected.short_share >= SHORT_SHARE_WARNED and expected.expected_attempts:
        yield Warned(
            code="short_calls",
            message=f"{100 * expected.short_share:.0f} % of the calls are expected to be short (not"
            " answered, voicemail, or ended within 6 s); the regulator acts from 85 % of 100,000 a"
            " day",
        )
    if outlook.unfinished:
        yield Warned(
            code="unfinished",
            message=f"{counted(outlook.unfinished, 'attempt')} without open hours within 400 days",
        )
    if period.ends_at and outlook.last and outlook.last > period.ends_at:
        yield Warned(
            code="past_end",
            message="the campaign ends (schedule.end_at) before everybody can have been called",
        )
    if outlook.stale:
        yield Warned(
            code="stale_rules",
            message=f"nobody has verified these rules for a year: {', '.join(outlook.stale)}",
        )
