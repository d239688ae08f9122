"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table, and the switch for everything, which must exist."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("trace_id", sa.String(length=26), nullable=False),
        sa.Column("thread", sa.String(length=100), nullable=False),
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("requester", sa.String(length=100), nullable=False),
        sa.Column("tool", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("not_requester", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(length=20), nullable=True),
        sa.Column("answered_by", sa.String(length=100), nullable=True),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("edited_call", sa.Text(), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("approvals_open", "approvals", ["tenant", "answer"], unique=False)
    op.create_index("approvals_thread", "approvals", ["thread"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("thread", sa.String(length=120), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("trace_id", sa.String(length=26), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("thread", "seq"),
    )
    op.create_index("audit_trace", "audit", ["trace_id"], unique=False)
    op.create_table(
        "calls",
        sa.Column("trace_id", sa.String(length=26), nullable=False),
        sa.Column("thread", sa.String(length=100), nullable=False),
        sa.Column("call_id", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("same", sa.String(length=71), nullable=False),
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("tool", sa.String(length=100), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("for_model", sa.Text(), nullable=False),
        sa.Column("for_human", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.String(length=71), nullable=False),
        sa.Column("record_version", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("held_key", sa.String(length=64), nullable=True),
        sa.Column("approval_id", sa.String(length=40), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("claimed", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.BigInteger(), nullable=True),
        sa.Column("settled", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("trace_id"),
        sa.UniqueConstraint("tenant", "held_key"),
        sa.UniqueConstraint("thread", "call_id", "digest"),
    )
    op.create_index("calls_thread", "calls", ["thread", "created"], unique=False)
    op.create_table(
        "meter",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("trace_id", sa.String(length=26), nullable=False),
        sa.PrimaryKeyConstraint("key", "n"),
    )
    op.create_table(
        "switches",
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("pressed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_table(
        "threads",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("party", sa.String(length=200), nullable=True),
        sa.Column("refs", sa.Text(), nullable=False),
        sa.Column("scenario", sa.String(length=100), nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("heard", sa.Integer(), nullable=False),
        sa.Column("replaced", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "vault_entries",
        sa.Column("thread", sa.String(length=100), nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("key_id", sa.String(length=320), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("thread", "token"),
    )
    op.create_table(
        "vault_keys",
        sa.Column("id", sa.String(length=320), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "vault_sightings",
        sa.Column("thread", sa.String(length=100), nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("thread", "token", "origin", "source"),
    )
    op.execute("INSERT INTO switches (scope, pressed, reason, by, at) VALUES ('*', false, '', 'schema', 0)")


def downgrade() -> None:
    """Removes them."""
    op.drop_table("vault_sightings")
    op.drop_table("vault_keys")
    op.drop_table("vault_entries")
    op.drop_table("threads")
    op.drop_table("switches")
    op.drop_table("meter")
    op.drop_index("calls_thread", table_name="calls")
    op.drop_table("calls")
    op.drop_index("audit_trace", table_name="audit")
    op.drop_table("audit")
    op.drop_index("approvals_thread", table_name="approvals")
    op.drop_index("approvals_open", table_name="approvals")
    op.drop_table("approvals")
