"""Activities that ask the Voice API: asked once where it rings, silent about numbers always."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, update
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import api_signatures
from activities.api_messages import (
    AddToConferenceInput,
    AttemptNumber,
    CallInput,
    CallReportInput,
    CallView,
    CampaignNumber,
    ConferenceInput,
    ContactNumber,
    CreateCallInput,
    Extension,
    LegView,
    ListenInInput,
    Party,
    PeriodInput,
    RateCallInput,
    TransferInput,
    WebphoneHanded,
    WebphoneInput,
)
from activities.chamadas import CallActivities
from activities.conferencias import ConferenceActivities
from activities.numberbook import NumberBook, dialable
from activities.webphone import WebphoneActivities, into_folder
from campaigns.contacts import ContactRow
from campaigns.definition import Campaign
from campaigns.numbers import PhoneNumber
from sandbox.server import SandboxServer
from store.engine import Store, open_store
from store.importing import import_rows
from store.runs import create_run, ensure_account
from store.schema import attempts, numbers, suppressions
from workflows.environment import DATA_CONVERTER
from zenvia.client import VoiceClient

NUMBER, OTHER = "+5548999990001", "+5548999990002"
CONTACT = ContactNumber(run="r1", contact=1)
AGENT = Extension(ramal="4000")
DEFINITION = {
    "campaign": "avisos",
    "purpose": "service",
    "dial_list": {"file": "x.csv", "numbers": ["celular"]},
    "call": {"connect_to": "4000", "bina_origem": "4832830151"},
    "calling_hours": "always",
}


class Clock:
    """The sandbox's time, moved by the test."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        """Tell the time in epoch seconds."""
        return self.now


@dataclasses.dataclass
class Bench:
    """Everything that a worker would have built, and the sandbox that it talks to."""

    sandbox: SandboxServer
    store: Store
    clock: Clock
    calls: CallActivities
    conferences: ConferenceActivities
    webphones: WebphoneActivities
    folder: Path


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a store with one contact and a sandbox whose phones all answer."""
    clock = Clock()
    async with (
        SandboxServer(clock=clock) as sandbox,
        open_store(f"sqlite:///{tmp_path}/s.db") as store,
        VoiceClient(sandbox.url, sandbox.token) as client,
    ):
        talk = [{"outcome": "answer", "ring": 5, "talk": 60}]
        sandbox.script({NUMBER: talk, OTHER: talk, "4000": talk, "4001": talk})
        await ensure_account(store, "a1", channels=None, calls_per_second=None)
        definition = Campaign.model_validate(DEFINITION)
        await create_run(store, run_id="r1", account="a1", definition=definition)
        phones = tuple(PhoneNumber(e164=e164, kind="movel", ddd="48") for e164 in (NUMBER, OTHER))
        row = ContactRow(line=2, external_id="c1", numbers=phones, columns={})
        await import_rows(store, "r1", [row])
        book = NumberBook(store)
        yield Bench(
            sandbox,
            store,
            clock,
            CallActivities(client, book, tmp_path / "recordings"),
            ConferenceActivities(client, book),
            WebphoneActivities(client, book, into_folder(tmp_path / "webphones")),
            tmp_path,
        )


def as_temporal(attempt: int = 1) -> ActivityEnvironment:
    """Give the surroundings of an activity's n-th attempt."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info, attempt=attempt, start_to_close_timeout=timedelta(seconds=30)
    )
    return environment


async def run(body: Callable[..., Coroutine[Any, Any, Any]], *given: Any, attempt: int = 1) -> Any:
    """Run an activity as Temporal would, on its n-th attempt."""
    return await as_temporal(attempt).run(body, *given)


async def live_call(bench: Bench) -> int:
    """Place a recorded call to the contact and let both talk."""
    request = CreateCallInput(origem=AGENT, destino=CONTACT, gravar_audio=True, tags="k1")
    created: int = (await run(bench.calls.create_call, request)).id
    bench.clock.now += 20
    return created


def period(bench: Bench) -> dict[str, datetime]:
    """Give the day around the sandbox's time."""
    now = datetime.fromtimestamp(bench.clock.now, UTC)
    return {"data_inicio": now - timedelta(hours=12), "data_fim": now + timedelta(hours=12)}


