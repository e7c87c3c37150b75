"""Tokens, the audit log and web hooks, from rows of the catalog."""

from __future__ import annotations

import msgspec

from holdfast import ids
from sidecar.api import shapes
from sidecar.api.shapes import moment, moment_or_none
from sidecar.catalog import webhooks
from sidecar.catalog.columns import AnyRow


def token(row: AnyRow) -> shapes.Token:
    """A token."""
    return shapes.Token(
        id=ids.to_text("token", row.id),
        name=row.name,
        scope=row.scope,
        agent=None if row.agent_id is None else ids.to_text("agent", row.agent_id),
        owner=row.owner,
        created_at=moment(row.created_at),
        used_at=moment_or_none(row.used_at),
        revoked_at=moment_or_none(row.revoked_at),
        previous_until=moment_or_none(row.previous_until),
    )


def audit_entry(row: AnyRow) -> shapes.AuditEntry:
    """An entry of the audit log."""
    return shapes.AuditEntry(
        id=ids.to_text("audit", row.id),
        at=moment(row.at),
        who=row.who,
        token_id=None if row.token_id is None else ids.to_text("token", row.token_id),
        scope=row.scope,
        action=row.action,
        target=row.target,
        body=row.body,
        status=row.status,
        problem=row.problem,
        made=row.made,
    )


def webhook(row: AnyRow) -> shapes.Webhook:
    """A web hook, without its secrets."""
    return shapes.Webhook(
        id=ids.to_text("webhook", row.id),
        url=row.url,
        description=row.description,
        kinds=webhooks.kinds_of(row),
        enabled=row.state == webhooks.ACTIVE,
        reason=row.reason or None,
        failing_since=moment_or_none(row.failing_since),
        created_at=moment(row.created_at),
        revision=row.revision,
    )


def delivery(row: AnyRow) -> shapes.Delivery:
    """A message to a web hook."""
    return shapes.Delivery(
        id=ids.to_text("delivery", row.id),
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        created_at=moment(row.created_at),
        last_attempt_at=moment_or_none(row.last_at),
        next_attempt_at=moment(row.next_at) if row.state == webhooks.PENDING else None,
        last_status=row.last_status,
        last_error=row.last_error or None,
        payload=msgspec.json.decode(row.body),
    )
