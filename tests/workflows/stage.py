"""Everything that carries a campaign, in one process: store, sandbox, client, worker, Temporal.

Shared by the tests of the workflows and by `tests/histories/record.py`. The servers are real; the
only thing that a test may replace is the clock, which store, engine and sandbox then share.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import temporalio.api.enums.v1
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.worker import Interceptor, Worker

import worker as composition
from activities.dialing import DialingActivities
from activities.posting import Poster
from activities.running import RunActivities
from activities.scheduling import ScheduleActivities
from campaigns.contacts import ContactRow
from campaigns.definition import Campaign
from campaigns.numbers import PhoneNumber, normalise
from sandbox.server import SandboxServer
from store import importing, reporting, runs
from store.engine import Store, open_store
from workflows.campaign import CampaignWorkflow
from workflows.messages import CampaignInput, CampaignResult
from workflows.names import campaign_id, lane_id
from zenvia.client import Timeouts, VoiceClient

BIN = Path(sys.executable).parent
TEMPORAL = str(BIN / "temporal")
TIME_SKIPPING = str(BIN / "temporal-test-server")
TIMERS = ["--dynamic-config-value", 'history.timerProcessorMaxTimeShift="10ms"']
"""Without it every timer under a second takes a second."""

PATIENCE = 30.0
"""Seconds for whatever a test waits for, on a machine that is busy."""
ACCOUNT = "account"
LETTERS = "bcdfghjkmnpqrstvwxz"


async def until(look: Callable[[], Any], *, what: str, patience: float = PATIENCE) -> None:
    """Wait until `look`, plain or asynchronous, is true; fail with `what` if it never is."""
    deadline = time.monotonic() + patience
    while True:
        answer = look()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience:.0f} s: {what}")
        await asyncio.sleep(0.02)


def person(index: int) -> str:
    """Return the number of the n-th person of a test, as it is dialed (11 digits)."""
    return f"119{61000000 + index}"


def e164(number: str) -> str:
    """Return a number as the store and the ledger write it."""
    parsed = normalise(number)
    assert isinstance(parsed, PhoneNumber)
    return parsed.e164


def row(line: int, *numbers: str, external_id: str | None = None, **columns: str) -> ContactRow:
    """Return a row of a list."""
    parsed = tuple(normalise(number) for number in numbers)
    assert all(isinstance(number, PhoneNumber) for number in parsed)
    return ContactRow(
        line=line,
        external_id=external_id or f"row-{line}",
        numbers=parsed,
        columns=columns,
    )


def people(count: int, *, first: int = 0) -> list[ContactRow]:
    """Return rows for `count` people with one number each."""
    return [row(index + 2, person(first + index)) for index in range(count)]


def campaign(name: str = "teste", **parts: Any) -> Campaign:
    """Return a campaign with quick pacing; `parts` replace whole sections."""
    definition: dict[str, Any] = {
        "campaign": name,
        "purpose": "collection",
        "dial_list": {"file": "lista.csv", "numbers": ["celular"]},
        "call": {"connect_to": "4000", "bina_origem": "4832830151"},
        "pacing": {"channels": "20", "calls_per_second": "50"},
        "calling_hours": "always",
        "limits": {"per_contact": {"total": "5"}},
        "reconcile": {"quiet": "1s"},
    }
    return Campaign.model_validate({**definition, **parts})


def rule(**parts: Any) -> dict[str, Any]:
    """Return a line of a retry table as YAML gives it."""
    return parts


@dataclass
class CampaignRun:
    """A run that was started, and ways to look at it."""

    stage: Stage
    id: str
    handle: WorkflowHandle[CampaignWorkflow, CampaignResult]
    lanes: int
    firing: str | None = None
    """The workflow id of the schedule's firing that began it."""

    @property
    def workflow_ids(self) -> list[str]:
        """The campaign's workflow and those of its lanes."""
        name = self.handle.id.split("/")[1]
        return [self.handle.id, *(lane_id(name, self.id, lane) for lane in range(self.lanes))]

    def lane(self, lane: int = 0) -> WorkflowHandle[Any, Any]:
        """Return a lane's workflow."""
        return self.stage.client.get_workflow_handle(self.workflow_ids[1 + lane])

    async def result(self, patience: float = PATIENCE) -> CampaignResult:
        """Wait for the end of the run."""
        async with asyncio.timeout(patience):
            return await self.handle.result()

    async def report(self) -> reporting.Report:
        """Return the run's report."""
        return await reporting.report(self.stage.store, self.id)

    async def state(self) -> runs.Run:
        """Return the run as the store has it."""
        return await runs.get_run(self.stage.store, self.id)

    def calls(self) -> list[dict[str, Any]]:
        """Return the run's calls as the provider saw them."""
        return [call for call in self.stage.sandbox.ledger() if call["tags"].startswith(self.id)]

    def live(self) -> list[dict[str, Any]]:
        """Return the run's calls that are live at the provider."""
        return [call for call in self.calls() if call["ended_at"] is None]

    async def histories(self) -> list[WorkflowHistory]:
        """Return every history of the run: campaign, lanes, and what they continued as."""
        found = []
        for workflow_id in self.workflow_ids:
            handle = self.stage.client.get_workflow_handle(workflow_id)
            first = (await handle.describe()).raw_description.workflow_execution_info
            run_id: str | None = first.first_run_id or None
            while run_id:
                part = self.stage.client.get_workflow_handle(workflow_id, run_id=run_id)
                history = await part.fetch_history()
                found.append(history)
                run_id = continued_as(history)
        return found


def continued_as(history: WorkflowHistory) -> str | None:
    """Return the run id that a history goes on under, None where it ends."""
    last = history.events[-1]
    kind = temporalio.api.enums.v1.EventType
    if last.event_type != kind.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
        return None
    return last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id


