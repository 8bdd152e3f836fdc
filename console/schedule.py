"""`discador schedule`: campaigns that start by themselves, as schedules of Temporal.

What is made of a campaign file lives in Temporal alone; at each of its times the worker reads the
file and its list anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.failures import CommandError
from console.interrupt import run_interruptible

if TYPE_CHECKING:
    from temporalio.client import Client

    from console.schedules import Known

app = typer.Typer(help="Campaigns that start by themselves.", no_args_is_help=True)

SECONDS = 30.0
"""How long Temporal may take to answer all that a command asks it."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The campaign's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command("create")
def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The campaign, a YAML file.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Let a campaign start at the times of its `schedule`. Done again, it brings them up to date.

    The worker reads FILE and its list anew each time, so both must be where it can reach them.
    """
    from console import schedules  # noqa: PLC0415 - slow, and help need not wait for it
    from console.progress import Terminal  # noqa: PLC0415
    from console.running import read_definition  # noqa: PLC0415
    from console.target import find_target  # noqa: PLC0415

    target, terminal = find_target(), Terminal()
    campaign = read_definition(terminal, file, loopback=target.settings.loopback)
    plan = schedules.plan_of(campaign, file.absolute(), target.settings.task_queue)

    async def work(client: Client) -> None:
        known, is_new = await schedules.put(client, plan)
        if as_json:
            print(json.dumps(known.as_json(), ensure_ascii=False, indent=2))
            return
        print(f"Schedule {known.name} was {'created' if is_new else 'brought up to date'}.")
        for line in schedules.describe(known):
            print(line)
        print(schedules.PROMISE)

    _with_temporal(work)


@app.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """Show every schedule: its next times, whether it is paused, and how its last start ended."""
    from console import schedules  # noqa: PLC0415

    async def work(client: Client) -> None:
        known = await schedules.all_of(client)
        if as_json:
            print(json.dumps([one.as_json() for one in known], ensure_ascii=False, indent=2))
        elif not known:
            print("No schedule yet. `discador schedule create FILE` makes one.")
        for one in known if not as_json else ():
            print(one.name)
            for line in schedules.describe(one):
                print(line)

    _with_temporal(work)


@app.command("pause")
def pause(
    name: Name,
    *,
    reason: Annotated[str, typer.Option(help="Why; `list` shows it.")] = "paused by hand",
    as_json: AsJson = False,
) -> None:
    """Let no further run start. The one that goes on is not touched: `discador pause` holds it."""
    from console import schedules  # noqa: PLC0415

    _change(name, lambda client: schedules.pause(client, name, reason), "is paused", as_json)


@app.command("resume")
def resume(name: Name, *, as_json: AsJson = False) -> None:
    """Let runs start again at the schedule's times; what was missed meanwhile is not made up."""
    from console import schedules  # noqa: PLC0415

    _change(name, lambda client: schedules.resume(client, name), "goes on", as_json)


@app.command("delete")
def delete(name: Name, *, as_json: AsJson = False) -> None:
    """Forget a schedule. A run of it that goes on is not touched: `discador stop` ends it."""
    from console import schedules  # noqa: PLC0415

    async def work(client: Client) -> None:
        await schedules.delete(client, name)
        said = json.dumps({"campaign": name, "deleted": True})
        print(said if as_json else f"Schedule {name} was deleted.")

    _with_temporal(work)


def _change(
    name: str,
    change: Callable[[Client], Awaitable[Known]],
    said: str,
    as_json: bool,  # noqa: FBT001 - passed on from an option
) -> None:
    from console import schedules  # noqa: PLC0415

    async def work(client: Client) -> None:
        known = await change(client)
        if as_json:
            print(json.dumps(known.as_json(), ensure_ascii=False, indent=2))
            return
        print(f"Schedule {name} {said}.")
        for line in schedules.describe(known):
            print(line)

    _with_temporal(work)


def _with_temporal(work: Callable[[Client], Awaitable[None]]) -> None:
    """Do something at the Temporal that is configured, or that runs in this directory."""
    from console import carrying  # noqa: PLC0415
    from console.target import find_target  # noqa: PLC0415

    target = find_target()
    if target.temporal is None:
        raise CommandError(
            "No Temporal to keep schedules: set TEMPORAL_ADDRESS, or keep `discador up` running in "
            "this directory."
        )
    config = target.temporal

    async def body() -> None:
        client = await carrying.connect(config)
        try:
            async with asyncio.timeout(SECONDS):
                await work(client)
        except TimeoutError:
            raise CommandError(
                f"Temporal did not answer within {SECONDS:.0f} seconds; "
                "`discador schedule list` shows what has become of it."
            ) from None

    run_interruptible(body, lambda: "Interrupted; `discador schedule list` shows what is there.")
