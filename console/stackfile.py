"""Where a running embedded stack says that it runs, so that other commands find it.

The owner holds a lock on `stack.lock` for as long as it lives; the kernel drops it with the
process, however that ends. `stack.json` is believed only while the lock is held, so a file left by
a killed owner is recognised whatever process ids have been given out since.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer

HOME = Path(".discador")

_LOCK_PATIENCE = 1.0


class SandboxAddress(BaseModel):
    """Where a sandbox listens, and the throwaway token that it accepts."""

    model_config = ConfigDict(frozen=True)

    url: str
    token: SecretStr

    @field_serializer("token", when_used="json")
    def _write_token(self, token: SecretStr) -> str:
        return token.get_secret_value()


class StackInfo(BaseModel):
    """A running embedded stack: what other commands need to reach it, and its process ids.

    It holds no token but the sandbox's own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    command: Literal["up", "run", "demo"]
    temporal_address: str
    task_queue: str = "discador"
    store_url: str
    base_url: str
    sandbox: SandboxAddress | None = None
    children: dict[str, int] = {}


class AlreadyRunningError(Exception):
    """Another command owns the stack of this directory; `info` says which, where it is known."""

    def __init__(self, info: StackInfo | None) -> None:
        super().__init__("a stack already runs in this directory")
        self.info = info


@contextlib.contextmanager
def own_stack(home: Path) -> Iterator[None]:
    """Hold the lock of `home` inside the block; raises `AlreadyRunningError` when another does."""
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked_within(descriptor, _LOCK_PATIENCE):
            raise AlreadyRunningError(find_stack(home))
        (home / "stack.json").unlink(missing_ok=True)
        try:
            yield
        finally:
            (home / "stack.json").unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked_within(descriptor: int, seconds: float) -> bool:
    """Take the lock; a reader that looks whether it is held has it for a moment only."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def publish_stack(home: Path, info: StackInfo) -> None:
    """Write `stack.json`, readable by its owner only; call it while holding the lock."""
    draft = home / "stack.json.new"
    draft.touch(mode=0o600)
    draft.write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(home / "stack.json")


def find_stack(home: Path) -> StackInfo | None:
    """Read the stack that runs in this directory, or None; a file whose owner died is ignored."""
    if not _lock_is_held(home / "stack.lock"):
        return None
    try:
        return StackInfo.model_validate_json((home / "stack.json").read_bytes())
    except (OSError, ValidationError):
        return None  # it is still starting, or it has just ended


def _lock_is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
