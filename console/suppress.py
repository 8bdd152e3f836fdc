"""`discador suppress`: numbers that must not be called, for every campaign or for one.

An entry binds running campaigns from the moment it is written, retries included. It is written for
real calls and for rehearsals on the sandbox alike. What is printed of a number is its area code and
last two digits.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from activities.requirements import Unreadable, end_of, entry_of
from campaigns.numbers import PhoneNumber, RejectedNumber, normalise
from campaigns.optouts import NUMBER, OptOut, read_day, read_optouts
from campaigns.scalars import counted
from campaigns.tables import ListError
from console.failures import CommandError, InvalidDefinitionError
from console.interrupt import run_interruptible
from console.language import NAME
from store import suppressing
from store.engine import Store
from store.suppressing import Suppression

PROGRESS_SECONDS = 1.0
_LONGEST_NAME = 100

app = typer.Typer(help="Numbers that must not be called.", no_args_is_help=True)

Numbers = Annotated[
    list[str], typer.Argument(metavar="NUMBER...", help="In any form a list may have.")
]
ForCampaign = Annotated[
    str | None,
    typer.Option("--campaign", metavar="NAME", help="For this campaign alone; default for all."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
ScopeOption = Annotated[
    Literal["sales", "collection", "all"], typer.Option(help="Campaigns of which purpose.")
]


@app.command("add")
def add(
    numbers: Numbers,
    *,
    campaign: ForCampaign = None,
    scope: ScopeOption = "all",
    source: Annotated[str, typer.Option(help="Where the wish came from.")] = suppressing.BY_HAND,
    expires: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day on which it holds.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Suppress numbers at once, also in campaigns that are running."""
    until = None if expires is None else end_of(_day(expires))
    entries = [
        Suppression(
            e164=number.e164,
            scope=scope,
            campaign=_campaign_name(campaign),
            source=source[:_LONGEST_NAME],
            expires_at=until,
        )
        for number in _parsed(numbers)
    ]

    async def write(store: Store, account: str) -> None:
        with _naming():
            await suppressing.add(store, account, entries)

    _in_every_store(write)
    count = len({entry.e164 for entry in entries})
    if as_json:
        _print({"suppressed": count, "campaign": campaign, "scope": scope})
        return
    print(f"{_numbers(count)} suppressed{_for(campaign)}, at once.")


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, XLSX, XLS or ODS.")],
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="A registry's name, such as procon-sp: this file is now the whole registry.",
        ),
    ] = None,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="With --as: it may hold far fewer than the last one.")
    ] = False,
    campaign: ForCampaign = None,
    scope: ScopeOption = "all",
    source: Annotated[
        str | None, typer.Option(help="For rows that name none; default the file's name.")
    ] = None,
    column: Annotated[str, typer.Option(help="The column with the numbers.")] = NUMBER,
    sheet: Annotated[str | None, typer.Option(help="Of a workbook; default the first.")] = None,
    ddd: Annotated[
        str | None, typer.Option(help="The area code of numbers that have none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Suppress every number of a list. Columns: number, scope, registered_on, source, expiry."""
    if name is not None and campaign is not None:
        raise CommandError("--as imports a registry, which is for all campaigns; leave one out.")
    if name is not None and not name.strip():
        raise CommandError("--as needs the registry's name, such as procon-sp.")
    entries = _Reading(
        file,
        Suppression(
            e164="",
            scope=scope,
            campaign=_campaign_name(campaign),
            source=(source or file.name)[:_LONGEST_NAME],
        ),
        column=column,
        sheet=sheet,
        ddd=ddd,
    )
    entries.look()

    async def write(store: Store, account: str) -> None:
        said = time.monotonic()

        def on_progress(written: int) -> None:
            nonlocal said
            if time.monotonic() - said >= PROGRESS_SECONDS:
                said = time.monotonic()
                _note(f"{counted(written, 'number')} written ...")

        with _naming():
            if name is None:
                await suppressing.add(store, account, entries.read(), on_progress)
                return
            try:
                await suppressing.import_list(
                    store, account, name.strip(), entries.read(), on_progress, may_shrink=shrink
                )
            except suppressing.ShrunkError as error:
                raise CommandError(
                    f"{error}: it may be cut off. Its numbers are suppressed, nobody was let go;"
                    " with --shrink it replaces the last one."
                ) from None

    _in_every_store(write)
    if as_json:
        told = {"suppressed": entries.count, "rejected": entries.rejected, "registry": name}
        _print({**told, "campaign": campaign, "scope": scope})
        return
    held = f" as {name.strip()}, which holds no others" if name else ""
    rejected = f"{entries.rejected} row{'s' * (entries.rejected != 1)} rejected"
    print(f"{_numbers(entries.count)} suppressed{held}{_for(campaign)}, at once; {rejected}.")


class _Reading:
    """Reads a list as entries, once for each store; what is wrong in it is told the first time."""

    def __init__(
        self,
        file: Path,
        default: Suppression,
        *,
        column: str,
        sheet: str | None,
        ddd: str | None,
    ) -> None:
        self.count = self.rejected = 0
        self._file = file
        self._default = default
        self._how = {"column": column, "sheet": sheet, "default_ddd": ddd}
        self._told = False

    def look(self) -> None:
        """Raise `InvalidDefinitionError` unless the list holds a number.

        An empty file under a registry's name would free everybody whom the registry holds.
        """
        if next(self._entries(lambda _: None), None) is None:
            raise InvalidDefinitionError(f"{self._file}: no row of it holds a number.")

    def read(self) -> Iterator[Suppression]:
        """Give the entries."""
        unreadable = Unreadable(self._file.name, (lambda _: None) if self._told else _note)
        self.count = 0
        for entry in self._entries(unreadable):
            self.count += 1
            yield entry
        unreadable.finish()
        self.rejected, self._told = unreadable.count, True

    def _entries(self, other: Callable[..., None]) -> Iterator[Suppression]:
        default = self._default
        try:
            for row in read_optouts(self._file, **self._how):  # type: ignore[arg-type]  # column is never None
                if isinstance(row, OptOut):
                    yield entry_of(
                        row, scope=default.scope, campaign=default.campaign, source=default.source
                    )
                else:
                    other(row)
        except ListError as error:
            raise InvalidDefinitionError(f"{self._file}: {error} [{error.code}]") from None


@app.command("check")
def check(
    numbers: Numbers,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell whether numbers are suppressed, by which entries, and until when."""
    parsed = _parsed(numbers)
    found: dict[str, list[Suppression]] = {number.e164: [] for number in parsed}

    async def read(store: Store, account: str) -> None:
        for number in parsed:
            known = found[number.e164]
            entries = await suppressing.entries_of(store, account, number.e164)
            known += [entry for entry in entries if entry not in known]

    _in_every_store(read)
    if as_json:
        _print([_document(number, found[number.e164]) for number in parsed])
        return
    for number in parsed:
        entries = found[number.e164]
        print(f"{mask(number)}: {'suppressed by' if _held(entries) else 'not suppressed'}")
        for entry in entries:
            print(f"  {describe(entry)}")


@app.command("remove")
def remove(
    numbers: Numbers,
    *,
    campaign: ForCampaign = None,
    scope: Annotated[
        Literal["sales", "collection", "all"] | None,
        typer.Option(help="Only entries of this scope; default all of them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take entries of numbers back. What a registry holds comes back with its next import."""
    parsed = _parsed(numbers)
    gone: dict[str, int] = {}
    left: dict[str, list[Suppression]] = {}

    async def write(store: Store, account: str) -> None:
        for number in parsed:
            count = await suppressing.remove(
                store,
                account,
                number.e164,
                scope=scope,
                campaign=_campaign_name(campaign),
            )
            gone[number.e164] = max(count, gone.get(number.e164, 0))
            left[number.e164] = await suppressing.entries_of(store, account, number.e164)

    _in_every_store(write)
    if as_json:
        _print(
            [
                {"removed": gone[number.e164], **_document(number, left[number.e164])}
                for number in parsed
            ]
        )
        return
    for number in parsed:
        removed = counted(gone[number.e164], "entry", "entries")
        print(f"{mask(number)}: {removed} removed{_for(campaign)}.")
        for entry in left[number.e164]:
            print(f"  still there: {describe(entry)}")


@app.command("lists")
def lists(*, as_json: AsJson = False) -> None:
    """Show the registries that were imported, and when."""
    found: dict[str, suppressing.SuppressionList] = {}

    async def read(store: Store, account: str) -> None:
        for item in await suppressing.lists(store, account):
            found.setdefault(item.name, item)

    _in_every_store(read)
    if as_json:
        _print(
            [
                {**item.model_dump(), "imported_at": _utc(item.imported_at)}
                for item in found.values()
            ]
        )
        return
    for item in found.values():
        at = datetime.fromtimestamp(item.imported_at, UTC)
        print(f"{item.name}: {_numbers(item.numbers)}, imported {at:%Y-%m-%d %H:%M} UTC")
    if not found:
        print("No registry was imported; `discador suppress import FILE --as NAME` does.")


@contextmanager
def _naming() -> Iterator[None]:
    """Tell a name that may not be taken."""
    try:
        yield
    except suppressing.ReservedNameError as error:
        raise CommandError(f"{error}.") from None


def _note(line: str) -> None:
    print(line, file=sys.stderr)


def _print(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


def _numbers(count: int) -> str:
    return f"{count} number{'s' * (count != 1)}"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _in_every_store(work: Callable[[Store, str], Awaitable[None]]) -> None:
    """Do the work in each store, one after the other."""
    from activities.settings import ACCOUNT  # noqa: PLC0415 - slow; help does not need it
    from console.engine import opened  # noqa: PLC0415 - as above
    from console.target import find_target  # noqa: PLC0415 - as above

    urls = find_target().suppression_stores()

    async def do() -> None:
        for url in urls:
            async with opened(url) as store:
                await work(store, ACCOUNT)

    run_interruptible(do, lambda: "Interrupted; what was written so far holds. Run it again.")


def mask(number: PhoneNumber) -> str:
    """Name a number so that its owner's clerk knows it and nobody else can call it."""
    return f"({number.ddd}) ...{number.e164[-2:]}"


def _parsed(texts: list[str]) -> list[PhoneNumber]:
    """Read numbers; all or none. Raises `CommandError` naming the place of a wrong one."""
    numbers = []
    for place, text in enumerate(texts, start=1):
        number = normalise(text)
        if isinstance(number, RejectedNumber):
            which = f"Number {place} of {len(texts)}" if len(texts) > 1 else "This"
            raise CommandError(
                f"{which} is not one that is ever dialed: {number.message} [{number.reason}]."
            )
        numbers.append(number)
    return numbers


def _day(text: str) -> date:
    day = read_day(text)
    if day is None:
        raise CommandError(f'"{text[:40]}" is not a day; write 2026-12-31.')
    return day


def _campaign_name(campaign: str | None) -> str:
    if campaign is None:
        return ""
    if re.fullmatch(NAME, campaign) is None:
        raise CommandError(f'"{campaign[:80]}" is no name that a campaign can have.')
    return campaign


def _for(campaign: str | None) -> str:
    return "" if campaign is None else f" for {campaign}"


def _held(entries: list[Suppression]) -> bool:
    return any(entry.expires_at is None or entry.expires_at > time.time() for entry in entries)


def describe(entry: Suppression) -> str:
    """Write an entry without its number."""
    whom = entry.campaign or "all campaigns"
    parts = [whom if entry.scope == "all" else f"{whom}, {entry.scope} only"]
    parts += [entry.source] if entry.source else []
    parts += [f"registered on {entry.registered_on}"] if entry.registered_on else []
    if entry.expires_at is not None:
        ends = datetime.fromtimestamp(entry.expires_at, UTC)
        word = "expired" if entry.expires_at <= time.time() else "until"
        parts.append(f"{word} {ends:%Y-%m-%d %H:%M} UTC")
    return "; ".join(parts)


def _document(number: PhoneNumber, entries: list[Suppression]) -> dict[str, object]:
    return {
        "number": mask(number),
        "suppressed": _held(entries),
        "entries": [
            {
                **entry.model_dump(mode="json", exclude={"e164"}),
                "expires_at": None if entry.expires_at is None else _utc(entry.expires_at),
            }
            for entry in entries
        ],
    }
