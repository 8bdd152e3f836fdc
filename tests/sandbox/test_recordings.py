"""Recordings: who has one, when, and that it is real audio."""

import pytest
import requests

from sandbox.recordings import FRAME_HEADER, FRAME_SIZE, mp3
from tests.sandbox.conftest import WAIT, Api, Clock, Sandboxes


def recorded(api: Api, clock: Clock) -> int:
    """Make a recorded call that has just ended."""
    api.script({"outcome": "answer", "ring": 2, "talk": 3})
    call = api.create(gravar_audio=True)
    clock.now = api.server.inside(lambda account: account.book.live_calls()[0].ended_at)
    return call


def frames(content: bytes) -> int:
    """Count the frames of an MP3, walking from header to header."""
    assert content[:3] == b"ID3"
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte
    audio = content[10 + size :]
    count, rest = divmod(len(audio), FRAME_SIZE)
    assert rest == 0
    for index in range(count):
        assert audio[index * FRAME_SIZE :].startswith(FRAME_HEADER)
    return count


def test_a_recording_is_there_two_seconds_after_the_end(api: Api, clock: Clock) -> None:
    """An answered, recorded call has its audio a moment after its end, by id and by URL."""
    call = recorded(api, clock)
    path = f"/chamada/{call}/gravacao"
    assert api.fetch(call)["status_geral"] == "finalizada"
    assert api.refusal("GET", path) == (404, 70)
    assert api.fetch(call)["url_gravacao"] is None
    clock.now += 2
    answer = api("GET", path)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert frames(answer.content) >= 3 * 27
    assert f"chamada {call}".encode() in answer.content
    url = api.fetch(call)["url_gravacao"]
    assert requests.get(url, timeout=WAIT).content == answer.content
    stolen = requests.get(url.replace("&x=", "&x=0"), timeout=WAIT)
    assert (stolen.status_code, stolen.json()["motivo"]) == (404, 60)


@pytest.mark.parametrize(("outcome", "record"), [("answer", False), ("busy", True)])
def test_what_was_not_recorded_or_not_answered_has_no_recording(
    api: Api, clock: Clock, *, outcome: str, record: bool
) -> None:
    """Without `gravar_audio`, or without anybody on the line, there is never a recording."""
    api.script(outcome)
    call = api.create(gravar_audio=record)
    clock.now += 10_000
    assert api.refusal("GET", f"/chamada/{call}/gravacao") == (404, 70)
    assert api.fetch(call)["url_gravacao"] is None


def test_a_download_can_break_off(api: Api, clock: Clock) -> None:
    """With the fault on, half of the announced bytes come and the connection ends."""
    call = recorded(api, clock)
    clock.now += 2
    api.server.faults(truncated_recording=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api("GET", f"/chamada/{call}/gravacao")
    api.server.faults()
    assert api("GET", f"/chamada/{call}/gravacao").status_code == 200


def test_recordings_become_available_in_compressed_time(sandbox: Sandboxes, clock: Clock) -> None:
    """At speed 20 the two seconds are a tenth of one."""
    api = sandbox(clock=clock, speed=20.0)
    call = recorded(api, clock)
    clock.now += 0.1001
    assert api("GET", f"/chamada/{call}/gravacao").status_code == 200


def test_the_shortest_recording_is_one_frame() -> None:
    """Even no time at all is a playable file."""
    assert frames(mp3("x", 0)) == 1
