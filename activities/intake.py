"""A campaign's list and all that must be at hand, into the store: before anybody may be called.

The command line and the worker's schedules do it alike. What may not start leaves nothing that
dials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from activities.lists import list_rows
from activities.refusals import InvalidCampaignError
from activities.requirements import Say, require_registries, take_in_lists
from campaigns.definition import Campaign
from campaigns.rows import Item
from campaigns.tables import nobody_in
from store import importing, reporting
from store.engine import Store
from store.importing import Imported

ROWS_TOLD = 8

_ID_LETTERS = "bcdfghjkmnpqrstvwxz"
"""No digits: a run's id must not be mistaken for a phone number in a log. No vowels: no words."""

_ID_LENGTH = 9


def run_id_of(number: int) -> str:
    """Write a large number as the id of a run; the same number gives the same id."""
    letters = []
    for _ in range(_ID_LENGTH):
        number, index = divmod(number, len(_ID_LETTERS))
        letters.append(_ID_LETTERS[index])
    return "".join(letters)


def scheduled_run_id(campaign: str, firing: str) -> str:
    """Derive the id of the run that one firing of a schedule starts, however often it is tried."""
    digest = hashlib.sha256(f"{campaign}\n{firing}".encode()).digest()
    return run_id_of(int.from_bytes(digest, "big"))


async def fill_run(
    store: Store,
    run_id: str,
    account: str,
    campaign: Campaign,
    path: Path,
    *,
    on_progress: Callable[[Imported], None] | None = None,
    say: Say = lambda _: None,
    through: Callable[[Iterator[Item]], Iterator[Item]] = iter,
    go_on: bool = False,
) -> Imported:
    """Read the campaign's lists into a run that is prepared, and see whether it may start.

    Raises `StartRefusedError`. The list's rows go `through` a function on their way.
    `go_on` as in `import_rows`; the lists are read in a thread.
    """
    imported = await importing.import_rows(
        store,
        run_id,
        through(list_rows(campaign, path)),
        on_progress,
        go_on=go_on,
        in_thread=True,
    )
    if not imported.total:
        await _refuse_empty(store, run_id, campaign, imported.rejected)
    await require_registries(store, account, run_id, campaign)
    await take_in_lists(store, account, campaign, path.parent, say, in_thread=True)
    return imported


async def _refuse_empty(store: Store, run_id: str, campaign: Campaign, rejected: int) -> None:
    rows = await reporting.row_notes(store, run_id)
    told = "".join(f"\n  line {row.line}: {row.message}" for row in rows[:ROWS_TOLD])
    said = nobody_in(rejected)
    raise InvalidCampaignError(f"{campaign.dial_list.file}: {said}.{told}", safe=said)
