"""Checking web hooks: that a message comes from the sidecar, and is new (Standard Webhooks 1.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import datetime

import msgspec

from holdfast.client.errors import HoldfastError

# Older messages, and those from the future, may be recorded ones that somebody sends again.
TOLERANCE_S = 300
_PREFIX = "whsec_"


class BadSignature(HoldfastError):
    """The message is not from the sidecar, was changed on its way, or is too old. Answer 401 and do nothing."""


class _Data(msgspec.Struct, frozen=True):
    ids: list[str]
    count: int
    since: str


class _Message(msgspec.Struct, frozen=True):
    type: str
    timestamp: datetime
    data: _Data


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a web hook says: something of this kind happened to ``count`` things, of which ``ids`` are the first.

    ``id`` is the same when a message comes again. It only rings the bell: read the feed on from your own cursor, or
    from ``since``.
    """

    id: str
    kind: str
    at: datetime
    ids: list[str]
    count: int
    since: str


def verify(body: bytes, headers: Mapping[str, str], secret: str, now: float | None = None) -> Notification:
    """The message in the body of a request, if it was signed with ``secret`` (``whsec_…``) within five minutes of
    ``now``, in Unix time. Raises :class:`BadSignature`."""
    given = {name.lower(): value for name, value in headers.items()}
    message_id, at, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not message_id or not (at.isascii() and at.isdecimal() and len(at) < 20):
        raise BadSignature("The headers webhook-id and webhook-timestamp are missing or no good.")
    if abs((time.time() if now is None else now) - int(at)) > TOLERANCE_S:
        raise BadSignature("The message is too old, or the clocks differ by more than five minutes.")
    signed = b".".join((message_id.encode(), at.encode(), body))
    expected = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
    candidates = (one.removeprefix("v1,").encode() for one in signatures.split() if one.startswith("v1,"))
    if not any(hmac.compare_digest(expected, one) for one in candidates):
        raise BadSignature("No signature fits.")
    try:
        said = msgspec.json.decode(body, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSignature(f"The message is signed, but not of this version: {error}") from error
    data = said.data
    return Notification(
        id=message_id, kind=said.type, at=said.timestamp, ids=data.ids, count=data.count, since=data.since
    )


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret of a web hook looks like whsec_…, with base64 behind it") from error
