"""Leads are due exactly when time changes them; bands with a capacity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WAITING = sa.text("waits_for <> ''")


def upgrade() -> None:
    op.drop_index(op.f("ix_lead_next_look_at"), "lead")
    op.alter_column("lead", "next_look_at", new_column_name="due_at")
    op.create_index(op.f("ix_lead_due_at"), "lead", ["due_at"])
    op.add_column("lead", sa.Column("next_band", sa.String(), nullable=False, server_default=""))
    op.add_column("lead", sa.Column("next_band_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("lead", sa.Column("waits_for", sa.String(), nullable=False, server_default=""))
    op.create_index(
        "ix_lead_waiting",
        "lead",
        ["score_value"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column("score_log", sa.Column("situation", json, nullable=True))
    op.create_table(
        "band_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("band", sa.String(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_band_entry_lead_id_lead")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_band_entry")),
    )
    op.create_index(op.f("ix_band_entry_entered_at"), "band_entry", ["entered_at"])
    op.create_index(op.f("ix_band_entry_lead_id"), "band_entry", ["lead_id"])
    op.create_table(
        "band_threshold",
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_band_threshold")),
    )


def downgrade() -> None:
    op.drop_table("band_threshold")
    op.drop_table("band_entry")
    op.drop_column("score_log", "situation")
    op.drop_index("ix_lead_waiting", "lead")
    op.drop_column("lead", "waits_for")
    op.drop_column("lead", "next_band_at")
    op.drop_column("lead", "next_band")
    op.drop_index(op.f("ix_lead_due_at"), "lead")
    op.alter_column("lead", "due_at", new_column_name="next_look_at")
    op.create_index(op.f("ix_lead_next_look_at"), "lead", ["next_look_at"])
