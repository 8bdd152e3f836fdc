"""From the text of a campaign file to a `Campaign`, or to every problem in it at once.

Errors are drawn small: `DefinitionError` is the only exception, whatever the bytes of the file are.
The steps: bytes to text, text to a tree with places (`campaigns.document`), tree to models
(`campaigns.definition`), then the checks that need more than one value (`campaigns.checks`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, get_args
from zoneinfo import available_timezones

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from campaigns import checks, document
from campaigns.definition import Campaign, RetryRule
from campaigns.document import MAX_BYTES, Mapping, Node, Scalar, Sequence
from campaigns.opening import days_of
from campaigns.problems import (
    DefinitionError,
    Problem,
    did_you_mean,
    printable,
)
from campaigns.scalars import format_duration

__all__ = ["Checked", "DefinitionError", "check", "load"]

_MUST_BE_QUOTED: Final = frozenset(
    {
        ("call", "connect_to"),
        ("call", "bina_origem"),
        ("call", "bina_destino"),
    }
)
_LOOKS_NUMERIC = re.compile(
    r"[-+]?(?:0x[0-9a-f_]+|0o?[0-7_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:e[-+]?[0-9]+)?"
    r"|[0-9]+(?::[0-9]+)+)",
    re.IGNORECASE | re.ASCII,
)
_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})

_PATTERNS: Final = {
    "campaign": "a name is made of small letters, digits and hyphens, such as cobranca-novembro",
    "default_ddd": 'an area code is two digits, such as "48"',
    "timezone": "a time zone is named such as America/Sao_Paulo",
    "repeat": 'a repetition is a cron line of five fields, such as "0 9 * * 1-5"',
    "rule": "a rule is named as in its pack, such as rj-sales-hours",
}
_SHAPES: Final = {
    "tuple_type": "a list is needed here",
    "model_type": "keys and values are needed here",
    "model_attributes_type": "keys and values are needed here",
    "dict_type": "keys and values are needed here",
    "string_type": "one value is needed here, not a list or keys",
    "enum": "one value is needed here, not a list or keys",
    "literal_error": "one value is needed here, not a list or keys",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading a file gave: a campaign unless there are errors, and all problems in order."""

    campaign: Campaign | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the campaign from starting."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def load(path: Path, *, loopback: bool) -> Campaign:
    """Read a campaign file, or raise `DefinitionError` with every problem of it.

    `loopback` tells that the API's address is a local one, where `calling_hours: always` is
    accepted. Files named in the campaign are relative to it. Reads only; may be repeated.
    """
    checked = check(path, loopback=loopback)
    if checked.campaign is None:
        raise DefinitionError(checked.errors)
    return checked.campaign


def check(path: Path, *, loopback: bool) -> Checked:
    """Read a campaign file and give all problems, warnings too. Raises nothing."""
    reader = _Reader(str(path))
    text = reader.text_of(path)
    campaign = None if text is None else reader.campaign(text, path.parent, loopback=loopback)
    problems = tuple(sorted(reader.problems, key=lambda p: (p.line, p.column)))
    if any(problem.severity == "error" for problem in problems):
        campaign = None
    return Checked(campaign, problems)


