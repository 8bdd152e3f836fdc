"""One operation of the Voice API from the command line: settings, client, errors, output.

A running sandbox stack of this directory is asked instead of the real service, unless
`ZENVIA_BASE_URL` says where to go.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, time
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from activities.numberbook import dialable
from activities.settings import Settings, SettingsError, load_settings
from console.failures import CommandError
from console.interrupt import run_interruptible
from console.stackfile import HOME, find_stack
from zenvia import errors
from zenvia.client import VoiceClient

Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]

_T = TypeVar("_T")
_BRASILIA = ZoneInfo("America/Sao_Paulo")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_WIDTH_OF_A_FILE = 160


def ask(
    work: Callable[[VoiceClient], Awaitable[_T]], *, unsure: str = "Look before you repeat it."
) -> _T:
    """Run `work` with a client and return what it returns.

    Raises `CommandError` with the API's own message; where it is not known whether the API acted,
    `unsure` says what to do about it.
    """

    async def main() -> _T:
        async with voice_client() as client:
            return await work(client)

    try:
        return run_interruptible(main, lambda: f"Interrupted. {unsure}")
    except errors.Unsure as error:
        raise CommandError(f"{error}. {unsure}") from None
    except errors.VoiceError as error:
        raise CommandError(str(error)) from None


def voice_client() -> VoiceClient:
    """Return a client of the API that this directory's commands ask. Raises `CommandError`."""
    try:
        settings = load_settings()
    except SettingsError as error:
        raise CommandError(str(error)) from None
    base_url, token = _address(settings)
    try:
        return VoiceClient(base_url, token, number_format=settings.number_format)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _address(settings: Settings) -> tuple[str, str]:
    if "base_url" not in settings.model_fields_set:
        stack = find_stack(HOME)
        if stack is not None and stack.sandbox is not None:
            print("Asking the sandbox of the stack that runs here.", file=sys.stderr)
            return stack.sandbox.url, stack.sandbox.token.get_secret_value()
    if settings.access_token is None:
        raise CommandError(
            "ZENVIA_ACCESS_TOKEN is not set, so the Voice API cannot be asked. Set it, or start a "
            "local one with `discador sandbox` and set ZENVIA_BASE_URL and the token to its own."
        )
    return settings.base_url, settings.access_token.get_secret_value()


def party(text: str) -> str:
    """Read a ramal or a phone number as a person types it; raises `CommandError`.

    A number that must never be dialed (emergency, free-phone) is refused here.
    """
    try:
        return dialable(text)
    except ValueError as error:
        raise CommandError(f"this number cannot be used: {error}") from None


def moment(text: str, *, end_of_day: bool = False) -> datetime:
    """Read a day or an instant; without an offset it is Brasília's. Raises `CommandError`."""
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text)
            at = time(23, 59, 59) if end_of_day else time()
            return datetime.combine(day, at, tzinfo=_BRASILIA)
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{clean(text)!r} is not a time: write 2026-01-31, or 2026-01-31T15:00:00-03:00"
        ) from None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=_BRASILIA)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(to_json(value, inf_nan_mode="null", indent=2).decode())


async def print_json_rows(rows: AsyncIterator[Any]) -> None:
    """Print a JSON array as its items come, so that a long report needs no memory."""
    opening = "["
    async for row in rows:
        print(opening, to_json(row, inf_nan_mode="null").decode(), sep="\n", end="")
        opening = ","
    print("\n]" if opening == "," else "[]")


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line; what is None is left out."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in fields:
        if value is not None:
            table.add_row(Text(name, style="bold"), Text(cell(value)))
    _console().print(table)


def print_rows(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; None is an empty cell."""
    table = Table(*titles)
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    _console().print(table)


def cell(value: Any) -> str:
    """Write a value for a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return clean(str(value))


def clean(text: str) -> str:
    """Take out what would move the cursor or colour the terminal."""
    return _CONTROL.sub(" ", text)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)
