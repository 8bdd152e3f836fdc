"""A recording on its way to a file: it appears whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from zenvia import errors

_AUDIO = ("audio/", "application/octet-stream", "binary/octet-stream")


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was kept: where, and how many bytes."""

    path: Path
    size: int


class AudioFile:
    """Collects audio under another name beside `path`; `keep` gives it its own.

    Leaving the context without `keep` removes what was collected, and what stood at `path` before
    stays as it was.
    """

    def __init__(self, path: Path, *, operation: str) -> None:
        self.begun = False
        self._path = path
        self._operation = operation
        self._part: Path | None = None
        self._file: BinaryIO | None = None
        self._complete_length_known = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)

    def begin(self, headers: Mapping[str, str]) -> Callable[[bytes], object] | None:
        """Take the body of an answer when it is audio; None leaves it to be read as an error."""
        if not headers.get("content-type", "").strip().lower().startswith(_AUDIO):
            return None
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._complete_length_known = chunked or "content-length" in headers
        handle, name = tempfile.mkstemp(
            prefix=f".{self._path.name}.", suffix=".part", dir=self._path.parent
        )
        self._part = Path(name)
        self._file = os.fdopen(handle, "wb")
        self.begun = True
        return self._file.write

    async def keep(self, status: int) -> Recording:
        """Put the collected audio in its place.

        Raises `Undecodable` when nothing came, or when the answer did not say how long it is: then
        nobody can tell a whole recording from the first half of one.
        """
        if self._file is None or self._part is None:
            raise errors.Undecodable(
                "the answer is not a recording", operation=self._operation, status=status
            )
        size = self._file.tell()
        if not size or not self._complete_length_known:
            raise errors.Undecodable(
                "the recording is empty, or may not be whole",
                operation=self._operation,
                status=status,
            )
        await asyncio.to_thread(self._settle, self._file, self._part)
        self._part = None
        return Recording(path=self._path, size=size)

    def _settle(self, file: BinaryIO, part: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        part.chmod(0o640)
        part.replace(self._path)
