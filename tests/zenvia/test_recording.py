"""A recording is there whole, or what was there before is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.zenvia.raw_server import RawServer, envelope, http
from zenvia import errors
from zenvia.client import VoiceClient

AUDIO = b"ID3" + bytes(range(256)) * 400


def mp3(body: bytes, *headers: str) -> bytes:
    """Write an answer with audio."""
    return http(200, body, "Content-Type: audio/mpeg", *headers)


def raw(data: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Answer with these bytes and close."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return reply


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def download(answer: bytes, path: Path) -> None:
    """Download a recording from a server that gives this answer and closes."""
    async with RawServer(raw(answer)) as server, VoiceClient(server.url, "t0ken") as voice:
        kept = await voice.call_recording(5, path)
        assert (kept.path, kept.size) == (path, len(contents(path.parent)[path.name]))


@pytest.mark.parametrize(
    "answer",
    [
        mp3(AUDIO),
        b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{len(AUDIO):x}\r\n".encode()
        + AUDIO
        + b"\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
async def test_a_whole_recording_replaces_what_was_there(answer: bytes, tmp_path: Path) -> None:
    """The bytes arrive as they are, and nothing else is left in the folder."""
    path = tmp_path / "call.mp3"
    path.write_bytes(b"old")
    await download(answer, path)
    assert contents(tmp_path) == {"call.mp3": AUDIO}


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (mp3(AUDIO)[:-1], errors.ConnectionLost),
        (CHUNKED + b"40\r\n" + AUDIO[:64] + b"\r\n", errors.ConnectionLost),
        (b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n" + AUDIO, errors.Undecodable),
        (mp3(b""), errors.Undecodable),
        (http(200, AUDIO, "Content-Type: text/html"), errors.Undecodable),
        (http(200, AUDIO), errors.Undecodable),
        (
            http(404, envelope(sucesso=False, motivo=70), "Content-Type: application/json"),
            errors.NoRecording,
        ),
        (
            http(404, envelope(sucesso=False, motivo=60), "Content-Type: audio/mpeg"),
            errors.NotFound,
        ),
        (
            http(200, envelope(sucesso=False, motivo=70), "Content-Type: application/json"),
            errors.NoRecording,
        ),
        (http(200, envelope(), "Content-Type: application/json"), errors.Undecodable),
    ],
    ids=[
        "one byte short",
        "chunks cut",
        "length unknown",
        "empty",
        "a page",
        "no type",
        "no recording",
        "no call",
        "refused with 200",
        "a success without audio",
    ],
)
async def test_a_broken_download_replaces_nothing(
    answer: bytes, error: type[errors.VoiceError], tmp_path: Path
) -> None:
    """What was there stays, and no part of the new one is left."""
    path = tmp_path / "call.mp3"
    path.write_bytes(b"old")
    with pytest.raises(error):
        await download(answer, path)
    assert contents(tmp_path) == {"call.mp3": b"old"}


async def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    """Cancelled half way, there is no file and no part of one."""

    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(mp3(AUDIO)[: len(AUDIO) // 2])
        await writer.drain()
        await asyncio.Event().wait()

    async with RawServer(half) as server, VoiceClient(server.url, "t0ken") as voice:
        task = asyncio.create_task(voice.call_recording(5, tmp_path / "call.mp3"))
        await server.until(lambda _: any(contents(tmp_path).values()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert contents(tmp_path) == {}


async def test_a_folder_that_cannot_be_written_is_the_callers_error(tmp_path: Path) -> None:
    """An error of the disk is not taken for one of the API."""
    with pytest.raises(FileNotFoundError):
        await download(mp3(AUDIO), tmp_path / "nowhere" / "call.mp3")
