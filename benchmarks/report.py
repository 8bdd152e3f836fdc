"""The tables that a run prints, and the same as values for `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.figures import Pacing
from benchmarks.measuring import Measured

MEGABYTE = 1024 * 1024
COUNTED = "engine"


@dataclass
class Results:
    """Everything that was seen, by contender's name where contenders are compared."""

    form: str
    machine: str
    channels: int = 2_000
    judged: bool = True
    saturation: dict[str, Measured] = field(default_factory=dict)
    pairs: list[float] = field(default_factory=list)
    """Attempts/s of the engine by those of the loop, for each two turns one after the other."""
    steady: dict[str, Measured] = field(default_factory=dict)
    steady_busy: dict[str, float] = field(default_factory=dict)
    steady_gaps: dict[str, tuple[float, float]] = field(default_factory=dict)
    crowd: list[Measured] = field(default_factory=list)
    crowd_sizes: tuple[int, ...] = ()
    imports: list[dict[str, Any]] = field(default_factory=list)
    pacing: list[Pacing] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Goal:
    """One figure, what it is to reach, and what was seen; `met` is None where nothing was seen."""

    figure: str
    to_reach: str
    seen: str
    met: bool | None


def _at_most(figure: str, value: float, bound: float, unit: str = "", digits: int = 2) -> Goal:
    return Goal(figure, f"<= {bound:g}{unit}", f"{value:.{digits}f}{unit}", value <= bound)


def _at_least(figure: str, value: float, bound: float, unit: str = "", digits: int = 2) -> Goal:
    return Goal(figure, f">= {bound:g}{unit}", f"{value:.{digits}f}{unit}", value >= bound)


def goals(results: Results) -> list[Goal]:
    """Hold what was seen against what is to be reached."""
    found: list[Goal] = []
    engine = results.saturation.get(COUNTED)
    samples, loop = results.saturation.get("samples"), results.saturation.get("loop")
    if engine is not None:
        if samples is not None:
            ratio = engine.per_second / samples.per_second
            found.append(_at_least("saturation: attempts/s against (b)", ratio, 15, " x", 1))
            share = engine.own_cpu / samples.own_cpu
            found.append(_at_most("saturation: CPU per attempt against (b)", share, 0.04, " x", 3))
        if loop is not None and results.pairs:  # turns of which one failed compare nothing
            ratio = engine.per_second / loop.per_second
            goal = _at_least("saturation: attempts/s against (a)", ratio, 1, " x")
            pairs = ", ".join(f"{pair:.2f}" for pair in results.pairs)
            found.append(
                replace(goal, seen=f"{goal.seen} ({pairs})") if len(results.pairs) > 1 else goal
            )
        found.append(_at_most("saturation: CPU per attempt, own", engine.own_cpu, 2, " ms"))
        if engine.events_per_attempt is not None:
            found.append(
                _at_most("saturation: history events/attempt", engine.events_per_attempt, 0.1)
            )
    found += _steady_goals(results)
    if len(results.crowd) == len(results.crowd_sizes) > 1:
        small, large = results.crowd[0], results.crowd[-1]
        few, many = results.crowd_sizes[0], results.crowd_sizes[-1]
        title = f"CPU per attempt, first {small.attempts:,} with {many:,} contacts against {few:,}"
        found.append(_at_most(title, large.own_cpu / small.own_cpu, 1.2, " x"))
        peak = max(large.memory["worker"]) / MEGABYTE
        found.append(_at_most(f"worker memory at {many:,} contacts", peak, 300, " MB", 0))
    for pace in results.pacing:
        found.append(_at_most(f"pacing {pace.asked:g}/s: error", pace.error * 100, 2, " %"))
        title = f"pacing {pace.asked:g}/s: most in a second, sent"
        found.append(_at_most(title, pace.most_sent, pace.asked + 1, digits=0))
        title = f"pacing {pace.asked:g}/s: most in a second, ledger"
        found.append(_at_most(title, pace.most_accepted, 1.03 * pace.asked + 2, digits=0))
    for one in results.imports:
        title = f"import of {one['rows']:,} rows"
        seen = _at_least(f"{title}: rows/s", one["rows_per_second"], 20_000, digits=0)
        per_cpu = f"{seen.seen} ({one['rows_per_cpu_second']:.0f} per CPU second)"
        found.append(replace(seen, seen=per_cpu))
        found.append(_at_most(f"{title}: peak memory", one["peak_mb"], 300, " MB", 0))
    return found


