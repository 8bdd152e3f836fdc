"""The rejected rows of a list as a file that can be mended and imported again.

A CSV with the list's own columns, and before them the line, the reason and what is wrong. Mended,
it is a list of the same campaign: its name goes into `dial_list.file`. The columns in front are
columns like any others then, and are left out when a mended row is rejected once more.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from campaigns.cells import escaped
from campaigns.rows import Item, RejectedRow
from console.failures import CommandError

OWN: Final = "rejected: "
COLUMNS: Final = (
    f"{OWN}line",
    f"{OWN}reason",
    f"{OWN}what is wrong (mend the row, then name this file in dial_list.file)",
)


class RejectedRows:
    """Writes rejected rows one by one; the file is there from the first of them on."""

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._path = path
        self._file: IO[str] | None = None
        self._writer: Any = None
        self._own: frozenset[int] = frozenset()

    @property
    def path(self) -> Path | None:
        """The file, or None where there is nothing in it."""
        return self._path if self.count else None

    def write(self, row: RejectedRow) -> None:
        """Add a row. Raises `CommandError` where the file cannot be written."""
        self.count += 1
        if self._path is None:
            return
        try:
            if self._file is None:
                self._open(self._path, row.columns)
            told = (str(row.line), row.reason, row.message)
            cells = [cell for at, cell in enumerate(row.cells) if at not in self._own]
            self._writer.writerow(map(_cell, (*told, *cells)))
        except OSError as error:
            raise CommandError(
                f"The rejected rows cannot be written to {self._path}: {error.strerror}."
            ) from None

    def _open(self, path: Path, columns: tuple[str, ...]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._own = frozenset(at for at, name in enumerate(columns) if name.startswith(OWN))
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file, delimiter=";")
        kept = [name for at, name in enumerate(columns) if at not in self._own]
        self._writer.writerow(map(_cell, (*COLUMNS, *kept)))

    def begin_again(self) -> None:
        """Forget what was written: the list is read anew."""
        self.count = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Finish the file; one of an earlier time that would be empty now is taken away."""
        if self._file is not None:
            self._file.close()
        elif self._path is not None:
            self._path.unlink(missing_ok=True)


def rejected_file(home: Path, name: str, dial_list: Path | None = None) -> Path:
    """Name the file with the rejected rows of a run or campaign, never the list that is read."""
    path = home / "rows" / f"{name}-rejected.csv"
    if dial_list is not None and dial_list.resolve() == path.resolve():
        path = path.with_name(f"{name}-rejected-again.csv")
    return path


def tell_where(say: Callable[[str], None], path: Path | None) -> None:
    """Say where the rejected rows are and what to do with them."""
    if path is not None:
        say(f"to mend and import again, as dial_list.file: {path}")


@contextmanager
def rejected_rows(path: Path | None) -> Iterator[RejectedRows]:
    """Give a writer of rejected rows, and close its file at the end; None writes nothing."""
    rows = RejectedRows(path)
    try:
        yield rows
    finally:
        rows.close()


def noting(items: Iterable[Item], rows: RejectedRows) -> Iterator[Item]:
    """Pass items on, and write those that are rejected."""
    for item in items:
        if isinstance(item, RejectedRow):
            rows.write(item)
        yield item


def _cell(text: str) -> str:
    return escaped(text.replace("\0", ""))
