"""Attempts whose POST was written and whose answer is lost: found in the report, or given up.

Whether a call was made is the provider's to say. Its report is read until it shows the attempt's
key, or has been read often and late enough to say that there is none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import structlog

from activities.plans import TrackRules
from activities.skew import Skew, bounds
from campaigns.keys import key_in
from store import giving_up
from store.engine import Store
from store.tracking import OpenAttempt
from zenvia import errors
from zenvia.models import CallState

KNOWN_SKEW_MARGIN = 30.0
FIRST_READ = 0.5
UNREADABLE = 600.0
"""Seconds after which an attempt is parked when the report cannot be read."""
MIN_READS = 2
ANSWERED_WITHIN = 1.0
"""Seconds after its intent within which a POST's own answer is waited for."""

Read = Callable[[float, float], AsyncIterator[Sequence[CallState]]]
"""Gives every row of a window of the report, on the provider's clock; raises a `VoiceError`."""

_log = structlog.get_logger("discador.tracking")


@dataclass
class LostAnswers:
    """Looks for what is lost of one run's lane."""

    store: Store
    run_id: str
    newest_seen: float = 0.0
    """When the newest of our calls that a report has shown was posted."""

    def saw(self, row: OpenAttempt) -> None:
        """Take it that a report has shown the call of this attempt."""
        self.newest_seen = max(self.newest_seen, row.posting_at or 0.0)

    def is_overdue(self, row: OpenAttempt) -> bool:
        """Whether the answer to a POST is lost, or so late that its call is taken from the report.

        One that is on its way brings the same id.
        """
        if row.unsure_at is not None:
            return True
        return self.store.now() > max(row.send_by, row.posting_at + ANSWERED_WITHIN)

    def readable_from(self, row: OpenAttempt, rules: TrackRules) -> float:
        """Return when it makes sense to look for this attempt in the report."""
        over = row.send_by + rules.http_total
        if row.unsure_at is not None:
            over = min(over, row.unsure_at)
        return max(over + FIRST_READ, row.next_read or 0.0)

    async def look_for(
        self,
        posting: Sequence[OpenAttempt],
        now: float,
        *,
        rules: TrackRules,
        skew: Skew | None,
        read: Read,
    ) -> Sequence[str]:
        """Look for attempts whose answer is lost; give up those that are proven absent.

        Returns the keys of those that are taken for not placed. Twice is the same as once: an
        attempt leaves `posting` once, for good.
        """
        due = [row for row in posting if self.readable_from(row, rules) <= now]
        if not due:
            return ()
        low, high = bounds(skew, KNOWN_SKEW_MARGIN)
        start = min(row.posting_at for row in due) + low
        end = max(row.send_by for row in due) + rules.http_total + high
        try:
            until = max(end, now + high)
            seen = {key_in(call.tags) async for calls in read(start, until) for call in calls}
        except errors.VoiceError as error:
            _log.warning("reconcile_failed", run=self.run_id, error=str(error))
            await self._postpone(due, now, rules, read=False)
            unreadable = max(10 * rules.quiet, UNREADABLE)
            overdue = [row.key for row in due if now > row.send_by + unreadable]
            await self._give_up(overdue, "unknown", rules)
            return ()
        absent = [row for row in due if row.key not in seen]
        proven = [row for row in absent if self.proven_absent(row, now, rules)]
        await self._postpone([row for row in absent if row not in proven], now, rules, read=True)
        keys = [row.key for row in proven]
        await self._give_up(keys, "unknown" if rules.park else "not_placed", rules)
        return () if rules.park else keys

    def proven_absent(self, row: OpenAttempt, now: float, rules: TrackRules) -> bool:
        """Whether the report has been read often and late enough to say that no call was made."""
        if now < row.send_by + rules.quiet:
            return False
        reads = row.reads + 1
        fresh = self.newest_seen > row.send_by
        return reads >= MIN_READS and (fresh or now >= row.send_by + 3 * rules.quiet)

    async def _postpone(
        self, rows: Sequence[OpenAttempt], now: float, rules: TrackRules, *, read: bool
    ) -> None:
        """Set the next look: at growing intervals, and soon after `quiet` has passed."""
        changes = []
        for row in rows:
            quiet_over = row.send_by + rules.quiet
            waited = max(now - min(row.send_by, row.unsure_at or row.send_by), 0.0)
            if now < quiet_over:
                following = min(now + max(waited, 1.0), quiet_over)
                reads = row.reads
            else:
                following = now + max(rules.quiet / 4, 0.5)
                reads = row.reads + int(read)
            changes.append((row.key, reads, following))
        await giving_up.mark_read(self.store, changes)

    async def _give_up(self, keys: Sequence[str], as_state: str, rules: TrackRules) -> None:
        for key in keys:
            _log.warning(as_state, attempt=key, run=self.run_id)
        await giving_up.give_up(
            self.store, keys, as_state=as_state, from_state="posting", hold=rules.hold
        )
