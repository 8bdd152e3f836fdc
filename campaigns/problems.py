"""What is wrong with a campaign file, said so that a person can mend it.

A `Problem` is a place, a sentence and a stable code. All problems of a file are collected before
anything is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from campaigns.scalars import Frozen

_WIDEST: Final = 100


def printable(text: str) -> str:
    """Replace what would disturb a terminal or hide in a line; one character stays one."""
    return "".join(c if c.isprintable() else " " if c in "\t\xa0" else "?" for c in text)


class Problem(Frozen):
    """One mistake. `line` and `column` count from 1; `source` is the line of the file.

    An error keeps the campaign from starting; a warning does not.
    """

    file: str
    line: int
    column: int
    message: str
    code: str
    source: str = ""
    severity: Literal["error", "warning"] = "error"

    def render(self) -> str:
        """Write `file:line:col: message [code]`, the source line, and a caret under the place."""
        word = "warning: " if self.severity == "warning" else ""
        head = f"{self.file}:{self.line}:{self.column}: {word}{self.message} [{self.code}]"
        source, caret = printable(self.source).rstrip(), self.column - 1
        if not source:
            return head
        if caret > _WIDEST - 20:
            cut = caret - _WIDEST // 2
            source, caret = f"…{source[cut:]}", caret - cut + 1
        if len(source) > _WIDEST:
            source = f"{source[:_WIDEST]}…"
        return f"{head}\n  {source}\n  {' ' * caret}^"


class DefinitionError(Exception):
    """A campaign file cannot be used. `problems` holds all of them, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


def render(problems: Iterable[Problem]) -> str:
    """Write problems one after the other."""
    return "\n".join(problem.render() for problem in problems)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that was probably meant."""
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word[:100].casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Write `; did you mean ...?` where a known word is near, else nothing."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else ""