async def test_every_operation_works_and_no_message_holds_a_number(bench: Bench) -> None:
    """All fifteen against the sandbox; what enters and leaves has no run of eight digits."""
    said: list[str] = []

    async def ask(body: Callable[..., Coroutine[Any, Any, Any]], *given: Any) -> Any:
        result = await run(body, *given)
        said.extend(message.model_dump_json() for message in (*given, result))
        return result

    bina = CampaignNumber(run="r1", field="bina_origem")
    request = CreateCallInput(
        origem=AGENT, destino=CONTACT, bina_destino=bina, gravar_audio=True, tags="k1"
    )
    created = (await ask(bench.calls.create_call, request)).id
    entry = bench.sandbox.ledger()[0]
    assert (entry["numero_destino"], entry["tags"]) == (NUMBER, "k1")
    bench.clock.now += 20
    view = await ask(bench.calls.fetch_call, CallInput(id=created))
    assert view.status_geral == "curso"
    await ask(bench.calls.listen_in, ListenInInput(id=created, numero=Extension(ramal="4001")))
    await ask(bench.calls.rate_call, RateCallInput(id=created, nota=5))
    moved = TransferInput(id=created, numero=Extension(ramal="4001"), perna="origem")
    await ask(bench.calls.transfer, moved)
    assert (await ask(bench.calls.hang_up, CallInput(id=created))).changed
    bench.clock.now += 200
    assert not (await ask(bench.calls.hang_up, CallInput(id=created))).changed
    kept = await ask(bench.calls.call_recording, CallInput(id=created))
    assert (bench.folder / "recordings" / kept.name).stat().st_size == kept.size
    page = await ask(bench.calls.call_report, CallReportInput(**period(bench), destino=CONTACT))
    assert [call.id for call in page.calls] == [created]
    assert page.calls[0].destino.reason == 16

    room = (await ask(bench.conferences.create_conference)).id
    await ask(bench.conferences.add_to_conference, AddToConferenceInput(id=room, numero=CONTACT))
    bench.clock.now += 20
    seen = await ask(bench.conferences.fetch_conference, ConferenceInput(id=room))
    assert len(seen.chamadas) == 1
    assert (await ask(bench.conferences.end_conference, ConferenceInput(id=room))).changed
    assert not (await ask(bench.conferences.end_conference, ConferenceInput(id=room))).changed
    rooms = await ask(bench.conferences.conference_report, PeriodInput(**period(bench)))
    assert [conference.id for conference in rooms.conferences] == [room]
    calls = await ask(bench.conferences.conference_calls_report, PeriodInput(**period(bench)))
    assert len(calls.calls) == 1

    asked = WebphoneInput(recipient="desk-1", ramal="4000", ligar_para=CONTACT)
    handed = await ask(bench.webphones.webphone_url, asked)
    assert handed.expires is not None
    file = bench.folder / "webphones" / "desk-1.url"
    assert file.read_text().startswith("http")
    assert file.stat().st_mode & 0o077 == 0

    assert len(said) > 25
    assert [text for text in said if re.search(r"\d{8}|http", text)] == []


RINGING: list[tuple[str, Callable[[Bench], Any], Any]] = [
    ("create_call", lambda b: b.calls, CreateCallInput(origem=AGENT, destino=CONTACT)),
    ("listen_in", lambda b: b.calls, ListenInInput(id=1, numero=AGENT)),
    ("transfer", lambda b: b.calls, TransferInput(id=1, numero=AGENT, perna="origem")),
    ("add_to_conference", lambda b: b.conferences, AddToConferenceInput(id=1, numero=CONTACT)),
]


@pytest.mark.parametrize(("name", "owner", "request_"), RINGING, ids=[c[0] for c in RINGING])
async def test_what_rings_is_asked_on_the_first_attempt_only(
    bench: Bench, name: str, owner: Callable[[Bench], Any], request_: Any
) -> None:
    """A second attempt sends nothing and says that it is not known what the first one did."""
    with pytest.raises(ApplicationError) as caught:
        await run(getattr(owner(bench), name), request_, attempt=2)
    assert (caught.value.type, caught.value.non_retryable) == ("Unsure", True)
    assert bench.sandbox.ledger() == []
    assert sum(bench.sandbox.stats()["requests"].values()) == 0


