"""Bringing the schema up to date, once, however many processes start together.

The numbered scripts are in `store/migrations/versions`. A process that finds the schema at head
does not even load Alembic.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from store.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.postgresql import Server

    Database = SqliteFile | Server

HEAD = "0005"
"""The newest revision; a test holds it against the scripts."""

_LOCK = 0x64_69_73_63  # "disc": the advisory lock that guards migrations on PostgreSQL
_SCRIPTS = Path(__file__).parent / "migrations"


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the database, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    if current_revision(connection) == HEAD:
        return
    from alembic import command  # noqa: PLC0415 - 100 ms that only a first start pays
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def migrate(database: Database) -> None:
    """Apply what is missing. Twice, or in two processes at once, changes nothing more."""
    async with database.read() as connection:
        if await connection.run_sync(current_revision) == HEAD:
            return
    async with database.write() as connection:
        if not isinstance(database, SqliteFile):
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await connection.run_sync(_upgrade)
