"""What the record needs to be judged and decided again, and what was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds them. A policy that decided before is not there; whoever has its file gives it to the replay."""
    op.create_table(
        "policies",
        sa.Column("hash", sa.String(length=71), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("rules", sa.LargeBinary(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "suggestions",
        sa.Column("trace_id", sa.String(length=26), nullable=False),
        sa.Column("thread", sa.String(length=100), nullable=False),
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("scenario", sa.String(length=100), nullable=True),
        sa.Column("environment", sa.String(length=10), nullable=False),
        sa.Column("requester", sa.String(length=100), nullable=False),
        sa.Column("tool", sa.String(length=100), nullable=False),
        sa.Column("tool_version", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.String(length=71), nullable=False),
        sa.Column("rule_hash", sa.String(length=71), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("judged_by", sa.String(length=100), nullable=True),
        sa.Column("judged", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("trace_id"),
    )
    op.create_index("suggestions_tool", "suggestions", ["tool", "created"])
    op.create_index("suggestions_open", "suggestions", ["verdict", "created"])
    with op.batch_alter_table("threads") as batch:
        batch.add_column(sa.Column("erased", sa.BigInteger(), nullable=True))
        batch.create_index("threads_party", ["tenant", "party"], unique=False)
    op.create_table(
        "holds",
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("party", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("placed", sa.BigInteger(), nullable=False),
        sa.Column("placed_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "party", "name"),
    )
    op.create_table(
        "audit_cuts",
        sa.Column("thread", sa.String(length=120), nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("thread", "first"),
    )
    op.create_table(
        "scan_parts",
        sa.Column("scan", sa.String(length=60), nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("scenario", sa.String(length=100), nullable=False),
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.String(length=100), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.String(length=26), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scan", "part"),
    )
    op.create_table(
        "findings",
        sa.Column("scan", sa.String(length=60), nullable=False),
        sa.Column("ref", sa.String(length=100), nullable=False),
        sa.Column("tenant", sa.String(length=100), nullable=False),
        sa.Column("scenario", sa.String(length=100), nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.String(length=20), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.String(length=26), nullable=True),
        sa.Column("why", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("scan", "ref"),
    )
    op.create_index("findings_of_part", "findings", ["scan", "part", "rank", "ref"])
    op.create_index("findings_of_record", "findings", ["tenant", "ref", "found"])


def downgrade() -> None:
    """Removes them. A chain that was cut then shows as one whose events are missing; what was erased stays erased."""
    op.drop_table("findings")
    op.drop_table("scan_parts")
    op.drop_table("audit_cuts")
    op.drop_table("holds")
    with op.batch_alter_table("threads") as batch:
        batch.drop_index("threads_party")
        batch.drop_column("erased")
    op.drop_table("suggestions")
    op.drop_table("policies")
