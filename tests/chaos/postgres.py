"""A PostgreSQL of a round's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.store.server import Server


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server while the body runs; gives the address of its database."""
    server = Server.create()
    try:
        server.start()
        yield server.url()
    finally:
        server.remove()
