"""Which list a rejected row is of: a list that is added twice adds its rejected rows once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.add_column(
        "rejected_rows", sa.Column("source", sa.Text(), server_default="", nullable=False)
    )
