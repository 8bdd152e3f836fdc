"""`make chaos`: break everything around the engine on purpose, and let the ledger say what it did.

Exit code 0 when every promise was kept, 1 when one was broken, 2 for a command that makes no sense,
130 when it was interrupted. Each round tells its counts when it is over; those that are over are in
the table however the command ends.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from rich.console import Console

from tests.chaos import account
from tests.chaos.postgres import postgres_server
from tests.chaos.round import Outcome, play
from tests.chaos.schedule import HUNT, LONG, SHORT, Form, schedule

FORMS = {form.name: form for form in (SHORT, LONG, HUNT)}
STORES = ("sqlite", "postgresql")


def main(arguments: Sequence[str] | None = None) -> int:
    """Play rounds until every store has had its turn and the minutes are over."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="draw the schedule from this (default: any)")
    parser.add_argument("--store", choices=(*STORES, "both"), default="both")
    parser.add_argument("--form", choices=FORMS, help="default: short; long with --minutes")
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for so long, at least")
    parser.add_argument("--contacts", type=int, help="default: 1,000, or 10,000 in the long form")
    parser.add_argument("--json", action="store_true", help="the result as JSON, progress apart")
    parser.add_argument("--keep", type=Path, help="keep logs and databases in this directory")
    parser.add_argument("--schedule", action="store_true", help="print what would be broken when")
    asked = parser.parse_args(arguments)
    if asked.contacts is not None and asked.contacts < 1:
        parser.error("--contacts: at least one")
    form = FORMS[asked.form or ("long" if asked.minutes else "short")]
    form = replace(form, contacts=asked.contacts or form.contacts)
    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    stores = STORES if asked.store == "both" else (asked.store,)
    if asked.schedule:
        _print_schedule(seed, form)
        return 0
    # Whoever is started in the background by a shell is born deaf to SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    outcomes: list[Outcome] = []
    try:
        with redirect_stdout(sys.stderr) if asked.json else nullcontext():
            _rounds(outcomes, stores, form, seed, seconds=asked.minutes * 60, keep=asked.keep)
    except KeyboardInterrupt:
        print(f"chaos: interrupted; --seed {seed} breaks the same things again", file=sys.stderr)
        return 130
    finally:
        if asked.json:
            print(account.as_json(outcomes))
        elif outcomes:
            account.show(outcomes, Console())
    return 0 if all(outcome.kept for outcome in outcomes) else 1


def _rounds(
    outcomes: list[Outcome],
    stores: Sequence[str],
    form: Form,
    seed: int,
    *,
    seconds: float,
    keep: Path | None,
) -> None:
    """Play on each store in turn; the first broken promise ends it. Round n's seed is seed + n.

    Each round's outcome is appended when it is over, so that those before it outlive one that ends
    badly.
    """
    began = time.monotonic()
    for store in cycle(stores):
        if len(outcomes) >= len(stores) and time.monotonic() - began >= seconds:
            break
        number = seed + len(outcomes)
        print(f"--- {store}: {form.contacts} contacts, seed {number}", flush=True)
        home = Path(tempfile.mkdtemp(prefix="discador-chaos-"))
        try:
            with postgres_server() if store == "postgresql" else nullcontext() as url:
                outcome = asyncio.run(play(home, form, number, store=store, store_url=url))
        finally:
            if keep is not None:
                shutil.copytree(home, keep / f"{store}-{number}", dirs_exist_ok=True)
            shutil.rmtree(home)
        outcomes.append(outcome)
        print(f"--- {account.line(outcome)}", flush=True)
        if not outcome.kept:
            return


def _print_schedule(seed: int, form: Form) -> None:
    """Print the first minutes of a schedule: it does not depend on what the engine does."""
    for what in schedule(seed, form):
        if what.at > 10 * 60:
            return
        worker = f" worker {what.worker}" if what.worker >= 0 else ""
        lasts = f" for {what.lasts:g} s" if what.lasts else ""
        faults = f" {what.faults}" if what.faults else ""
        print(f"{what.at:7.2f} s  {what.what}{worker}{lasts}{faults}")


if __name__ == "__main__":
    raise SystemExit(main())
