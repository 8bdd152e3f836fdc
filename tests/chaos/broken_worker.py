"""A worker with one of the engine's three safeties taken out, for the tests of `chaos` alone.

    python tests/chaos/broken_worker.py compare-and-set

The safety is taken out of the text of the real function, which has to be there exactly once: code
that has moved on stops this program, so it never shows an engine that is whole by mistake.
"""

from __future__ import annotations

import inspect
import os
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import worker
from activities.lost_answers import LostAnswers
from store import placing


def _rewrite(owner: Any, name: str, *changes: tuple[str, str]) -> None:
    """Replace a function of a module or class by one with other words in it."""
    function = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in changes:
        if source.count(old) != 1:
            raise SystemExit(f"broken_worker: {name} does not have {old!r} exactly once any more")
        source = source.replace(old, new)
    scope: dict[str, Any] = {}
    # In the module's own names, so that it sees what the real one sees.
    exec(compile(source, f"<broken {name}>", "exec"), inspect.unwrap(function).__globals__, scope)
    setattr(owner, name, scope[name])


def compare_and_set() -> None:
    """Let an attempt be claimed that somebody else has already posted."""
    _rewrite(
        placing,
        "_won",
        (
            'attempts.c.state == word("reserved"),',
            'attempts.c.state.in_(words("reserved", "posting", "placed", "ended")),',
        ),
    )


def durable_intent() -> None:
    """Write nothing down before the POST: the row stays `reserved` until the answer is there."""
    _rewrite(placing, "_won", ('state=word("posting"),', 'state=word("reserved"),'))
    _rewrite(
        placing,
        "record",
        (
            'states[result.key].state == "posting"',
            'states[result.key].state in ("reserved", "posting")',
        ),
    )
    _rewrite(
        placing,
        "_refuse",
        ('attempts.c.state == "posting"', 'attempts.c.state.in_(("reserved", "posting"))'),
    )
    _rewrite(
        placing,
        "_accept",
        (
            "await _ACCEPTED.run(",
            (
                "await Many(\n"
                "        update(attempts)\n"
                '        .where(attempts.c.key == bindparam("b_key"))\n'
                '        .values(state=word("placed"), api_id=bindparam("b_id"), '
                'placed_at=bindparam("b_now"))\n'
                "    ).run("
            ),
        ),
    )


def reconcile() -> None:
    """Take a lost answer for a call that was not made, without reading the report."""
    _rewrite(
        LostAnswers,
        "look_for",
        (
            "    low, high = ",
            (
                '    await self._give_up([row.key for row in due], "not_placed", rules)\n'
                "    return\n"
                "    low, high = "
            ),
        ),
    )


BREAKAGES: dict[str, Callable[[], None]] = {
    "compare-and-set": compare_and_set,
    "durable-intent": durable_intent,
    "reconcile": reconcile,
}

if __name__ == "__main__":
    BREAKAGES[sys.argv[1]]()
    code = worker.main()
    sys.stderr.flush()
    os._exit(code)