class _Reader:
    """Collects the problems of one file."""

    def __init__(self, name: str) -> None:
        self.problems: list[Problem] = []
        self._name = name
        self._lines: list[str] = []
        self._said: set[tuple[int, int]] = set()

    def _report(
        self, line: int, column: int, message: str, code: str, severity: str = "error"
    ) -> None:
        problem = Problem.model_validate(
            {
                "file": self._name,
                "line": line + 1,
                "column": column + 1,
                "message": message,
                "code": code,
                "source": self._lines[line] if line < len(self._lines) else "",
                "severity": severity,
            }
        )
        if problem not in self.problems:
            self.problems.append(problem)

    def text_of(self, path: Path) -> str | None:
        """Read the file as UTF-8."""
        try:
            data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it cannot be opened"
            self._report(0, 0, f"the campaign file cannot be read: {reason}", "no_file")
            return None
        if data is None:
            self._report(0, 0, f"a campaign file is at most {MAX_BYTES:,} bytes", "too_large")
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8-sig", "replace")
            self._lines = document.lines_of(data.decode("utf-8-sig", "replace"))
            lines = document.lines_of(before)
            self._report(
                len(lines) - 1,
                len(lines[-1]),
                "this is not UTF-8; save the campaign file as UTF-8",
                "encoding",
            )
            return None
        self._lines = document.lines_of(text)
        return text

    def campaign(self, text: str, base: Path, *, loopback: bool) -> Campaign | None:
        """Turn the text into a campaign, reporting whatever is wrong."""
        root = document.read(text, self._report)
        if root is None:
            if not self.problems:
                self._report(0, 0, "the file is empty", "empty_file")
            return None
        if not isinstance(root, Mapping):
            self._report(root.line, root.column, "a campaign is made of keys and values", "shape")
            return None
        tree = _Tree(root)
        self._values(root, ())
        data = document.plain_value(root)
        campaign = None
        try:
            campaign = Campaign.model_validate(data)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                self._wrong(tree, details)
        for finding in checks.findings(_sections(data, loopback=loopback)):
            self._found(tree, finding)
        for finding in _files(data, base):
            self._found(tree, finding)
        return campaign

    def _values(self, node: Node, path: tuple[str, ...]) -> None:
        """Report values that are missing, and numbers that YAML would have changed."""
        if isinstance(node, Scalar):
            self._value(node, path)
        elif isinstance(node, Sequence):
            for item in node.items:
                self._values(item, path)
        else:
            for key, (_, value) in node.entries.items():
                self._values(value, (*path, key))

    def _value(self, scalar: Scalar, path: tuple[str, ...]) -> None:
        if not scalar.plain:
            return
        if scalar.text in _NOTHING:
            self._said.add((scalar.line, scalar.column))
            self._report(
                scalar.line, scalar.column, "give a value here, or remove the key", "empty_value"
            )
        elif path in _MUST_BE_QUOTED and _LOOKS_NUMERIC.fullmatch(scalar.text):
            self._said.add((scalar.line, scalar.column))
            self._report(
                scalar.line,
                scalar.column,
                "quote it: a number without quotes loses leading zeros and its plus in other"
                f' programs; write "{printable(scalar.text[:40])}"',
                "unquoted_number",
            )

    def _wrong(self, tree: _Tree, details: ErrorDetails) -> None:
        path = details["loc"]
        kind = details["type"]
        context: dict[str, Any] = details.get("ctx") or {}
        if "key" in context:
            path = (*path, context["key"])
        at_key = kind in {"extra_forbidden", "day_twice"}
        line, column = tree.place(path, at_key=at_key, of_parent=kind == "missing")
        if (line, column) in self._said and not at_key and kind != "missing":
            return
        code, message = _translate(path, details, context)
        self._report(line, column, message, code)

    def _found(self, tree: _Tree, finding: checks.Finding) -> None:
        place = tree.place(finding.path)
        if place not in self._said:
            self._report(*place, finding.message, finding.code, finding.severity)


class _Tree:
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


def _model_at(path: tuple[str | int, ...]) -> type[BaseModel]:
    """Give the model that holds the last key of a path."""
    model: type[BaseModel] = Campaign
    for step in path[:-1]:
        if isinstance(step, str) and step in model.model_fields:
            model = next(_models(model.model_fields[step].annotation), model)
    return model


