"""What scoring reads of leads, in a form that is read in bulk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from data.inputs import facts_to_lines
from data.plain import facts_from_json

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHUNK = 5_000


def upgrade() -> None:
    change = op.create_table(
        "input_change",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_input_change")),
    )
    known = op.create_table(
        "lead_input",
        sa.Column("lead_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_lead_input")),
    )
    op.create_index(op.f("ix_lead_input_version"), "lead_input", ["version"])
    fill(op.get_bind(), known, change)


def fill(connection: sa.Connection, known: sa.Table, change: sa.Table) -> None:
    """The inputs of leads that are scored already."""
    lead = sa.table(
        "lead",
        sa.column("id", sa.Integer()),
        sa.column("facts", sa.JSON().with_variant(JSONB(), "postgresql")),
        sa.column("scored_at", sa.DateTime()),
        sa.column("merged_into_id", sa.Integer()),
        sa.column("deleted", sa.Boolean()),
    )
    scored = (lead.c.scored_at.is_not(None), lead.c.merged_into_id.is_(None), ~lead.c.deleted)
    last = 0
    while True:
        rows = connection.execute(
            sa.select(lead.c.id, lead.c.facts)
            .where(*scored, lead.c.id > last)
            .order_by(lead.c.id)
            .limit(CHUNK)
        ).all()
        if not rows:
            break
        last = rows[-1].id
        connection.execute(
            known.insert(),
            [
                {"lead_id": r.id, "version": 1, "facts": facts_to_lines(facts_from_json(r.facts))}
                for r in rows
            ],
        )
    if last:
        connection.execute(change.insert().values(version=1, token="migration 0002"))


def downgrade() -> None:
    op.drop_table("lead_input")
    op.drop_table("input_change")
