"""Keys of the language that the engine does not act on yet: the loader refuses them.

A key that is accepted and ignored would be a lie about when people are called. Whoever makes the
engine honour a key takes its line out, in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

#: Paths of keys; `*` stands for any item of a list.
NOT_YET: Final[tuple[tuple[str, ...], ...]] = ()


def used(data: dict[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """Give the paths of keys in a campaign's data that are not honoured yet."""
    for path in NOT_YET:
        yield from _find(data, path, ())


def _find(
    data: Any, path: tuple[str, ...], done: tuple[str | int, ...]
) -> Iterator[tuple[str | int, ...]]:
    if not path:
        yield done
    elif isinstance(data, list) and path[0] == "*":
        for index, item in enumerate(data):
            yield from _find(item, path[1:], (*done, index))
    elif isinstance(data, dict) and path[0] in data:
        yield from _find(data[path[0]], path[1:], (*done, path[0]))
