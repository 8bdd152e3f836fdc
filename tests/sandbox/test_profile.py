"""Behaviour profiles: how often what happens, and how a bad profile is refused."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.behaviour import Behaviour
from sandbox.numbers import Number, kind_of
from sandbox.profile import Line, Profile, ProfileError, load
from tests.sandbox.conftest import WAIT

NOON = 1_760_022_000.0
NIGHT = NOON + 15 * 3_600


def drawn(profile: Profile, at: float = NOON, *, kind: str = "999", seed: int = 5) -> Counter[str]:
    """Draw two thousand calls to as many numbers."""
    behaviour = Behaviour(profile, seed)
    numbers = [Number(digits, digits, kind_of(digits)) for digits in numbers_of(kind)]
    fates = (behaviour.draw(number, (number.digits, 0), at) for number in numbers)
    return Counter(fate.outcome for fate in fates)


def numbers_of(kind: str) -> list[str]:
    """Make two thousand numbers that begin alike."""
    return [
        f"48{kind}{index:0{9 - len(kind) if kind[0] == '9' else 8 - len(kind)}d}"
        for index in range(2_000)
    ]


def test_shares_are_kept() -> None:
    """Outcomes come about as often as the profile says (seed 5)."""
    line = Line(answer=0.5, voicemail=0.3, no_answer=0.2, busy=0, reject=0, absent=0, network=0)
    line = line.model_copy(update={"congested": 0.0, "invalid": 0.1, "ported": 0.0})
    counts = drawn(Profile(movel=line))
    assert abs(counts["invalid"] - 200) < 60
    assert abs(counts["answer"] - 900) < 120
    assert abs(counts["voicemail"] - 540) < 120
    assert set(counts) == {"invalid", "answer", "voicemail", "no_answer"}


def test_people_answer_less_at_night() -> None:
    """The factor of an hour in Brasilia changes the share of answers and nothing else."""
    profile = Profile(answer_by_hour={3: 0.1})
    assert drawn(profile, NIGHT)["answer"] < drawn(profile, NOON)["answer"] / 3


def test_number_types_have_their_own_line() -> None:
    """Landlines follow their own shares."""
    profile = Profile(fixo=Line(answer=1, voicemail=0, no_answer=0, busy=0, invalid=0))
    assert drawn(profile, kind="32")["answer"] > 1_700
    assert drawn(profile)["answer"] < 1_000


def test_an_invalid_number_is_invalid_every_time() -> None:
    """Being invalid belongs to the number, not to the call."""
    behaviour = Behaviour(Profile(movel=Line(invalid=0.5)), 1)
    for digits in numbers_of("998")[:50]:
        number = Number(digits, digits, "movel")
        outcomes = {behaviour.draw(number, (digits, n), NOON).outcome for n in range(20)}
        assert outcomes == {"invalid"} or "invalid" not in outcomes


@given(st.integers(0, 2**32), st.integers(0, 10**6))
def test_what_is_drawn_keeps_to_the_profile(seed: int, index: int) -> None:
    """Ringing and talking stay within the ranges that the profile gives."""
    profile = Profile()
    digits = f"489{90_000_000 + index}"
    fate = Behaviour(profile, seed).draw(Number(digits, digits, "movel"), (index,), NOON)
    assert 0 <= fate.ring <= profile.ring_timeout
    assert fate.talk <= profile.talk.maximum
    assert fate.answered == (fate.talk > 0)


def test_a_profile_is_read_from_yaml(tmp_path: Path) -> None:
    """What a file does not say keeps its default."""
    file = tmp_path / "profile.yaml"
    file.write_text(
        "movel: {answer: 0.9, never_ran: 0.05}\ntalk: {median: 10}\nanswer_by_hour: {12: 0.5}\n"
    )
    profile = load(file)
    assert (profile.movel.answer, profile.talk.median) == (0.9, 10)
    assert profile.fixo == Profile().fixo
    assert profile.answer_by_hour == {12: 0.5}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("movel: {anser: 1}", "movel.anser"),
        ("movel: {answer: 2}", "movel.answer"),
        ("ring_before_answer: {low: 9, high: 1}", "ring_before_answer"),
        ("answer_by_hour: {25: 1}", "answer_by_hour.25"),
        ("- 1", "value"),
        ("a: [", "not YAML"),
    ],
)
def test_a_bad_profile_is_refused_by_the_name_of_its_place(
    tmp_path: Path, text: str, named: str
) -> None:
    """An error names the file and the key, and nothing starts."""
    file = tmp_path / "profile.yaml"
    file.write_text(text)
    with pytest.raises(ProfileError, match=named) as error:
        load(file)
    assert str(file) in str(error.value)


def test_the_command_refuses_a_bad_profile_and_a_taken_port(tmp_path: Path) -> None:
    """`python -m sandbox` says in one line why it does not start."""
    file = tmp_path / "profile.yaml"
    file.write_text("movel: {answer: 2}")
    command = [sys.executable, "-m", "sandbox", "--profile"]
    done = subprocess.run([*command, str(file)], capture_output=True, timeout=WAIT, check=False)
    assert done.returncode == 2
    assert b"movel.answer" in done.stderr
    assert b"Traceback" not in done.stderr
    missing = subprocess.run(
        [*command, "none.yaml"], capture_output=True, timeout=WAIT, check=False
    )
    assert (missing.returncode, b"none.yaml" in missing.stderr) == (2, True)


def test_the_command_listens_and_ends_on_a_signal() -> None:
    """`python -m sandbox` prints its addresses and token as one JSON line, and ends cleanly."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--token", "t-1", "--speed", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        listening = json.loads(process.stdout.readline())
        assert listening["token"] == "t-1"
        assert listening["url"] != listening["webphone_url"]
        port = listening["url"].rpartition(":")[2]
        taken = subprocess.run(
            [sys.executable, "-m", "sandbox", "--port", port],
            capture_output=True,
            timeout=WAIT,
            check=False,
        )
        assert (taken.returncode, port.encode() in taken.stderr) == (1, True)
        process.terminate()
        assert process.wait(WAIT) == 0
