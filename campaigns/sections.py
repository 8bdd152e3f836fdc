"""Reads a campaign section by section, so that one mistake does not hide another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from campaigns.definition import (
    Call,
    CallingHours,
    Campaign,
    DialList,
    Guards,
    Limits,
    Purpose,
    RetryRule,
    Schedule,
)


@dataclass(frozen=True, slots=True)
class Sections:
    """What of a campaign could be read; a section or rule that could not is None."""

    purpose: Purpose | None = None
    dial_list: DialList | None = None
    call: Call | None = None
    calling_hours: CallingHours | Literal["always"] | None = None
    limits: Limits | None = None
    schedule: Schedule | None = None
    guards: Guards | None = None
    retry: tuple[RetryRule | None, ...] = ()
    loopback: bool = False


#: A file or column that is not the campaign's own, and of which nothing is asked.
STAND_IN: Final = "\0"

# What stands in for a required value that is wrong itself, so that its neighbours are checked.
_STAND_INS: Final[dict[str, dict[str, Any]]] = {
    "call": {"connect_to": "4000"},
    "dial_list": {"file": STAND_IN, "numbers": [STAND_IN]},
}


def read_sections(data: dict[str, Any], *, loopback: bool) -> Sections:
    """Read each section by itself, so that the checks run on all that is right."""
    read: dict[str, Any] = {"retry": _rules(data.get("retry", ()))}
    names = ("purpose", "dial_list", "call", "calling_hours", "limits", "guards", "schedule")
    for name in names:
        field = Campaign.model_fields[name]
        adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
        given = data.get(name, {} if name in _STAND_INS else field.get_default())
        try:
            read[name] = adapter.validate_python(given)
        except ValidationError as error:
            read[name] = _mended(adapter, given, error, _STAND_INS.get(name, {}))
    return Sections(**{**read, "loopback": loopback})


def _mended(
    adapter: TypeAdapter[Any], given: Any, error: ValidationError, stand_ins: dict[str, Any]
) -> Any:
    """Read a section without the keys that are wrong; None where that is not enough."""
    if not isinstance(given, dict):
        return None
    wrong = {details["loc"][0] for details in error.errors() if details["loc"]}
    right = {key: value for key, value in given.items() if key not in wrong}
    if "contacts" in right:
        stand_ins = {key: value for key, value in stand_ins.items() if key != "file"}
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
