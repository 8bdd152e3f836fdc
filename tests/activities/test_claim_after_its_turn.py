"""A claim goes on when its turn is cut, and what becomes of it then is heard."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.messages import AdvanceInput
from activities.turn import Turn
from store import placing
from store.trouble import StoreUnavailable


async def test_a_claim_that_fails_when_its_turn_has_gone_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store ends the session of a worker that was frozen in it: no error is left unheard."""
    began, goes_on = asyncio.Event(), asyncio.Event()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))

    async def claim(*_: object, **__: object) -> None:
        began.set()
        await goes_on.wait()
        raise StoreUnavailable("the session was ended")

    monkeypatch.setattr(placing, "claim", claim)
    turn = Turn(
        cast("Any", SimpleNamespace(store=None, poster=None)),
        AdvanceInput(run="r", lane=0, token="t", steps=(), max_wait=1.0),
    )
    turn._plan = cast(
        "Any",
        SimpleNamespace(
            definition=SimpleNamespace(
                pacing=SimpleNamespace(calls_per_second=1.0),
                limits=SimpleNamespace(per_contact=SimpleNamespace(total=1)),
                purpose=SimpleNamespace(value="collection"),
                call=SimpleNamespace(tags=""),
            ),
            gate=SimpleNamespace(history=0.0),
            watch=None,
        ),
    )
    cut = asyncio.create_task(turn._claim(["k"]))
    await asyncio.wait({cut, asyncio.ensure_future(began.wait())}, return_when="FIRST_COMPLETED")
    assert began.is_set()
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    goes_on.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    del cut
    gc.collect()
    assert complaints == []