def _models(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _translate(
    path: tuple[str | int, ...], details: ErrorDetails, context: dict[str, Any]
) -> tuple[str, str]:
    """Give code and sentence for an error of the models."""
    kind, given = details["type"], details["input"]
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    if kind == "missing":
        return "missing_key", f'"{name}" is missing'
    if kind == "extra_forbidden":
        known = [key for key in _model_at(path).model_fields if key != "later"]
        where = f'"{path[-2]}"' if len(path) > 1 and isinstance(path[-2], str) else "a campaign"
        where = '"retry"' if path[0] == "retry" else where
        said = f'"{printable(name[:60])}" is not a key of {where}'
        return "unknown_key", said + did_you_mean(name, known)
    if kind in {"enum", "literal_error"} and isinstance(given, str):
        options = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return "not_a_choice", f"choose one of {', '.join(options)}{did_you_mean(given, options)}"
    if kind in _SHAPES:
        return "shape", _SHAPES[kind]
    if kind == "string_pattern_mismatch":
        return "bad_format", _PATTERNS.get(name, "this is not written as it must be")
    return _of_value(kind, given, context, details["msg"])


def _of_value(kind: str, given: Any, context: dict[str, Any], said: str) -> tuple[str, str]:
    bounds = {
        "greater_than_equal": ("at least", "ge"),
        "greater_than": ("more than", "gt"),
        "less_than_equal": ("at most", "le"),
        "less_than": ("less than", "lt"),
    }
    if kind in bounds:
        word, key = bounds[kind]
        bound = context.get(key)
        shown = format_duration(bound) if isinstance(bound, timedelta) else f"{bound:g}"
        return "out_of_range", f"this must be {word} {shown}"
    if kind in {"too_short", "string_too_short"}:
        least = context.get("min_length", 1)
        return "too_short", f"give at least {least}" if least != 1 else "this must not be empty"
    if kind == "string_too_long":
        return "too_long", f"this is longer than {context.get('max_length')} characters"
    if isinstance(given, str) and "options" in context:
        said += did_you_mean(given, context["options"])
    return kind, said


# What stands in for a required value that is wrong itself, so that its neighbours are checked.
_STAND_INS: Final[dict[str, dict[str, Any]]] = {
    "call": {"connect_to": "4000"},
    "dial_list": {"file": "-", "numbers": ["-"]},
}


def _sections(data: dict[str, Any], *, loopback: bool) -> checks.Sections:
    """Read each section by itself, so that the checks run on all that is right."""
    read: dict[str, Any] = {"retry": _rules(data.get("retry", ()))}
    for name in ("purpose", "dial_list", "call", "calling_hours", "limits"):
        field = Campaign.model_fields[name]
        adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
        given = data.get(name, {} if name in _STAND_INS else field.get_default())
        try:
            read[name] = adapter.validate_python(given)
        except ValidationError as error:
            read[name] = _mended(adapter, given, error, _STAND_INS.get(name, {}))
    return checks.Sections(**{**read, "loopback": loopback})


def _mended(
    adapter: TypeAdapter[Any], given: Any, error: ValidationError, stand_ins: dict[str, Any]
) -> Any:
    """Read a section without the keys that are wrong; None where that is not enough."""
    if not isinstance(given, dict):
        return None
    wrong = {details["loc"][0] for details in error.errors() if details["loc"]}
    right = {key: value for key, value in given.items() if key not in wrong}
    try:
        return adapter.validate_python({**stand_ins, **right})
    except ValidationError:
        return None


def _rules(given: Any) -> tuple[RetryRule | None, ...]:
    rules: list[RetryRule | None] = []
    for rule in given if isinstance(given, list | tuple) else ():
        try:
            rules.append(RetryRule.model_validate(rule))
        except ValidationError:
            rules.append(None)
    return tuple(rules)


def _files(data: dict[str, Any], base: Path) -> list[checks.Finding]:
    """Check what the campaign names outside itself: files and time zones."""
    found: list[checks.Finding] = []
    dial_list = data.get("dial_list")
    name = dial_list.get("file") if isinstance(dial_list, dict) else None
    if isinstance(name, str) and name and not _is_file(base / name):
        found.append(
            checks.Finding(
                ("dial_list", "file"),
                "there is no such file; the path is relative to the campaign file",
                "missing_list",
            )
        )
    for section in ("calling_hours", "schedule"):
        holder = data.get(section)
        zone = holder.get("timezone") if isinstance(holder, dict) else None
        if isinstance(zone, str) and zone not in {"contact", *available_timezones()}:
            near = did_you_mean(zone, available_timezones())
            found.append(
                checks.Finding(
                    (section, "timezone"), f"there is no time zone of this name{near}", "bad_zone"
                )
            )
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
