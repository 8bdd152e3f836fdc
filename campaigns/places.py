"""Finds where in the file a path such as `("retry", 2, "times")` is written."""

from __future__ import annotations

from campaigns.document import Mapping, Node, Scalar, Sequence
from campaigns.opening import days_of


class Tree:
    """Finds the place in the file that a path of keys and indexes speaks of."""

    def __init__(self, root: Mapping) -> None:
        self._root = root

    def place(
        self, path: tuple[str | int, ...], *, at_key: bool = False, of_parent: bool = False
    ) -> tuple[int, int]:
        """Give line and column from 0 of the value at `path`, or as near to it as it exists."""
        node: Node = self._root
        key: Scalar | None = None
        steps = path[:-1] if of_parent else path
        for index, step in enumerate(steps):
            name = step
            if name == "later":
                name = "after"
            if isinstance(node, Mapping) and isinstance(name, str):
                entry = node.entries.get(name) or _covering(node, name)
                if entry is None:
                    break
                key, node = entry
            elif isinstance(node, Sequence) and isinstance(name, int):
                shift = 1 if index and steps[index - 1] == "later" else 0
                if name + shift >= len(node.items):
                    break
                node, key = node.items[name + shift], None
        whole = of_parent or isinstance(node, Mapping | Sequence)
        target = key if key is not None and (at_key or whole) else node
        return (0, 0) if target is self._root else (target.line, target.column)


def _covering(node: Mapping, day: str) -> tuple[Scalar, Node] | None:
    """Find the key, such as mon-fri, that names a day of the week."""
    return next((entry for key, entry in node.entries.items() if day in days_of(key)), None)
