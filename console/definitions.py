"""A campaign's file and its list, as commands read them: every problem told, nothing stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from activities import lists
from activities.refusals import InvalidCampaignError, StartRefusedError
from campaigns.definition import Campaign
from campaigns.loader import Checked, check
from campaigns.rows import Item, Note, RejectedRow, RowNote
from console.failures import CommandError, InvalidDefinitionError


def check_definition(path: Path, *, loopback: bool) -> Checked:
    """Read a campaign file and give everything that is wrong with it."""
    return check(path, loopback=loopback)


def load_definition(path: Path, *, loopback: bool) -> Checked:
    """Read a campaign file; raises `InvalidDefinitionError` with all problems where it has any."""
    checked = check_definition(path, loopback=loopback)
    if checked.campaign is None:
        raise InvalidDefinitionError("\n".join(problem.render() for problem in checked.errors))
    return checked


def load_amended(path: Path, running: Campaign, *, loopback: bool) -> Campaign:
    """Read the file that is to change a running campaign.

    Raises `InvalidDefinitionError` with all problems, also those of changing what may not change.
    """
    checked = check(path, loopback=loopback, running=running)
    if checked.campaign is None:
        raise InvalidDefinitionError("\n".join(problem.render() for problem in checked.errors))
    return checked.campaign


def list_rows(campaign: Campaign, path: Path) -> Iterator[Item]:
    """Read the campaign's list, row by row. Raises `InvalidDefinitionError` for the whole list."""
    with telling_refusals():
        yield from lists.list_rows(campaign, path)


def refuse_if_over(campaign: Campaign) -> None:
    """Raise `CommandError` for a campaign whose own end has passed."""
    with telling_refusals():
        lists.refuse_if_over(campaign, time.time())


@contextmanager
def telling_refusals() -> Iterator[None]:
    """Tell why a campaign may not start as the command line does."""
    try:
        yield
    except InvalidCampaignError as error:
        raise InvalidDefinitionError(str(error)) from None
    except StartRefusedError as error:
        raise CommandError(str(error)) from None


def row_note(row: RejectedRow | Note) -> RowNote:
    """Describe a row that was rejected or remarked on, as the store would."""
    return RowNote(
        line=row.line,
        external_id=row.external_id if isinstance(row, RejectedRow) else None,
        column=row.column,
        reason=row.reason,
        message=row.message,
        kept=isinstance(row, Note),
    )
