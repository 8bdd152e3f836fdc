"""The JSON Schema of a campaign file, so that editors complete keys and mark mistakes.

Made from the models, so it knows the same keys, choices and bounds; what needs two sections or a
file is left to `validate`. A schema judges YAML as editors read it: flags and numbers are typed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, get_args

from pydantic import BaseModel

from campaigns.definition import Campaign
from campaigns.descriptions import DESCRIPTIONS
from campaigns.opening import DAYS
from campaigns.scalars import OneOrMany, format_duration

_DURATION: Final = {"type": "string", "pattern": r"^\d{1,9}\s*[smhd]$"}
_WINDOW: Final = {
    "type": "string",
    "pattern": r"^([01]\d|2[0-3]):[0-5]\d\s*-\s*(([01]\d|2[0-3]):[0-5]\d|24:00)$",
}
_HOURS: Final = {
    "anyOf": [_WINDOW, {"const": "closed"}, {"type": "array", "items": _WINDOW}],
}
_BOUNDS: Final = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}
_DROPPED: Final = frozenset({"title", "description", "examples"})


def schema() -> dict[str, Any]:
    """Give the schema (draft 2020-12). A new object each time."""
    made = Campaign.model_json_schema()
    definitions: dict[str, Any] = made["$defs"]
    models = {model.__name__: (model, path) for model, path in models_of(Campaign)}
    for name, (model, _) in models.items():
        target = made if model is Campaign else definitions[name]
        for key, field in model.model_fields.items():
            if isinstance(field.default, timedelta):
                target["properties"][key]["default"] = format_duration(field.default)
            if OneOrMany in field.metadata:
                several = target["properties"][key]
                target["properties"][key] = {"anyOf": [several["items"], several]}
    _special(definitions)
    plain: dict[str, Any] = _plain(made)
    _describe(plain, plain, "")
    plain["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    plain["title"] = "A discador campaign"
    return plain


def models_of(model: type[BaseModel], path: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """Give a model and those under it, each with the path of keys that leads to it."""
    yield model, path
    for key, field in model.model_fields.items():
        for inner in _inner(field.annotation):
            yield from models_of(inner, f"{path}.{key}".lstrip("."))


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation.__name__ != "Window":
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _inner(argument)


def _special(definitions: dict[str, Any]) -> None:
    """Say what the models read from text: windows of hours, ranges of days, growing delays."""
    hours = definitions["CallingHours"]
    for day in DAYS:
        hours["properties"][day] = {"$ref": "#/$defs/Hours"}
    names = "|".join(DAYS)
    hours["patternProperties"] = {f"^({names})-({names})$": {"$ref": "#/$defs/Hours"}}
    definitions["Hours"] = _HOURS
    del definitions["Window"]
    rule = definitions["RetryRule"]
    del rule["properties"]["later"]
    rule["properties"]["after"] = {
        "anyOf": [_DURATION, {"type": "array", "items": _DURATION, "minItems": 1}]
    }
    rule["oneOf"] = [
        {"required": ["after", "times"], "not": {"required": ["then"]}},
        {
            "required": ["then"],
            "not": {"anyOf": [{"required": [key]} for key in ("after", "times", "other_daypart")]},
        },
    ]
    definitions["DialList"]["oneOf"] = [{"required": ["file"]}, {"required": ["contacts"]}]
    definitions["DialList"]["dependentRequired"] = {"sheet": ["file"]}
    definitions["DialList"]["properties"]["file"]["minLength"] = 1
    definitions["DialList"]["properties"]["contacts"]["minItems"] = 1


def _plain(node: Any) -> Any:
    """Take out what only Python needs: titles, nulls that YAML lacks, bounds of durations."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, value in node.items():
        if key in {"properties", "$defs", "patternProperties"}:
            made[key] = {name: _plain(inner) for name, inner in value.items()}
        elif key in _BOUNDS:
            if isinstance(value, int | float):
                made[_BOUNDS[key]] = value
        elif key not in _DROPPED and not (key == "default" and value is None):
            made[key] = _plain(value)
    choices = [choice for choice in made.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1 and len(made["anyOf"]) > 1:
        del made["anyOf"]
        return {**choices[0], **made}
    if choices:
        made["anyOf"] = choices
    return made


def _describe(root: dict[str, Any], node: dict[str, Any], path: str) -> None:
    for key, value in node.get("properties", {}).items():
        inner = f"{path}.{key}".lstrip(".")
        value["description"] = DESCRIPTIONS[inner]
        for part in (value, value.get("items", {}), *value.get("anyOf", ())):
            name = part.get("$ref", "").removeprefix("#/$defs/")
            if name:
                _describe(root, root["$defs"][name], inner)
