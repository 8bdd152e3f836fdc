"""The activity that fetches a webphone's address and hands it over without showing it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from temporalio import activity

from activities.api_messages import WebphoneHanded, WebphoneInput
from activities.asking import repeatable
from activities.numberbook import NumberBook
from zenvia.client import VoiceClient
from zenvia.models import WebphoneUrl

HandOver = Callable[[str, WebphoneUrl], Awaitable[None]]
"""Gives an address to a recipient. The address opens a ramal without a login."""


class WebphoneActivities:
    """Built in the worker; `hand_over` is where addresses go, since no history may keep one."""

    def __init__(self, client: VoiceClient, numbers: NumberBook, hand_over: HandOver) -> None:
        self._client = client
        self._numbers = numbers
        self._hand_over = hand_over

    @activity.defn(name="webphone_url")
    async def webphone_url(self, request: WebphoneInput) -> WebphoneHanded:
        """Fetch a fresh address and hand it to the recipient.

        Twice hands over a second address in place of the first; both work.
        """
        party = request.ligar_para
        given = await repeatable(
            self._client.webphone_url(
                ramal=request.ramal,
                id_ramal=request.id_ramal,
                ligar_para=None if party is None else await self._numbers.to_call(party),
                fechar_fim=request.fechar_fim or None,
                tipo=request.tipo,
            )
        )
        await self._hand_over(request.recipient, given)
        return WebphoneHanded(recipient=request.recipient, expires=given.expires)


def into_folder(folder: Path) -> HandOver:
    """Hand addresses over as files `<recipient>.url` that only their owner can read."""

    async def hand_over(recipient: str, address: WebphoneUrl) -> None:
        await asyncio.to_thread(_write, folder / f"{recipient}.url", address.url)

    return hand_over


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600, exist_ok=False)
    part.write_text(text, encoding="utf-8")
    part.replace(path)