async def test_a_lost_answer_to_a_call_is_final(bench: Bench) -> None:
    """Whether the phone rings is not known, so Temporal must not try again."""
    bench.sandbox.faults(lost_answer=1.0)
    with pytest.raises(ApplicationError) as caught:
        await run(bench.calls.create_call, CreateCallInput(origem=AGENT, destino=CONTACT))
    assert (caught.value.type, caught.value.non_retryable) == ("Unsure", True)
    assert len(bench.sandbox.ledger()) == 1


async def test_a_lost_answer_to_a_question_is_asked_again(bench: Bench) -> None:
    """Reading does no harm twice."""
    created = await live_call(bench)
    bench.sandbox.faults(error_before=1.0, operations=["*"])
    with pytest.raises(ApplicationError) as caught:
        await run(bench.calls.fetch_call, CallInput(id=created))
    assert (caught.value.type, caught.value.non_retryable) == ("Unsure", False)
    bench.sandbox.faults()
    assert (await run(bench.calls.fetch_call, CallInput(id=created), attempt=2)).id == created


async def test_a_refusal_is_final_and_named(bench: Bench) -> None:
    """The type is the client's error class; what was refused will be refused again."""
    with pytest.raises(ApplicationError) as caught:
        await run(bench.calls.fetch_call, CallInput(id=5))
    assert (caught.value.type, caught.value.non_retryable) == ("NotFound", True)
    assert caught.value.__cause__ is None


async def test_too_many_requests_waits_as_told(tmp_path: Path) -> None:
    """429 is tried again after the time that the answer names."""
    async with (
        SandboxServer(retry_after=7.0) as sandbox,
        VoiceClient(sandbox.url, sandbox.token) as client,
        open_store(f"sqlite:///{tmp_path}/s.db") as store,
    ):
        sandbox.faults(rate_limited=1.0, operations=["*"])
        calls = CallActivities(client, NumberBook(store), tmp_path)
        with pytest.raises(ApplicationError) as caught:
            await run(calls.fetch_call, CallInput(id=5))
    assert (caught.value.type, caught.value.non_retryable) == ("RateLimited", False)
    assert caught.value.next_retry_delay == timedelta(seconds=7)


async def test_a_cancelled_call_waits_for_its_answer(bench: Bench) -> None:
    """A POST under way is not cut: the activity still tells which call was made."""
    bench.sandbox.faults(slow={"share": 1.0, "seconds": 0.3, "when": "after"})
    request = CreateCallInput(origem=AGENT, destino=CONTACT)
    task = asyncio.ensure_future(run(bench.calls.create_call, request))
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(bench.sandbox.ledger):  # noqa: ASYNC110 - it waits for the other side
            await asyncio.sleep(0.005)
    task.cancel()
    created = await task
    assert created.id == bench.sandbox.ledger()[0]["id"]


async def blocked(bench: Bench, party: Party = CONTACT) -> str | None:
    """Return why a party is not called."""
    with pytest.raises(ApplicationError) as caught:
        await run(bench.calls.create_call, CreateCallInput(origem=AGENT, destino=party))
    assert caught.value.non_retryable
    assert bench.sandbox.ledger() == []
    return caught.value.type


async def test_a_suppressed_number_is_not_called(bench: Bench) -> None:
    """Suppression holds outside lanes too."""
    async with bench.store.write() as connection:
        await connection.execute(
            insert(suppressions).values(
                account_id="a1", e164=NUMBER, scope="all", created_at=time.time()
            )
        )
    assert await blocked(bench) == "NumberNotAllowed"


async def test_a_number_that_a_live_attempt_holds_is_not_called(bench: Bench) -> None:
    """One live call per number."""
    async with bench.store.write() as connection:
        await connection.execute(
            insert(attempts).values(
                key="k1",
                run_id="r1",
                account_id="a1",
                n=1,
                position=0,
                e164=NUMBER,
                lane=0,
                token="t",
                epoch=1,
                rules_version=1,
                state="placed",
                live=True,
                reserved_at=0.0,
            )
        )
    assert await blocked(bench) == "NumberBusy"
    assert await blocked(bench, AttemptNumber(key="k1")) == "NumberBusy"


