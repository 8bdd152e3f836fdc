"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "channels",
            sa.Integer(),
            nullable=True,
            comment="null: only the campaigns' own pacing caps the account",
        ),
        sa.Column("calls_per_second", sa.Double(), nullable=True),
        sa.Column("next_slot", sa.Double(), server_default="0", nullable=False),
        sa.Column(
            "drawer", sa.Text(), nullable=True, comment="the process that drew the last slots"
        ),
        sa.Column("shared_until", sa.Double(), server_default="0", nullable=False),
        sa.Column("slow_until", sa.Double(), server_default="0", nullable=False),
        sa.Column("slow_factor", sa.Double(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Text(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column(
            "what",
            sa.Text(),
            nullable=False,
            comment="retry, next_number, final, wait, blocked, forgiven",
        ),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("rule", sa.Integer(), nullable=True),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column(
            "until",
            sa.Double(),
            nullable=True,
            comment="for retry and wait: when the contact is due again",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decisions_contact", "decisions", ["run_id", "n"], unique=False)
    op.create_table(
        "lanes",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column(
            "seen_at", sa.Double(), nullable=False, comment="when a worker last carried this lane"
        ),
        sa.PrimaryKeyConstraint("run_id", "lane"),
    )
    op.create_table(
        "numbers",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("e164", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "n", "position"),
    )
    op.create_table(
        "run_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_run_events_run_id"), "run_events", ["run_id"], unique=False)
    op.create_table(
        "suppression_lists",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="a registry's name, or the list's own"
        ),
        sa.Column("numbers", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name"),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("e164", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="sales, collection or all"),
        sa.Column(
            "campaign",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="empty: every campaign",
        ),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("registered_on", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_suppressions",
        "suppressions",
        ["account_id", "e164", "scope", "campaign", "source"],
        unique=True,
    )
    op.create_table(
        "tallies",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "lane", "name"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("ends_as", sa.Text(), nullable=True, comment="while stopping: stopped or failed"),
        sa.Column("epoch", sa.Integer(), server_default="1", nullable=False),
        sa.Column("rules_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("lanes", sa.Integer(), server_default="1", nullable=False),
        sa.Column("hang_up", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("next_slot", sa.Double(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_runs_open_campaign",
        "runs",
        ["account_id", "campaign"],
        unique=True,
        sqlite_where=sa.text("state IN ('preparing', 'running', 'paused', 'stopping')"),
        postgresql_where=sa.text("state IN ('preparing', 'running', 'paused', 'stopping')"),
    )
    op.create_table(
        "attempts",
        sa.Column(
            "key", sa.Text(), nullable=False, comment="opaque, sent first in the call's tags"
        ),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("e164", sa.Text(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="reserved, released, posting, placed, ended, refused, not_sent, not_placed, unknown",
        ),
        sa.Column("live", sa.Boolean(), nullable=False, comment="holds its number and its channel"),
        sa.Column("reserved_at", sa.Double(), nullable=False),
        sa.Column("callable_until", sa.Double(), nullable=True, comment="null: no limit"),
        sa.Column("posting_at", sa.Double(), nullable=True),
        sa.Column("send_by", sa.Double(), nullable=True),
        sa.Column(
            "unsure_at",
            sa.Double(),
            nullable=True,
            comment="when the POST is known to have ended without an answer",
        ),
        sa.Column("placed_at", sa.Double(), nullable=True),
        sa.Column("api_id", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column(
            "hang_up_at",
            sa.Double(),
            nullable=True,
            comment="when we last asked the API to hang up",
        ),
        sa.Column("facts", sa.Text(), nullable=True, comment="the finished call's legs as JSON"),
        sa.Column(
            "refusal",
            sa.Text(),
            nullable=True,
            comment="status, motivo and class of a refusal as JSON",
        ),
        sa.Column("cost_brl", sa.Double(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True, comment="set when it is settled"),
        sa.Column(
            "spared",
            sa.Boolean(),
            server_default=sa.text("(false)"),
            nullable=False,
            comment="a technical failure: it does not count against the person's caps",
        ),
        sa.Column(
            "holds_until",
            sa.Double(),
            nullable=True,
            comment="unknown: until when it keeps its number and channel",
        ),
        sa.Column("reads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_read", sa.Double(), nullable=True),
        sa.Column("settled_at", sa.Double(), nullable=True),
        sa.Column(
            "late_id",
            sa.BigInteger(),
            nullable=True,
            comment="a call that surfaced after `not_placed`; hung up",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_attempts_contact", "attempts", ["run_id", "n"], unique=False)
    op.create_index(
        "ix_attempts_number", "attempts", ["account_id", "e164", "posting_at"], unique=False
    )
    op.create_index(
        "ix_attempts_open",
        "attempts",
        ["run_id", "lane", "state"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(
        "uq_attempts_live_number",
        "attempts",
        ["account_id", "e164"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live = true"),
    )
    op.create_table(
        "contacts",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, comment="ordinal of the contact in its run"),
        sa.Column("line", sa.Integer(), nullable=False, comment="line of the list"),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), server_default="{}", nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="due, live or done"),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("drawn", sa.Integer(), server_default="0", nullable=False),
        sa.Column("technical", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rule_uses", sa.Text(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "n"),
    )
    op.create_index(
        "ix_contacts_due",
        "contacts",
        ["run_id", "lane", "due_at", "n"],
        unique=False,
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_table(
        "rejected_rows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "kept",
            sa.Boolean(),
            nullable=False,
            comment="true: a note about a row that was imported",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_rejected_rows_run_id"), "rejected_rows", ["run_id"], unique=False)
    op.create_table(
        "rules",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False, comment="the campaign as JSON"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "version"),
    )
