"""Rounds told to people as a table, and to programs as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.chaos.round import Outcome


def as_json(outcomes: Sequence[Outcome]) -> str:
    """Return one JSON object with every round."""
    return json.dumps(
        {
            "kept": all(outcome.kept for outcome in outcomes),
            "rounds": [
                {"kept": outcome.kept, "reproduce": command(outcome), **asdict(outcome)}
                for outcome in outcomes
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def command(outcome: Outcome) -> str:
    """Return the command that breaks the same things at the same moments again."""
    return (
        f"python -m tests.chaos --seed {outcome.seed} --store {outcome.store} --form {outcome.form}"
        f" --contacts {outcome.contacts}"
    )


def line(outcome: Outcome) -> str:
    """Return the counts of one round, to be told as soon as it is over."""
    counts = ", ".join(f"{name} {count}" for name, count in outcome.counts.items())
    faults = sum(outcome.faults.values())
    disturbed = ", ".join(f"{name} {count}" for name, count in sorted(outcome.disturbed.items()))
    return (
        f"{outcome.store}, seed {outcome.seed}: {'kept' if outcome.kept else 'BROKEN'} after"
        f" {outcome.seconds:g} s; {outcome.calls} calls; {disturbed or 'nothing disturbed'};"
        f" {faults} faults of the API; {counts or 'nothing counted'}"
    )


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a table with a column for each round, and below it what is broken and how to repeat."""
    table = Table(title="chaos", show_lines=False)
    table.add_column("")
    for outcome in outcomes:
        table.add_column(f"{outcome.store}, seed {outcome.seed}", justify="right")
    _section(
        table,
        "",
        [
            {
                "contacts": outcome.contacts,
                "calls": outcome.calls,
                "seconds": outcome.seconds,
            }
            for outcome in outcomes
        ],
    )
    _section(table, "done to processes", [outcome.disturbed for outcome in outcomes])
    _section(table, "faults of the API", [outcome.faults for outcome in outcomes])
    _section(table, "what came of lost answers", [outcome.doubts for outcome in outcomes])
    _section(table, "caps, most seen", [outcome.caps for outcome in outcomes])
    _section(table, "promises broken", [outcome.counts for outcome in outcomes])
    console.print(table)
    for outcome in outcomes:
        verdict = "every promise kept" if outcome.kept else "BROKEN"
        console.print(f"{outcome.store}: {verdict}. Again: {command(outcome)}", soft_wrap=True)
        for line in outcome.broken:
            console.print(f"  {line}", style="red", soft_wrap=True, markup=False)


def _section(table: Table, title: str, columns: Sequence[Mapping[str, object]]) -> None:
    """Add rows for every name that any of the columns has."""
    if title:
        table.add_section()
        table.add_row(f"[bold]{title}[/bold]")
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(f"  {name}", *(str(column.get(name, 0)) for column in columns))
