"""Says what pydantic found in our own words, each kind with a stable code."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from campaigns.definition import Campaign
from campaigns.problems import did_you_mean, printable
from campaigns.scalars import format_duration

_PATTERNS: Final = {
    "campaign": "a name is made of small letters, digits and hyphens, such as cobranca-novembro",
    "default_ddd": 'an area code is two digits, such as "48"',
    "timezone": "a time zone is named such as America/Sao_Paulo",
    "repeat": 'a repetition is a cron line of five fields, such as "0 9 * * 1-5"',
    "rule": "a rule is named as in its pack, such as rj-sales-hours",
}
_SPAN: Final = re.compile(r"(days|seconds)=(\d+)", re.ASCII)
_SHAPES: Final = {
    "tuple_type": "a list is needed here",
    "model_type": "keys and values are needed here",
    "model_attributes_type": "keys and values are needed here",
    "dict_type": "keys and values are needed here",
    "string_type": "one value is needed here, not a list or keys",
    "enum": "one value is needed here, not a list or keys",
    "literal_error": "one value is needed here, not a list or keys",
}


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


def translate(
    path: tuple[str | int, ...], details: ErrorDetails, context: dict[str, Any]
) -> tuple[str, str]:
    """Give code and sentence for an error of the models."""
    kind, given = details["type"], details["input"]
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    if kind == "missing":
        return "missing_key", f'"{name}" is missing'
    if kind == "extra_forbidden":
        known = [key for key in _model_at(path).model_fields if key != "later"]
        known += ["mon-fri", "mon-sat"] if "mon" in known else []
        where = f'"{path[-2]}"' if len(path) > 1 and isinstance(path[-2], str) else "a campaign"
        where = {"retry": "a retry rule", "overrides": "an override"}.get(str(path[0]), where)
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


def _bound(value: Any) -> str:
    """Write a bound as people do; pydantic hands a `timedelta` over as the text of its `repr`."""
    if isinstance(value, str):
        value = timedelta(**{unit: int(count) for unit, count in _SPAN.findall(value)})
    return format_duration(value) if isinstance(value, timedelta) else f"{value:g}"


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
        return "out_of_range", f"this must be {word} {_bound(bound)}"
    if kind in {"too_short", "string_too_short"}:
        least = context.get("min_length", 1)
        told = f"write at least {least} characters" if least != 1 else "this must not be empty"
        return "too_short", told
    if kind == "too_long":
        return "too_long", f"at most {context.get('max_length')} can stand here; use a file"
    if kind == "string_too_long":
        return "too_long", f"this is longer than {context.get('max_length')} characters"
    if isinstance(given, str) and "options" in context:
        said += did_you_mean(given, context["options"])
    return kind, said
