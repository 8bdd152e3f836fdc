"""A worker that loses Temporal but not the provider: it may finish, never begin anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.partition import Network
from tests.crash.stack import crash_stack

PLAN = Plan(name="parted", contacts=200, channels=40, rate=60)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_a_cut_network_holds_what_is_sent_until_it_is_mended() -> None:
    """Nothing passes a cut, and nothing is lost by it."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Network(port) as network:
        host, _, near = network.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(near))
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        network.cut()
        writer.write(b"two")
        answer = asyncio.ensure_future(reader.readexactly(3))
        assert not (await asyncio.wait({answer}, timeout=0.1))[0]
        network.mend()
        assert await answer == b"two"
        writer.close()
        assert await reader.read() == b"", "the end is carried too"


@pytest.mark.long
async def test_a_worker_cut_off_from_temporal_and_its_successor_double_nothing(
    tmp_path: Path,
) -> None:
    """Both dial the same lane for a while: the store lets each attempt be won once."""
    async with crash_stack(tmp_path, speed=40) as stack, Network(stack.temporal_port) as network:
        stack.sandbox.faults(lost_answer=0.1)
        await campaign.start(stack, PLAN)
        stack.start_worker(through=network)
        await stack.until_accepted(50 + stack.luck.randrange(40))
        network.cut()
        stack.say("cut worker-1 off from Temporal")
        cut_at = stack.accepted()
        stack.start_worker()
        await stack.until_accepted(cut_at + 60, seconds=70)
        network.mend()
        stack.say("mended the network")
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)
