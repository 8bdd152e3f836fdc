"""The border between the command line and the process: exit codes, one clear line, no traceback.

Exit codes: 0 completed, 2 an invalid definition or nobody to call (nothing was started), 3 ended
incomplete, 1 anything else.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import NoReturn

FAILED = 1
INVALID_DEFINITION = 2
ENDED_INCOMPLETE = 3

_LONG_NUMBER = re.compile(r"\d[\d .()-]{6,}\d")


def main() -> NoReturn:
    """Run the command line and end the process.

    It ends by `os._exit`: Temporal's client library now and then crashes the interpreter at its
    regular exit (sdk-python issue 300), which would turn a success into exit code 134 or 139.
    """
    # What is imported stays: looking for garbage among it was a sixth of a short command's time.
    gc.set_threshold(50_000, 20, 50)
    code = _run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # whoever read our output has gone away
        code = code or FAILED
    try:
        sys.stderr.flush()
    finally:
        os._exit(code)


def _run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong is told in one line."""
    try:
        from console.commands import call  # noqa: PLC0415 - slow; an interrupt is caught by now

        return call(arguments)
    except KeyboardInterrupt:
        _say("Interrupted.")
    except BrokenPipeError:
        pass  # whoever read our output has gone away: nobody is left to tell
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if os.environ.get("DISCADOR_DEBUG", "").strip() not in {"", "0"}:
            import traceback  # noqa: PLC0415 - only here

            traceback.print_exc()
        _say(f"discador failed: {_in_one_line(error)} (DISCADOR_DEBUG=1 shows where)")
    return FAILED


def _in_one_line(error: Exception) -> str:
    """Say what an unexpected error is; a database error quotes rows, so long numbers are cut."""
    first = str(error).strip().partition("\n")[0][:300]
    name = type(error).__name__
    return f"{name}: {_LONG_NUMBER.sub('...', first)}" if first else name


def _say(line: str) -> None:
    try:
        print(line, file=sys.stderr)
    except OSError:
        return
