"""The tables of agents, of the volumes that they see, and of what they said of them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from holdfast.volumes import VolumeState
from sidecar.catalog import columns as c
from sidecar.catalog.tables.schema import ENGINES, feed_columns, metadata, one_of

SCOPES = ("enrol", "agent", "reader", "operator", "admin")

agent = Table(
    "agent",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("name", c.line(128), nullable=False, unique=True),
    Column("host", c.line(255), nullable=False),
    Column("version", c.line(64), nullable=False),
    Column("protocol", c.number(), nullable=False),
    Column("capabilities", c.text(), nullable=False),
    Column("enrolled_at", c.moment(), nullable=False),
    Column("heartbeats", c.number(), nullable=False),
    Column("last_seen", c.moment()),
    Column("silent_since", c.moment()),
    Column("revoked_at", c.moment()),
    Column("revision", c.number(), nullable=False),
    *feed_columns("agent"),
    **ENGINES,
)

token = Table(
    "token",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("digest", c.fixed(32), nullable=False, unique=True),
    Column("name", c.line(128), nullable=False),
    Column("scope", c.word(), nullable=False),
    Column("agent_id", c.identifier(), ForeignKey("agent.id")),
    Column("created_at", c.moment(), nullable=False),
    Column("used_at", c.moment()),
    Column("revoked_at", c.moment()),
    # Whose libraries a reader is limited to; NULL: it sees all.
    Column("owner", c.line(255)),
    # The secret before the last rotation, and until when it still opens.
    Column("previous_digest", c.fixed(32)),
    Column("previous_until", c.moment()),
    one_of("scope", SCOPES),
    CheckConstraint("(scope = 'agent') = (agent_id IS NOT NULL)", name="agent"),
    Index("ix_token_previous_digest", "previous_digest"),
    **ENGINES,
)

volume = Table(
    "volume",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    # The writer. All but the columns of the feed is what it says.
    Column("agent_id", c.identifier(), ForeignKey("agent.id"), nullable=False),
    Column("label", c.line(255), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("reason", c.word(), nullable=False),
    Column("detail", c.text(), nullable=False),
    Column("since", c.moment(), nullable=False),
    Column("identity", c.text(), nullable=False),
    Column("epoch", c.text()),
    Column("mounted_at", c.path()),
    Column("last_mounted_at", c.path()),
    Column("total_bytes", c.number()),
    Column("free_bytes", c.number()),
    Column("pending", c.number(), nullable=False),
    one_of("state", VolumeState),
    *feed_columns("volume"),
    # Verified-online time in microseconds (R24). A figure, not news: it grows without a change number.
    Column("online_us", c.number(), nullable=False, server_default="0"),
    **ENGINES,
)

# What each agent says of each volume that it sees.
volume_agent = Table(
    "volume_agent",
    metadata,
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("agent_id", c.identifier(), ForeignKey("agent.id"), nullable=False),
    # Of the last time that the agent became the writer; 0 when it never did. The writer's is the highest of a volume.
    Column("fence", c.number(), nullable=False),
    Column("version", c.number(), nullable=False),
    Column("label", c.line(255), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("reason", c.word(), nullable=False),
    Column("detail", c.text(), nullable=False),
    Column("since", c.moment(), nullable=False),
    Column("identity", c.text(), nullable=False),
    Column("epoch", c.text()),
    Column("mounted_at", c.path()),
    Column("last_mounted_at", c.path()),
    Column("total_bytes", c.number()),
    Column("free_bytes", c.number()),
    Column("pending", c.number(), nullable=False),
    PrimaryKeyConstraint("volume_id", "agent_id"),
    one_of("state", VolumeState),
    Index("ix_volume_agent_agent_id", "agent_id"),
    **ENGINES,
)

volume_transition = Table(
    "volume_transition",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("from_state", c.word()),
    Column("to_state", c.word(), nullable=False),
    Column("reason", c.word(), nullable=False),
    Column("detail", c.text(), nullable=False),
    Column("mounted_at", c.path()),
    Column("epoch", c.text()),
    Column("at", c.moment(), nullable=False),
    Index("ix_volume_transition_volume_id", "volume_id", "id"),
    **ENGINES,
)

stream = Table(
    "stream",
    metadata,
    Column("volume_id", c.identifier(), nullable=False),
    Column("journal", c.identifier(), nullable=False),
    Column("expected", c.number(), nullable=False),
    Column("digest", c.fixed(32)),
    Column("started_at", c.moment(), nullable=False),
    Column("last_report_at", c.moment()),
    PrimaryKeyConstraint("volume_id", "journal"),
    **ENGINES,
)

scan = Table(
    "scan",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("directory", c.path(), nullable=False),
    Column("mode", c.word()),
    Column("started_at", c.moment(), nullable=False),
    Column("finished_at", c.moment()),
    Column("complete", c.number()),
    Column("directories", c.number()),
    Column("files", c.number()),
    Column("errors", c.number()),
    one_of("mode", ("new", "changed", "full")),
    Index("ix_scan_volume_id", "volume_id", "id"),
    Index("ix_scan_complete", "volume_id", "complete", "id"),
    *feed_columns("scan"),
    **ENGINES,
)

gap = Table(
    "gap",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("directory", c.path(), nullable=False),
    Column("reason", c.text(), nullable=False),
    Column("at", c.moment(), nullable=False),
    *feed_columns("gap"),
    **ENGINES,
)
