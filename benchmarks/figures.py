"""What a ledger says about channels and pacing: pure functions over its entries."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]
Window = tuple[float, float]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def busy_share(ledger: Sequence[Entry], channels: int, window: Window) -> float:
    """Return the share of channel time in the window during which a call was live."""
    low, high = window
    held = 0.0
    for entry in ledger:
        ended = high if entry["ended_at"] is None else entry["ended_at"]
        held += max(min(ended, high) - max(entry["live_from"], low), 0.0)
    return held / (channels * (high - low))


def idle_gaps(ledger: Sequence[Entry], channels: int, window: Window) -> list[float]:
    """Return, for each POST in the window, how long its channel had been free, in seconds.

    The API names no channel, so a POST takes the one that has been free for longest. Channels that
    were never used count as free from the first POST on.
    """
    if not ledger:
        return []
    changes = [(entry["asked_at"], 1) for entry in ledger]
    changes += [(entry["ended_at"], 0) for entry in ledger if entry["ended_at"] is not None]
    changes.sort()
    first = min(entry["asked_at"] for entry in ledger)
    free = deque([first] * channels)
    gaps = []
    for at, is_post in changes:
        if not is_post:
            free.append(at)
            continue
        since = free.popleft() if free else at
        if window[0] <= at <= window[1]:
            gaps.append(at - since)
    return gaps


def most_within(instants: Sequence[float], seconds: float = 1.0) -> int:
    """Return the most instants within any half-open window of so many seconds."""
    ordered = sorted(instants)
    ends = (bisect_left(ordered, start + seconds) for start in ordered)
    return max((end - index for index, end in enumerate(ends)), default=0)


@dataclass(frozen=True)
class Pacing:
    """How evenly calls were sent. `error` is the share by which the mean rate is off."""

    asked: float
    calls: int
    rate: float
    most_sent: int
    most_accepted: int

    @property
    def error(self) -> float:
        """Share of the asked rate."""
        return abs(self.rate - self.asked) / self.asked


def pacing(ledger: Sequence[Entry], asked: float, window: Window, most_sent: int) -> Pacing:
    """Return the rate between the first and the last POST of the window, and the densest second.

    `most_sent` is what the sender says: on two cores a receiver that has to wait for one finds
    several requests together that were sent apart.
    """
    sent = [entry["asked_at"] for entry in ledger]
    inside = sorted(at for at in sent if window[0] <= at <= window[1])
    span = inside[-1] - inside[0] if inside else 0.0
    return Pacing(
        asked=asked,
        calls=len(inside),
        rate=(len(inside) - 1) / span if span else 0.0,
        most_sent=most_sent,
        most_accepted=most_within([entry["accepted_at"] for entry in ledger]),
    )
