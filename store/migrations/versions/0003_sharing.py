"""What campaigns of an account and lanes of a campaign want and were served."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _number(name: str, comment: str | None = None, default: str = "0") -> sa.Column[float]:
    return sa.Column(name, sa.Double(), server_default=default, nullable=False, comment=comment)


def _count(name: str, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False, comment=comment)


def upgrade() -> None:
    """Apply it."""
    op.add_column(
        "accounts",
        sa.Column("taker", sa.Text(), nullable=True, comment="the run that reserved last"),
    )
    op.add_column("accounts", _number("crowded_until"))
    op.add_column(
        "accounts",
        sa.Column(
            "taken",
            sa.Text(),
            server_default="[]",
            nullable=False,
            comment="while several runs draw: the slots ahead that are taken, as JSON",
        ),
    )
    op.add_column("runs", _number("weight", default="4"))
    op.add_column("runs", _count("wants", "channels, at most"))
    op.add_column("runs", _number("wants_rate"))
    op.add_column("runs", _number("wants_until"))
    op.add_column("runs", _number("served", "grants by weight"))
    op.add_column(
        "runs",
        sa.Column(
            "share_rate",
            sa.Double(),
            nullable=True,
            comment="calls per second while others want some; null: all",
        ),
    )
    op.create_index("ix_runs_wanting", "runs", ["account_id", "wants_until"])
    op.add_column("lanes", _count("wants"))
    op.add_column("lanes", _number("wants_until"))
    op.add_column("lanes", _number("served"))
