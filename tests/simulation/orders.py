"""Hold what the provider saw to what people had ordered before.

An order binds from the instant at which it was committed; `Done` has that instant. What had been
asked for by then (`posting`) may still be sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from tests.simulation.case import HAIR, Case
from tests.simulation.people import Done


def _claimed(
    case: Case, run: str, n: int, *, after: float, until: float = float("inf")
) -> Iterator[sqlite3.Row]:
    """Give the attempts of a contact that were asked for between two instants."""
    for row in case.of_contact(run, n):
        if after + HAIR < (row["posting_at"] or 0) < until - HAIR:
            yield row


def _suppressed(case: Case) -> str:
    for e164, since in case.query("SELECT e164, min(created_at) FROM suppressions GROUP BY 1"):
        for row in case.attempts:
            if row["e164"] == e164 and (row["posting_at"] or 0) > since + HAIR:
                return f"{row['key']} was asked for although its number is suppressed"
    return ""


def _withdrawn(case: Case) -> str:
    """Nobody is called who was taken out before, and all of them are done."""
    for done in case.done:
        if done.what != "withdraw":
            continue
        for row in _claimed(case, done.run, done.contact, after=done.at):
            return f"{row['key']} was asked for although its contact was withdrawn"
        (person,) = (
            row for row in case.contacts if (row["run_id"], row["n"]) == (done.run, done.contact)
        )
        told = {
            row["outcome"]
            for row in case.of_contact(done.run, done.contact)
            if row["api_id"] is not None or row["resolution"] == "done"
        }
        if person["state"] != "done" or person["outcome"] not in {"withdrawn", *told}:
            return (
                f"contact {done.contact} of {done.run} was withdrawn, and is {person['state']} "
                f"with outcome {person['outcome']}"
            )
    return ""


def _amended(case: Case) -> str:
    """Nothing is asked for by rules that hold no longer."""
    for done in case.done:
        if done.definition is None:
            continue
        for row in case.attempts:
            old = row["run_id"] == done.run and row["rules_version"] < done.version
            if old and (row["posting_at"] or 0) > done.at + HAIR:
                return f"{row['key']} was asked for by rules older than {done.version}"
    return ""


def _resolved(case: Case) -> str:
    """Settled once, whatever is said later; its contact is called again only where nobody was."""
    query = "SELECT attempt, count(*) FROM decisions WHERE what = 'resolved' GROUP BY attempt"
    for key, times in case.query(query):
        if times > 1:
            return f"{key} was resolved {times} times"
    settled: set[str] = set()
    for done in case.done:
        if done.what != "resolve":
            continue
        if done.attempt in settled:
            return f"{done.attempt} was resolved, and then resolved otherwise"
        settled.add(done.attempt)
        broken = _settled_as_told(case, done)
        if broken:
            return broken
    return ""


def _settled_as_told(case: Case, done: Done) -> str:
    row = case.by_key[done.attempt]
    run, n = row["run_id"], row["n"]
    until = {"placed": row["settled_at"] or float("inf"), "not-placed": done.at}
    again = _claimed(case, run, n, after=row["posting_at"], until=until.get(done.how, float("inf")))
    for other in again:
        return f"{row['key']} is {done.how}, and its contact was dialed again: {other['key']}"
    if done.how != "not-placed" or not done.goes_on or case.runs[run]["state"] != "completed":
        return ""
    followed = case.query(
        "SELECT count(*) FROM decisions WHERE run_id = ? AND n = ? AND at >= ? AND what <> ?",
        run,
        n,
        done.at,
        "resolved",
    )
    left = any(
        (other.what, other.run, other.contact) == ("withdraw", run, n) for other in case.done
    )
    if not followed[0][0] and not left:
        return f"{row['key']} is not placed, and nothing became of contact {n} of {run}"
    return ""


PROMISES: tuple[Callable[[Case], str], ...] = (_suppressed, _withdrawn, _amended, _resolved)
