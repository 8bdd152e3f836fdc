"""Guards: what pauses a run by itself, what it counts, and what a person resolved."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "guards",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="budget, no_balance, failures, short_calls"
        ),
        sa.Column(
            "state", sa.Text(), server_default="ok", nullable=False, comment="ok, warning or open"
        ),
        sa.Column(
            "reason", sa.Text(), server_default="", nullable=False, comment="of its last change"
        ),
        sa.Column("since", sa.Double(), nullable=True),
        sa.Column(
            "until",
            sa.Double(),
            nullable=True,
            comment="open: when the run may go on; null: by hand",
        ),
        sa.Column(
            "waived_until",
            sa.Double(),
            nullable=True,
            comment="a person resumed the run until then",
        ),
        sa.Column("trips", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "spent",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="budget: 1/10000 real",
        ),
        sa.Column(
            "ring",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="failures: the last attempts",
        ),
        sa.PrimaryKeyConstraint("run_id", "name"),
    )
    op.create_table(
        "short_call_days",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column(
            "bina", sa.Text(), nullable=False, comment="the caller ID shown; empty: the provider's"
        ),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("short", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "bina", "day"),
    )
    op.add_column(
        "runs",
        sa.Column(
            "guarded",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="paused by its guards, not by a person",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "paused_until",
            sa.Double(),
            nullable=True,
            comment="when it resumes by itself; null: by hand",
        ),
    )
    op.add_column(
        "attempts",
        sa.Column(
            "worst_cost",
            sa.BigInteger(),
            nullable=True,
            comment="what it may cost, in 1/10000 real, under a budget",
        ),
    )
    op.add_column(
        "attempts",
        sa.Column(
            "resolution", sa.Text(), nullable=True, comment="what a person made of an `unknown` one"
        ),
    )
