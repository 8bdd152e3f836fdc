"""Every activity that is one operation of the Voice API, as the worker registers them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from activities.chamadas import CallActivities
from activities.conferencias import ConferenceActivities
from activities.numberbook import NumberBook
from activities.webphone import WebphoneActivities, into_folder
from store.engine import Store
from zenvia.client import VoiceClient


def api_activities(client: VoiceClient, store: Store, folder: Path) -> list[Callable[..., Any]]:
    """Return one activity per operation; recordings and webphone addresses go under `folder`."""
    numbers = NumberBook(store)
    groups = (
        CallActivities(client, numbers, folder / "recordings"),
        ConferenceActivities(client, numbers),
        WebphoneActivities(client, numbers, into_folder(folder / "webphones")),
    )
    return [
        getattr(group, name)
        for group in groups
        for name in sorted(vars(type(group)))
        if hasattr(getattr(group, name), "__temporal_activity_definition")
    ]
