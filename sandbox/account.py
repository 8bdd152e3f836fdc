"""The account that the sandbox stands for: its clock, calls, limits, faults and counters."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

from sandbox import billing
from sandbox.behaviour import REPORTED
from sandbox.book import CallBook
from sandbox.calls import FOREVER, Call
from sandbox.envelope import NO_BALANCE, TOO_MANY, TOO_MANY_CHANNELS, ApiError, Row
from sandbox.faults import Faults
from sandbox.limits import Limits, Rate
from sandbox.settings import SandboxSettings
from sandbox.timeline import Timeline

Draw = Callable[[Call, float], None]


class Account:
    """All state of one sandbox. Not thread-safe: one event loop owns it."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.book = CallBook(self._ended)
        self.timeline = Timeline(settings)
        self.ids = count(settings.first_id)
        self.faults = Faults()
        self.luck = Random(f"faults/{settings.seed}")
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()
        self.webhooks: Counter[str] = Counter()
        self.public_url = ""
        self.webphone_url = ""
        self.may_show: Callable[[str], bool] = lambda _digits: True
        self.watchers: list[Callable[[Call], None]] = []
        self.spent = 0.0
        self.set_limits(Limits())

    def now(self) -> float:
        """Epoch seconds of the sandbox's clock."""
        return self.clock()

    def set_limits(self, limits: Limits) -> None:
        """Replace the limits; the rates start afresh."""
        self.limits = limits
        self.balance = limits.balance
        self._calls = Rate(limits.calls_per_second)
        self._requests = Rate(limits.requests_per_second)

    def take_request(self, now: float) -> None:
        """Count a request against the rate; raises ApiError (429) when it is too soon."""
        if not self._requests.take(now):
            raise self.too_many(TOO_MANY)

    def too_many(self, row: Row) -> ApiError:
        """Make a 429, with `Retry-After` if the settings say so."""
        seconds = self.settings.retry_after
        return ApiError(row, {} if seconds is None else {"retry-after": f"{seconds:g}"})

    def place(self, call: Call, starts_at: float, draw: Draw | None = None) -> None:
        """Accept a call under the account's limits and draw what becomes of it.

        Raises ApiError for the limits: 402 without balance, 429 above channels or rate.
        """
        now = call.accepted_at
        self.book.advance(now)
        if not self._calls.take(now):
            raise self.too_many(TOO_MANY)
        if self.balance is not None and self.balance <= 0:
            raise ApiError(NO_BALANCE)
        channels = self.limits.channels
        full = channels is not None and self.book.live >= channels and starts_at <= now
        if full and self.limits.over_channels == "refuse":
            raise self.too_many(TOO_MANY_CHANNELS)
        if full:
            call.begins_at = call.ended_at = now
            call.origem.dialed_at = call.origem.ended_at = now
            call.origem.status, call.origem.reason = REPORTED["congested"]
        else:
            (draw or self.timeline.draw)(call, starts_at)
        self.enter(call)

    def enter(self, call: Call) -> None:
        """Give a call whose timeline is known its id, and enter it."""
        call.id = next(self.ids)
        self.book.add(call)
        self.watch(call)

    def restore(self, call: Call) -> None:
        """Enter a call of an earlier life; the ids of new ones follow the highest."""
        self.timeline.remember(call)
        self.ids = count(call.id + 1)
        self.book.add(call)

    def hang_up(self, call: Call, now: float, *, by_api: bool) -> None:
        """Ask for a call to end; it does so `hangup_delay` later."""
        call.hung_up_by_api = call.hung_up_by_api or by_api
        call.hang_up(now + self.timeline.simulated(self.settings.hangup_delay))
        self.revised(call, now)

    def revised(self, call: Call, now: float) -> None:
        """Take note that the timeline of an entered call has changed."""
        self.book.changed(call, now)
        self.watch(call)

    def watch(self, call: Call) -> None:
        """Tell whoever follows calls that this one is new or has a new timeline."""
        for watcher in self.watchers:
            watcher(call)

    def stats(self) -> dict[str, Any]:
        """Counters as of now."""
        self.book.advance(self.now())
        return {
            "requests": dict(self.requests),
            "accepted": len(self.book),
            "live": self.book.live,
            "peak_live": self.book.peak_live,
            "ended": self.book.ended,
            "refused": dict(self.refused),
            "faults": dict(self.faulted),
            "webhooks": dict(self.webhooks),
            "spent": round(self.spent, 4),
            "balance": self.balance,
        }

    def _ended(self, call: Call) -> None:
        call.cost = billing.cost(call, self.settings) if call.ended_at < FOREVER else 0.0
        self.spent += call.cost
        if self.balance is not None:
            self.balance = round(self.balance - call.cost, 4)
