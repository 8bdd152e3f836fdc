"""`discador update` and `discador history`: a running campaign's rules, before and after."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from campaigns.amending import Changed, changes
from console import definitions, engine
from console.failures import CommandError
from console.interrupt import run_interruptible
from console.progress import local_time, screen
from console.steering import Known, choose, known_runs, wake
from console.target import Target, find_target
from store import amending

Name = Annotated[str, typer.Argument(metavar="RUN", help="Run id or campaign.")]
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The campaign as it is to be from now on.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
_UNSET = "(not written)"


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command("update")
    def update(
        name: Name,
        file: File,
        *,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only tell what would change.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """Let a running campaign go on by a changed file: pacing, limits, retries, hours, end.

        All of it or nothing: a file with any problem changes nothing. The old rules are kept.
        """
        target = find_target()
        run_interruptible(
            lambda: _update(screen(), target, name, file, dry_run=dry_run, as_json=as_json),
            lambda: "Interrupted.",
        )

    @app.command("history")
    def history(name: Name, *, as_json: AsJson = False) -> None:
        """Tell what happened to a run: states with their reasons, and every change of its rules."""
        target = find_target()
        run_interruptible(
            lambda: _history(screen(), target, name, as_json=as_json), lambda: "Interrupted."
        )


async def _update(
    console: Console, target: Target, name: str, file: Path, *, dry_run: bool, as_json: bool
) -> None:
    async with known_runs(target) as known:
        one = choose(known, name, open_only=False)
        if not one.run.is_open:
            raise CommandError(
                f"{one.run.campaign} ({one.run.id}) has ended: it is {one.run.state}, "
                "and its rules can no longer change."
            )
        versions = await amending.versions(one.store, one.run.id)
        running = versions[-1]
        loopback = running.definition.calling_hours == "always" or target.settings.loopback
        wanted = definitions.load_amended(file, running.definition, loopback=loopback)
        changed = changes(running.definition, wanted)
        version = running.version
        if changed and not dry_run:
            version = await engine.amend(
                one.store, one.run.id, wanted, known_version=running.version
            )
    if as_json:
        _print_json(
            {
                "run": one.run.id,
                "campaign": one.run.campaign,
                "version": version,
                "applied": bool(changed) and not dry_run,
                "changes": [item.model_dump() for item in changed],
            }
        )
    else:
        _tell(console, one, changed, version, dry_run=dry_run)
    if changed and not dry_run:
        told = await wake(target, one.run)
        if not told and not as_json:
            console.print(
                "It is in the store and binds every worker; a lane that waits sees it later, "
                "because Temporal does not answer.",
                soft_wrap=True,
                highlight=False,
            )


def _tell(
    console: Console, one: Known, changed: tuple[Changed, ...], version: int, *, dry_run: bool
) -> None:
    title = f"{one.run.campaign} ({one.run.id})"
    if not changed:
        console.print(f"{title} already goes by these rules: version {version}.", highlight=False)
        return
    for line in _lines(changed):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    word = f"would go on by version {version + 1}" if dry_run else f"goes on by version {version}"
    console.print(f"{title} {word}.", highlight=False)


def _lines(changed: tuple[Changed, ...]) -> list[str]:
    return [
        f"  {item.key}: {_UNSET if item.before is None else item.before}"
        f" -> {_UNSET if item.after is None else item.after}"
        for item in changed
    ]


async def _history(console: Console, target: Target, name: str, *, as_json: bool) -> None:
    async with known_runs(target) as known:
        one = choose(known, name, open_only=False)
        events = await amending.events(one.store, one.run.id)
        versions = await amending.versions(one.store, one.run.id)
    diffs = {
        after.version: changes(before.definition, after.definition)
        for before, after in pairwise(versions)
    }
    if as_json:
        _print_json(
            {
                "run": one.run.id,
                "campaign": one.run.campaign,
                "events": [{**event.model_dump(), "at": _iso(event.at)} for event in events],
                "versions": [
                    {
                        "version": version.version,
                        "created_at": _iso(version.created_at),
                        "changes": [item.model_dump() for item in diffs.get(version.version, ())],
                    }
                    for version in versions
                ],
            }
        )
        return
    table = Table("at", "state", "why", box=SIMPLE_HEAD)
    for event in events:
        table.add_row(local_time(event.at), event.state, event.reason)
    console.print(f"{one.run.campaign}  run {one.run.id}", highlight=False)
    console.print(table)
    for version in versions[1:]:
        console.print(f"rules version {version.version}:", highlight=False)
        for line in _lines(diffs[version.version]):
            console.print(line, soft_wrap=True, highlight=False, markup=False)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
