"""A YAML file as text with places: every scalar stays what was written, and nothing is guessed.

PyYAML gives the events; its own interpretation of them is not used. Refused here, each with its
place: duplicate keys, anchors and aliases (which can grow a small file without bound), tags, a
second document, keys that are not plain words, nesting deeper than any campaign, files larger than
any campaign. Reading uses no recursion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from campaigns.problems import printable

MAX_DEPTH: Final = 12
MAX_BYTES: Final = 1_000_000

_OPEN_QUOTE = "found unexpected end of stream"
_LINE_END = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")

Report = Callable[[int, int, str, str], None]
"""Takes line, column (from 0), message and code."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as written. `plain` means without quotes."""

    line: int
    column: int
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order of the file; a key that came twice keeps its first value."""

    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of values."""

    line: int
    column: int
    items: list[Node] = field(default_factory=list)


Node = Scalar | Mapping | Sequence


class _UnreadableError(Exception):
    """The rest of the file cannot be read; the problem is reported already."""


def lines_of(text: str) -> list[str]:
    """Split a text where YAML sees lines."""
    return _LINE_END.split(text)


def plain_value(node: Node) -> Any:
    """Turn a node into strings, lists and dicts. The depth of a node is bounded."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [plain_value(item) for item in node.items]
    return {key: plain_value(value) for key, (_, value) in node.entries.items()}


def read(text: str, report: Report) -> Node | None:
    """Read the one document of a text; None where there is none. Raises nothing."""
    try:
        return _Builder(report).build(_events(text, report))
    except _UnreadableError:
        return None


def _events(text: str, report: Report) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.problem == _OPEN_QUOTE:
            mark = error.context_mark or mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        report(line, column, f"this is not YAML: {_said(error)}", "syntax")
    except yaml.reader.ReaderError as error:
        before = text[: int(error.position)]
        lines = lines_of(before)
        report(len(lines) - 1, len(lines[-1]), "this character cannot stand here", "syntax")
    except (yaml.YAMLError, ValueError, OverflowError):
        report(0, 0, "this is not YAML", "syntax")
    else:
        return
    raise _UnreadableError


def _said(error: yaml.MarkedYAMLError) -> str:
    problem = printable(error.problem or "unreadable")
    hints = {
        "found character '\\t' that cannot start any token": "indent with spaces, not tabs",
        "mapping values are not allowed here": "a value with a colon in it needs quotes,"
        " or the line is indented wrongly",
        _OPEN_QUOTE: "a quote opens here and is not closed",
        "could not find expected ':'": "a colon is missing after the key",
    }
    return hints.get(problem, problem[:200])


def _start(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line, mark.column) if mark else (0, 0)


class _Builder:
    """Builds the tree from events, with a stack of its own instead of recursion."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._stack: list[Mapping | Sequence] = []
        self._keys: list[Scalar | None] = []
        self._root: Node | None = None

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "a file holds one campaign; begin no second one", "two_files")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._stack.pop()
                self._keys.pop()
        return self._root

    def _stop(self, event: yaml.Event, message: str, code: str) -> None:
        self._report(*_start(event), message, code)
        raise _UnreadableError

    def _node(self, event: yaml.NodeEvent) -> None:
        line, column = _start(event)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._stop(event, "write the value out; & and * are not used here", "alias")
        if getattr(event, "tag", None) is not None:
            self._stop(event, "tags (!) are not used here", "tag")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(line, column, event.value, plain=event.style is None)
        elif isinstance(event, yaml.MappingStartEvent):
            node = Mapping(line, column)
        else:
            node = Sequence(line, column)
        self._place(event, node)
        if not isinstance(node, Scalar):
            if len(self._stack) >= MAX_DEPTH:
                self._stop(event, f"nesting goes deeper than {MAX_DEPTH} levels", "too_deep")
            self._stack.append(node)
            self._keys.append(None)

    def _place(self, event: yaml.NodeEvent, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            if not isinstance(node, Scalar):
                self._stop(event, "a key is a plain word", "bad_key")
                return
            self._keys[-1] = node
            return
        self._keys[-1] = None
        if key.text in parent.entries:
            first = parent.entries[key.text][0].line + 1
            self._report(
                key.line,
                key.column,
                f'"{printable(key.text[:60])}" stands here twice, first on line {first}',
                "duplicate_key",
            )
        else:
            parent.entries[key.text] = (key, node)
