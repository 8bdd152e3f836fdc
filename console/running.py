"""Commands that carry a campaign: run, start, demo, up."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from activities.settings import Settings, sqlite_url
from campaigns.definition import Campaign
from campaigns.scalars import counted
from console import carrying, definitions, engine
from console.connected import workers_of
from console.embedded import SandboxOptions, Stack, StackError, StackOptions, embedded_stack
from console.failures import CommandError
from console.progress import Display, Terminal, showing
from console.rejected import rejected_file, rejected_rows, tell_where
from console.report import print_report, rows_file, show_rows, write_json
from console.stackfile import HOME, AlreadyRunningError
from console.target import WITHOUT_ACCOUNT, Target, sandbox_settings
from store.engine import Store
from store.importing import Imported
from store.reporting import Report
from store.runs import Run

LOOK_SECONDS = 0.25
TROUBLE_SECONDS = 3.0
STALL_SECONDS = 5.0


@dataclass
class Session:
    """A connection to everything that carries a campaign."""

    settings: Settings
    client: Client
    store: Store
    home: Path
    stack: Stack | None = None


@dataclass
class Farewell:
    """What to say should the command be interrupted; it changes as the command goes on."""

    line: str = "Interrupted; nothing was started."

    def __call__(self) -> str:
        """Return the line."""
        return self.line


@dataclass(frozen=True)
class RunOrder:
    """What `run` was asked to do."""

    file: Path
    sandbox: SandboxOptions | None = None
    json_path: str | None = None


def read_definition(terminal: Terminal, path: Path, *, loopback: bool) -> Campaign:
    """Read the campaign and look at its list, so that what is invalid is told before anything runs.

    Raises `InvalidDefinitionError` with every problem.
    """
    checked = definitions.load_definition(path, loopback=loopback)
    for problem in checked.problems:
        terminal.note(problem.render())
    assert checked.campaign is not None
    definitions.refuse_if_over(checked.campaign)
    next(definitions.list_rows(checked.campaign, path))
    return checked.campaign


def _refuse_what_cannot_run(target: Target, sandbox: SandboxOptions | None) -> None:
    stack = target.stack
    if stack is not None and stack.command != "up":
        raise CommandError(
            f"A `discador {stack.command}` (process {stack.pid}) has its stack in this directory. "
            "Wait for its end, or use `discador up` for several campaigns at a time."
        )
    if stack is not None and sandbox is not None and stack.sandbox is None:
        raise CommandError(
            "The stack of this directory dials for real; end it before you use --sandbox."
        )
    if sandbox is None and not target.has_token:
        raise CommandError(WITHOUT_ACCOUNT)


@asynccontextmanager
async def attached(target: Target, terminal: Terminal) -> AsyncIterator[Session]:
    """Connect to the Temporal that is configured, or to the stack that runs in this directory."""
    assert target.temporal is not None
    client = await carrying.connect(target.temporal)
    async with engine.opened(target.settings.store_url) as store:
        queue = target.settings.task_queue
        if (await workers_of(client, queue)).connected is False:
            terminal.note(
                f"No worker takes work from queue {queue} yet: start one with "
                "`discador worker`. Until then nothing is dialed."
            )
        yield Session(target.settings, client, store, HOME)


@asynccontextmanager
async def embedded(
    options: StackOptions, settings: Settings, terminal: Terminal
) -> AsyncIterator[Session]:
    """Start the embedded stack and connect to it; at the end nothing of it is left."""

    async def worker_takes_work(temporal: ClientConnectConfig, queue: str) -> bool:
        return (await workers_of(await carrying.connect(temporal), queue)).connected is True

    if options.temporal is not None:
        await carrying.connect(options.temporal)
    parts = [] if options.temporal else ["Temporal"]
    parts += ["the sandbox"] if options.sandbox else []
    terminal.note(f"Starting {', '.join(parts)} and the worker ...")
    begun = time.monotonic()
    try:
        async with embedded_stack(
            options, settings, worker_takes_work=worker_takes_work, say=terminal.note
        ) as stack:
            terminal.note(f"Ready after {time.monotonic() - begun:.1f} s.")
            client = await carrying.connect(stack.temporal)
            async with engine.opened(stack.settings.store_url) as store:
                yield Session(stack.settings, client, store, options.home, stack)
    except StackError as error:
        raise CommandError(str(error)) from None
    except AlreadyRunningError as error:
        owner = f" (process {error.info.pid})" if error.info else ""
        raise CommandError(f"A stack is already running in this directory{owner}.") from None


async def run(terminal: Terminal, target: Target, order: RunOrder, farewell: Farewell) -> int:
    """Start a campaign, follow it to its end and report; returns the exit code."""
    _refuse_what_cannot_run(target, order.sandbox)
    loopback = order.sandbox is not None or target.settings.loopback
    campaign = read_definition(terminal, order.file, loopback=loopback)
    brings_sandbox = order.sandbox is not None and target.stack is None
    if target.temporal is not None and not brings_sandbox:
        async with attached(target, terminal) as session:
            started = await begin(terminal, session, campaign, order.file)
            farewell.line = (
                f"Interrupted; the campaign goes on. `discador status {started.id}` shows it, "
                f"`discador stop {started.id}` ends it."
            )
            return await finish(terminal, session, started, order.json_path)
    settings = sandbox_settings(target) if order.sandbox else target.settings
    options = StackOptions(
        home=HOME, command="run", sandbox=order.sandbox, temporal=target.temporal
    )
    async with embedded(options, settings, terminal) as session:
        started = await go_on_or_begin(terminal, session, campaign, order.file)
        farewell.line = (
            f"Interrupted; run {started.id} is kept. The same command goes on where it stopped."
        )
        return await finish(terminal, session, started, order.json_path)


async def start(terminal: Terminal, target: Target, file: Path) -> None:
    """Start a campaign, print its run id and return."""
    _refuse_what_cannot_run(target, None)
    campaign = read_definition(terminal, file, loopback=target.settings.loopback)
    if campaign.schedule is not None and campaign.schedule.repeat is not None:
        terminal.note("It starts once, now; `discador schedule create` lets it repeat.")
    if target.temporal is None:
        raise CommandError(
            "No Temporal to start it on: set TEMPORAL_ADDRESS, or keep `discador up` running in "
            "this directory. `discador run` brings its own."
        )
    async with attached(target, terminal) as session:
        started = await begin(terminal, session, campaign, file)
    terminal.out.print(started.id, highlight=False)


async def demo(
    terminal: Terminal,
    example: Path,
    sandbox: SandboxOptions,
    json_path: str | None,
    farewell: Farewell,
) -> int:
    """Run the example on a stack of its own that leaves nothing behind; returns the exit code."""
    farewell.line = "Interrupted; nothing of the demo is left."
    with tempfile.TemporaryDirectory(prefix="discador-demo-") as folder:
        home = Path(folder)
        options = StackOptions(home=home, command="demo", sandbox=sandbox, throwaway=True)
        settings = Settings.model_validate({"DISCADOR_STORE_URL": sqlite_url(home / "discador.db")})
        campaign = read_definition(terminal, example, loopback=True)
        async with embedded(options, settings, terminal) as session:
            started = await begin(terminal, session, campaign, example)
            return await finish(terminal, session, started, json_path)


async def up(
    terminal: Terminal, target: Target, sandbox: SandboxOptions | None, *, ui: bool
) -> None:
    """Keep the embedded stack running until a signal comes."""
    if target.stack is not None:
        raise CommandError(f"A stack already runs in this directory (process {target.stack.pid}).")
    if target.temporal is not None:
        raise CommandError(
            f"Temporal is configured ({target.temporal.get('target_host')}); `discador worker` "
            "works for it. Unset TEMPORAL_ADDRESS for a stack of your own."
        )
    if sandbox is None and not target.has_token:
        raise CommandError(WITHOUT_ACCOUNT)
    settings = sandbox_settings(target) if sandbox else target.settings
    options = StackOptions(home=HOME, command="up", sandbox=sandbox, ui=ui)
    async with embedded(options, settings, terminal) as session:
        assert session.stack is not None
        stack = session.stack
        terminal.note(f"Temporal   {stack.temporal_address}")
        if stack.ui_address:
            terminal.note(f"Temporal's own pages   {stack.ui_address}")
        terminal.note(f"Voice API  {stack.settings.base_url}" + (" (sandbox)" if sandbox else ""))
        terminal.note(f"data, logs {options.data}")
        for left in await engine.runs_of(session.store):
            if left.is_open and left.state != "preparing":
                await carrying.carry(session.client, left, settings.task_queue)
                terminal.note(f"Going on with {left.campaign} (run {left.id}, {left.status}).")
        terminal.note(
            "`discador start FILE` adds a campaign, `discador status` shows them. Ctrl-C ends this."
        )
        await stack.watch()


async def go_on_or_begin(
    terminal: Terminal, session: Session, campaign: Campaign, file: Path
) -> Run:
    """Take up the run of this campaign that an interrupt left open, or begin a new one."""
    left = await engine.interrupted_run(session.store, campaign)
    if left is None:
        return await begin(terminal, session, campaign, file)
    if not await engine.has_rules(session.store, left, campaign):
        raise CommandError(
            f"Run {left.id} of {campaign.campaign} was interrupted and has other rules than this "
            f"file. End it with `discador stop {left.id}`, or run the file it was started with."
        )
    terminal.note(f"Going on with run {left.id}; its list was read when it was started.")
    await carrying.carry(session.client, left, session.settings.task_queue)
    return left


async def begin(terminal: Terminal, session: Session, campaign: Campaign, file: Path) -> Run:
    """Import the list, show what was not taken, and let the run dial."""
    said = time.monotonic()
    throwaway = session.stack is not None and session.stack.options.throwaway

    def on_progress(imported: Imported) -> None:
        nonlocal said
        if time.monotonic() - said >= 1.0:
            said = time.monotonic()
            terminal.note(f"{counted(imported.total + imported.rejected, 'row')} read ...")

    await engine.know_account(session.store)
    run_id = engine.new_run_id()
    with rejected_rows(None if throwaway else rejected_file(session.home, run_id)) as rejected:
        run = await engine.import_list(
            session.store,
            campaign,
            file,
            on_progress,
            terminal.note,
            run_id=run_id,
            rejected=rejected,
        )
    rows = await engine.rows_of(session.store, run.id)
    terminal.note(f"{counted(run.total, 'contact')}, {counted(run.rejected, 'row')} rejected.")
    show_rows(terminal.err, rows, None if throwaway else rows_file(session.home, run.id))
    tell_where(terminal.note, rejected.path)
    await carrying.begin_dialing(session.store, session.client, run, session.settings.task_queue)
    return run


async def finish(terminal: Terminal, session: Session, run: Run, json_path: str | None) -> int:
    """Follow a run to its end and report it; returns the exit code."""
    with showing(terminal.out) as display:
        await _unless_broken(session, lambda: _follow(session, run, display))
    report = await engine.report_of(session.store, run.id)
    rows = await engine.rows_of(session.store, run.id)
    if json_path is not None:
        write_json(json_path, report, rows)
    if json_path != "-":
        print_report(terminal.out, report)
    return exit_code(report)


def exit_code(report: Report) -> int:
    """Map how a run ended to the exit code."""
    return 0 if report.status == "completed" else 3


async def _unless_broken(session: Session, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work while the stack is watched; raises `StackError` should it break."""
    if session.stack is None:
        await work()
        return
    watching = asyncio.create_task(session.stack.watch())
    working = asyncio.ensure_future(work())
    try:
        await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        await working
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.gather(watching, working, return_exceptions=True)


async def _follow(session: Session, run: Run, display: Display) -> None:
    """Show the run until it has ended; raises `CommandError` when nothing carries it any more."""
    asked = moved = time.monotonic()
    seen = (0, 0)
    while True:
        progress = await engine.progress_of(session.store, run.id)
        now = time.monotonic()
        if (progress.placed, progress.done) != seen:
            seen, moved = (progress.placed, progress.done), now
        display.show(progress)
        if not progress.run.is_open:
            return
        if now - asked >= TROUBLE_SECONDS:
            asked = now
            trouble = await carrying.workflow_trouble(session.client, session.store, run.id)
            if trouble:
                raise CommandError(trouble)
            still = now - moved >= STALL_SECONDS
            display.trouble = await carrying.stalled_because(session.client, run) if still else None
        await asyncio.sleep(LOOK_SECONDS)
