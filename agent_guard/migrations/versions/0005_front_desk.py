"""Which front desk has sent a thread into its scenario."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds it. No thread of before has come from a front desk."""
    with op.batch_alter_table("threads") as batch:
        batch.add_column(sa.Column("via", sa.String(length=100), nullable=True))


def downgrade() -> None:
    """Removes it. A thread that a front desk has sent on then goes on in no graph."""
    with op.batch_alter_table("threads") as batch:
        batch.drop_column("via")
