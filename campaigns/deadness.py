"""When a phone number counts as dead: pure, from what calls to it came to.

Networks say "does not exist" of numbers that merely did not answer, so one such call proves
nothing. A number is dead when it was said on two different days of its own calendar, and no call in
between showed that somebody has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from campaigns.attempts import Outcome
from campaigns.definition import Frozen

CONFIRMATIONS: Final = 2
"""Days on which a number must be said not to exist."""

ALIVE: Final = frozenset(
    {
        Outcome.ANSWERED,
        Outcome.VOICEMAIL,
        Outcome.BUSY,
        Outcome.NO_ANSWER,
        Outcome.REJECTED,
        Outcome.UNREACHABLE,
        Outcome.OTHER_LEG,
    }
)
"""What only a number comes to that somebody has. `OTHER_LEG`: the contact had answered."""


class Word(Frozen):
    """What a call to the number came to, and when it was made (seconds since 1970).

    `spared`: the call never reached the contact's phone, so it says nothing about the number.
    """

    at: float
    outcome: Outcome
    spared: bool = False


def confirmed_on(words: Iterable[Word], zone: tzinfo) -> date | None:
    """Return the day on which `words`, oldest first, have declared the number dead, or None.

    A number that was declared dead stays so until its declaration is taken back, which the words
    given here come after.
    """
    days: set[date] = set()
    for word in words:
        if word.spared:
            continue
        if word.outcome in ALIVE:
            days.clear()
        elif word.outcome is Outcome.INVALID_NUMBER:
            day = datetime.fromtimestamp(word.at, UTC).astimezone(zone).date()
            days.add(day)
            if len(days) >= CONFIRMATIONS:
                return day
    return None
