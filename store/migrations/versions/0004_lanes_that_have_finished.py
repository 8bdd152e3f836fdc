"""Lanes that have finished: nothing that is given back to them would be dialed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.add_column(
        "lanes",
        sa.Column("finished", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
