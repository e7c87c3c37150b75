"""``Idempotency-Key``: whatever a request with one makes is made once, however often it is sent within a day."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from sidecar.api.endpoint import Call
from sidecar.catalog import idempotency
from sidecar.catalog.engine import transact
from sidecar.catalog.idempotency import Answer

HEADER = "Idempotency-Key"


def make(call: Call, what: bytes, body: msgspec.Struct, now: int, work: Callable[[Connection], Answer]) -> Answer:
    """The answer of ``work``, in a transaction; or the one that was given under the key of this request before.
    ``what`` tells keys of different calls apart. Raises :class:`Refused` for a key that came with another body."""
    text = call.header(HEADER)
    key = None if text is None else idempotency.digest(call.caller.token or b"", what, text.encode())
    content = idempotency.digest(msgspec.json.encode(body))

    def once(connection: Connection) -> Answer:
        given = None if key is None else idempotency.find(connection, key, content, now)
        if given is not None:
            return given
        answer = work(connection)
        if key is not None:
            idempotency.keep(connection, key, content, answer, now)
        return answer

    try:
        return transact(call.engine, once)
    except IntegrityError:
        # Two requests of the same at the same moment: what the other one made is there now.
        return transact(call.engine, once)
