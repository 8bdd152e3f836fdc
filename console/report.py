"""The report of a run, as tables for people and as JSON for programs; and the rejected rows."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaigns.cells import escaped
from campaigns.rows import RowNote
from campaigns.scalars import counted
from console.failures import CommandError
from console.progress import local_time, span, with_reason, words

if TYPE_CHECKING:
    from store.reporting import Report

ROWS_ON_SCREEN = 8


def report_json(report: Report, rows: Sequence[RowNote]) -> str:
    """Write the report as JSON; `rejected_rows` and `notes` say what happened to single rows."""
    document = report.model_dump(mode="json")
    document["rejected_rows"] = [_row_document(row) for row in rows if not row.kept]
    document["notes"] = [_row_document(row) for row in rows if row.kept]
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _row_document(row: RowNote) -> dict[str, object]:
    return row.model_dump(mode="json", exclude={"kept"})


def write_json(target: str, report: Report, rows: Sequence[RowNote]) -> None:
    """Write the report to a file, or to standard output for `-`; replaces what was there."""
    text = report_json(report, rows)
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"The report cannot be written to {target}: {error.strerror}") from None


def print_report(console: Console, report: Report) -> None:
    """Print the report: how it ended, what became of the contacts, what the calls came to."""
    title = Text.assemble((report.campaign, "bold"), f"  run {report.run}  ")
    title.append(
        with_reason(report.status, report.reason),
        style="green" if report.status == "completed" else "yellow",
    )
    console.print(title, soft_wrap=True)
    outcomes, statuses = report.contacts.by_outcome, report.attempts.by_status
    rows = max(len(outcomes), len(statuses))
    contacts = _counts("contacts", outcomes, report.contacts.total, rows)
    calls = _counts("calls", statuses, report.attempts.total, rows)
    side_by_side = Table.grid(padding=(0, 4))
    side_by_side.add_row(contacts, calls)
    console.print(side_by_side)
    for line in _further_lines(report):
        console.print(line, soft_wrap=True, highlight=False)


def _counts(title: str, counts: dict[str, int], total: int, rows: int) -> Table:
    """Draw counts, the largest first, filled up to `rows` so that totals stand side by side."""
    table = Table(box=SIMPLE_HEAD, show_footer=True)
    table.add_column(title, footer="total")
    table.add_column("", justify="right", footer=str(total))
    table.add_column("", justify="right", footer="")
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        share = f"{100 * count / total:.1f} %" if total else ""
        table.add_row(words(name), str(count), share)
    for _ in range(rows - len(counts)):
        table.add_row("", "", "")
    return table


def _further_lines(report: Report) -> list[str]:
    attempts = report.attempts
    apart = {
        "could not be decided (unknown)": attempts.unknown,
        "refused by the API": attempts.refused,
        "never sent": attempts.not_sent,
        "lost on the way and proven not placed": attempts.not_placed,
        "surfaced late and hung up": attempts.late,
    }
    lines = [f"cost: R$ {report.cost_brl:.2f}"]
    if report.started_at and report.ended_at:
        begun, ended = (
            datetime.fromisoformat(at).timestamp() for at in (report.started_at, report.ended_at)
        )
        lines.append(f"from {local_time(begun)} to {local_time(ended)} ({span(ended - begun)})")
    for guard in report.guards:
        if guard.trips:
            times = "once" if guard.trips == 1 else f"{guard.trips} times"
            lines.append(
                f"paused {times} by guard {words(guard.name)}, last because: {guard.reason}"
            )
    if any(apart.values()):
        told = ", ".join(f"{count} {what}" for what, count in apart.items() if count)
        lines.append(f"attempts beside these calls: {told}")
    if attempts.unknown:
        lines.append(f"`discador unknowns {report.run}` lists the undecided and how to settle them")
    return lines


def show_rows(console: Console, rows: Sequence[RowNote], file: Path | None) -> None:
    """Print the first rejected rows and remarks, and where all of them are; None prints all.

    Writes the file, replacing what was there.
    """
    shown = len(rows) if file is None else ROWS_ON_SCREEN
    for kept, heading in ((False, "rejected"), (True, "taken with a remark")):
        chosen = [row for row in rows if row.kept is kept]
        if not chosen:
            continue
        console.print(f"{counted(len(chosen), 'row')} of the list {heading}:", highlight=False)
        for row in chosen[:shown]:
            column = f" ({row.column})" if row.column else ""
            place = f"{row.source} line" if row.source else "line"
            line = f"  {place} {row.line}{column}: {row.message} [{row.reason}]"
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        if len(chosen) > shown:
            console.print(f"  and {len(chosen) - shown} more", highlight=False)
    if rows and file is not None:
        write_rows(file, rows)
        console.print(f"all of them: {file}", soft_wrap=True, highlight=False)


def write_rows(path: Path, rows: Sequence[RowNote]) -> None:
    """Write every rejected row and remark as CSV; replaces what was there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("w", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise CommandError(
            f"The rejected rows cannot be written to {path}: {error.strerror}."
        ) from None
    with opened as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(("line", "id", "column", "kept", "reason", "message", "added list"))
        for row in rows:
            cells = (row.line, row.external_id, row.column, row.kept, row.reason, row.message)
            writer.writerow([_cell(cell) for cell in (*cells, row.source)])


def _cell(value: object) -> str:
    """Write a cell so that no spreadsheet takes it for a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    return escaped(text)


def rows_file(home: Path, run_id: str) -> Path:
    """Name the file with every rejected row of a run."""
    return home / "rows" / f"{run_id}.csv"
