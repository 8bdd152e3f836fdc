"""All calls of the account: by id, by time, and how many are live at every instant."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from heapq import heappop, heappush
from math import floor
from operator import attrgetter

from sandbox.calls import FOREVER, Call

STARTS, ENDS = 1, 0  # at one instant, calls that end make room before calls that start


class CallBook:
    """The calls, and an exact count of live ones.

    Starts and ends are settled in time order before anything is counted, so `peak_live` is the
    true maximum over all instants however seldom anybody looks. `on_end` is called once a call.
    """

    def __init__(self, on_end: Callable[[Call], None]) -> None:
        self._on_end = on_end
        self._by_id: dict[int, Call] = {}
        self._calls: list[Call] = []
        self._accepted: list[float] = []
        self._events: list[tuple[float, int, int]] = []
        self._counted: set[int] = set()  # live calls by id
        self.peak_live = 0
        self.ended = 0

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def live(self) -> int:
        """Live calls as of the last `advance`."""
        return len(self._counted)

    def add(self, call: Call) -> None:
        """Enter a call whose timeline is drawn; its `accepted_at` must not lie before others'."""
        self._by_id[call.id] = call
        self._calls.append(call)
        self._accepted.append(max(call.accepted_at, self._accepted[-1] if self._accepted else 0.0))
        heappush(self._events, (call.live_from, STARTS, call.id))
        self.advance(call.accepted_at)

    def get(self, call_id: int) -> Call | None:
        """Find the call of that id."""
        return self._by_id.get(call_id)

    def changed(self, call: Call, now: float) -> None:
        """Take note that a call's end was moved."""
        if call.id in self._counted:
            if call.ended_at < FOREVER:
                heappush(self._events, (call.ended_at, ENDS, call.id))
        elif call.live_from <= call.ended_at:
            heappush(self._events, (call.live_from, STARTS, call.id))
        self.advance(now)

    def advance(self, now: float) -> None:
        """Settle every start and end up to `now`, in time order."""
        events = self._events
        while events and events[0][0] <= now:
            at, kind, call_id = heappop(events)
            call = self._by_id[call_id]
            if kind == STARTS:
                self._start(call, at)
            elif call_id in self._counted and call.ended_at == at:
                self._counted.discard(call_id)
                self.ended += 1
                self._on_end(call)

    def _start(self, call: Call, at: float) -> None:
        if call.live_from != at or call.id in self._counted or call.cost is not None:
            return
        self._counted.add(call.id)
        if call.ended_at > at:
            self.peak_live = max(self.peak_live, len(self._counted))
        if call.ended_at < FOREVER:
            heappush(self._events, (call.ended_at, ENDS, call.id))

    def live_calls(self) -> list[Call]:
        """Live calls as of the last `advance`, in order of acceptance."""
        return [self._by_id[call_id] for call_id in sorted(self._counted)]

    def since(self, after_id: int = 0) -> list[Call]:
        """All calls with an id above `after_id`, in order of acceptance."""
        return self._calls[bisect_right(self._calls, after_id, key=attrgetter("id")) :]

    def between(
        self,
        start: float,
        end: float,
        *,
        skip: int,
        limit: int,
        accepted_by: float = FOREVER,
        keep: Callable[[Call], bool] | None = None,
    ) -> tuple[list[Call], int]:
        """Select calls created from `start` to `end`, both included, in whole seconds, by id.

        Returns `limit` of them after `skip`, and how many there are in all; calls accepted after
        `accepted_by` are left out. Without `keep` this costs the same however long the past is.
        """
        low = bisect_left(self._accepted, floor(start))
        high = bisect_left(self._accepted, floor(end) + 1)
        high = max(low, min(high, bisect_right(self._accepted, accepted_by)))
        if keep is None:
            return self._calls[low + skip : min(high, low + skip + limit)], high - low
        kept = [call for call in self._calls[low:high] if keep(call)]
        return kept[skip : skip + limit], len(kept)
