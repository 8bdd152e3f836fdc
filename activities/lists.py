"""What keeps a campaign from starting that its file and its list alone tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from activities.refusals import InvalidListError, StartRefusedError
from campaigns.contacts import read_contacts
from campaigns.definition import Campaign
from campaigns.period import Period
from campaigns.rows import Item
from campaigns.tables import ListError


def list_rows(campaign: Campaign, path: Path) -> Iterator[Item]:
    """Read the campaign's list, row by row. Raises `InvalidListError` for the whole list."""
    try:
        yield from read_contacts(campaign, path.parent)
    except ListError as error:
        raise InvalidListError(campaign.dial_list.file, error) from None


def refuse_if_over(campaign: Campaign, now: float) -> None:
    """Raise `StartRefusedError` where the campaign's own end has passed: nobody could be called."""
    ends_at = Period.of(campaign.schedule).ends_at
    if ends_at is None or ends_at > datetime.fromtimestamp(now, UTC):
        return
    assert campaign.schedule is not None
    said = f"ended at {campaign.schedule.end_at:%Y-%m-%d %H:%M} (schedule.end_at)"
    raise StartRefusedError(
        f"{campaign.campaign} {said}, so nobody may be called. Nothing was started.",
        safe=f"the campaign {said}",
    )
