"""The command line's words: commands, options, help. What they do is elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

import campaigns
from console import engine, running, steering
from console.embedded import SandboxOptions
from console.failures import CommandError
from console.interrupt import InterruptionError, run_interruptible
from console.running import Farewell, RunOrder, Terminal
from console.target import find_target

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
    try:
        result = app(args=arguments, prog_name="discador", standalone_mode=False)
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except TyperException as error:
        print(f"{error.format_message()} `discador --help` shows how.", file=sys.stderr)
        return CommandError.exit_code
    return result if isinstance(result, int) else 0


@app.command()
def demo(
    *,
    seed: Seed = 1,
    speed: Speed = 60.0,
    json_path: JsonPath = None,
) -> int:
    """Call 300 people of an example list on the local Voice API, with retries, to a report.

    Nothing is dialed for real, and nothing is left behind.
    """
    terminal, farewell = Terminal(), Farewell()
    example = Path(campaigns.__path__[0]) / "examples" / "cobranca.yaml"
    options = SandboxOptions(seed=seed, speed=speed)
    return run_interruptible(
        lambda: running.demo(terminal, example, options, json_path, farewell), farewell
    )


@app.command()
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
    terminal, farewell = Terminal(), Farewell()
    options = SandboxOptions(seed=seed, speed=speed) if sandbox else None
    order = RunOrder(file, options, json_path)
    target = find_target()
    return run_interruptible(lambda: running.run(terminal, target, order, farewell), farewell)


@app.command()
def start(file: File) -> None:
    """Start a campaign, print its run id, and return."""
    terminal, farewell = Terminal(), Farewell()
    target = find_target()
    run_interruptible(lambda: running.start(terminal, target, file), farewell)


@app.command()
def status(name: RunName = None) -> None:
    """Show all runs, or one of them."""
    target = find_target()
    _steer(lambda console: steering.show_status(console, target, name))


@app.command()
def pause(name: RunName = None) -> None:
    """Stop placing calls, retries included; live calls go on. Works with Temporal down."""
    _change(name, "pause")


@app.command()
def resume(name: RunName = None) -> None:
    """Go on after a pause."""
    _change(name, "resume")


@app.command()
def stop(
    name: RunName = None,
    *,
    hangup: Annotated[
        bool, typer.Option("--hangup", help="End live calls too, also those that surface later.")
    ] = False,
) -> None:
    """Place no more calls and end the run when its last call has ended."""
    _change(name, "stop", hang_up=hangup)


@app.command()
def report(name: RunName = None, *, json_path: JsonPath = None) -> None:
    """Show the report of a run, by default the newest."""
    target = find_target()
    _steer(lambda console: steering.show_report(console, target, name, json_path))


@app.command()
def validate(file: File, *, sandbox: UseSandbox = False) -> None:
    """Check a campaign and its list, and tell every problem. Nothing is dialed or stored."""
    target = find_target()
    loopback = sandbox or target.settings.loopback
    running.validate(Terminal(), file, loopback=loopback)


@app.command()
def up(
    *,
    sandbox: UseSandbox = False,
    seed: Seed = 1,
    speed: Speed = 60.0,
    ui: Annotated[bool, typer.Option("--ui", help="Serve Temporal's own pages too.")] = False,
) -> None:
    """Keep Temporal and the worker running in this directory; started again, they go on."""
    terminal, farewell = Terminal(), Farewell("Ended. `discador up` goes on where it stopped.")
    options = SandboxOptions(seed=seed, speed=speed) if sandbox else None
    target = find_target()
    try:
        run_interruptible(lambda: running.up(terminal, target, options, ui=ui), farewell)
    except InterruptionError as end:  # the usual way to end it
        terminal.note(str(end))


@app.command()
def worker(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether this machine's worker works.")
    ] = False,
) -> None:
    """Work for the configured Temporal until SIGTERM; the same as `python worker.py`."""
    if check:
        target = find_target()
        _steer(lambda console: steering.check_worker(console, target))
        return
    _become("worker")


@app.command()
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
        arguments += [option, str(value)] if value is not None else []
    _become("sandbox", *arguments)


def _become(module: str, *arguments: str) -> None:
    """Replace this process by a program of ours, so that signals and exit codes are its own."""
    command = [sys.executable, "-P", "-m", module, *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - our own program, no shell


def _steer(what: Callable[[Console], Awaitable[None]]) -> None:
    run_interruptible(lambda: what(Console()), lambda: "Interrupted.")


def _change(name: str | None, change: engine.Change, *, hang_up: bool = False) -> None:
    target = find_target()
    _steer(lambda console: steering.change(console, target, name, change, hang_up=hang_up))


def _mount_operations() -> None:
    """Add the commands for single operations of the API, which live in modules of their own."""
    for name in ("chamada", "conferencia", "webphone"):
        if find_spec(f"console.{name}"):
            app.add_typer(import_module(f"console.{name}").app, name=name)


_mount_operations()
