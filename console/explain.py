"""`discador explain`: may this number be called at this time, and by which rules.

It needs no store, no token and no list: only the campaign file. What only the store knows (who is
suppressed, how often a number was tried) is named as not looked at.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import AwareDatetime

from campaigns import document
from campaigns.calendar import DataVersions
from campaigns.clocks import packaged_zone
from campaigns.definition import Campaign, Purpose
from campaigns.explain import HoursOracle, Reason, Terms
from campaigns.loader import check
from campaigns.numbers import Kind, PhoneNumber, RejectedNumber, normalise
from campaigns.packs import AttemptLimits, describe_limits
from campaigns.problems import render
from campaigns.scalars import Frozen
from console.failures import CommandError, InvalidDefinitionError

#: Problems that do not keep from judging a number: the list itself, and keys that are judged here
#: though nothing dials by them yet.
_BESIDE_THE_POINT: Final = frozenset(
    {
        *("missing_list", "empty_list", "missing_column", "missing_sheet", "not_a_table"),
        *("unreadable_list", "unreadable_encoding", "not_yet"),
    }
)
_YEARS: Final = range(1990, 2101)
_KINDS: Final = {"movel": "mobile", "fixo": "landline"}
_NOT_SEEN: Final = "suppression lists, and how often the number was tried"


class Explanation(Frozen):
    """What the command answers. Instants carry the offset of the number's (first) zone.

    Nothing in it holds the number. `not_looked_at` is what only the store knows.
    """

    campaign: str
    purpose: Purpose
    at: AwareDatetime
    callable: bool
    callable_until: AwareDatetime | None = None
    next: AwareDatetime | None = None
    reasons: tuple[Reason, ...]
    ddd: str | None = None
    kind: Kind | None = None
    ufs: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    attempts: AttemptLimits | None = None
    versions: DataVersions
    not_looked_at: str = _NOT_SEEN


def register(app: typer.Typer) -> None:
    """Add the command `explain`."""
    app.command(name="explain")(_command)


def _command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The campaign, a YAML file.")],
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="In any form a list may have.")],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help='Such as "2026-12-01 18:30": local time of the number unless it has an offset.'
            " Default now.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Tell whether a number may be called, until when or from when, and by which rules."""
    campaign = read_campaign(file)
    found = normalise(number, default_ddd=campaign.dial_list.default_ddd)
    answer = explain(campaign, found, read_time(at, found))
    print(answer.model_dump_json(indent=2) if as_json else describe(answer))


def read_campaign(path: Path) -> Campaign:
    """Read a campaign whose list need not be there. Raises `InvalidDefinitionError`.

    `calling_hours: always` is accepted: the answer says that it holds for a local API only.
    """
    checked = check(path, loopback=True)
    if checked.campaign is not None:
        return checked.campaign
    errors = [problem for problem in checked.errors if problem.code not in _BESIDE_THE_POINT]
    root = None if errors else document.read(path.read_text(encoding="utf-8-sig"), _ignore)
    if root is None:
        raise InvalidDefinitionError(render(errors or checked.errors))
    return Campaign.model_validate(document.plain_value(root))


def _ignore(*_: Any) -> None:
    """Take a problem that was told already."""


def read_time(text: str | None, number: PhoneNumber | RejectedNumber) -> datetime:
    """Read `--at`; without an offset it is local time of the number. Raises `CommandError`."""
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CommandError(
            f'"{text[:40]}" is not a time; write "2026-12-01 18:30", with or without an offset.'
        ) from None
    if at.year not in _YEARS:
        raise CommandError(
            f"The year {at.year} is too far away: {_YEARS[0]} to {_YEARS[-1]} are known."
        )
    if at.tzinfo is not None:
        return at
    zone = packaged_zone(number.zones[0]) if isinstance(number, PhoneNumber) else UTC
    return at.replace(tzinfo=zone)


def explain(campaign: Campaign, number: PhoneNumber | RejectedNumber, at: datetime) -> Explanation:
    """Judge one number at an instant by a campaign's rules. Reads no clock, store or network."""
    terms = Terms.of(campaign)
    try:
        oracle = HoursOracle(terms)
        if isinstance(number, RejectedNumber):
            return Explanation(
                campaign=campaign.campaign,
                purpose=campaign.purpose,
                at=at,
                callable=False,
                reasons=(_never(number),),
                versions=oracle.versions,
            )
        verdict = oracle.evaluate(number.ddd, at, number.kind)
    except ValueError as error:
        raise CommandError(f"This cannot be judged: {error}.") from None
    zone = packaged_zone(number.zones[0])
    local = at.astimezone(zone)

    def there(instant: datetime | None) -> datetime | None:
        return None if instant is None else instant.astimezone(zone)

    return Explanation(
        campaign=campaign.campaign,
        purpose=campaign.purpose,
        at=local,
        callable=verdict.callable,
        callable_until=there(verdict.callable_until),
        next=there(verdict.next),
        reasons=verdict.reasons,
        ddd=number.ddd,
        kind=number.kind,
        ufs=number.ufs,
        zones=number.zones,
        attempts=oracle.limits(number.ddd, local.date()),
        versions=verdict.versions,
    )


def _never(number: RejectedNumber) -> Reason:
    return Reason(
        rule="never-dial",
        law="Brazil's numbering plan; only geographic numbers are dialed",
        text=f"{number.message} [{number.reason}]",
        blocks=True,
        effect="deny",
    )


def describe(answer: Explanation) -> str:
    """Write an explanation for people."""
    lines = [_headline(answer)]
    if answer.ddd is not None:
        where = " and ".join(answer.ufs)
        kind = _KINDS[answer.kind or "movel"]
        clock = f"{answer.at:%A %Y-%m-%d %H:%M %z}"
        lines.append(f"Area code {answer.ddd} ({where}), {kind}; there it is {clock}.")
    lines.append("")
    for reason in answer.reasons:
        sure = f"; {reason.confidence}" if reason.confidence else ""
        lines.append(f"{_mark(reason)} {reason.rule}: {reason.text}")
        lines.append(f"    {reason.law}{sure}")
    lines.append("")
    if answer.attempts is not None:
        lines.append(f"Caps on attempts at this number: {describe_limits(answer.attempts)}.")
    versions = answer.versions
    lines += [
        f"Not looked at: {answer.not_looked_at}.",
        f"Data: zones {versions.tzdata}, holidays {versions.holidays}, rules {versions.packs}.",
        "The rules are no legal advice; see docs/rules.md.",
    ]
    return "\n".join(lines)


def _headline(answer: Explanation) -> str:
    if answer.callable:
        until = answer.callable_until
        limit = "with no limit" if until is None else f"until {until:%A %Y-%m-%d %H:%M:%S %z}"
        return f"Callable for {answer.campaign}: a call may start now and {limit}."
    if answer.next is None:
        return f"Not callable for {answer.campaign}, now or later."
    return f"Not callable for {answer.campaign} now; again {answer.next:%A %Y-%m-%d %H:%M %z}."


def _mark(reason: Reason) -> str:
    if reason.blocks:
        return "[no]  "
    if reason.effect == "require" and not reason.met:
        return "[need]"
    return "[note]" if reason.effect in {"duty", "expired", "override"} else "[ok]  "
