"""Hold what the provider saw to the promises."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

from tests.simulation import orders
from tests.simulation.case import HAIR, Case, Evidence
from tests.simulation.provider import Call
from tests.simulation.scenario import index_of


def judge(evidence: Evidence) -> str:
    """Return the first promise that was broken, with the ids concerned; empty: none was."""
    case = Case(evidence)
    for promise in PROMISES:
        broken = promise(case)
        if broken:
            return broken
    return ""


def _one_call_per_attempt(case: Case) -> str:
    for key, times in Counter(call.key for call in case.ledger).items():
        if times > 1:
            return f"a key was called {times} times: {key}"
    for key, times in Counter(sent.key for sent in case.evidence.sent).items():
        if times > 1:
            return f"a key was sent {times} times: {key}"
    return ""


def _one_live_call_per_number(case: Case) -> str:
    for e164, calls in case.calls_by(lambda call: call.number):
        for before, after in pairwise(sorted(calls, key=lambda call: call.accepted_at)):
            if after.accepted_at < before.ended_at - HAIR:
                return (
                    f"number {index_of(e164)} was live twice: "
                    f"calls {before.id} ({before.key}) and {after.id} ({after.key})"
                )
    return ""


def _one_live_call_per_contact(case: Case) -> str:
    for (run, n), calls in case.calls_by(lambda call: tuple(call.key.split(".")[:2])):
        for before, after in pairwise(sorted(calls, key=lambda call: call.accepted_at)):
            if after.accepted_at < before.ended_at - HAIR:
                return f"contact {n} of {run} was in two calls: {before.id} and {after.id}"
    return ""


def _most_live(calls: Sequence[Call]) -> int:
    moments = [(call.accepted_at, 1) for call in calls] + [(call.ended_at, -1) for call in calls]
    live = most = 0
    for _, change in sorted(moments):
        live += change
        most = max(most, live)
    return most


def _channels(case: Case) -> str:
    for listed in case.plan.campaigns:
        calls = [call for call in case.ledger if case.run_of(call) == listed.run]
        for call in calls:
            live = sum(other.live(call.accepted_at) for other in calls)
            # What was asked for by older rules may come about by more channels than there were.
            newest = max(
                (
                    done.version
                    for done in case.done
                    if done.rules_until(call.accepted_at, listed.run)
                ),
                default=1,
            )
            versions = range(case.version_of(call.key), newest + 1)
            most = max(case.rules[listed.run, version].pacing.channels for version in versions)
            if live > most:
                return f"{listed.run} had {live} calls on {most} channels"
    live = _most_live(case.ledger)
    if case.plan.account_channels is not None and live > case.plan.account_channels:
        return f"the account had {live} calls on {case.plan.account_channels} channels"
    return ""


def _too_fast(moments: Sequence[tuple[float, float]]) -> bool:
    """Whether any second sees too much: each moment comes with the rate that it was granted by."""
    for first, _ in moments:
        rates = [rate for at, rate in moments if first <= at < first + 1 - HAIR]
        if len(rates) > max(rates) + 1:
            return True
    return False


def _rate(case: Case) -> str:
    sent = case.evidence.sent
    for listed in case.plan.campaigns:
        moments = [
            (item.at, case.rules_of(item.key).pacing.calls_per_second)
            for item in sent
            if item.key.partition(".")[0] == listed.run
        ]
        if _too_fast(moments):
            return f"{listed.run} was dialed faster than its rate"
    rate = case.plan.account_rate
    if rate is not None and _too_fast([(item.at, rate) for item in sent]):
        return "the account was dialed faster than its rate"
    return ""


def _asked_for_in_time(case: Case) -> str:
    """Nothing is sent unasked, late, or asked for while its run was not running."""
    for sent in case.evidence.sent:
        row = case.by_key.get(sent.key)
        if row is None or row["posting_at"] is None or row["posting_at"] > sent.at + HAIR:
            return f"{sent.key} was sent before it was written down"
        if sent.at > row["send_by"] + HAIR:
            return f"{sent.key} was sent {sent.at - row['send_by']:.3f} s too late"
    for run, events in _by_run(case.events).items():
        for event, following in zip(events, [*events[1:], None], strict=True):
            if event["state"] in {"running", "preparing"}:
                continue
            until = following["at"] if following else float("inf")
            for row in case.attempts:
                if row["run_id"] == run and event["at"] < (row["posting_at"] or 0) < until:
                    return f"{row['key']} was asked for while {run} was {event['state']}"
    return ""


def _by_run(rows: Sequence[sqlite3.Row]) -> dict[str, list[sqlite3.Row]]:
    groups: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in rows:
        groups[row["run_id"]].append(row)
    return groups


def _caps(case: Case) -> str:
    for listed in case.plan.campaigns:
        limits = listed.definition.limits
        counted = [
            call
            for call in case.ledger
            if case.run_of(call) == listed.run and call.kind not in {"technical", "never_ran"}
        ]
        times = Counter[str]()
        for call in sorted(counted, key=lambda call: call.accepted_at):
            contact = call.key.split(".")[1]
            times[contact] += 1
            if times[contact] > case.rules_of(call.key).limits.per_contact.total:
                return f"contact {contact} of {listed.run} was called {times[contact]} times"
        if limits.per_number.total is None:
            continue
        mine = Counter(call.number for call in counted)
        for e164, own in mine.items():
            # Another campaign without this cap may call the same number after it.
            last = max(call.accepted_at for call in counted if call.number == e164)
            before = sum(
                call.number == e164
                and call.accepted_at <= last
                and call.kind not in {"technical", "never_ran"}
                for call in case.ledger
            )
            if before > limits.per_number.total:
                return f"number {index_of(e164)} was called {before} times ({own} by this run)"
    return ""


def _everything_ends(case: Case) -> str:
    if not case.evidence.over:
        open_ = [row["key"] for row in case.attempts if row["settled_at"] is None]
        due = sum(row["state"] != "done" for row in case.contacts)
        return f"it never ended: {due} contacts are not done, attempts under way: {open_}"
    for run, row in case.runs.items():
        if row["state"] not in {"completed", "stopped", "failed"}:
            return f"{run} was left {row['state']}"
    parked = {row["key"] for row in case.attempts if row["state"] == "unknown"}
    for call in case.ledger:
        if call.ended_at > case.evidence.ended_at and call.key not in parked:
            return f"call {call.id} ({call.key}) was live after the end of its run"
    for row in case.attempts:
        if row["settled_at"] is None:
            return f"{row['key']} was left {row['state']}"
    return ""


def _every_contact_has_its_end(case: Case) -> str:
    """Each contact of the list is there, and done, or due where its run was ended before."""
    for listed in case.plan.campaigns:
        mine = [row for row in case.contacts if row["run_id"] == listed.run]
        if len(mine) != len(listed.people):
            return f"{listed.run} has {len(mine)} contacts of {len(listed.people)}"
        state = case.runs[listed.run]["state"]
        for row in mine:
            done = row["state"] == "done"
            allowed = done or (row["state"] == "due" and state != "completed")
            if not allowed or done != (row["outcome"] is not None):
                return (
                    f"contact {row['n']} of {listed.run}, which is {state}, is {row['state']} "
                    f"with outcome {row['outcome']}"
                )
    return ""


def _one_end_per_contact(case: Case) -> str:
    """Nobody is finished twice, and nobody is dialed after that."""
    finals = case.query(
        "SELECT run_id, n, min(at), count(*) FROM decisions AS d WHERE what = 'final' AND NOT ("
        " outcome = 'unknown' AND EXISTS (SELECT 1 FROM decisions AS r WHERE r.what = 'resolved'"
        " AND r.attempt = d.attempt AND r.why <> 'done')) GROUP BY run_id, n"
    )
    for run, n, at, times in finals:
        if case.runs[run]["state"] == "failed":
            continue  # those whom its campaign's own fault had finished are due again
        if times > 1:
            return f"contact {n} of {run} was finished {times} times"
        for row in case.attempts:
            if (row["run_id"], row["n"]) == (run, n) and (row["posting_at"] or 0) > at:
                return f"contact {n} of {run} was dialed after its end: {row['key']}"
    return ""


def _counts_add_up(case: Case) -> str:
    """Compare the running totals with the rows."""
    for run in case.runs:
        mine = [row for row in case.contacts if row["run_id"] == run]
        done = Counter(row["outcome"] for row in mine if row["state"] == "done")
        query = "SELECT name, sum(count) FROM tallies WHERE run_id = ? GROUP BY name"
        tallies = {
            name.removeprefix("contact:"): count
            for name, count in case.query(query, run)
            if name.startswith("contact:") and count
        }
        if tallies != dict(done):
            return f"{run} counts {tallies} and has {dict(done)}"
    return ""


def _books_match(case: Case) -> str:
    """Every call has its attempt, every attempt that was placed its call, with the same story."""
    for call in case.ledger:
        broken = _in_the_books(call, case.by_key.get(call.key))
        if broken:
            return f"call {call.id} ({call.key}) {broken}"
    calls = {call.key for call in case.ledger}
    for row in case.attempts:
        if row["api_id"] is not None and row["key"] not in calls:
            return f"{row['key']} is in the books and was never called"
    return ""


def _in_the_books(call: Call, row: sqlite3.Row | None) -> str:
    if row is None:
        return "is in nobody's books"
    if row["state"] == "not_placed":
        return "was judged not to be placed"
    if row["state"] == "unknown":
        return ""
    if row["state"] != "ended" or row["api_id"] != call.id:
        return f"is {row['state']} in the books"
    if row["resolution"] == "done":
        return ""  # what a person says of it
    told = {"answered"} if call.kind == "answer" else {call.kind}
    if call.asked_to_end:
        told |= {"hung_up", "answered", "other_leg", "never_ran", "other"}
    return "" if row["outcome"] in told else f"was {call.kind}, the books say {row['outcome']}"


def _unknown_is_explained(case: Case) -> str:
    """Only a campaign that asks for it parks, only what was unsure, and dials no more."""
    parked = {(row["run_id"], row["n"]) for row in case.attempts if row["state"] == "unknown"}
    for row in case.contacts:
        if row["outcome"] == "unknown" and (row["run_id"], row["n"]) not in parked:
            return f"contact {row['n']} of {row['run_id']} is unknown, and no attempt of it is"
    for row in case.attempts:
        if row["state"] != "unknown":
            continue
        if case.plan.requeues:
            return f"{row['key']} was parked although its campaign asks to dial again"
        if not any(sent.key == row["key"] for sent in case.evidence.sent) and row["api_id"]:
            return f"{row['key']} was parked although it was never sent"
        for other in case.attempts:
            same = (other["run_id"], other["n"]) == (row["run_id"], row["n"])
            if same and (other["posting_at"] or 0) > row["posting_at"]:
                return f"{row['key']} was parked, and its contact dialed again: {other['key']}"
    return ""


def _no_retry_is_early(case: Case) -> str:
    query = "SELECT run_id, n, at, until FROM decisions WHERE what = 'retry'"
    for run, n, at, until in case.query(query):
        for row in case.attempts:
            posted = row["posting_at"] or 0
            if (row["run_id"], row["n"]) == (run, n) and at < posted < until - HAIR:
                return f"{row['key']} was dialed before its time"
    return ""


PROMISES: tuple[Callable[[Case], str], ...] = (
    _one_call_per_attempt,
    _one_live_call_per_number,
    _one_live_call_per_contact,
    _channels,
    _rate,
    _asked_for_in_time,
    _caps,
    _everything_ends,
    _every_contact_has_its_end,
    _one_end_per_contact,
    _counts_add_up,
    _books_match,
    _unknown_is_explained,
    _no_retry_is_early,
    *orders.PROMISES,
)
