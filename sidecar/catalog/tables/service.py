"""The tables of the sidecar itself: its clock, its settings, its deliveries, its leases, and its audit log."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table

from holdfast.scans import ScanMode
from sidecar.catalog import columns as c
from sidecar.catalog.tables.schema import ENGINES, metadata, one_of
from sidecar.jobs import UNFINISHED, JobState

clock = Table(
    "clock",
    metadata,
    Column("id", c.number(), primary_key=True, autoincrement=False),
    Column("value", c.number(), nullable=False),
    Column("incarnation", c.identifier(), nullable=False),
    # Something that the feed has shown with this number or a lower one was forgotten since.
    Column("forgotten_until", c.number(), nullable=False, server_default="0"),
    CheckConstraint("id = 1", name="one_row"),
    **ENGINES,
)

# NULL is the default of the program, and there is no row before somebody set something.
setting = Table(
    "setting",
    metadata,
    Column("id", c.number(), primary_key=True, autoincrement=False),
    Column("guard_files", c.number()),
    Column("guard_percent", c.number()),
    Column("guard_window_s", c.number()),
    Column("missing_grace_s", c.number()),
    Column("revision", c.number(), nullable=False),
    Column("retention_s", c.number()),
    Column("scan_schedule", c.line(128)),
    Column("scan_time_zone", c.line(64)),
    Column("history_kept_s", c.number()),
    Column("tombstones_kept_s", c.number()),
    Column("audit_kept_s", c.number()),
    Column("deliveries_kept_s", c.number()),
    CheckConstraint("id = 1", name="one_row"),
    **ENGINES,
)

# Up to when a schedule was followed, on the clock of the database: what fell due later is still to be done.
schedule = Table(
    "schedule",
    metadata,
    Column("name", c.word(), primary_key=True),
    Column("followed_until", c.moment(), nullable=False),
    **ENGINES,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_digest", c.fixed(32), primary_key=True),
    Column("body_digest", c.fixed(32), nullable=False),
    Column("status", c.number(), nullable=False),
    Column("location", c.text(), nullable=False),
    Column("body", c.text(), nullable=False),
    Column("at", c.moment(), nullable=False),
    Index("ix_idempotency_at", "at"),
    **ENGINES,
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("url", c.line(2048), nullable=False),
    Column("description", c.line(255), nullable=False),
    Column("kinds", c.text(), nullable=False),
    Column("secrets", c.text(), nullable=False),
    Column("cursor", c.number(), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("reason", c.text(), nullable=False),
    Column("failing_since", c.moment()),
    Column("created_at", c.moment(), nullable=False),
    Column("revision", c.number(), nullable=False),
    one_of("state", ("active", "disabled")),
    **ENGINES,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("webhook_id", c.identifier(), ForeignKey("webhook.id"), nullable=False),
    Column("kind", c.word(), nullable=False),
    Column("body", c.text(), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("attempts", c.number(), nullable=False),
    Column("created_at", c.moment(), nullable=False),
    Column("next_at", c.moment(), nullable=False),
    Column("last_at", c.moment()),
    Column("last_status", c.number()),
    Column("last_error", c.text(), nullable=False),
    one_of("state", ("pending", "delivered", "failed")),
    Index("ix_delivery_webhook_id", "webhook_id", "id"),
    Index("ix_delivery_due", "webhook_id", "state", "next_at"),
    **ENGINES,
)

# What people have changed, or tried to. It refers to nothing by a foreign key: it outlives what it tells of.
audit = Table(
    "audit",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("at", c.moment(), nullable=False),
    Column("token_id", c.identifier()),
    Column("who", c.line(128), nullable=False),
    Column("scope", c.word(), nullable=False),
    Column("action", c.line(64), nullable=False),
    Column("target", c.text(), nullable=False),
    Column("body", c.text(), nullable=False),
    # NULL while it runs; and for good, if the sidecar died meanwhile.
    Column("status", c.number()),
    Column("problem", c.word()),
    Column("made", c.text()),
    Index("ix_audit_token_id", "token_id", "id"),
    Index("ix_audit_action", "action", "id"),
    Index("ix_audit_token_action", "token_id", "action", "id"),
    **ENGINES,
)

lease = Table(
    "lease",
    metadata,
    Column("name", c.line(64), primary_key=True),
    Column("holder", c.identifier(), nullable=False),
    Column("fence", c.number(), nullable=False),
    Column("beat", c.number(), nullable=False),
    **ENGINES,
)

# Long work, one row a job. ``position`` is where it goes on after a crash; only its kind knows what that means.
job = Table(
    "job",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("kind", c.word(), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("library_id", c.identifier(), ForeignKey("library.id")),
    Column("requested_by", c.line(255), nullable=False),
    Column("position", c.text()),
    Column("done", c.number(), nullable=False),
    Column("total", c.number()),
    Column("result", c.text(), nullable=False),
    Column("error", c.text()),
    Column("created_at", c.moment(), nullable=False),
    Column("started_at", c.moment()),
    Column("finished_at", c.moment()),
    # What the job was asked for, beyond its kind; JSON.
    Column("parameters", c.text()),
    one_of("state", JobState),
    CheckConstraint(
        f"(state IN ({', '.join(repr(str(one)) for one in UNFINISHED)})) = (finished_at IS NULL)", name="finished"
    ),
    Index("ix_job_of_library", "library_id", "id"),
    Index("ix_job_of_library_state", "library_id", "state", "id"),
    Index("ix_job_state", "state", "id"),
    **ENGINES,
)

# What an agent is asked to look at, and what it said: ``message`` is the sentence against the path, if there is one.
inquiry = Table(
    "inquiry",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("agent_id", c.identifier(), ForeignKey("agent.id"), nullable=False),
    Column("path", c.path(), nullable=False),
    Column("asked_at", c.moment(), nullable=False),
    Column("is_answered", c.number(), nullable=False),
    Column("message", c.text()),
    Index("ix_inquiry_agent_id", "agent_id"),
    **ENGINES,
)

# A part of a scan that somebody asks for: one place of one volume, wanted until it has ended. Without a job it is a
# look at a file that somebody waits for. ``fraction`` is in millionths; ``complete`` is NULL for what was not done.
wanted_scan = Table(
    "wanted_scan",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("job_id", c.identifier(), ForeignKey("job.id")),
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("directory", c.path(), nullable=False),
    Column("name", c.path()),
    Column("mode", c.word(), nullable=False),
    Column("asked_at", c.moment(), nullable=False),
    Column("started_at", c.moment()),
    Column("ended_at", c.moment()),
    Column("fraction", c.number(), nullable=False),
    Column("directories", c.number(), nullable=False),
    Column("files", c.number(), nullable=False),
    Column("errors", c.number(), nullable=False),
    Column("complete", c.number()),
    Column("problems", c.text(), nullable=False),
    one_of("mode", ScanMode),
    CheckConstraint("complete IS NULL OR ended_at IS NOT NULL", name="ended"),
    Index("ix_wanted_scan_job_id", "job_id"),
    Index("ix_wanted_scan_volume_id", "volume_id"),
    Index("ix_wanted_scan_ended_at", "ended_at"),
    **ENGINES,
)
