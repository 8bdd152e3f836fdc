"""`discador validate`: everything that is wrong with a campaign and its list, before anything runs.

For people, as JSON for programs, and as annotations for a workflow on GitHub.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from campaigns.contacts import ContactRow, ListError, read_contacts
from campaigns.definition import Campaign
from campaigns.problems import Problem
from campaigns.rows import RejectedRow, RowNote
from campaigns.scalars import counted
from campaigns.tables import nobody_in
from console import definitions
from console.failures import InvalidDefinitionError
from console.progress import Terminal
from console.rejected import RejectedRows, noting, rejected_file, rejected_rows, tell_where
from console.report import rows_file, show_rows
from console.stackfile import HOME

Format = Literal["text", "json", "github"]


class _Found:
    """What was found: problems of the file, and what became of each row of its list."""

    def __init__(self, path: Path, *, loopback: bool) -> None:
        checked = definitions.check_definition(path, loopback=loopback)
        self.campaign: Campaign | None = checked.campaign
        self.problems: list[Problem] = list(checked.problems)
        self._place = checked.list_place
        self.contacts = self.rejected = 0
        self.rows: list[RowNote] = []
        self.mendable: Path | None = None
        self._path = path
        if self.campaign is not None:
            with rejected_rows(_file_of(self.campaign, path)) as rejected:
                self._read(self.campaign, rejected)
            self.mendable = rejected.path

    @property
    def valid(self) -> bool:
        return all(problem.severity != "error" for problem in self.problems)

    def _read(self, campaign: Campaign, rejected: RejectedRows) -> None:
        name = campaign.dial_list.file or "contacts"
        try:
            for row in noting(read_contacts(campaign, self._path.parent), rejected):
                if isinstance(row, ContactRow):
                    self.contacts += 1
                    continue
                self.rejected += isinstance(row, RejectedRow)
                self.rows.append(definitions.row_note(row))
        except ListError as error:
            self._wrong(str(error) if name in str(error) else f"{name}: {error}", error.code)
        else:
            if not self.contacts:
                self._wrong(f"{name}: {nobody_in(self.rejected)}", "nobody_to_call")

    def _wrong(self, message: str, code: str) -> None:
        line, column, source = self._place
        self.problems.append(
            Problem(
                file=str(self._path),
                line=line,
                column=column,
                message=message,
                code=code,
                source=source,
            )
        )


def _file_of(campaign: Campaign, path: Path) -> Path:
    dial_list = path.parent / campaign.dial_list.file
    return rejected_file(HOME, campaign.campaign, dial_list)


def validate(terminal: Terminal, path: Path, *, loopback: bool, form: Format = "text") -> int:
    """Check the definition and every row of its list; returns the exit code, 2 where it is invalid.

    In text, errors go to the other stream. Rejected rows do not make a campaign invalid unless
    nobody is left.
    """
    found = _Found(path, loopback=loopback)
    if form == "json":
        print(json.dumps(_document(found), ensure_ascii=False, indent=2))
    elif form == "github":
        for line in _annotations(found, path):
            print(line)
    else:
        _tell(terminal, found)
    return 0 if found.valid else InvalidDefinitionError.exit_code


def _tell(terminal: Terminal, found: _Found) -> None:
    for problem in found.problems:
        terminal.note(problem.render())
    if found.campaign is None:
        return
    name = found.campaign.campaign
    if found.valid:
        terminal.out.print(
            f"{name} is valid: {counted(found.contacts, 'contact')},"
            f" {counted(found.rejected, 'row')} rejected.",
            highlight=False,
        )
    out = terminal.out if found.valid else terminal.err
    show_rows(out, found.rows, rows_file(HOME, name))
    tell_where(
        lambda line: out.print(line, soft_wrap=True, highlight=False, markup=False), found.mendable
    )


def _document(found: _Found) -> dict[str, object]:
    return {
        "valid": found.valid,
        "campaign": None if found.campaign is None else found.campaign.campaign,
        "problems": [problem.model_dump(exclude={"source"}) for problem in found.problems],
        "contacts": found.contacts,
        "rejected": found.rejected,
        "rejected_rows": [_row(row) for row in found.rows if not row.kept],
        "notes": [_row(row) for row in found.rows if row.kept],
        "rejected_file": None if found.mendable is None else str(found.mendable),
    }


def _row(row: RowNote) -> dict[str, object]:
    return row.model_dump(mode="json", exclude={"kept"})


def _annotations(found: _Found, path: Path) -> list[str]:
    lines = [
        f"::{problem.severity} file={_property(problem.file)},line={problem.line},"
        f"col={problem.column},title={_property(problem.code)}::{_data(problem.message)}"
        for problem in found.problems
    ]
    named = found.campaign.dial_list.file if found.campaign is not None else ""
    file = _property(str(path.parent / named if named else path))
    for row in found.rows:
        column = f"{row.column}: " if row.column else ""
        place = f"file={file},line={row.line}" if named else f"file={file}"
        word = "notice" if row.kept else "warning"
        lines.append(
            f"::{word} {place},title={_property(row.reason)}::{_data(column + row.message)}"
        )
    return lines


def _data(text: str) -> str:
    """Escape what a workflow command takes for its own syntax."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
