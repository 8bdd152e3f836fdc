"""What a provider's ledger must never show: pure functions over its entries.

The ledger is the sandbox's, which shares no code with the engine. Each check returns what breaks
the promise, so an empty answer is a pass and a failure names the calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FOREVER = float("inf")


@dataclass(frozen=True)
class LedgerCall:
    """One accepted call; instants are seconds on the provider's clock, `end` infinite while live.

    `number` is the contact's, `key` the first word of the tags, empty where there is none.
    """

    id: int
    key: str
    number: str
    start: float
    end: float = FOREVER
    answered: bool = False
    hung_up: bool = False

    def overlaps(self, other: LedgerCall) -> bool:
        """Whether both were live at one instant; a call may begin when another ends."""
        return self.start < other.end and other.start < self.end


def read(entries: Iterable[Mapping[str, Any]], contact_leg: str = "origem") -> list[LedgerCall]:
    """Read the sandbox's entries, oldest first."""
    calls = [
        LedgerCall(
            id=entry["id"],
            key=str(entry["tags"] or "").partition(" ")[0],
            number=entry[f"numero_{contact_leg}"],
            start=entry["accepted_at"],
            end=FOREVER if entry["ended_at"] is None else entry["ended_at"],
            answered=entry[contact_leg]["status"] == "atendida",
            hung_up=entry["hung_up_by_api"],
        )
        for entry in entries
    ]
    return sorted(calls, key=lambda call: (call.start, call.id))


def without_key(calls: Iterable[LedgerCall]) -> list[int]:
    """Return the calls that carry no attempt key at all."""
    return [call.id for call in calls if not call.key]


def repeated_keys(calls: Iterable[LedgerCall]) -> dict[str, int]:
    """Return every attempt key that was accepted more than once, with how often."""
    return {key: n for key, n in Counter(call.key for call in calls).items() if n > 1}


def live_twice(calls: Iterable[LedgerCall]) -> list[tuple[int, int]]:
    """Return pairs of calls to one number that were live at the same instant."""
    by_number: dict[str, list[LedgerCall]] = defaultdict(list)
    for call in calls:
        by_number[call.number].append(call)
    pairs: list[tuple[int, int]] = []
    for same in by_number.values():
        same.sort(key=lambda call: (call.start, call.id))
        for index, call in enumerate(same):
            pairs += [(call.id, later.id) for later in same[index + 1 :] if call.overlaps(later)]
    return pairs


def peak_live(calls: Iterable[LedgerCall]) -> int:
    """Return the most calls that were live at one instant."""
    changes: list[tuple[float, int]] = []
    for call in calls:
        changes += [(call.start, 1), (call.end, -1)]
    live = peak = 0
    for _, change in sorted(changes):
        live += change
        peak = max(peak, live)
    return peak


def most_within(calls: Iterable[LedgerCall], seconds: float = 1.0) -> int:
    """Return the most calls that were accepted within any half-open window of so many seconds."""
    starts = sorted(call.start for call in calls)
    most = first = 0
    for last, start in enumerate(starts):
        while start - starts[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def allowed_within_a_second(rate: float) -> float:
    """Return how many accepted calls one second may hold at `rate`: network jitter included."""
    return 1.03 * rate + 2


def called_after_answering(calls: Sequence[LedgerCall]) -> list[tuple[int, int]]:
    """Return calls made to a number that an earlier call had reached, beside that earlier call."""
    reached: dict[str, LedgerCall] = {}
    pairs: list[tuple[int, int]] = []
    for call in sorted(calls, key=lambda call: (call.start, call.id)):
        earlier = reached.get(call.number)
        if earlier is not None:
            pairs.append((earlier.id, call.id))
        elif call.answered:
            reached[call.number] = call
    return pairs


def wrong_counts(
    calls: Iterable[LedgerCall], expected: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Return the numbers that were not called exactly as often as expected: (seen, expected)."""
    seen = Counter(call.number for call in calls)
    return {
        number: (seen[number], expected.get(number, 0))
        for number in sorted(seen.keys() | expected.keys())
        if seen[number] != expected.get(number, 0)
    }
