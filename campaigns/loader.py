"""From the text of a campaign file to a `Campaign`, or to every problem in it at once.

Errors are drawn small: `DefinitionError` is the only exception, whatever the bytes of the file are.
The steps: bytes to text, text to a tree with places (`campaigns.document`), tree to models
(`campaigns.definition`), then the checks that need more than one value (`campaigns.checks`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from campaigns import amending, beside, checks, document, not_yet
from campaigns.definition import Campaign
from campaigns.document import MAX_BYTES, Mapping, Node, Scalar, Sequence
from campaigns.places import Tree
from campaigns.problems import DefinitionError, Problem
from campaigns.sections import read_sections
from campaigns.wording import translate

__all__ = ["Checked", "DefinitionError", "check", "load"]

Keys = tuple[str, ...]
"""The keys that lead to a value, without the positions in lists."""

_MUST_BE_QUOTED: Final[frozenset[Keys]] = frozenset(
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

MAX_PROBLEMS: Final = 200
LONGEST_LINE: Final = 2_000
_MORE: Final = "there are more problems than these; mend these first"
_NOT_YET: Final = "this version does not act on this key yet, so it does not accept it"


def _quoted_cells(data: dict[str, Any]) -> frozenset[Keys]:
    """Give the columns of `dial_list.contacts` in which a digit must not be lost."""
    dial_list = data.get("dial_list")
    if not isinstance(dial_list, dict):
        return frozenset()
    named = dial_list.get("numbers", [])
    columns = [*(named if isinstance(named, list) else [named]), dial_list.get("id")]
    return frozenset(("dial_list", "contacts", name) for name in columns if isinstance(name, str))


def _quoted(text: str) -> str:
    """Say how an unquoted number is to be written."""
    whole = text.removeprefix("+").isdigit()
    return f'write "{text[:40]}"' if whole else "write all its digits, in quotes"


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading a file gave: a campaign unless there are errors, and all problems in order.

    `list_place` is where the file names its list: line, column, and the line itself.
    """

    campaign: Campaign | None
    problems: tuple[Problem, ...]
    list_place: tuple[int, int, str] = (1, 1, "")

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


def check(path: Path, *, loopback: bool, running: Campaign | None = None) -> Checked:
    """Read a campaign file and give all problems, warnings too. Raises nothing.

    `running` is the campaign as it runs now, where the file is to change it: what may not change is
    a problem too.
    """
    reader = _Reader(str(path), running)
    text = reader.text_of(path)
    campaign = None if text is None else reader.campaign(text, path.parent, loopback=loopback)
    problems = tuple(sorted(reader.problems, key=lambda p: (p.line, p.column)))
    if any(problem.severity == "error" for problem in problems):
        campaign = None
    return Checked(campaign, problems, reader.list_place)


class _Reader:
    """Collects the problems of one file."""

    def __init__(self, name: str, running: Campaign | None = None) -> None:
        self.problems: list[Problem] = []
        self.list_place = (1, 1, "")
        self._name = name
        self._running = running
        self._lines: list[str] = []
        self._said: set[tuple[int, int]] = set()

    def _report(
        self, line: int, column: int, message: str, code: str, severity: str = "error"
    ) -> None:
        if len(self.problems) > MAX_PROBLEMS:
            return
        problem = Problem.model_validate(
            {
                "file": self._name,
                "line": line + 1,
                "column": column + 1,
                "message": message,
                "code": code,
                "source": self._source(line),
                "severity": severity,
            }
        )
        if problem in self.problems:
            return
        if len(self.problems) == MAX_PROBLEMS:
            problem = problem.model_copy(update={"message": _MORE, "code": "too_many"})
        self.problems.append(problem)

    def _source(self, line: int) -> str:
        """Give a line of the file, unless nobody could read it for its length."""
        text = self._lines[line] if line < len(self._lines) else ""
        return text if len(text) <= LONGEST_LINE else ""

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
        tree = Tree(root)
        line, column = tree.place(("dial_list", "file"))
        self.list_place = (line + 1, column + 1, self._source(line))
        data = document.plain_value(root)
        self._values(root, (), _MUST_BE_QUOTED | _quoted_cells(data))
        campaign: Campaign | None = None
        wrong: list[ErrorDetails] = []
        try:
            campaign = Campaign.model_validate(data)
        except ValidationError as error:
            wrong = error.errors(include_url=False)
            for details in wrong:
                self._wrong(tree, details)
        sections = read_sections(data, loopback=loopback)
        for finding in checks.findings(sections):
            self._found(tree, finding)
        for finding in beside.findings(data, sections, base):
            self._found(tree, finding)
        self._compared(tree, data, campaign, wrong)
        if not any(problem.severity == "error" for problem in self.problems):
            for path in not_yet.used(data):
                self._found(tree, checks.Finding(path, _NOT_YET, "not_yet"))
        return campaign

    def _compared(
        self,
        tree: Tree,
        data: dict[str, Any],
        campaign: Campaign | None,
        wrong: Iterable[ErrorDetails],
    ) -> None:
        """Report what may not change of a campaign that runs, beside all that is wrong."""
        if self._running is None:
            return
        if campaign is None:
            places = [details["loc"] for details in wrong if details["loc"]]
            campaign = amending.as_far_as_readable(self._running, data, places)
        if campaign is not None:
            for finding in amending.findings(self._running, campaign):
                self._found(tree, finding)

    def _values(self, node: Node, path: Keys, quoted: frozenset[Keys]) -> None:
        """Report values that are missing, and numbers that YAML would have changed."""
        if isinstance(node, Scalar):
            self._value(node, must_be_quoted=path in quoted)
        elif isinstance(node, Sequence):
            for item in node.items:
                self._values(item, path, quoted)
        else:
            for key, (_, value) in node.entries.items():
                self._values(value, (*path, key), quoted)

    def _value(self, scalar: Scalar, *, must_be_quoted: bool) -> None:
        if not scalar.plain:
            return
        if scalar.text in _NOTHING:
            self._said.add((scalar.line, scalar.column))
            self._report(
                scalar.line, scalar.column, "give a value here, or remove the key", "empty_value"
            )
        elif must_be_quoted and _LOOKS_NUMERIC.fullmatch(scalar.text):
            self._said.add((scalar.line, scalar.column))
            self._report(
                scalar.line,
                scalar.column,
                f"quote it, since YAML changes numbers: {_quoted(scalar.text)}",
                "unquoted_number",
            )

    def _wrong(self, tree: Tree, details: ErrorDetails) -> None:
        path = details["loc"]
        kind = details["type"]
        context: dict[str, Any] = details.get("ctx") or {}
        if "key" in context:
            path = (*path, context["key"])
        at_key = kind in {"extra_forbidden", "day_twice"}
        line, column = tree.place(path, at_key=at_key, of_parent=kind == "missing")
        if (line, column) in self._said and not at_key and kind != "missing":
            return
        code, message = translate(path, details, context)
        self._report(line, column, message, code)

    def _found(self, tree: Tree, finding: checks.Finding) -> None:
        place = tree.place(finding.path)
        if place not in self._said:
            self._report(*place, finding.message, finding.code, finding.severity)