@dataclass
class Stage:
    """One account at one provider, with its store and a queue of its own."""

    client: Client
    store: Store
    store_url: str
    sandbox: SandboxServer
    voice: VoiceClient
    clock: Callable[[], float]
    folder: Path
    task_queue: str = field(default_factory=lambda: f"test-{secrets.token_hex(6)}")

    @asynccontextmanager
    async def worker(self, *, interceptors: Sequence[Interceptor] = ()) -> AsyncIterator[Worker]:
        """Run a worker as `worker.py` builds it; at the end it drains."""
        poster = Poster(self.store, self.voice)
        dialing = DialingActivities(
            self.store, self.voice, poster, loopback=True, http_total=Timeouts().total
        )
        built = composition.build_worker(
            self.client,
            task_queue=self.task_queue,
            dialing=dialing,
            running=RunActivities(self.store),
            scheduling=ScheduleActivities(self.store, loopback=True, account=ACCOUNT),
            interceptors=interceptors,
        )
        async with built:
            yield built
        await dialing.close()
        await poster.drain()

    async def start(
        self,
        definition: Campaign,
        rows: Sequence[ContactRow],
        *,
        lanes: int = 1,
        run_id: str | None = None,
    ) -> CampaignRun:
        """Prepare a run in the store and start its workflow, as the command line does."""
        run_id = run_id or new_run_id()
        await runs.create_run(
            self.store, run_id=run_id, account=ACCOUNT, definition=definition, lanes=lanes
        )
        await importing.import_rows(self.store, run_id, rows)
        await runs.mark_ready(self.store, run_id)
        handle = await self.client.start_workflow(
            CampaignWorkflow.run,
            CampaignInput(run=run_id),
            id=campaign_id(definition.campaign, run_id),
            task_queue=self.task_queue,
        )
        return CampaignRun(stage=self, id=run_id, handle=handle, lanes=lanes)

    def script(self, *outcomes: Any, to: int | str = 0) -> None:
        """Say what calls to a person will do, one after the other; the last repeats."""
        number = person(to) if isinstance(to, int) else to
        self.sandbox.script({number: list(outcomes)})


MIGRATED: list[Path] = []
"""A store without rows, where one was made: stages take copies of it instead of migrating."""


@asynccontextmanager
async def open_stage(
    client: Client,
    folder: Path,
    *,
    clock: Callable[[], float] = time.time,
    channels: int | None = None,
    calls_per_second: float | None = None,
    token: str | None = None,
    sandbox: SandboxServer | None = None,
    store_url: str | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Open a store and a sandbox; `settings` are those of the sandbox, `token` the client's.

    The store is a SQLite file unless an address is given. Everybody answers at once and talks
    little unless scripted; a minute takes a third of a second.
    """
    url = store_url or f"sqlite:///{folder}/store.db"
    if store_url is None and MIGRATED and not (folder / "store.db").exists():
        shutil.copyfile(MIGRATED[0], folder / "store.db")
    async with AsyncExitStack() as stack:
        if sandbox is None:
            options = {"speed": 200.0, "seed": 3, **settings}
            sandbox = await stack.enter_async_context(SandboxServer(clock=clock, **options))
        store = await stack.enter_async_context(open_store(url, clock))
        voice = await stack.enter_async_context(VoiceClient(sandbox.url, token or sandbox.token))
        await runs.ensure_account(store, ACCOUNT, channels, calls_per_second)
        yield Stage(
            client=client,
            store=store,
            store_url=url,
            sandbox=sandbox,
            voice=voice,
            clock=clock,
            folder=folder,
        )


SCHEDULED = """\
campaign: agendada
purpose: service
dial_list: {file: agenda.csv, numbers: [celular]}
call: {connect_to: "4000"}
pacing: {channels: 20, calls_per_second: 50}
calling_hours: always
schedule: {repeat: "0 9 * * 1-5", timezone: America/Manaus}
"""


def person_row(index: int) -> str:
    """Return a person's row of the list of a campaign that starts by itself."""
    return f"{person(index)};Perpetua Azambuja"


def write_campaign(folder: Path, rows: Sequence[str], text: str = SCHEDULED) -> Path:
    """Write the file and the list of a campaign that starts by itself."""
    lines = "\n".join(["celular;nome", *rows, ""])
    (folder / "agenda.csv").write_text(lines, encoding="utf-8")
    file = folder / "agendada.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def new_run_id() -> str:
    """Draw a run id of letters, as the command line does."""
    return "".join(secrets.choice(LETTERS) for _ in range(9))


def keys(calls: Sequence[dict[str, Any]]) -> list[str]:
    """Return the attempt keys of calls, in the order in which the provider accepted them."""
    return [call["tags"].split(" ")[0] for call in calls]


def most_live(calls: Sequence[dict[str, Any]]) -> int:
    """Return how many calls the provider carried at once, at most."""
    moments = sorted(
        itertools.chain.from_iterable(
            [(call["accepted_at"], 1), (call["ended_at"] or float("inf"), -1)] for call in calls
        )
    )
    return max(itertools.accumulate(change for _, change in moments), default=0)


def live_twice(calls: Sequence[dict[str, Any]]) -> list[str]:
    """Return the keys of calls that rang a contact while another call to it was live."""
    return list(_overlapping(calls))


def _overlapping(calls: Sequence[dict[str, Any]]) -> Iterator[str]:
    ends: dict[str, float] = {}
    for call in sorted(calls, key=lambda item: item["accepted_at"]):
        number = call["numero_origem"]
        if call["accepted_at"] < ends.get(number, 0.0):
            yield call["tags"].split(" ")[0]
        ends[number] = max(ends.get(number, 0.0), call["ended_at"] or float("inf"))
