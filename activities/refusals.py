"""Why a campaign may not start: a text for whoever asked, and one that may leave the machine.

The full text quotes the file or the list, which may hold a number or a name. `safe` names files,
places and codes only; it is what a history, a run's reason or a log may say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from campaigns.problems import Problem, render
from campaigns.tables import ListError

PLACES_TOLD = 5


class StartRefusedError(Exception):
    """The campaign may not start; the text is for people."""

    def __init__(self, text: str, *, safe: str) -> None:
        self.safe = safe
        super().__init__(text)


class InvalidCampaignError(StartRefusedError):
    """The campaign file, or its list, cannot be used."""


class InvalidFileError(InvalidCampaignError):
    """The campaign file has problems."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        places = [f"{item.line}:{item.column} [{item.code}]" for item in problems[:PLACES_TOLD]]
        more = "" if len(problems) <= PLACES_TOLD else f" and {len(problems) - PLACES_TOLD} more"
        safe = f"{path.name} is invalid at {', '.join(places)}{more}; `discador validate` says how"
        if any(item.code == "no_file" for item in problems):
            safe = f"the campaign file {path} is not there, or cannot be read"
        super().__init__(render(problems), safe=safe)


class InvalidListError(InvalidCampaignError):
    """A list that the campaign names cannot be used."""

    def __init__(self, name: str, error: ListError) -> None:
        safe = f"its list {name} cannot be used [{error.code}]; `discador validate` says why"
        if error.code == "missing_list":
            safe = f"its list {name} is not there"
        super().__init__(f"{name}: {error} [{error.code}]", safe=safe)
