"""Reads a list of contacts: every row becomes a contact, or a rejected row with its reason.

Streaming, and pure but for reading the file. The only memory that grows is what finds duplicates.
Nothing is dropped silently, and no message holds a phone number. Reading again gives the same items
in the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from campaigns.definition import Campaign, DialList
from campaigns.joining import Groups
from campaigns.judging import Judge
from campaigns.rows import ContactRow, Item, Note, RejectedRow
from campaigns.spreadsheets import SUFFIXES, open_spreadsheet
from campaigns.tables import BrokenRow, ListError, Table, open_delimited, require_columns

__all__ = [
    "ContactRow",
    "ListError",
    "Note",
    "RejectedRow",
    "first_look",
    "open_table",
    "read_contacts",
]


def first_look(dial_list: DialList, base: Path) -> tuple[list[str], bool]:
    """Give the columns that a list has, and whether any row stands below them. Raises ListError."""
    with closing(_open(dial_list, base)) as table:
        rows = any(isinstance(row, BrokenRow) or any(row[1]) for row in table.rows)
        return [column for column in table.columns if column], rows


def read_contacts(campaign: Campaign, base: Path) -> Iterator[Item]:
    """Read the list of a campaign; `base` is the folder of its file.

    Raises ListError, at the first item, where the list cannot be used at all: no file, no such
    column, no rows, an unreadable encoding. Where duplicates are joined the file is read twice.
    """
    dial_list = campaign.dial_list
    groups = None
    if "join" in {dial_list.duplicates.id, dial_list.duplicates.number}:
        with closing(_open(dial_list, base)) as table:
            groups = _judge(campaign, table).groups()
    with closing(_open(dial_list, base)) as table:
        yield from _judge(campaign, table, groups).items()


def _judge(campaign: Campaign, table: Table, groups: Groups | None = None) -> Judge:
    dial_list = campaign.dial_list
    wanted = [*dial_list.numbers, *([dial_list.id] if dial_list.id else [])]
    require_columns(_name(dial_list), table.columns, wanted)
    return Judge(campaign, table, _name(dial_list), groups)


def _name(dial_list: DialList) -> str:
    return Path(dial_list.file).name or dial_list.file or "contacts"


def _open(dial_list: DialList, base: Path) -> Table:
    if not dial_list.file:
        return _inline(dial_list.contacts)
    wanted = [*dial_list.numbers, *([dial_list.id] if dial_list.id else [])]
    return open_table(base / dial_list.file, wanted, dial_list.sheet)


def open_table(path: Path, wanted: Collection[str], sheet: str | None = None) -> Table:
    """Open a file of any accepted kind as a table; close it. Raises ListError.

    `wanted` are columns that help to tell which separator is meant; that they are there is not
    checked.
    """
    name = path.name or str(path)
    try:
        if path.suffix.lower() in SUFFIXES:
            return open_spreadsheet(path, sheet)
        return open_delimited(path, wanted)
    except FileNotFoundError:
        raise ListError("missing_list", f"there is no list {name}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be opened"
        raise ListError("unreadable_list", f"{name} cannot be read: {reason}") from None


def _inline(contacts: tuple[dict[str, str], ...]) -> Table:
    """Make a table of contacts that stand in the campaign file; their lines count from 1."""
    columns = list(dict.fromkeys(column for contact in contacts for column in contact))
    rows = (
        (line, [contact.get(column, "").strip() for column in columns])
        for line, contact in enumerate(contacts, start=1)
    )
    return Table(columns, rows, lambda: None)
