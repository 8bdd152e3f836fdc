"""The engine at saturation, alone: `python -m benchmarks.saturation [SECONDS [RATE]]`.

RATE is the campaign's `calls_per_second`; one above the machine's limit asks for saturation.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.engine import Engine
from benchmarks.load import saturation
from benchmarks.measuring import measure


def main() -> None:
    """Run it and print the figures."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    load = saturation(seconds)
    if len(sys.argv) > 2:  # noqa: PLR2004 - the two arguments
        load = replace(load, calls_per_second=float(sys.argv[2]))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="discador-bench-") as home:
        measured = asyncio.run(measure(Engine(), load, Path(home), say))
    print(f"attempts/s            {measured.per_second:8.1f}")
    for part, value in measured.cpu.items():
        print(f"CPU ms/attempt {part:9} {value:6.3f}")
    print(f"CPU ms/attempt, own   {measured.own_cpu:8.3f}")
    print(f"history events/attempt{measured.events_per_attempt:8.3f}")
    print(f"API requests/attempt  {measured.requests_per_attempt:8.3f}")


if __name__ == "__main__":
    main()
