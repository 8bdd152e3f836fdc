"""Run simulations from the command line: many seeds, or one with its trace.

python -m tests.simulation --seeds 10000
python -m tests.simulation --seed 123
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation.running import Verdict, simulate
from tests.templates import migrated

SHARE = 20
"""Seeds that a process takes at a time."""


def several(seeds: range, empty: Path) -> list[Verdict]:
    """Run some seeds one after another; a verdict that is good keeps no trace."""
    verdicts = [simulate(seed, empty) for seed in seeds]
    for verdict in verdicts:
        if not verdict.broken:
            verdict.trace.clear()
    return verdicts


def main() -> int:
    """Return 0 when every promise was kept, and 1 with the seeds in which one was not."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty = migrated(Path(folder) / "empty.db")
        if asked.seed is not None:
            verdict = simulate(asked.seed, empty)
            print(verdict.explain(lines=2_000))
            return int(bool(verdict.broken))
        end = asked.first + asked.seeds
        shares = [range(at, min(at + SHARE, end)) for at in range(asked.first, end, SHARE)]
        broken: list[Verdict] = []
        calls = done = 0
        with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
            for verdicts in pool.map(several, shares, [empty] * len(shares)):
                done += len(verdicts)
                calls += sum(verdict.calls for verdict in verdicts)
                bad = [verdict for verdict in verdicts if verdict.broken]
                for verdict in bad:
                    print(verdict.explain(), flush=True)
                broken += bad
                if sys.stderr.isatty():
                    print(f"\r{done} of {asked.seeds} seeds", end="", file=sys.stderr, flush=True)
    print(f"{done} seeds ({asked.first} to {end - 1}), {calls} calls, {len(broken)} broken")
    if broken:
        print("broken seeds:", *(verdict.seed for verdict in broken))
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
