"""Calls kept in a file, so that a sandbox that is started again still knows them.

One line of JSON for every call and for every change of its timeline; the last line of a call
counts. It is written before the API answers, so a call that somebody was told of is in it. What
else the sandbox knows (conferences, ratings, webphones, limits, faults) ends with the process.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sandbox.account import Account
from sandbox.calls import Call

CALL = TypeAdapter(Call)


class Journal:
    """Writes the calls of an account to a file; flushed to the system, not to the disk."""

    def __init__(self, account: Account, path: Path) -> None:
        restore(account, path)
        torn = path.exists() and not path.read_bytes().endswith(b"\n")
        self._file = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")
        account.watchers.append(self._write)

    def close(self) -> None:
        """Close the file. Twice is the same as once."""
        self._file.close()

    def _write(self, call: Call) -> None:
        self._file.write(json.dumps(asdict(call)) + "\n")
        self._file.flush()


def restore(account: Account, path: Path) -> None:
    """Enter the calls of a journal; ids go on after the last, and so does who was called how often.

    What would have ended meanwhile has ended.
    """
    for call in sorted(read(path), key=lambda call: call.id):
        account.restore(call)


def read(path: Path) -> Iterator[Call]:
    """Read the newest state of every call; a line that is none, such as a torn one, is nothing."""
    newest: dict[int, Call] = {}
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                call = CALL.validate_json(line)
            except ValidationError:
                continue
            newest[call.id] = call
    yield from newest.values()
