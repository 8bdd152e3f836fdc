"""`python -m benchmarks.loading FILE STORE`: import a campaign's list, and say what that cost.

A process of its own, so that its peak memory is that of an import and nothing else. It takes the
way of `discador run`: the campaign is checked, then the list is read into the store. Prints one
JSON object: `run`, `campaign`, `rows`, `rejected`, `seconds`, `rows_per_second`,
`rows_per_cpu_second` (what a core does that nobody else uses), `peak_mb`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from activities.settings import sqlite_url
from console import definitions, engine
from store.importing import Imported

TELL_EVERY = 2.0


async def load(file: Path, database: Path) -> dict[str, object]:
    """Import the list of the campaign in `file`; return the run and the figures."""
    campaign = definitions.load_definition(file, loopback=True).campaign
    assert campaign is not None
    told = time.monotonic()

    def progress(done: Imported) -> None:
        nonlocal told
        if time.monotonic() - told > TELL_EVERY:
            told = time.monotonic()
            print(f"{done.total} rows", file=sys.stderr, flush=True)

    async with engine.opened(sqlite_url(database)) as store:
        await engine.know_account(store)
        began, used = time.perf_counter(), time.process_time()
        run = await engine.import_list(store, campaign, file, progress)
        seconds = time.perf_counter() - began
        cpu = time.process_time() - used
    return {
        "run": run.id,
        "campaign": run.campaign,
        "rows": run.total,
        "rejected": run.rejected,
        "seconds": seconds,
        "rows_per_second": run.total / seconds,
        "rows_per_cpu_second": run.total / cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(Path(sys.argv[1]), Path(sys.argv[2])))), flush=True)
