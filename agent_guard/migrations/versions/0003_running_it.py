"""What running it for days takes: who carries an answer out, which questions' threads went on, what keeps failing."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds them. A question whose call was settled before counts as carried out; what is older counts neither as a
    failure nor as a rejection in a row.
    """
    op.create_table(
        "leases",
        sa.Column("thread", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=26), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("aside", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("thread"),
    )
    with op.batch_alter_table("approvals") as batch:
        batch.add_column(sa.Column("said", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("resumed", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("notified", sa.BigInteger(), nullable=True))
        batch.create_index("approvals_due", ["resumed", "expires"], unique=False)
        batch.create_index("approvals_untold", ["expires"], unique=False)
    op.execute(
        "UPDATE approvals SET resumed = created WHERE trace_id NOT IN "
        "(SELECT trace_id FROM calls WHERE state IN ('pending', 'approved', 'rejected'))"
    )
    op.create_table(
        "nonces",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("nonces_expires", "nonces", ["expires"])
    op.create_table(
        "seals",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_table(
        "sealed_heads",
        sa.Column("thread", sa.String(length=120), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seal", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("places", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("thread", "seq"),
    )
    op.create_index("sealed_heads_seal", "sealed_heads", ["seal", "thread"])
    with op.batch_alter_table("calls") as batch:
        batch.add_column(sa.Column("flag", sa.String(length=200), nullable=True))
    ran = sa.text("flag IS NOT NULL")
    op.create_index("calls_ran", "calls", ["flag", "settled"], sqlite_where=ran, postgresql_where=ran)


def downgrade() -> None:
    """Removes them."""
    op.drop_index("calls_ran", "calls")
    with op.batch_alter_table("calls") as batch:
        batch.drop_column("flag")
    with op.batch_alter_table("approvals") as batch:
        batch.drop_index("approvals_untold")
        batch.drop_index("approvals_due")
        batch.drop_column("notified")
        batch.drop_column("resumed")
        batch.drop_column("said")
    op.drop_table("sealed_heads")
    op.drop_table("seals")
    op.drop_table("nonces")
    op.drop_table("leases")