async def test_a_number_that_must_never_be_dialed_is_not_called(bench: Bench) -> None:
    """Even when something wrote it into the store."""
    async with bench.store.write() as connection:
        await connection.execute(
            update(numbers).where(numbers.c.position == 0).values(e164="+558001234567")
        )
    assert await blocked(bench) == "NumberNotAllowed"


@pytest.mark.parametrize(
    "party",
    [
        ContactNumber(run="r1", contact=9),
        ContactNumber(run="r9", contact=1),
        AttemptNumber(key="k9"),
        CampaignNumber(run="r9", field="connect_to"),
        CampaignNumber(run="r1", field="bina_destino"),
    ],
)
async def test_an_unknown_party_is_not_called(bench: Bench, party: Party) -> None:
    """A reference that leads nowhere is an error, and nothing is asked."""
    assert await blocked(bench, party) == "NumberUnknown"


@pytest.mark.parametrize("text", ["190", "911", "100", "0800 123 4567", "12", "40000", "٤٠٠٠", ""])
def test_service_numbers_are_no_ramais(text: str) -> None:
    """Three digits can be an emergency line; it is never rung as if it were a ramal."""
    with pytest.raises(ValueError, match=r".") as caught:
        dialable(text)
    assert not re.search(r"\d{5}", str(caught.value))


@pytest.mark.parametrize(
    ("text", "number"), [("4000", "4000"), (" 400 ", "400"), ("(48) 99999-0001", NUMBER)]
)
def test_ramais_and_numbers_may_be_dialed(text: str, number: str) -> None:
    """As people write them."""
    assert dialable(text) == number


@pytest.mark.parametrize("tags", ["+5548999990001", "contrato 48999990001", "1" * 8])
def test_tags_do_not_carry_numbers_into_a_history(tags: str) -> None:
    """Text of eight digits in a row is refused before it becomes a message."""
    with pytest.raises(ValidationError):
        CreateCallInput(origem=AGENT, destino=CONTACT, tags=tags)


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "message",
    [
        CreateCallInput(
            origem=AGENT,
            destino=AttemptNumber(key="k1"),
            bina_origem=CampaignNumber(run="r1", field="bina_origem"),
            data_criacao=NOON,
        ),
        CallReportInput(data_inicio=NOON, data_fim=NOON, destino=CONTACT),
        CallView(id=5, data_criacao=NOON, origem=LegView(preco=0.1, reason=16)),
        WebphoneHanded(recipient="desk-1", expires=NOON),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_messages_survive_temporal(message: Any) -> None:
    """What a workflow sends is what the activity gets, references to parties included."""
    payloads = await DATA_CONVERTER.encode([message])
    assert await DATA_CONVERTER.decode(payloads, [type(message)]) == [message]


def activities_of(owner: type[Any]) -> dict[str, Any]:
    """Return the activities of a class by their Temporal name."""
    found = {}
    for _, body in inspect.getmembers(owner, inspect.isfunction):
        definition = getattr(body, "__temporal_activity_definition", None)
        if definition is not None:
            found[definition.name] = body
    return found


BODIES = {
    **activities_of(CallActivities),
    **activities_of(ConferenceActivities),
    **activities_of(WebphoneActivities),
}


def test_signatures_are_those_of_the_bodies() -> None:
    """What workflows call exists under that name, takes that input and gives that result."""
    stubs = {
        name: stub
        for name, stub in inspect.getmembers(api_signatures, inspect.isfunction)
        if stub.__module__ == api_signatures.__name__
    }
    assert set(stubs) == set(BODIES)
    for name, stub in stubs.items():
        body = {k: v for k, v in get_type_hints(BODIES[name]).items() if k != "self"}
        assert body == get_type_hints(stub), name


@pytest.mark.parametrize("name", sorted(BODIES))
def test_every_activity_says_what_happens_twice(name: str) -> None:
    """Temporal may run anything again: the docstring says what that does."""
    assert re.search(r"\b[Tt]wice\b", BODIES[name].__doc__ or "")


def test_activities_are_defined_for_temporal() -> None:
    """The bodies carry Temporal's own definition."""
    assert activity._Definition.from_callable(api_signatures.create_call) is not None
