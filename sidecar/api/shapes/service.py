"""Tokens, the audit log, settings and web hooks, as JSON shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret. ``owner``: it is limited to what belongs to them. ``previous_until``: until then
    the secret before the last rotation is good, too."""

    id: str
    name: str
    scope: str
    agent: str | None
    owner: str | None
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    previous_until: datetime | None


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was just made. ``token`` is shown this once; null for an agent's, which gets it by itself."""

    id: str
    name: str
    scope: str
    owner: str | None
    token: str | None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person did, or tried to do. ``who`` is the name of their token, or the command line; ``action``
    what they did, ``target`` where, ``body`` what they sent, as JSON, cut when it is long. ``status`` is what was
    answered, ``problem`` why it was refused, ``made`` where the new thing is. No ``status``: it runs, or the sidecar
    died meanwhile, and it may have taken effect.
    """

    id: str
    at: datetime
    who: str
    token_id: str | None
    scope: str
    action: str
    target: str
    body: str
    status: int | None
    problem: str | None
    made: str | None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings. The first times count verified-online time of a volume.

    In one place, as many files as ``guard_files`` or ``guard_percent`` of those that are there, whichever is more, may
    go within ``guard_window_s``; more are held. ``missing_grace_s`` is how long a proven absence waits until it shows,
    and ``retention_s`` how long a file is missing until it is removed from the catalog; null: for ever.

    The nightly work is done by ``scan_schedule``, a cron expression of five fields on the clock of ``scan_time_zone``,
    or "off".

    The times of ``…_kept_s`` are on the calendar: finished jobs, scans, gaps and what happened to volumes are kept for
    ``history_kept_s``, what is left of removed assets and deleted libraries for ``tombstones_kept_s``, the audit log
    for ``audit_kept_s``, messages to web hooks that are over for ``deliveries_kept_s``.
    """

    guard_files: int
    guard_percent: int
    guard_window_s: int
    missing_grace_s: int
    retention_s: int | None
    scan_schedule: str
    scan_time_zone: str
    history_kept_s: int
    tombstones_kept_s: int
    audit_kept_s: int
    deliveries_kept_s: int
    revision: int


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told what happens. ``reason`` says why it is disabled; ``failing_since``: nothing has arrived since."""

    id: str
    url: str
    description: str
    kinds: list[str]
    enabled: bool
    reason: str | None
    failing_since: datetime | None
    created_at: datetime
    revision: int


class NewWebhook(Webhook, frozen=True, kw_only=True):
    """A web hook with the secret that its messages are signed with. ``secret`` is shown this once."""

    secret: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message to a web hook. ``id`` is its ``webhook-id``; ``payload`` what it said. ``next_attempt_at`` is null when
    there will be none."""

    id: str
    kind: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    payload: dict[str, Any]
