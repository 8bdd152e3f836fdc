"""Writes the tables of `docs/campaign-language.md` from the models and the golden cases.

python tests/campaigns/write_language_page.py
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from campaigns.definition import Campaign
from campaigns.descriptions import DESCRIPTIONS
from campaigns.not_yet import NOT_YET
from campaigns.schema import models_of, schema
from campaigns.vocabulary import REASON_CLASSES

PAGE = Path(__file__).parents[2] / "docs" / "campaign-language.md"
BAD = Path(__file__).parent / "bad"

_SAID = re.compile(r"^(\S+?)\.yaml:\d+:\d+: (warning: )?(.*) \[(\w+)\]$", re.MULTILINE)
_PATTERNS = {"[smhd]": "duration", "24:00": "hours", r"\d{4}-\d{2}": "date and time"}
_COUNTED = {"minimum": "from", "maximum": "to", "exclusiveMinimum": "above"}


def page(text: str) -> str:
    """Give the page with its tables as they ought to be today."""
    for name, table in (("classes", classes()), ("keys", keys()), ("problems", problems())):
        begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
        head, _, rest = text.partition(begin)
        body = "".join(f"{line}\n" for line in table)
        text = f"{head}{begin}{body}{end}{rest.partition(end)[2]}"
    return text


def classes() -> Iterator[str]:
    """Give the table of reason classes."""
    yield "| class | codes |"
    yield "| --- | --- |"
    for name, codes in REASON_CLASSES.items():
        yield f"| `{name}` | {', '.join(map(str, codes))} |"


def keys() -> Iterator[str]:
    """Give the table of keys."""
    made = schema()
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    waiting = {".".join(step for step in path if step != "*") for path in NOT_YET}
    fields = dict(_fields())
    for path in DESCRIPTIONS:
        node = _node(made, path)
        meaning = DESCRIPTIONS[path]
        if any(path == wait or path.startswith(f"{wait}.") for wait in waiting):
            meaning += " **Not yet: this version refuses it.**"
        default = _default(fields[path], node)
        yield f"| `{path}` | {_value(made, node)} | {default} | {meaning} |"


def _fields() -> Iterator[tuple[str, Any]]:
    models: list[tuple[type[BaseModel], str]] = list(models_of(Campaign))
    for model, path in models:
        for key, field in model.model_fields.items():
            yield f"{path}.{key}".lstrip("."), field


def _node(made: dict[str, Any], path: str) -> dict[str, Any]:
    node: dict[str, Any] = made
    for step in path.split("."):
        node = _resolved(made, node)["properties"][step]
    return node


def _resolved(made: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference to the definition that has keys."""
    for part in (node, node.get("items", {}), *node.get("anyOf", ())):
        name = part.get("$ref", "").removeprefix("#/$defs/")
        if name:
            found: dict[str, Any] = made["$defs"][name]
            return found
    return node


def _value(made: dict[str, Any], node: dict[str, Any]) -> str:
    """Say in words what a key takes."""
    kind, pattern = node.get("type"), node.get("pattern", "")
    bounds = [f"{word} {node[key]:g}" for key, word in _COUNTED.items() if key in node]
    said = {
        "boolean": "`true` `false`",
        "integer": " ".join(["whole number", *bounds]),
        "number": " ".join(["number", *bounds]),
        "object": "keys",
    }.get(str(kind), "text")
    for part, name in _PATTERNS.items():
        said = name if part in pattern else said
    if "anyOf" in node:
        said = " or ".join(dict.fromkeys(_value(made, part) for part in node["anyOf"]))
    elif "$ref" in node:
        found = _resolved(made, node)
        said = "keys" if "properties" in found else _value(made, found)
    elif "const" in node:
        said = f"`{node['const']}`"
    elif "enum" in node:
        few = len(node["enum"]) < 20
        said = " ".join(f"`{choice}`" for choice in node["enum"]) if few else "code or class"
    elif kind == "array":
        said = f"list of {_value(made, node['items'])}"
    return "date" if node.get("format") == "date" else said


def _default(field: Any, node: dict[str, Any]) -> str:
    if field.is_required():
        return "required"
    default = node.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict | list):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def problems() -> Iterator[str]:
    """Give the table of problem codes, each with the shortest thing that is said of it."""
    said: dict[str, tuple[str, str, str]] = {}
    for case in sorted(BAD.glob("*.out")):
        for found in _SAID.finditer(case.read_text(encoding="utf-8")):
            name, warning, message, code = found.groups()
            known = said.get(code)
            if known is None or len(message) < len(known[1]):
                said[code] = ("warning" if warning else "error", message, name)
    yield "| code | | for example | case |"
    yield "| --- | --- | --- | --- |"
    for code, (severity, message, name) in sorted(said.items()):
        shown = message.replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{code}` | {severity} | {shown} | `{name}.yaml` |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