def _steady_goals(results: Results) -> Iterable[Goal]:
    engine = results.steady.get(COUNTED)
    if engine is None:
        return
    if engine.events_per_attempt is not None:
        yield _at_most("30 s calls: history events/attempt", engine.events_per_attempt, 1.5)
    yield _at_most("30 s calls: API requests/attempt", engine.requests_per_attempt, 1.6)
    yield _at_least("30 s calls: channels busy", results.steady_busy[COUNTED] * 100, 97, " %", 1)
    half, nearly_all = results.steady_gaps[COUNTED]
    yield _at_most("30 s calls: from a call's end to the next POST, p50", half, 1, " s")
    yield _at_most("30 s calls: from a call's end to the next POST, p99", nearly_all, 2.5, " s")


def render(results: Results) -> str:
    """Print everything for people."""
    parts = [f"{results.form} form on {results.machine}"]
    for name, title, measured in (
        (
            "saturation",
            f"Saturation: {results.channels:,} channels, calls of about 1 s",
            results.saturation,
        ),
        ("steady", "Steady state: 300 channels, calls of about 30 s", results.steady),
    ):
        if measured:
            parts.append(f"{title}\n{_contenders(results, name, measured)}")
    seen = goals(results) if results.judged else []
    if seen:
        rows = [("figure", "to reach", "seen", "")]
        rows += [(one.figure, one.to_reach, one.seen, "" if one.met else "MISSED") for one in seen]
        parts.append(table(rows))
    parts += [f"left out: {line}" for line in results.left_out]
    parts += [f"FAILED: {line}" for line in results.failed]
    return "\n\n".join(parts)


def _contenders(results: Results, name: str, measured: dict[str, Measured]) -> str:
    header = ["contender", "attempts/s", "CPU ms/attempt", "requests", "events", "RSS MB"]
    steady = name == "steady"
    if steady:
        header += ["busy", "gap p50", "gap p99"]
    rows: list[Sequence[str]] = [[*header, "rate/(d)", "CPU/(d)", "CPU by process, ms/attempt"]]
    engine = measured.get(COUNTED)
    for key, one in measured.items():
        memory = sum(sizes[-1] for part, sizes in one.memory.items() if part != "sandbox")
        row = [
            one.contender,
            f"{one.per_second:.1f}",
            f"{one.own_cpu:.2f}",
            f"{one.requests_per_attempt:.2f}",
            "-" if one.events_per_attempt is None else f"{one.events_per_attempt:.2f}",
            f"{memory / MEGABYTE:.0f}",
        ]
        if steady:
            half, nearly_all = results.steady_gaps[key]
            row += [f"{results.steady_busy[key]:.1%}", f"{half:.2f} s", f"{nearly_all:.2f} s"]
        row += (
            ["-", "-"]
            if engine is None
            else [
                f"{one.per_second / engine.per_second:.3f}",
                f"{one.own_cpu / engine.own_cpu:.2f}",
            ]
        )
        row.append(", ".join(f"{part} {value:.2f}" for part, value in one.cpu.items()))
        rows.append(row)
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Set rows in columns, the first row as the header."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def as_values(results: Results) -> dict[str, Any]:
    """Return the same as JSON takes it, without ledgers."""

    def plain(one: Measured) -> dict[str, Any]:
        values = {key: value for key, value in one.__dict__.items() if key != "ledger"}
        return values | {"per_second": one.per_second, "own_cpu": one.own_cpu}

    return {
        "form": results.form,
        "machine": results.machine,
        "saturation": {name: plain(one) for name, one in results.saturation.items()},
        "saturation_pairs": results.pairs,
        "steady": {
            name: plain(one)
            | {
                "busy": results.steady_busy[name],
                "gap_p50": results.steady_gaps[name][0],
                "gap_p99": results.steady_gaps[name][1],
            }
            for name, one in results.steady.items()
        },
        "crowd": [
            {"contacts": contacts} | plain(one)
            for contacts, one in zip(results.crowd_sizes, results.crowd, strict=False)
        ],
        "imports": results.imports,
        "pacing": [one.__dict__ | {"error": one.error} for one in results.pacing],
        "goals": [one.__dict__ for one in goals(results)],
        "left_out": results.left_out,
        "failed": results.failed,
    }
