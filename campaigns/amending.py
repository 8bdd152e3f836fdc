"""What of a campaign may change while it runs, and what has changed between two versions.

Pacing, limits, hours, the end, retries and what is done with lost answers may change. The list, the
call itself, the purpose and whatever the law looks at stay as they were when the run began: another
campaign is another file. Nothing that a law forbids may come in through the back door: an override
of a rule can be withdrawn, never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from pydantic import ValidationError

from campaigns.checks import Finding
from campaigns.definition import Campaign, Frozen, RetryRule
from campaigns.scalars import format_duration

Keys = tuple[str | int, ...]

CHANGEABLE: Final[tuple[tuple[str, ...], ...]] = (
    ("pacing", "channels"),
    ("pacing", "calls_per_second"),
    ("pacing", "priority"),
    ("calling_hours",),
    ("limits",),
    ("retry",),
    ("reconcile",),
    ("guards",),
    ("schedule", "end_at"),
    ("call", "max_ring"),
    ("call", "max_duration"),
)
"""The keys, and all below them, that a running campaign may be given another value of."""

_FIXED: Final = "this cannot change while the campaign runs; stop it and start another one"
_WIDER: Final = (
    "a running campaign cannot set aside a rule that held when it began; stop it and start another"
)


class Changed(Frozen):
    """One key with another value; None: it is not written, or not any more."""

    key: str
    before: str | None
    after: str | None


def findings(running: Campaign, wanted: Campaign) -> Iterator[Finding]:
    """Give what `wanted` may not change of the campaign as it runs. Pure."""
    before, after = _flat(running), _flat(wanted)
    said: set[Keys] = set()
    for keys in _differing(before, after):
        place = _place(keys)
        if keys[0] == "overrides" or _may_change(keys) or place in said:
            continue
        said.add(place)
        yield Finding(place, _FIXED, "not_changeable")
    kept = {override.rule for override in running.overrides}
    for index, override in enumerate(wanted.overrides):
        if override.rule not in kept:
            yield Finding(("overrides", index, "rule"), _WIDER, "widens_a_law")


def as_far_as_readable(
    running: Campaign, data: Mapping[str, Any], wrong: Iterable[Keys]
) -> Campaign | None:
    """Read a file that is wrong at some keys as if it said there what the running campaign says.

    So what it may not change elsewhere is told beside what is wrong. None where too much is wrong.
    """
    known = running.model_dump()
    mended = dict(data)
    for keys in wrong:
        top = str(keys[0])
        section, kept = mended.get(top), known.get(top)
        if len(keys) > 1 and isinstance(section, Mapping) and isinstance(kept, Mapping):
            mended[top] = _with(section, str(keys[1]), kept)
        else:
            mended = _with(mended, top, known)
    for _ in range(2):
        try:
            return Campaign.model_validate(mended)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                if details["loc"]:
                    mended = _with(mended, str(details["loc"][0]), known)
    return None


def _with(section: Mapping[str, Any], key: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with what is known of a key; without it where nothing is."""
    others = {name: value for name, value in section.items() if name != key}
    return others | ({key: known[key]} if key in known else {})


def changes(before: Campaign, after: Campaign) -> tuple[Changed, ...]:
    """Return every key whose value differs, in the order of the language."""
    old, new = _flat(before), _flat(after)
    return tuple(
        Changed(key=_written(keys), before=old.get(keys), after=new.get(keys))
        for keys in _differing(old, new)
    )


def moved_rules(
    before: tuple[RetryRule, ...], after: tuple[RetryRule, ...]
) -> tuple[int | None, ...]:
    """Return for each retry rule of `after` where the same rule stood in `before`, or None."""
    free = list(range(len(before)))
    found: list[int | None] = []
    for rule in after:
        index = next((index for index in free if before[index] == rule), None)
        if index is not None:
            free.remove(index)
        found.append(index)
    return tuple(found)


def carried_uses(uses: list[int], moved: tuple[int | None, ...]) -> list[int]:
    """Return how often each rule of a new table has acted, from the counts of the old one."""
    return [0 if index is None or index >= len(uses) else uses[index] for index in moved]


def _may_change(keys: Keys) -> bool:
    return any(keys[: len(allowed)] == allowed for allowed in CHANGEABLE)


def _place(keys: Keys) -> Keys:
    """Name a whole list by its key: who changed one entry has often moved the others."""
    index = next((at for at, key in enumerate(keys) if isinstance(key, int)), len(keys))
    return keys[:index]


def _differing(before: dict[Keys, str], after: dict[Keys, str]) -> list[Keys]:
    return [keys for keys in {**before, **after} if before.get(keys) != after.get(keys)]


def _flat(campaign: Campaign) -> dict[Keys, str]:
    """Write every value under its keys; what is unset is absent."""
    found: dict[Keys, str] = {}
    _walk(campaign.model_dump(), (), found)
    return found


def _walk(value: Any, keys: Keys, found: dict[Keys, str]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _walk(inner, (*keys, name), found)
    elif isinstance(value, list | tuple):
        if value and all(not isinstance(item, dict | list | tuple) for item in value):
            found[keys] = ", ".join(_text(item) for item in value)
            return
        for index, inner in enumerate(value):
            _walk(inner, (*keys, index), found)
    elif value is not None:
        found[keys] = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value.value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _written(keys: Keys) -> str:
    """Write `("retry", 0, "times")` as `retry[1].times`: people count from one."""
    text = ""
    for key in keys:
        text += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if text else key
    return text
