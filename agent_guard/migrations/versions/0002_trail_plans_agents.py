"""What threads have seen and planned, which step of it a call is, and the agents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds them. Threads that are older have seen nothing: their values count as invented, so a person is asked."""
    op.create_table(
        "trail",
        sa.Column("thread", sa.String(length=100), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("linked", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("thread", "n"),
    )
    op.create_table(
        "agents",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("environment", sa.String(length=10), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.Column("revoked_by", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("name", "environment"),
    )
    with op.batch_alter_table("calls") as batch:
        batch.add_column(sa.Column("plan", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("step", sa.String(length=40), nullable=True))
        batch.add_column(sa.Column("unasked", sa.Boolean(), nullable=True))
    with op.batch_alter_table("approvals") as batch:
        batch.add_column(sa.Column("covers", sa.Text(), nullable=True))
        batch.add_column(sa.Column("plan", sa.Integer(), nullable=True))
    op.execute("UPDATE approvals SET covers = '[]'")
    with op.batch_alter_table("approvals") as batch:
        batch.alter_column("covers", existing_type=sa.Text(), nullable=False)
    with op.batch_alter_table("meter") as batch:
        batch.alter_column("n", existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=False)


def downgrade() -> None:
    """Removes them."""
    with op.batch_alter_table("meter") as batch:
        batch.alter_column("n", existing_type=sa.BigInteger(), type_=sa.Integer(), existing_nullable=False)
    with op.batch_alter_table("approvals") as batch:
        batch.drop_column("plan")
        batch.drop_column("covers")
    with op.batch_alter_table("calls") as batch:
        batch.drop_column("unasked")
        batch.drop_column("step")
        batch.drop_column("plan")
    op.drop_table("agents")
    op.drop_table("trail")
