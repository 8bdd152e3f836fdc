"""Keys of the language that the engine does not act on yet: the loader refuses them.

A key that is accepted and ignored would be a lie about when people are called. Whoever makes the
engine honour a key takes its line out, in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

#: Paths of keys; `*` stands for any item of a list.
NOT_YET: Final[tuple[tuple[str, ...], ...]] = (
    ("automation",),
    ("calling_hours",),  # the table of hours; `always` is honoured
    ("pacing", "priority"),
    ("limits", "per_contact", "per_day"),
    ("limits", "per_contact", "rolling_24h"),
    ("limits", "per_contact", "per_month"),
    ("limits", "per_contact", "min_gap"),
    ("limits", "per_number"),
    ("retry", "*", "outcome"),
    ("retry", "*", "other_daypart"),
    ("retry", "*", "later"),  # a list of growing delays under `after`
    ("retry", "*", "then", "suppress"),
    ("schedule",),
    ("suppression",),
    ("overrides",),
)


def used(data: dict[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """Give the paths of keys in a campaign's data that are not honoured yet."""
    for path in NOT_YET:
        yield from _find(data, path, ())


def _find(
    data: Any, path: tuple[str, ...], done: tuple[str | int, ...]
) -> Iterator[tuple[str | int, ...]]:
    if not path:
        if data != "always":
            yield done
    elif isinstance(data, list) and path[0] == "*":
        for index, item in enumerate(data):
            yield from _find(item, path[1:], (*done, index))
    elif isinstance(data, dict) and path[0] in data:
        yield from _find(data[path[0]], path[1:], (*done, path[0]))
    elif isinstance(data, dict) and path == ("later",):
        if isinstance(data.get("after"), list):
            yield (*done, "after")
    elif data == path[0]:
        yield done
