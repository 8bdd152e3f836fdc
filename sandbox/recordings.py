"""Recordings: real MP3 bytes, silent, short, and different for every call."""

from hashlib import blake2b

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox import envelope
from sandbox.account import Account
from sandbox.billing import bill
from sandbox.calls import Call
from sandbox.chamada import recording_key, recording_ready
from sandbox.chamadas import find
from sandbox.envelope import ApiError
from sandbox.incoming import Incoming
from sandbox.operations import cut

# MPEG-1 layer III, 32 kbit/s, 32 kHz, mono: 144 bytes and 36 ms a frame, without padding. A frame
# whose side information is all zeros has no main data and decodes to silence.
FRAME_HEADER = bytes((0xFF, 0xFB, 0x18, 0xC4))
FRAME_SIZE = 144
FRAMES_PER_SECOND = 1_000 / 36
LONGEST_ID = 18


class Truncated(Response):
    """Announces the whole length, sends half of it and breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half an answer."""
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await cut("close", scope, receive)


def mp3(title: str, seconds: float) -> bytes:
    """Make a silent MP3 of about this length, at least one frame, with a title."""
    frames = max(1, round(seconds * FRAMES_PER_SECOND))
    return id3(title) + FRAME_HEADER.ljust(FRAME_SIZE, b"\0") * frames


def id3(title: str) -> bytes:
    """Make an ID3v2.3 tag that holds a title."""
    text = b"\0" + title.encode("latin-1")
    frame = b"TIT2" + len(text).to_bytes(4, "big") + b"\0\0" + text
    size = len(frame)
    return b"ID3\3\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame


def audio(account: Account, call: Call) -> Response:
    """Answer with the recording, or 404/70 when there is none (yet)."""
    settings = account.settings
    if not recording_ready(call, account.now(), settings):
        raise ApiError(envelope.NO_RECORDING)
    spoken = bill(call.origem, settings).falada or bill(call.destino, settings).falada
    content = mp3(f"chamada {call.id}", min(spoken, settings.recording_seconds))
    if account.luck.random() < account.faults.truncated_recording:
        account.faulted["truncated_recording"] += 1
        return Truncated(content, media_type="audio/mpeg", headers=envelope.HEADERS)
    return as_response(content)


def gravacao(account: Account, incoming: Incoming) -> Response:
    """Answer `GET /chamada/{id}/gravacao`."""
    return audio(account, find(account, incoming))


def by_url(account: Account, incoming: Incoming) -> Response:
    """Answer `url_gravacao`: no token, but a secret in the query that only the API gives out."""
    query = incoming.query()
    text = query.get("id", "")
    known = text.isdecimal() and len(text) <= LONGEST_ID
    if not known or query.get("x") != recording_key(int(text), account.settings.seed):
        raise ApiError(envelope.CALL_NOT_FOUND)
    call = account.book.get(int(text))
    if call is None:  # the secret is right, so it is a call of a conference
        return as_response(mp3(f"chamada {text}", 1))
    return audio(account, call)


def as_response(content: bytes) -> Response:
    """Wrap MP3 bytes as the API sends them."""
    headers = {**envelope.HEADERS, "etag": f'"{blake2b(content, digest_size=8).hexdigest()}"'}
    return Response(content, media_type="audio/mpeg", headers=headers)
