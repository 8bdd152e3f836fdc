"""`python -m console.api_table`: writes `docs/api.md` from the code, so that it cannot be wrong.

Each row is an operation of the Voice API, each cell is looked up where it lives: the client's
method, the activity, the command, the local API's route. `--check` writes nothing and fails when
the file is not what the code says.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer
from starlette.routing import Route

from activities.chamadas import CallActivities
from activities.conferencias import ConferenceActivities
from activities.webphone import WebphoneActivities
from console import chamada, conferencia, webphone
from sandbox.server import create_app
from sandbox.settings import SandboxSettings
from zenvia.client import VoiceClient
from zenvia.operations import OPERATIONS, Operation
from zenvia.webhooks import EVENT_NAMES

FILE = Path(__file__).parents[1] / "docs" / "api.md"

_APPS = {"chamada": chamada.app, "conferencia": conferencia.app, "webphone": webphone.app}

_HEAD = """\
# The Voice API, operation by operation

Written by `python -m console.api_table` from the code; do not edit.

Every operation of the Voice API in its five places. The API's document contradicts itself and
leaves things unsaid; the last column says which way was taken and why. A client method takes and
gives typed models (`zenvia/models.py`) and raises the errors of `zenvia/errors.py`. An activity's
docstring says what happens when it runs twice. The local API (`discador sandbox`) serves the same
paths.

"""

_EVENTS = """
## Webhooks

The API posts events without a signature and promises neither order nor delivery, so an event is a
hint that names a call worth looking at; what is true is what `chamada buscar` says.

"""


class MissingCellError(Exception):
    """An operation lacks one of its places; the text names both."""


class Row(NamedTuple):
    """One operation in its five places."""

    operation: str
    request: str
    client: str
    activity: str
    command: str
    route: str
    ruling: str


def rows() -> list[Row]:
    """Look up every cell. Raises `MissingCellError` for the first that is not there."""
    activities = dict(_activities())
    routes = {(route.path, verb) for route in _routes() for verb in route.methods or ()}
    return [_row(operation, activities, routes) for operation in OPERATIONS]


def render() -> str:
    """Write the whole document."""
    titles = ["operation", "request", "client", "activity", "command", "local API", "ruling"]
    lines = [_HEAD + _line(titles), _line(["---"] * len(titles))]
    lines += [_line(row) for row in rows()]
    lines.append(_EVENTS + _line(["event", "read by", "received at", "local API"]))
    lines.append(_line(["---"] * 4))
    sent = SandboxSettings().webhook_names
    for event in EVENT_NAMES:
        if event not in sent:
            raise MissingCellError(f"the local API does not send {event}")
        reader, place = "`zenvia.webhooks.read_event`", f"`POST /<secret>/{event}`"
        lines.append(_line([f"`{event}`", reader, place, f"set by `PUT /webhook/{event}`"]))
    return "\n".join(lines) + "\n"


def _row(operation: Operation, activities: dict[str, Any], routes: set[tuple[str, str]]) -> Row:
    group, _, command = operation.name.partition(" ")
    activity = operation.method.removeprefix("iter_")
    path = operation.path.replace("{id}", "{id:digits}")
    there = {
        f"client method {operation.method}": hasattr(VoiceClient, operation.method),
        f"activity {activity}": activity in activities,
        f"command {operation.name}": command in _commands(_APPS[group]),
        f"route {operation.verb} {operation.path}": (path, operation.verb) in routes,
        "ruling": bool(operation.ruling),
    }
    for cell, found in there.items():
        if not found:
            raise MissingCellError(f"{operation.name} has no {cell}")
    return Row(
        operation=operation.name,
        request=f"`{operation.verb} {operation.path}`",
        client=f"`{operation.method}`",
        activity=f"`{activities[activity].__module__}.{activity}`",
        command=f"`discador {operation.name}`",
        route=f"`{operation.verb} {path}`",
        ruling=operation.ruling,
    )


def _activities() -> Iterator[tuple[str, Any]]:
    for owner in (CallActivities, ConferenceActivities, WebphoneActivities):
        for _, body in inspect.getmembers(owner, inspect.isfunction):
            definition = getattr(body, "__temporal_activity_definition", None)
            if definition is not None:
                yield definition.name, body


def _commands(app: typer.Typer) -> set[str | None]:
    return {
        command.name or (command.callback.__name__ if command.callback else None)
        for command in app.registered_commands
    }


def _routes() -> Iterator[Route]:
    for route in create_app(SandboxSettings()).routes:
        if isinstance(route, Route):
            yield route


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main(arguments: list[str]) -> int:
    """Write the file, or compare it; returns the exit code."""
    try:
        text = render()
    except MissingCellError as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/api.md is stale: run `python -m console.api_table`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
