"""What must be at hand before a campaign may dial: its own lists, and the registries of the rules.

Both are looked at after the list was read and before the run is let dial, so that a campaign that
may not start has called nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from activities.refusals import InvalidListError, StartRefusedError
from campaigns.clocks import packaged_zone
from campaigns.definition import Campaign, format_duration
from campaigns.explain import HoursOracle, Terms, Unmet
from campaigns.optouts import OptOut, read_optouts
from campaigns.rows import Note, RejectedRow
from campaigns.scalars import counted
from campaigns.tables import ListError
from store import importing, suppressing
from store.engine import Store
from store.suppressing import Suppression

Say = Callable[[str], None]

_LAST_ZONE = packaged_zone("America/Rio_Branco")
ROWS_TOLD = 8


class Unreadable:
    """Counts rows that hold no number, and tells the first of them. Nothing of them is a number."""

    def __init__(self, name: str, say: Say) -> None:
        self.count = 0
        self._name = name
        self._say = say
        self._told = 0

    def __call__(self, row: RejectedRow | Note) -> None:
        """Take a row that was rejected, or a remark on one that was not."""
        self.count += isinstance(row, RejectedRow)
        self._told += 1
        if self._told <= ROWS_TOLD:
            column = f" ({row.column})" if row.column else ""
            self._say(f"{self._name}: line {row.line}{column}: {row.message} [{row.reason}]")

    def finish(self) -> None:
        """Say how many more there were."""
        if self._told > ROWS_TOLD:
            self._say(
                f"{self._name}: and {counted(self._told - ROWS_TOLD, 'more line')} with remarks"
            )


def end_of(day: date) -> float:
    """Give the instant at which a day has ended everywhere in Brazil, in seconds since 1970."""
    return datetime.combine(day + timedelta(days=1), time(0), _LAST_ZONE).timestamp()


def entry_of(row: OptOut, *, scope: suppressing.Scope, campaign: str, source: str) -> Suppression:
    """Make a store's entry of a row; what the row does not say is as given."""
    return Suppression(
        e164=row.e164,
        scope=row.scope or scope,
        campaign=campaign,
        source=row.source or source,
        registered_on=row.registered_on,
        expires_at=None if row.expires_on is None else end_of(row.expires_on),
    )


async def take_in_lists(
    store: Store,
    account: str,
    campaign: Campaign,
    base: Path,
    say: Say,
    *,
    in_thread: bool = False,
) -> int:
    """Read the lists that the campaign names into the store; return how many entries they gave.

    They bind this campaign alone, and replace what its lists of an earlier start held. Raises
    `InvalidListError` where a list cannot be used.
    """
    written = await suppressing.import_campaign_lists(
        store, account, campaign.campaign, _entries(campaign, base, say), in_thread=in_thread
    )
    if campaign.suppression.files:
        say(f"{counted(written, 'number')} on the campaign's own suppression lists.")
    return written


def _entries(campaign: Campaign, base: Path, say: Say) -> Iterator[Suppression]:
    for file in campaign.suppression.files:
        unreadable = Unreadable(file, say)
        try:
            for row in read_optouts(base / file):
                if isinstance(row, OptOut):
                    # The file is the source: what the row names may be a registry's own.
                    unnamed = row.model_copy(update={"source": ""})
                    yield entry_of(unnamed, scope="all", campaign=campaign.campaign, source=file)
                else:
                    unreadable(row)
        except ListError as error:
            raise InvalidListError(file, error) from None
        unreadable.finish()


async def require_registries(store: Store, account: str, run_id: str, campaign: Campaign) -> None:
    """Raise `StartRefusedError`, with all that is missing, unless the rules allow the start."""
    codes = await importing.area_codes(store, run_id)
    await require_registries_of(store, account, codes, campaign)


async def require_registries_of(
    store: Store, account: str, codes: Iterable[str], campaign: Campaign
) -> None:
    """Raise `StartRefusedError`, with all that is missing, unless these may be dialed."""
    if campaign.calling_hours == "always":
        return
    max_age = campaign.suppression.max_age
    at_hand = await suppressing.registries(store, account, max_age.total_seconds())
    oracle = HoursOracle(Terms.of(campaign, registries=at_hand))
    today = datetime.fromtimestamp(store.now(), UTC).date()
    unmet = oracle.unmet(sorted(codes), today)
    if unmet:
        rules = ", ".join(item.reason.rule for item in unmet)
        raise StartRefusedError(
            f"{campaign.campaign} may not start: its rules require what is missing.\n"
            f"{describe_unmet(unmet)}\n"
            "Import a registry with `discador suppress import FILE --as NAME`; one may be at most"
            f" {format_duration(max_age)} old (suppression.max_age). A rule is set aside under"
            " `overrides`, with the reason. Nobody was called.",
            safe=f"its rules require what is missing: {rules}",
        )


def describe_unmet(unmet: tuple[Unmet, ...]) -> str:
    """Write what stands against starting, a rule a paragraph."""
    lines = []
    for item in unmet:
        codes = ", ".join(item.ddds)
        lines.append(f"  {item.reason.rule} (area codes {codes}): {item.reason.text}")
        lines.append(f"      {item.reason.law}")
    return "\n".join(lines)
