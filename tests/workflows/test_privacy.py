"""No personal data leaves the store: every history, every log line, every error text is read."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from temporalio.client import Client, WorkflowHistory

import worker as composition
from store import runs
from tests.workflows.stage import CampaignRun, Stage, campaign, e164, person, row, rule
from zenvia.client import VoiceClient

NAME = "Perpetua Azambuja"
CONTRACT = "CT-771-XQ"
LONG_RUN = re.compile(r"(?<![0-9a-f.\-])\+?\d{8,15}(?![0-9a-f.\-])")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
"""The texts of a printed protocol message; what is not quoted are Temporal's own numbers."""
TIMES = re.compile(r"^1[6-9]\d{8}(\d{3}|\d{6}|\d{9})?$")
"""Seconds, milliseconds or finer since 1970: what a run of digits may well be."""


class Lines(logging.Handler):
    """Keeps what the standard library's loggers say."""

    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line with its error."""
        self.lines.append(logging.Formatter().format(record))


@pytest.fixture
def spoken() -> Iterator[list[str]]:
    """Capture everything that is logged, by structlog and by the standard library."""
    composition.configure_logs()
    handler = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)

    def keep(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        handler.lines.append(json.dumps(event, default=str))
        raise structlog.DropEvent

    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


def texts(value: Any) -> Iterator[str]:
    """Give every text and number of a JSON value, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif value is not None:
        yield str(value)


async def history_texts(client: Client, history: WorkflowHistory) -> list[str]:
    """Give everything that a history says, its payloads decoded."""
    found: list[str] = []
    for event in history.events:
        found += QUOTED.findall(str(event))
        payloads: list[Any] = []
        _collect(event, payloads)
        for payload in payloads:
            found += [payload.data.decode("utf-8", "replace")]
            try:
                found += list(texts(json.loads(payload.data)))
            except ValueError:
                continue
    assert found
    return found


def _collect(message: Any, into: list[Any]) -> None:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.full_name == "temporal.api.common.v1.Payload":
            items = value.values() if hasattr(value, "values") else [value]
            into.extend(value if hasattr(value, "append") else items)
        elif hasattr(value, "values") and not hasattr(value, "ListFields"):
            for item in value.values():
                if hasattr(item, "ListFields"):
                    _wrap(item, into)
        elif hasattr(value, "append"):
            for item in value:
                _wrap(item, into)
        else:
            _wrap(value, into)


def _wrap(item: Any, into: list[Any]) -> None:
    if item.DESCRIPTOR.full_name == "temporal.api.common.v1.Payload":
        into.append(item)
    else:
        _collect(item, into)


def leaks(found: list[str], secrets: list[str]) -> list[str]:
    """Give what in these texts is a secret, or looks like a phone number."""
    bad = [text for text in found if any(secret in text for secret in secrets)]
    for text in found:
        bad += [match for match in LONG_RUN.findall(text) if not TIMES.match(match)]
    return bad


def secrets_of(stage: Stage, count: int) -> list[str]:
    """Give what nobody outside the store may see."""
    numbers = [person(index) for index in range(count)]
    forms = [form for number in numbers for form in (number, e164(number), number[2:])]
    return [NAME, CONTRACT, stage.sandbox.token, "4832830151", "4832830152", *forms]


async def said(stage: Stage, run: CampaignRun) -> list[str]:
    """Give everything that Temporal keeps about a run."""
    found: list[str] = []
    for history in await run.histories():
        found += await history_texts(stage.client, history)
    for workflow_id in run.workflow_ids:
        description = await stage.client.get_workflow_handle(workflow_id).describe()
        found += QUOTED.findall(str(description.raw_description))
        found += [str(await description.memo())]
        found += [str(description.search_attributes), str(await description.static_details())]
    return found


async def test_temporal_and_the_logs_hold_ids_only(stage: Stage, spoken: list[str]) -> None:
    """A campaign with every kind of trouble leaves no number, name, id or token behind."""
    people = [
        row(index + 2, person(index), external_id=f"{CONTRACT}-{index}", nome=NAME)
        for index in range(12)
    ]
    stage.script("busy", "answer", to=1)
    stage.script("invalid", to=2)
    stage.script("voicemail", to=3)
    stage.sandbox.faults(lost_answer=0.2, error_before=0.1, error_after=0.1, rate_limited=0.1)
    definition = campaign(
        retry=[rule(leg="contact", status=["ocupado"], after="1s", times="2")],
        call={"connect_to": "4832830152", "bina_origem": "4832830151", "tags": "novembro"},
    )
    async with stage.worker():
        run = await stage.start(definition, people)
        await run.result()
    assert spoken
    assert leaks(await said(stage, run), secrets_of(stage, 12)) == []
    assert leaks(spoken, secrets_of(stage, 12)) == []


async def test_a_refused_token_is_not_repeated(stage: Stage, spoken: list[str]) -> None:
    """A run that ends because of its token says so without the token."""
    async with VoiceClient(stage.sandbox.url, "a-wrong-token-7761") as voice:
        stage.voice = voice
        async with stage.worker():
            run = await stage.start(campaign(), [row(2, person(0), nome=NAME)])
            result = await run.result()
    assert result.state == "failed"
    secrets = [*secrets_of(stage, 1), "a-wrong-token-7761"]
    assert leaks([*await said(stage, run), *spoken, result.reason], secrets) == []


async def test_a_number_in_a_history_is_found(stage: Stage) -> None:
    """The search reads what it claims to read: a number that a reason carries is seen."""
    async with stage.worker():
        run = await stage.start(campaign(), [row(2, person(0))])
        await run.result()
        assert leaks(await said(stage, run), []) == []
        failed = await stage.start(campaign("outra"), [row(2, person(1))])
        await runs.stop(stage.store, failed.id, f"asked by {e164(person(1))}")
        await failed.result()
    assert leaks(await said(stage, failed), [])


def test_a_leak_would_be_seen() -> None:
    """The search finds a number in any form, a name and a token, and passes ids and times."""
    number = person(3)
    assert leaks([f"call to {e164(number)}"], [])
    assert leaks([f"numero {number}"], [])
    assert leaks(["ring 551161000003"], [])
    assert leaks([f"hello {NAME}"], [NAME])
    fine = ["1764000000", "1764000000123", "2026-11-23T10:00:00", "abcd.1.1", "run 12345"]
    assert leaks(fine, [NAME]) == []
