"""`discador plan`: what a campaign would do, before it does anything.

No call is made and no run is created; the store, where there is one, is only read. Whoever has no
store here yet gets the same plan without suppression lists.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from activities.requirements import describe_unmet
from campaigns.clocks import packaged_zone
from campaigns.forecast import PRICE_FIXO, PRICE_MOVEL, Prices
from campaigns.scalars import counted
from console import definitions, engine
from console.failures import CommandError, InvalidDefinitionError
from console.interrupt import run_interruptible
from console.planning import Plan, make_plan
from console.rejected import rejected_file, rejected_rows, tell_where
from console.stackfile import HOME
from console.target import find_target

_ZONE: Final = packaged_zone("America/Sao_Paulo")
_WAITS_TOLD: Final = 12
_YEARS: Final = range(1990, 2101)

Price = Annotated[float, typer.Option(min=0.0, help="Reais a minute, for the worst case.")]


def register(app: typer.Typer) -> None:
    """Add the command `plan`."""
    app.command(name="plan")(_command)


def _command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The campaign, a YAML file.")],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help='As if started then, such as "2026-12-01 09:00": time of São Paulo unless it has'
            " an offset. Default now.",
        ),
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="As a rehearsal on the local Voice API.")
    ] = False,
    price_movel: Price = PRICE_MOVEL,
    price_fixo: Price = PRICE_FIXO,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> int:
    """Tell who would be called now, later and never, until when, and at what cost at most.

    Exit code 2 where nobody ever would be, 1 where it may not start yet.
    """
    target = find_target()
    instant = _instant(at)
    checked = definitions.load_definition(file, loopback=sandbox or target.settings.loopback)
    campaign = checked.campaign
    assert campaign is not None
    url = target.store_to_read(sandbox=sandbox)
    mendable = rejected_file(HOME, campaign.campaign, file.parent / campaign.dial_list.file)

    async def work() -> Plan:
        async with AsyncExitStack() as stack:
            store = None if url is None else await stack.enter_async_context(engine.opened(url))
            rejected = stack.enter_context(rejected_rows(mendable))
            return await make_plan(
                campaign,
                file,
                instant,
                store=store,
                rejected=rejected,
                problems=checked.problems,
                prices=Prices(movel=price_movel, fixo=price_fixo),
                say=_note,
            )

    plan = run_interruptible(work, lambda: "Interrupted; a plan changes nothing.")
    if as_json:
        print(plan.model_dump_json(indent=2))
    else:
        print("\n".join(describe(plan)))
        tell_where(print, mendable if plan.rejected else None)
    if plan.nobody is not None:
        _note(f"Nobody would be called: {plan.nobody}. [nobody_to_call]")
        return InvalidDefinitionError.exit_code
    if not plan.may_start:
        _note("It may not start yet: its rules require what is missing. [may_not_start]")
        return CommandError.exit_code
    return 0


def _note(line: str) -> None:
    print(line, file=sys.stderr)


def _instant(text: str | None) -> datetime:
    """Read `--at`. Raises `CommandError`."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.year not in _YEARS:
        raise CommandError(f'"{text[:40]}" is not a time; write 2026-12-01 09:00.')
    return at if at.tzinfo is not None else at.replace(tzinfo=_ZONE)


def describe(plan: Plan) -> Iterator[str]:
    """Write a plan for people; times are those of São Paulo."""
    outlook, expected = plan.outlook, plan.forecast
    yield (
        f"{plan.campaign} ({plan.purpose}), as of {_at(plan.starts_at)} (times of São Paulo):"
        f" {counted(plan.contacts, 'contact')}, {counted(plan.rejected, 'row')} rejected."
        " Nothing was called or started."
    )
    yield ""
    yield f"called at once  {outlook.now}{_by(outlook.now_by_uf)}"
    waiting = sum(item.contacts for item in outlook.waiting)
    yield f"waiting         {waiting}"
    for item in outlook.waiting[:_WAITS_TOLD]:
        rules = ", ".join(f"{rule} {count}" for rule, count in item.by_rule.items())
        yield f"  until {_at(item.until)}: {item.contacts} ({rules})"
    if len(outlook.waiting) > _WAITS_TOLD:
        yield f"  and {counted(len(outlook.waiting) - _WAITS_TOLD, 'later instant')}"
    yield f"never           {sum(item.contacts for item in outlook.blocked)}"
    for blocked in outlook.blocked:
        yield f"  {blocked.reason.rule}: {blocked.contacts}{_by(blocked.by_uf)}"
        yield f"      {blocked.reason.text}"
        yield f"      {blocked.reason.law}"
    for reason, count in plan.rejected_by_reason.items():
        yield f"rejected        {count} [{reason}]"
    yield ""
    if outlook.first is not None and outlook.last is not None:
        yield f"first call      {_at(outlook.first)}"
        yield (
            f"last call       {_at(outlook.last)}, at {plan.calls_per_second:g} calls/s"
            " (waits between retries not counted)"
        )
    yield (
        f"calls           {expected.expected_attempts} expected"
        f" ({expected.attempts_per_contact:.2f} a contact), {expected.attempts_at_most} at most"
    )
    yield (
        f"cost at most    R$ {expected.cost_at_most_brl:.2f}: all of them answered and"
        f" {expected.longest_call_seconds / 60:g} min long"
    )
    yield f"short calls     {100 * expected.short_share:.0f} % expected"
    yield f"                {expected.basis}"
    if outlook.unmet:
        yield ""
        yield "It may not start yet; its rules require what is missing:"
        yield describe_unmet(outlook.unmet)
    if plan.warnings:
        yield ""
        for warning in plan.warnings:
            yield f"warning: {warning.message} [{warning.code}]"
    yield ""
    yield f"Not looked at: {'; '.join(plan.not_looked_at)}."


def _by(by_uf: dict[str, int]) -> str:
    parts = ", ".join(f"{uf} {count}" for uf, count in by_uf.items())
    return f" ({parts})" if parts else ""


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(_ZONE):%a %Y-%m-%d %H:%M:%S}"
