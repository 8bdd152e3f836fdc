"""`python -m benchmarks`: every contender in one go on this machine; prints tables and ratios.

Progress goes to stderr. The exit code is 1 when something that should have run did not; a figure
that was missed is said in the table and is no failure, for it may be the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import figures, load, report
from benchmarks.celery_redis import CeleryRedis
from benchmarks.contender import Contender
from benchmarks.engine import Engine, import_list
from benchmarks.forms import FORMS, Form
from benchmarks.machine import describe
from benchmarks.measuring import Measured, measure, measure_first, together
from benchmarks.per_contact import PerContact
from benchmarks.plain_loop import PlainLoop
from benchmarks.stage import BenchmarkError

CONTENDERS: tuple[Contender, ...] = (PlainLoop(), PerContact(), CeleryRedis(), Engine())
IN_TURNS = ("loop", "engine")
"""Those that are compared most closely: they take turns at saturation."""
PARTS = ("saturation", "steady", "crowd", "pacing", "import")


class Bench:
    """One run of a form."""

    def __init__(self, form: Form, home: Path, only: frozenset[str], by: frozenset[str]) -> None:
        self._form = form
        self._home = home
        self._only = only
        self._began = time.monotonic()
        self._stages = 0
        self._contenders = [one for one in CONTENDERS if one.name in by]
        self._engine = Engine()
        self.results = report.Results(
            form=form.name, machine=describe(), channels=form.channels, judged=form.judged
        )

    def say(self, text: str) -> None:
        """Tell how far it is."""
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", file=sys.stderr, flush=True)

    async def run(self) -> None:
        """Run every part that is asked for."""
        for one in self._contenders:
            if (lack := one.missing()) is not None:
                self.results.left_out.append(f"{one.title}: {lack}")
                self.say(self.results.left_out[-1])
        self._contenders = [one for one in self._contenders if one.missing() is None]
        parts: dict[str, Callable[[], object]] = {
            "saturation": self._saturation,
            "steady": self._steady,
            "crowd": self._crowd,
            "pacing": self._pacing,
            "import": self._imports,
        }
        for name, part in parts.items():
            if name in self._only:
                await part()  # type: ignore[misc]  # each is a coroutine function

    @contextmanager
    def _stage(self, what: str) -> Iterator[Path]:
        """Give a folder for one run; a failure is told at the end, and the next run goes on."""
        self._stages += 1
        home = self._home / f"{self._stages:02d}"
        home.mkdir(parents=True)
        try:
            yield home
        except BenchmarkError as error:
            self.results.failed.append(f"{what}: {error}")
            self.say(f"{what}: {error}")
        finally:
            for file in home.glob("*"):  # databases of a million contacts; the logs stay
                if file.suffix != ".log":
                    shutil.rmtree(file) if file.is_dir() else file.unlink()

    async def _saturation(self) -> None:
        form = self._form
        scenario = load.saturation(form.saturation, warm_up=form.warm_up, contacts=form.contacts)
        scenario = replace(scenario, channels=form.channels)
        turns: dict[str, list[Measured]] = {one.name: [] for one in self._contenders}
        for one, seconds in self.order():
            part = replace(scenario, seconds=seconds)
            with self._stage(f"saturation, {one.title}") as home:
                turns[one.name].append(await measure(one, part, home, self.say))
        seen = {name: measured for name, measured in turns.items() if measured}
        self.results.saturation = {name: together(measured) for name, measured in seen.items()}
        if all(len(turns.get(name, ())) == form.turns for name in IN_TURNS):
            pairs = zip(*(turns[name] for name in IN_TURNS), strict=True)
            self.results.pairs = [engine.per_second / loop.per_second for loop, engine in pairs]

    def order(self) -> Iterator[tuple[Contender, float]]:
        """Give who is measured at saturation, in order, and for how long each time."""
        form = self._form
        close = [one for one in self._contenders if one.name in IN_TURNS]
        for turn in range(form.turns):
            for one in close if turn % 2 == 0 else reversed(close):
                yield one, form.saturation / form.turns
        for one in self._contenders:
            if one not in close:
                yield one, form.saturation

    async def _steady(self) -> None:
        form = self._form
        if not form.steady:
            return
        scenario = load.steady(form.steady, warm_up=form.steady_warm_up)
        for one in self._contenders:
            if not form.steady_by_all and one.name != self._engine.name:
                continue
            with self._stage(f"steady, {one.title}") as home:
                seen = await measure(one, scenario, home, self.say, keep_ledger=True)
                gaps = figures.idle_gaps(seen.ledger, scenario.channels, seen.window)
                busy = figures.busy_share(seen.ledger, scenario.channels, seen.window)
                halves = figures.percentile(gaps, 0.5), figures.percentile(gaps, 0.99)
                self.results.steady_gaps[one.name] = halves
                self.results.steady_busy[one.name] = busy
                self.results.steady[one.name] = replace(seen, ledger=[])

    async def _crowd(self) -> None:
        small, large, attempts = self._form.crowd
        if not attempts:
            return
        seen: list[Measured] = []
        for contacts in (small, large):
            scenario = replace(load.saturation(1, contacts=contacts), name="first attempts")
            with self._stage(f"first attempts of {contacts} contacts") as home:
                seen.append(await measure_first(self._engine, scenario, attempts, home, self.say))
        if len(seen) == 2:  # noqa: PLR2004 - both, or there is nothing to compare
            self.results.crowd, self.results.crowd_sizes = seen, (small, large)

    async def _pacing(self) -> None:
        for rate, seconds in self._form.pacing.items():
            with self._stage(f"pacing at {rate:g}/s") as home:
                scenario = load.paced(rate, seconds)
                seen = await measure(self._engine, scenario, home, self.say, keep_ledger=True)
                most = int(seen.facts["densest"])
                self.results.pacing.append(figures.pacing(seen.ledger, rate, seen.window, most))

    async def _imports(self) -> None:
        for rows in self._form.imports:
            self.say(f"import: {rows} rows")
            with self._stage(f"import of {rows} rows") as home:
                self.results.imports.append(
                    await import_list(home, load.saturation(1, contacts=rows))
                )


def _names(text: str, known: tuple[str, ...]) -> frozenset[str]:
    names = frozenset(text.split(",")) if text else frozenset(known)
    if unknown := sorted(names - set(known)):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
    return names


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds >= 1:
        raise argparse.ArgumentTypeError("at least 1")
    return seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = tuple(one.name for one in CONTENDERS)
    parser.add_argument("--form", choices=FORMS, default="full", help="how much (default: full)")
    parser.add_argument(
        "--quick", dest="form", action="store_const", const="quick", help="the quick form"
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=os.environ.get("BENCH_SECONDS") or None,
        help="how long each contender is measured at saturation (also BENCH_SECONDS)",
    )
    parser.add_argument(
        "--parts", type=lambda text: _names(text, PARTS), default="", help=f"of {','.join(PARTS)}"
    )
    parser.add_argument(
        "--contenders",
        type=lambda text: _names(text, names),
        default="",
        help=f"of {','.join(names)}",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--keep", type=Path, help="keep the logs of all processes in this folder")
    return parser.parse_args()


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    options = _options()
    form = FORMS[options.form]
    if options.seconds:
        form = replace(form, saturation=options.seconds)
    with tempfile.TemporaryDirectory(prefix="discador-bench-") as temporary:
        home = options.keep or Path(temporary)
        bench = Bench(form, home, options.parts, options.contenders)
        try:
            asyncio.run(bench.run())
        except KeyboardInterrupt:
            bench.results.failed.append("interrupted")
        print(report.render(bench.results), flush=True)
        if options.json:
            values = report.as_values(bench.results)
            options.json.write_text(json.dumps(values, indent=1), encoding="utf-8")
    return 1 if bench.results.failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the SDK's threads crash the interpreter's own exit now and then
