"""`discador contacts`: who is on the list of a running campaign."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from activities.requirements import require_registries_of
from activities.settings import ACCOUNT
from campaigns.contacts import open_table
from campaigns.definition import Campaign
from campaigns.rows import ContactRow, Item
from campaigns.scalars import counted
from campaigns.tables import BrokenRow, ListError, require_columns, tidy
from console import definitions
from console.failures import CommandError, InvalidDefinitionError
from console.interrupt import run_interruptible
from console.progress import screen
from console.steering import Known, choose, known_runs, wake
from console.target import Target, find_target
from store import roster, runs
from store.importing import Imported
from store.roster import Withdrawn
from store.runs import RunError

app = typer.Typer(help="Contacts of a running campaign.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="RUN", help="Run id or campaign.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
IDS_TOLD = 8


@app.command("add")
def add(
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A list with the columns of the campaign's own.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Add the contacts of another list; they are due at once.

    Whoever the run has already, by number or id, is left out: the same list twice adds nobody.
    """
    at = file.absolute()  # a campaign's list is read from beside the campaign
    _run(lambda console, target: _add(console, target, name, at, as_json=as_json))


@app.command("withdraw")
def withdraw(
    name: Name,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Ids of the list.")
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", help="A list with the campaign's id column.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Call these contacts no more. A call that is being made goes on to its end."""
    if not ids and file is None:
        raise CommandError("Name the ids of contacts, or a list of them by --file.")
    _run(lambda console, target: _withdraw(console, target, name, ids or [], file, as_json=as_json))


def _run(what: Callable[[Console, Target], Awaitable[None]]) -> None:
    target = find_target()
    run_interruptible(lambda: what(screen(), target), lambda: "Interrupted; say it again to go on.")


async def _add(console: Console, target: Target, name: str, file: Path, *, as_json: bool) -> None:
    async with known_runs(target) as known:
        one = choose(known, name, open_only=False)
        definition, _ = await runs.get_definition(one.store, one.run.id)
        own = definition.dial_list.model_copy(
            update={"file": str(file), "contacts": (), "sheet": None}
        )
        campaign = definition.model_copy(update={"dial_list": own})
        codes = {
            number.e164[3:5]
            for row in definitions.list_rows(campaign, file)
            if isinstance(row, ContactRow)
            for number in row.numbers
        }
        with definitions.telling_refusals():
            await require_registries_of(one.store, ACCOUNT, codes, campaign)

        def tell(done: Imported) -> None:
            if not as_json:
                console.print(
                    f"{counted(done.total + done.rejected, 'row')} read ...", highlight=False
                )

        try:
            added = await roster.add(
                one.store,
                one.run.id,
                _rows(campaign, file),
                by_id=own.id is not None,
                source=file.name,
                progress=tell,
            )
        except RunError as error:
            raise CommandError(f"{str(error).capitalize()}.") from None
        await wake(target, one.run)
    if as_json:
        sys.stdout.write(
            json.dumps({"run": one.run.id, "added": added.total, "rejected": added.rejected}) + "\n"
        )
        return
    console.print(
        f"{counted(added.total, 'contact')} added to {one.run.campaign} ({one.run.id}), "
        f"{counted(added.rejected, 'row')} rejected; `discador report` lists them.",
        soft_wrap=True,
        highlight=False,
    )


def _rows(campaign: Campaign, file: Path) -> Iterator[Item]:
    """Read the list; without a column of ids a row is known by this list and its line."""
    for row in definitions.list_rows(campaign, file):
        if isinstance(row, ContactRow) and campaign.dial_list.id is None:
            yield row.model_copy(update={"external_id": f"{file.name}:{row.line}"})
        else:
            yield row


async def _withdraw(
    console: Console,
    target: Target,
    name: str,
    ids: list[str],
    file: Path | None,
    *,
    as_json: bool,
) -> None:
    async with known_runs(target) as known:
        one = choose(known, name, open_only=False)
        if file is not None:
            definition, _ = await runs.get_definition(one.store, one.run.id)
            ids = [*ids, *_ids_of(definition, file)]
        try:
            found = await roster.withdraw(one.store, one.run.id, ids)
        except RunError as error:
            raise CommandError(f"{str(error).capitalize()}.") from None
        await wake(target, one.run)
    if as_json:
        sys.stdout.write(json.dumps({"run": one.run.id, **found.model_dump(mode="json")}) + "\n")
        return
    for line in _told(one, found):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _ids_of(campaign: Campaign, file: Path) -> Iterator[str]:
    column = campaign.dial_list.id
    if column is None:
        raise CommandError("The campaign's list has no column of ids, so name the ids themselves.")
    try:
        with closing(open_table(file, [column])) as table:
            require_columns(file.name, table.columns, [column])
            at = table.columns.index(tidy(column))
            for row in table.rows:
                if isinstance(row, BrokenRow):
                    raise InvalidDefinitionError(
                        f"{file}: line {row.line}: {row.message} [{row.reason}]."
                        " Nobody was withdrawn."
                    )
                if cells := row[1][at : at + 1]:
                    yield from filter(None, cells)
    except ListError as error:
        raise InvalidDefinitionError(f"{file}: {error} [{error.code}]") from None


def _told(one: Known, found: Withdrawn) -> Iterator[str]:
    yield (
        f"{counted(found.gone, 'contact')} of {one.run.campaign} ({one.run.id}) will be called no"
        " more."
    )
    if found.under_way:
        yield f"Being called just now: {found.under_way}; no other call follows."
    if found.ended:
        yield f"Ended already: {found.ended}."
    if found.unknown:
        shown = ", ".join(found.unknown[:IDS_TOLD])
        more = len(found.unknown) - IDS_TOLD
        yield f"Not of this run: {counted(len(found.unknown), 'id')}, {shown}" + (
            f" and {more} more." if more > 0 else "."
        )
