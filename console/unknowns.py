"""Commands about attempts that could not be decided: list them, and settle each."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaigns.attempts import Outcome
from campaigns.keys import key_in
from console.failures import CommandError
from console.progress import local_time
from console.steering import choose, known_runs, wake
from console.target import Target
from console.voice import voice_client
from store import unknowns
from store.runs import RunError
from zenvia.errors import VoiceError


async def show_unknowns(
    console: Console, target: Target, name: str | None, *, as_json: bool
) -> None:
    """Print the attempts of unknown fate and how to settle one; ids only, nobody's number."""
    async with known_runs(target) as known:
        one = choose(known, name, open_only=False)
        found = await unknowns.unknowns(one.store, one.run.id)
    if as_json:
        documents = [
            {
                **each.model_dump(),
                "posted_at": _iso(each.posted_at),
                "holds_until": _iso(each.holds_until),
            }
            for each in found
        ]
        sys.stdout.write(json.dumps(documents, indent=2) + "\n")
        return
    if not found:
        console.print(f"Nothing of run {one.run.id} is undecided.", highlight=False)
        return
    table = Table(box=SIMPLE_HEAD)
    for heading in (
        "attempt",
        "id in the list",
        "posted",
        "reports read",
        "call",
        "holds its number until",
    ):
        table.add_column(heading)
    for each in found:
        table.add_row(
            each.attempt,
            Text(each.id),
            local_time(each.posted_at),
            str(each.reads),
            "-" if each.call is None else str(each.call),
            local_time(each.holds_until),
        )
    console.print(table)
    for line in _settling(one.run.id, found[0].attempt):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _settling(run: str, attempt: str) -> tuple[str, ...]:
    """Say how one of them is settled; the call would carry the attempt's name in its tags."""
    resolve = f"discador resolve {run} {attempt} --as"
    return (
        "Look for a call whose tags begin with the attempt's name (`discador chamada relatorio`):",
        f"  {resolve} placed --call-id ID       it is there: follow it like any other",
        f"  {resolve} done --outcome OUTCOME    somebody knows what it came to",
        f"  {resolve} not-placed                nobody was called: dial again",
    )


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


async def settle_unknown(
    console: Console,
    target: Target,
    name: str,
    attempt: str,
    *,
    how: str,
    call_id: int | None,
    outcome: str | None,
) -> None:
    """Settle one attempt and say what follows. Twice is the same as once.

    A call that is named must be the attempt's own, by the key in its tags: the API is asked.
    """
    ways: dict[str, unknowns.How] = {way: way for way in get_args(unknowns.How)}
    if how not in ways:
        raise CommandError(f"--as takes one of {', '.join(ways)}.")
    said = {each.value: each for each in unknowns.SAYABLE}
    if (how == "done") != (outcome is not None) or (outcome is not None and outcome not in said):
        raise CommandError(f"--as done goes with --outcome, one of {', '.join(said)}.")
    chosen: Outcome | None = None if outcome is None else said[outcome]
    async with known_runs(target) as known:
        one = choose(known, name, open_only=False)
        if call_id is not None:
            await _is_of(attempt, call_id)
        try:
            told = await unknowns.resolve(
                one.store, one.run.id, attempt, ways[how], call=call_id, outcome=chosen
            )
        except RunError as error:
            said_so = str(error)
            raise CommandError(f"{said_so[:1].upper()}{said_so[1:]}.") from None
        await wake(target, one.run)
    console.print(f"{told[:1].upper()}{told[1:]}.", highlight=False, soft_wrap=True)


async def _is_of(attempt: str, call_id: int) -> None:
    """Raise `CommandError` unless the API's call carries the attempt's key."""
    try:
        async with voice_client() as client:
            call = await client.fetch_call(call_id)
    except VoiceError as error:
        raise CommandError(f"Call {call_id} could not be looked at: {error}") from None
    key = key_in(call.tags)
    if key != attempt:
        whose = "its tags name no attempt" if key is None else f"its tags name {key}"
        raise CommandError(
            f"Call {call_id} is not of attempt {attempt}: {whose}. Nothing was written."
        )
