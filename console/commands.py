"""The command line's words: commands, options, help. What they do is elsewhere.

Each command imports what it does when it runs, so that help, mistakes and the commands that become
another program need not wait for Temporal's and the database's libraries.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer
from typer.exceptions import TyperException

import campaigns
from console.failures import CommandError
from console.interrupt import InterruptionError, run_interruptible

if TYPE_CHECKING:
    from rich.console import Console

    from console.embedded import SandboxOptions
    from console.engine import Change
    from console.target import Target

# Modules of this package that bring commands of their own: a group each, or `register(app)`.
OPERATIONS = ("chamada", "conferencia", "contacts", "schedule", "suppress", "webphone")
REGISTERED = {
    "amending": ("update", "history"),
    "explain": ("explain",),
    "language": ("schema", "init"),
    "plan": ("plan",),
}

app = typer.Typer(
    name="discador",
    help="Outbound call campaigns on the Zenvia Voice API: nobody is called twice by accident, "
    "and nobody is lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The campaign, a YAML file.")]
RunName = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="Run id or campaign; default the only one that runs."),
]
NewestRun = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="Run id or campaign; default the newest run.")
]
JsonPath = Annotated[
    str | None,
    typer.Option("--json", metavar="PATH", help="Write the report as JSON; - is standard output."),
]
UseSandbox = Annotated[
    bool, typer.Option("--sandbox", help="Dial the local Voice API: no real call, no account.")
]
Seed = Annotated[int, typer.Option(help="Sandbox: the same seed, the same fate of each call.")]
Speed = Annotated[float, typer.Option(help="Sandbox: 60 makes a call of 45 s last 0.75 s.")]


def call(arguments: list[str]) -> int:
    """Run one command line; returns its exit code. Expected failures are told in one line."""
    _mount(arguments[0] if arguments else "")
    try:
        result = app(args=arguments, prog_name="discador", standalone_mode=False)
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except TyperException as error:
        print(_mistake(error), file=sys.stderr)
        return CommandError.exit_code
    return result if isinstance(result, int) else 0


def _mistake(error: TyperException) -> str:
    """Say what is wrong with a command line, and which help tells how; no command: its help."""
    text = error.format_message().replace("Value error, ", "").rstrip()
    context = getattr(error, "ctx", None)
    if context is not None and text == context.get_help().rstrip():
        return text
    end = "" if text.endswith((".", "?", "!")) else "."
    asked = context.command_path if context is not None else "discador"
    return f"{text}{end} `{asked} --help` shows how."


@cache
def _mount_operations(name: str) -> None:
    """Add the commands for one resource of the API."""
    if find_spec(f"console.{name}"):
        app.add_typer(import_module(f"console.{name}").app, name=name)


@cache
def _mount_registered(module: str) -> None:
    """Add the commands of one module."""
    if find_spec(f"console.{module}"):
        import_module(f"console.{module}").register(app)


def _mount(asked: str) -> None:
    """Add the command that is asked for; all of them for help, or where there is no such command.

    Mounting imports: who runs one command need not wait for what the others import.
    """
    if asked in OPERATIONS:
        _mount_operations(asked)
    elif modules := [module for module, names in REGISTERED.items() if asked in names]:
        _mount_registered(modules[0])
    elif asked not in {command.name for command in app.registered_commands}:
        for name in OPERATIONS:
            _mount_operations(name)
        for module in REGISTERED:
            _mount_registered(module)


@app.command("demo")
def demo(*, seed: Seed = 1, speed: Speed = 60.0, json_path: JsonPath = None) -> int:
    """Call 300 people of an example list on the local Voice API, with retries, to a report.

    Nothing is dialed for real, and nothing is left behind.
    """
    from console.progress import Terminal
    from console.running import Farewell, demo

    farewell = Farewell()
    example = Path(campaigns.__path__[0]) / "examples" / "cobranca.yaml"
    options = _sandbox(seed, speed)
    return run_interruptible(
        lambda: demo(Terminal(), example, options, json_path, farewell), farewell
    )


@app.command("run")
def run(
    file: File,
    *,
    sandbox: UseSandbox = False,
    seed: Seed = 1,
    speed: Speed = 60.0,
    json_path: JsonPath = None,
) -> int:
    """Start a campaign, follow it to its end, and report.

    Without a configured Temporal it brings its own. Interrupted, the same command goes on.
    """
    from console.progress import Terminal
    from console.running import Farewell, RunOrder, run

    farewell, target = Farewell(), _target()
    order = RunOrder(file, _sandbox(seed, speed) if sandbox else None, json_path)
    return run_interruptible(lambda: run(Terminal(), target, order, farewell), farewell)


@app.command("start")
def start(file: File) -> None:
    """Start a campaign, print its run id, and return."""
    from console.progress import Terminal
    from console.running import Farewell, start

    target = _target()
    run_interruptible(lambda: start(Terminal(), target, file), Farewell())


@app.command("status")
def status(
    name: RunName = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show all runs, or one of them with its guards."""
    from console.steering import show_status

    target = _target()
    _steer(lambda console: show_status(console, target, name, as_json=as_json))


