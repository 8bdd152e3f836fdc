"""How much the sandbox carries on one core: `python benchmarks/sandbox_capacity.py`.

The server is pinned to one core (where the system can) and this process loads it from another one.
It prints requests a second as measured, CPU a request as the system counts it, and the live calls.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import aiohttp

LIVE = 2_000
WORKERS = 32
ALL = "data_inicio=2020-01-01&data_fim=2100-01-01&limite=200"
Job = Callable[[int], Awaitable[None]]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


async def measure(name: str, pid: int, times: int, job: Job, workers: int = WORKERS) -> None:
    """Do a job so many times, some at once, and print how fast that was."""
    turns = iter(range(times))
    began, spent = time.perf_counter(), cpu_seconds(pid)

    async def work() -> None:
        for turn in turns:
            await job(turn)

    await asyncio.gather(*(work() for _ in range(workers)))
    elapsed, spent = time.perf_counter() - began, cpu_seconds(pid) - spent
    print(f"{name:34} {times / elapsed:8.0f}/s   {spent / times * 1_000:7.3f} ms of CPU each")


async def load(url: str, token: str, pid: int) -> None:
    """Run the whole load."""
    numbers = count(90_000_000)
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(
        url, connector=connector, headers={"Access-Token": token}
    ) as session:
        ids: list[int] = []

        async def create(_turn: int) -> None:
            body = {
                "numero_origem": f"+55489{next(numbers)}",
                "numero_destino": "4000",
                "tags": "run/contact/1",
            }
            async with session.post("/chamada", json=body) as answer:
                ids.append((await answer.json())["dados"]["id"])

        async def fetch(turn: int) -> None:
            async with session.get(f"/chamada/{ids[turn % LIVE]}") as answer:
                await answer.read()

        async def report(turn: int) -> None:
            path = f"/chamada/relatorio?{ALL}&posicao={turn % 10 * 200}"
            async with session.get(path) as answer:
                await answer.read()

        async def mix(turn: int) -> None:
            await (create if turn % 5 == 0 else report if turn % 50 == 1 else fetch)(turn)

        talking = {f"489{90_000_000 + index}": [TALK] for index in range(LIVE)}
        await session.put("/_sandbox/script", json=talking)
        await measure(f"POST /chamada, first {LIVE}", pid, LIVE, create)
        async with session.get("/_sandbox/stats") as answer:
            print(f"live calls: {(await answer.json())['live']}")
        await measure("GET /chamada/{id}", pid, 5_000, fetch)
        await measure("GET /chamada/relatorio, 200 rows", pid, 300, report, 8)
        await measure("mix: 20 % POST, 2 % report, GET", pid, 10_000, mix)
        await measure("POST /chamada, 20000 more", pid, 20_000, create)
        async with session.get("/_sandbox/stats") as answer:
            stats = await answer.json()
        print(f"accepted {stats['accepted']}, live {stats['live']}, peak {stats['peak_live']}")


TALK = {"outcome": "answer", "ring": 1, "talk": 80_000}


def main() -> None:
    """Start the server, load it, end it."""
    command = [sys.executable, "-m", "sandbox", "--seed", "1", "--token", "t"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(server.pid, {0})
            assert server.stdout is not None
            listening = json.loads(server.stdout.readline())
            asyncio.run(load(listening["url"], listening["token"], server.pid))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
