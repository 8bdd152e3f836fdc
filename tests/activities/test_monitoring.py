"""Health and metrics: what is away is named, and nothing personal is shown."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx

from activities.metrics import POSTS, count_settled, observe_request
from activities.monitoring import Monitored, create_monitor
from activities.settings import sqlite_url
from campaigns.contacts import ContactRow
from campaigns.definition import Campaign
from campaigns.guarding import Verdict
from campaigns.numbers import PhoneNumber, normalise
from store import guards, importing, runs, watching
from store.engine import Store, open_store

DEFINITION = Campaign.model_validate(
    {
        "campaign": "novembro",
        "purpose": "service",
        "dial_list": {"file": "lista.csv", "numbers": ["celular"]},
        "call": {"connect_to": "4000"},
        "guards": {"failures": {"window": 50, "share": 0.5}, "short_calls": {}},
    }
)


async def fine() -> str | None:
    """Have nothing to say."""
    return None


async def away() -> str | None:
    """Fail as a part does that is not there."""
    raise ConnectionRefusedError


async def slow() -> str | None:
    """Never answer."""
    await asyncio.Event().wait()
    return None


async def asked(monitored: Monitored, path: str) -> httpx.Response:
    """Ask the monitor, without a network."""
    transport = httpx.ASGITransport(create_monitor(monitored))
    async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as client:
        return await client.get(path)


async def prepared(store: Store) -> None:
    """Begin a run with one contact."""
    await runs.ensure_account(store, "default", None, None)
    await runs.create_run(store, run_id="bcdfg", account="default", definition=DEFINITION)
    number = normalise("11987654321")
    assert isinstance(number, PhoneNumber)
    row = ContactRow(line=2, external_id="Maria", numbers=(number,), columns={"nome": "Maria"})
    await importing.import_rows(store, "bcdfg", iter([row]))
    await runs.mark_ready(store, "bcdfg")


async def test_who_cannot_work_says_why_and_is_alive(tmp_path: Path) -> None:
    """A part that is away or silent is named; the process needs no restart for it."""
    async with open_store(sqlite_url(tmp_path / "store.db")) as store:
        good = Monitored(store, {"store": fine, "temporal": fine})
        bad = Monitored(store, {"store": away, "temporal": slow, "worker": fine})
        answer = await asked(good, "/ready")
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": {}})
        answer = await asked(bad, "/ready")
        assert answer.status_code == 503
        assert answer.json()["reasons"] == {
            "store": "ConnectionRefusedError",
            "temporal": "no answer within 2 s",
        }
        assert (await asked(bad, "/live")).status_code == 200


async def test_a_store_that_cannot_be_used_says_in_words_why(tmp_path: Path) -> None:
    """Whoever is called up at night reads what is wrong and what to do, not the name of a class."""
    path = tmp_path / "store.db"
    async with open_store(sqlite_url(path)) as store:

        async def of_store() -> str | None:
            await watching.answers(store)
            return None

        path.rename(tmp_path / "away.db")
        answer = await asked(Monitored(store, {"store": of_store}), "/ready")
        (tmp_path / "away.db").rename(path)
    assert answer.status_code == 503
    assert answer.json()["reasons"]["store"] == (
        f"the store is gone: {path} is not there any more; put it back and dialing goes on by"
        " itself"
    )


async def test_metrics_tell_of_open_runs_and_of_this_process(tmp_path: Path) -> None:
    """Gauges come from the store, counters from the process; no number, name or token is there."""
    async with open_store(sqlite_url(tmp_path / "store.db")) as store:
        await prepared(store)
        POSTS.labels("placed").inc()
        before = _busy((await asked(Monitored(store, {}), "/metrics")).text)
        count_settled({"busy": 2})
        observe_request("chamada criar", 0.2, "ReadTimeout")
        text = (await asked(Monitored(store, {}), "/metrics")).text
    assert 'discador_run_state{campaign="novembro",run="bcdfg",state="running"} 1.0' in text
    assert 'discador_contacts_open{campaign="novembro",run="bcdfg"} 1.0' in text
    assert 'discador_unknowns{campaign="novembro",run="bcdfg"} 0.0' in text
    assert _busy(text) == before + 2
    assert 'discador_api_errors_total{error="ReadTimeout",operation="chamada criar"}' in text
    assert "987654321" not in text
    assert "Maria" not in text


async def test_metrics_tell_what_each_guard_of_a_run_says(tmp_path: Path) -> None:
    """Those that its campaign names from the beginning, and one that pauses it while it does."""
    async with open_store(sqlite_url(tmp_path / "store.db")) as store:
        await prepared(store)
        head = 'discador_guard_state{campaign="novembro",guard="%s",run="bcdfg",state="%s"} 1.0'
        before = (await asked(Monitored(store, {}), "/metrics")).text
        verdict = Verdict(state="open", reason="half of the last 50 attempts failed")
        async with store.write() as connection:
            await guards.trip(store, connection, "bcdfg", "failures", verdict, now=store.now())
        after = (await asked(Monitored(store, {}), "/metrics")).text
    assert head % ("failures", "ok") in before
    assert head % ("short_calls", "ok") in before
    assert head % ("failures", "open") in after
    assert head % ("failures", "ok") not in after
    assert 'discador_run_state{campaign="novembro",run="bcdfg",state="paused"} 1.0' in after


async def test_metrics_go_on_without_the_store_and_without_the_sdk(tmp_path: Path) -> None:
    """A store that is gone costs its own part of the page, and nothing more."""
    async with open_store(sqlite_url(tmp_path / "store.db")) as store:
        await watching.answers(store)
    gone = Monitored(
        Store(database=store.database, clock=_broken),
        {},
        temporal_metrics="http://127.0.0.1:9/metrics",
    )
    (tmp_path / "store.db").unlink()
    answer = await asked(gone, "/metrics")
    await store.database.dispose()
    assert answer.status_code == 200
    assert "discador_posts_total" in answer.text
    assert "the store does not answer" in answer.text
    assert "the Temporal SDK shows no metrics" in answer.text


def _busy(text: str) -> float:
    found = re.search(r'^discador_attempts_total\{outcome="busy"\} (.+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _broken() -> float:
    raise OSError