@app.command("pause")
def pause(name: RunName = None) -> None:
    """Stop placing calls, retries included; live calls go on. Works with Temporal down."""
    _change(name, "pause")


@app.command("resume")
def resume(name: RunName = None) -> None:
    """Go on after a pause."""
    _change(name, "resume")


@app.command("stop")
def stop(
    name: RunName = None,
    *,
    hangup: Annotated[
        bool, typer.Option("--hangup", help="End live calls too, also those that surface later.")
    ] = False,
) -> None:
    """Place no more calls and end the run when its last call has ended."""
    _change(name, "stop", hang_up=hangup)


@app.command("report")
def report(name: NewestRun = None, *, json_path: JsonPath = None) -> None:
    """Show the report of a run, by default the newest."""
    from console.steering import show_report

    target = _target()
    _steer(lambda console: show_report(console, target, name, json_path))


@app.command("unknowns")
def unknowns(
    name: RunName = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """List the attempts of a run that could not be decided; `resolve` settles each."""
    from console.unknowns import show_unknowns

    target = _target()
    _steer(lambda console: show_unknowns(console, target, name, as_json=as_json))


@app.command("resolve")
def resolve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id or campaign.")],
    attempt: Annotated[
        str, typer.Argument(metavar="ATTEMPT", help="As `discador unknowns` lists it.")
    ],
    *,
    how: Annotated[str, typer.Option("--as", help="placed, not-placed or done.")],
    call_id: Annotated[int | None, typer.Option("--call-id", help="The API's call.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="With done: what it came to.")
    ] = None,
) -> None:
    """Settle an attempt that could not be decided: placed, not placed, or done with an outcome."""
    from console.unknowns import settle_unknown

    target = _target()
    _steer(
        lambda console: settle_unknown(
            console, target, run, attempt, how=how, call_id=call_id, outcome=outcome
        )
    )


@app.command("validate")
def validate(
    file: File,
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="As a rehearsal on the local Voice API.")
    ] = False,
    form: Annotated[
        Literal["text", "json", "github"],
        typer.Option("--format", help="github: annotations of a workflow there."),
    ] = "text",
) -> int:
    """Check a campaign and its list, and tell every problem. Nothing is dialed or stored."""
    from console.progress import Terminal
    from console.validating import validate

    loopback = sandbox or _target().settings.loopback
    return validate(Terminal(), file, loopback=loopback, form=form)


@app.command("up")
def up(
    *,
    sandbox: UseSandbox = False,
    seed: Seed = 1,
    speed: Speed = 60.0,
    ui: Annotated[bool, typer.Option("--ui", help="Serve Temporal's own pages too.")] = False,
) -> None:
    """Keep Temporal and the worker running in this directory; started again, they go on."""
    from console.progress import Terminal
    from console.running import Farewell, up

    terminal, target = Terminal(), _target()
    options = _sandbox(seed, speed) if sandbox else None
    farewell = Farewell("Ended. `discador up` goes on where it stopped.")
    try:
        run_interruptible(lambda: up(terminal, target, options, ui=ui), farewell)
    except InterruptionError as end:  # the usual way to end it
        terminal.note(str(end))


@app.command("worker")
def worker(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether this machine's worker works.")
    ] = False,
) -> None:
    """Work for the configured Temporal until SIGTERM; the same as `python worker.py`."""
    if not check:
        _become("worker")
    from console.health import check_worker

    target = _target()
    _steer(lambda console: check_worker(console, target))


@app.command("sandbox")
def sandbox(
    *,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any.")] = 0,
    seed: Seed = 1,
    speed: Speed = 1.0,
    token: Annotated[
        str | None, typer.Option(help="The access token that it accepts; it prints its own.")
    ] = None,
    profile: Annotated[Path | None, typer.Option(help="How calls behave, a YAML file.")] = None,
) -> None:
    """Run the local Voice API in the foreground; it prints one line of JSON when it listens."""
    arguments = ["--port", str(port), "--seed", str(seed), "--speed", str(speed)]
    for option, value in (("--token", token), ("--profile", profile)):
        arguments += [f"{option}={value}"] if value is not None else []
    _become("sandbox", *arguments)


def _become(module: str, *arguments: str) -> NoReturn:
    """Replace this process by a program of ours, so that signals and exit codes are its own."""
    command = [sys.executable, "-P", "-m", module, *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - our own program, no shell


def _target() -> Target:
    from console.target import find_target

    return find_target()


def _sandbox(seed: int, speed: float) -> SandboxOptions:
    from console.embedded import SandboxOptions

    if speed <= 0:
        raise CommandError("--speed must be above 0.")
    return SandboxOptions(seed=seed, speed=speed)


def _steer(what: Callable[[Console], Awaitable[None]]) -> None:
    from console.progress import screen

    run_interruptible(lambda: what(screen()), lambda: "Interrupted.")


def _change(name: str | None, what: Change, *, hang_up: bool = False) -> None:
    from console.steering import change

    target = _target()
    _steer(lambda console: change(console, target, name, what, hang_up=hang_up))
