"""The tables. Nothing here that SQLite or PostgreSQL lacks.

Instants are seconds since 1970 as a float, read from the store's one clock. JSON is text, so that
both databases keep it alike. Two partial unique indexes carry promises: a number is in at most one
live attempt of an account, and a campaign has at most one open run.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
    true,
)

metadata = MetaData()

OPEN_RUN_STATES = ("preparing", "running", "paused", "stopping")

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channels", Integer, comment="null: only the campaigns' own pacing caps the account"),
    Column("calls_per_second", Double),
    Column("next_slot", Double, nullable=False, server_default="0"),
    Column("drawer", Text, comment="the process that drew the last slots"),
    Column("shared_until", Double, nullable=False, server_default="0"),
    Column("slow_until", Double, nullable=False, server_default="0"),
    Column("slow_factor", Double, nullable=False, server_default="1"),
    Column("taker", Text, comment="the run that reserved last"),
    Column("crowded_until", Double, nullable=False, server_default="0"),
    Column(
        "taken",
        Text,
        nullable=False,
        server_default="[]",
        comment="while several runs draw: the slots ahead that are taken, as JSON",
    ),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("campaign", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("ends_as", Text, comment="while stopping: stopped or failed"),
    Column("epoch", Integer, nullable=False, server_default="1"),
    Column("rules_version", Integer, nullable=False, server_default="1"),
    Column("lanes", Integer, nullable=False, server_default="1"),
    Column("hang_up", Boolean, nullable=False, server_default=text("false")),
    Column(
        "guarded",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="paused by its guards, not by a person",
    ),
    Column("paused_until", Double, comment="when it resumes by itself; null: by hand"),
    Column("next_slot", Double, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("weight", Double, nullable=False, server_default="4"),
    Column("wants", Integer, nullable=False, server_default="0", comment="channels, at most"),
    Column("wants_rate", Double, nullable=False, server_default="0"),
    Column("wants_until", Double, nullable=False, server_default="0"),
    Column("served", Double, nullable=False, server_default="0", comment="grants by weight"),
    Column("share_rate", Double, comment="calls per second while others want some; null: all"),
)
Index("ix_runs_wanting", runs.c.account_id, runs.c.wants_until)
Index(
    "uq_runs_open_campaign",
    runs.c.account_id,
    runs.c.campaign,
    unique=True,
    sqlite_where=runs.c.state.in_(OPEN_RUN_STATES),
    postgresql_where=runs.c.state.in_(OPEN_RUN_STATES),
)

rules = Table(
    "rules",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("definition", Text, nullable=False, comment="the campaign as JSON"),
    Column("created_at", Double, nullable=False),
)

contacts = Table(
    "contacts",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id"), primary_key=True),
    Column("n", Integer, primary_key=True, comment="ordinal of the contact in its run"),
    Column("line", Integer, nullable=False, comment="line of the list"),
    Column("external_id", Text, nullable=False),
    Column("columns", Text, nullable=False, server_default="{}"),
    Column("lane", Integer, nullable=False),
    Column("state", Text, nullable=False, comment="due, live or done"),
    Column(
        "outcome",
        Text,
        comment="what the contact ended as; `withdrawn` already while its last attempt goes on",
    ),
    Column("due_at", Double, nullable=False),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("drawn", Integer, nullable=False, server_default="0"),
    Column("technical", Integer, nullable=False, server_default="0"),
    Column("rule_uses", Text, nullable=False, server_default="[]"),
)
Index(
    "ix_contacts_due",
    contacts.c.run_id,
    contacts.c.lane,
    contacts.c.due_at,
    contacts.c.n,
    sqlite_where=contacts.c.state == "due",
    postgresql_where=contacts.c.state == "due",
)

numbers = Table(
    "numbers",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("e164", Text, nullable=False),
    Column("kind", Text, nullable=False),
)

rejected_rows = Table(
    "rejected_rows",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False, index=True),
    Column("line", Integer, nullable=False),
    Column("external_id", Text),
    Column("column", Text),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("kept", Boolean, nullable=False, comment="true: a note about a row that was imported"),
    Column(
        "source",
        Text,
        nullable=False,
        server_default="",
        comment="the list that was added to the run; empty: the campaign's own",
    ),
)

attempts = Table(
    "attempts",
    metadata,
    Column("key", Text, primary_key=True, comment="opaque, sent first in the call's tags"),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False),
    Column("account_id", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("e164", Text, nullable=False),
    Column("lane", Integer, nullable=False),
    Column("token", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("rules_version", Integer, nullable=False),
    Column(
        "state",
        Text,
        nullable=False,
        comment="reserved, released, posting, placed, ended, refused, not_sent, not_placed, "
        "unknown",
    ),
    Column("live", Boolean, nullable=False, comment="holds its number and its channel"),
    Column("reserved_at", Double, nullable=False),
    Column("callable_until", Double, comment="null: no limit"),
    Column("posting_at", Double),
    Column("send_by", Double),
    Column("unsure_at", Double, comment="when the POST is known to have ended without an answer"),
    Column("placed_at", Double),
    Column("api_id", BigInteger),
    Column("ended_at", Double),
    Column("hang_up_at", Double, comment="when we last asked the API to hang up"),
    Column("facts", Text, comment="the finished call's legs as JSON"),
    Column("refusal", Text, comment="status, motivo and class of a refusal as JSON"),
    Column("cost_brl", Double),
    Column("outcome", Text, comment="set when it is settled"),
    Column(
        "spared",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="a technical failure: it does not count against the person's caps",
    ),
    Column("holds_until", Double, comment="unknown: until when it keeps its number and channel"),
    Column("reads", Integer, nullable=False, server_default="0"),
    Column("next_read", Double),
    Column("settled_at", Double),
    Column("late_id", BigInteger, comment="a call that surfaced after `not_placed`; hung up"),
    Column("worst_cost", BigInteger, comment="what it may cost, in 1/10000 real, under a budget"),
    Column("resolution", Text, comment="what a person made of an `unknown` one"),
)
Index(
    "uq_attempts_live_number",
    attempts.c.account_id,
    attempts.c.e164,
    unique=True,
    sqlite_where=attempts.c.live == true(),
    postgresql_where=attempts.c.live == true(),
)
Index(
    "ix_attempts_open",
    attempts.c.run_id,
    attempts.c.lane,
    attempts.c.state,
    sqlite_where=attempts.c.settled_at.is_(None),
    postgresql_where=attempts.c.settled_at.is_(None),
)
Index("ix_attempts_number", attempts.c.account_id, attempts.c.e164, attempts.c.posting_at)
Index("ix_attempts_contact", attempts.c.run_id, attempts.c.n)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("attempt", Text),
    Column("at", Double, nullable=False),
    Column(
        "what",
        Text,
        nullable=False,
        comment="retry, next_number, final, wait, blocked, forgiven, expired",
    ),
    Column("outcome", Text),
    Column("why", Text, nullable=False),
    Column("rule", Integer),
    Column("rules_version", Integer, nullable=False),
    Column(
        "until",
        Double,
        comment="retry, wait: when the contact is due again; expired: when the campaign ended",
    ),
)
Index("ix_decisions_contact", decisions.c.run_id, decisions.c.n)

tallies = Table(
    "tallies",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("lane", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("count", Integer, nullable=False),
)

lanes = Table(
    "lanes",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("lane", Integer, primary_key=True),
    Column("seen_at", Double, nullable=False, comment="when a worker last carried this lane"),
    Column("wants", Integer, nullable=False, server_default="0"),
    Column("wants_until", Double, nullable=False, server_default="0"),
    Column("served", Double, nullable=False, server_default="0"),
    Column("finished", Boolean, nullable=False, server_default=text("false")),
)

guards = Table(
    "guards",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("name", Text, primary_key=True, comment="budget, no_balance, failures, short_calls"),
    Column("state", Text, nullable=False, server_default="ok", comment="ok, warning or open"),
    Column("reason", Text, nullable=False, server_default="", comment="of its last change"),
    Column("since", Double),
    Column("until", Double, comment="open: when the run may go on; null: by hand"),
    Column("waived_until", Double, comment="a person resumed the run until then"),
    Column("trips", Integer, nullable=False, server_default="0"),
    Column("spent", BigInteger, nullable=False, server_default="0", comment="budget: 1/10000 real"),
    Column("ring", Text, nullable=False, server_default="", comment="failures: the last attempts"),
)

short_call_days = Table(
    "short_call_days",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("bina", Text, primary_key=True, comment="the caller ID shown; empty: the provider's"),
    Column("day", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("short", Integer, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("e164", Text, nullable=False),
    Column("scope", Text, nullable=False, comment="sales, collection or all"),
    Column("campaign", Text, nullable=False, server_default="", comment="empty: every campaign"),
    Column("source", Text, nullable=False, server_default=""),
    Column("registered_on", Text),
    Column("expires_at", Double),
    Column("created_at", Double, nullable=False),
)
Index(
    "uq_suppressions",
    suppressions.c.account_id,
    suppressions.c.e164,
    suppressions.c.scope,
    suppressions.c.campaign,
    suppressions.c.source,
    unique=True,
)

suppression_lists = Table(
    "suppression_lists",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("name", Text, primary_key=True, comment="a registry's name, or the list's own"),
    Column("numbers", Integer, nullable=False),
    Column("imported_at", Double, nullable=False),
)

run_events = Table(
    "run_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, nullable=False, index=True),
    Column("at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
)
