"""What the system says of processes: CPU time, memory, and what the machine is."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STATE, _SESSION, _UTIME, _CUTIME = 0, 3, 11, 13
"""Places in /proc/PID/stat after the name, which is in brackets and may hold anything."""


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _members(session: int) -> Iterator[tuple[int, list[str]]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            stat = _stat(int(entry.name))
            if stat is not None and int(stat[_SESSION]) == session:
                yield int(entry.name), stat


def cpu_seconds(session: int) -> float:
    """CPU time, user and system, of a process that leads a session, and of all that it started.

    Children that have ended count through whoever waited for them.
    """
    spent = 0
    for _, stat in _members(session):
        spent += sum(map(int, stat[_UTIME : _CUTIME + 2]))
    return spent / _TICKS


def resident_bytes(session: int) -> int:
    """Memory of the same processes that is in RAM now; pages that they share count for each."""
    total = 0
    for pid, _ in _members(session):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return total * os.sysconf("SC_PAGE_SIZE")


def describe() -> str:
    """Name the machine in a line: cores, processor, system, Python, and how busy it is."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores ({model}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} at the start"
    )
