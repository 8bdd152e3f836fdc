"""Finds which rows of a list are one contact, where a campaign joins duplicates.

Rows that share an id, or a number, belong to the first of them. Memory grows with the ids and
numbers seen, and with the rows that are joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from campaigns.seen import Seen


class Groups:
    """Rows that belong together, by line; a row that is alone is in no group."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}
        self._keys = (Seen(), Seen())
        self._sizes: Counter[int] = Counter()

    def add(self, line: int, ids: Iterable[int], numbers: Iterable[int]) -> None:
        """Take in a row with the keys that it may share. Lines come in rising order."""
        for seen, keys in zip(self._keys, (ids, numbers), strict=True):
            for key in keys:
                earlier = seen.line_of(key)
                if earlier is None:
                    seen.remember(key, line)
                else:
                    self._unite(earlier, line)

    def close(self) -> None:
        """Count the groups and forget the keys."""
        self._keys = (Seen(), Seen())
        self._sizes = Counter(self._root(line) for line in self._parents)

    def root(self, line: int) -> int | None:
        """Give the first line of the group that a row is in, or None."""
        return self._root(line) if line in self._parents else None

    def size(self, root: int) -> int:
        """Give the number of rows of a group, after `close`."""
        return self._sizes[root]

    def together(self, one: int, other: int) -> bool:
        """Whether two rows are one contact."""
        return one in self._parents and self.root(one) == self.root(other)

    def _root(self, line: int) -> int:
        while self._parents[line] != line:
            self._parents[line] = self._parents[self._parents[line]]
            line = self._parents[line]
        return line

    def _unite(self, one: int, other: int) -> None:
        for line in (one, other):
            self._parents.setdefault(line, line)
        first, last = sorted((self._root(one), self._root(other)))
        self._parents[last] = first
