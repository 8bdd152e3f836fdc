"""What a list holds once it is read: contacts, rejected rows, and notes on those kept."""

from __future__ import annotations

from campaigns.numbers import PhoneNumber
from campaigns.scalars import Frozen


class ContactRow(Frozen):
    """A contact. `numbers` in the order in which they are tried, without repetition.

    `line` is the line of the file on which the row begins; `columns` are the named columns but for
    those of numbers.
    """

    line: int
    external_id: str
    numbers: tuple[PhoneNumber, ...]
    columns: dict[str, str]


class RejectedRow(Frozen):
    """A row that is no contact, and why; `column` where one column alone is the reason.

    `cells` are those of the row, under `columns`, so that a person can mend it: they may hold a
    number and go nowhere but into the file of rejected rows. A row that could not be split is one
    cell.
    """

    line: int
    external_id: str | None
    column: str | None
    reason: str
    message: str
    columns: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()


class Note(Frozen):
    """Something the operator should know about a row that was kept."""

    line: int
    column: str | None
    reason: str
    message: str


class RowNote(Frozen):
    """A row of a list that was rejected, or (`kept`) taken with a remark.

    `source` names the list where it was added to the run, and is empty for the campaign's own.
    """

    line: int
    external_id: str | None
    column: str | None
    reason: str
    message: str
    kept: bool
    source: str = ""


Item = ContactRow | RejectedRow | Note
