"""The report as tables and JSON, and the rows of a list that were not taken."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from campaigns.rows import RowNote
from console.failures import CommandError
from console.report import ROWS_ON_SCREEN, print_report, report_json, show_rows, write_json
from store.reporting import AttemptCounts, ContactCounts, Report

REPORT = Report(
    campaign="teste",
    run="kvtrwxzbn",
    status="stopped",
    reason="stopped by hand",
    contacts=ContactCounts(total=5, rejected=2, by_outcome={"answered": 3, "due": 2}),
    attempts=AttemptCounts(
        total=4,
        by_status={"answered": 3, "busy": 1},
        unknown=1,
        not_placed=0,
        refused=2,
        not_sent=0,
        late=0,
    ),
    cost_brl=1.4,
    started_at="2026-11-23T09:00:00+00:00",
    ended_at="2026-11-23T09:01:30+00:00",
)


def _rows(count: int, *, kept: bool = False) -> list[RowNote]:
    return [
        RowNote(line=n, external_id=f"C{n}", column="fone", reason="empty", message="no", kept=kept)
        for n in range(2, count + 2)
    ]


def _page() -> Console:
    return Console(file=io.StringIO(), width=140, record=True)


def test_the_json_has_every_key_that_was_promised() -> None:
    """Programs find the same keys whatever happened, and single rows below them."""
    document = json.loads(report_json(REPORT, [*_rows(1), *_rows(2, kept=True)]))
    assert {"campaign", "run", "status", "contacts", "attempts", "cost_brl"} <= set(document)
    assert {"started_at", "ended_at"} <= set(document)
    assert set(document["contacts"]) == {"total", "rejected", "by_outcome"}
    assert {"total", "by_status", "unknown"} <= set(document["attempts"])
    assert len(document["rejected_rows"]) == 1
    assert len(document["notes"]) == 2


def test_the_tables_say_how_it_ended_and_what_it_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, reason, counts with shares, cost, duration and what never became a call are there.

    Times are those of the clock on the wall, with its zone; the JSON keeps UTC.
    """
    monkeypatch.setenv("TZ", "America/Sao_Paulo")
    time.tzset()
    page = _page()
    print_report(page, REPORT)
    text = page.export_text()
    for part in ("  stopped by hand", "60.0 %", "R$ 1.40", "1:30", "2 refused by the API"):
        assert part in text
    assert "could not be decided" in text
    assert "late" not in text
    assert "from 2026-11-23 06:00:00 -03 to 2026-11-23 06:01:30 -03 (1:30)" in text
    monkeypatch.undo()
    time.tzset()


def test_rows_beyond_the_screen_are_counted_and_all_are_in_the_file(tmp_path: Path) -> None:
    """Nothing is cut silently: the screen says how many more there are, and where."""
    page, file = _page(), tmp_path / "rows" / "x.csv"
    show_rows(page, _rows(ROWS_ON_SCREEN + 7), file)
    text = page.export_text()
    assert f"{ROWS_ON_SCREEN + 7} rows of the list rejected" in text
    assert "and 7 more" in text
    assert str(file) in text
    with file.open(encoding="utf-8-sig", newline="") as opened:
        assert len(list(csv.DictReader(opened, delimiter=";"))) == ROWS_ON_SCREEN + 7


def test_without_a_file_every_row_is_on_the_screen() -> None:
    """A run that leaves nothing behind tells everything at once."""
    page = _page()
    show_rows(page, _rows(ROWS_ON_SCREEN + 7), None)
    text = page.export_text()
    assert "more" not in text
    assert f"line {ROWS_ON_SCREEN + 8}" in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(tmp_path: Path, start: str) -> None:
    """A list cannot smuggle a formula into the spreadsheet that opens our file."""
    file = tmp_path / "x.csv"
    bad = RowNote(
        line=2, external_id=f"{start}cmd", column=None, reason="empty", message="no", kept=False
    )
    show_rows(_page(), [bad], file)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        row = next(csv.DictReader(opened, delimiter=";"))
    assert row["id"] == f"'{start}cmd"


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A bad path is one clear error."""
    with pytest.raises(CommandError, match="cannot be written"):
        write_json(str(tmp_path / "none" / "report.json"), REPORT, [])
