"""The trail that people leave: around every endpoint that lets them change something, an entry of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response, request
from sqlalchemy import Engine

from sidecar.api.auth import Caller
from sidecar.api.problems import TYPES
from sidecar.catalog import audit
from sidecar.catalog.audit import Deed, Outcome
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.errors import CatalogUnavailable, Refused
from sidecar.logs import Log

_log = Log(__name__)


def followed(
    engine: Engine,
    caller: Caller,
    action: str,
    read: Callable[[], dict[str, Any]],
    act: Callable[[dict[str, Any]], Response],
) -> Response:
    """Read the current request and act on it, and write both into the audit log: that it is tried, before, and what
    came of it, after. Where the log cannot be written, nothing is done."""
    try:
        values = read()
    except Refused as refused:
        _begin(engine, _deed(caller, action, None), _refused(refused.code))
        raise
    entry = _begin(engine, _deed(caller, action, values.get("body")))
    try:
        response = act(values)
    except Refused as refused:
        _end(engine, entry, _refused(refused.code))
        raise
    except CatalogUnavailable:
        _end(engine, entry, _refused("unavailable"))
        raise
    except Exception:
        _end(engine, entry, _refused("internal"))
        raise
    _end(engine, entry, Outcome(response.status_code, made=response.headers.get("Location")))
    return response


def _deed(caller: Caller, action: str, body: msgspec.Struct | None) -> Deed:
    text = "" if body is None else msgspec.json.encode(body).decode()
    return Deed(caller.token, caller.name, caller.scope, action, request.path, text)


def _refused(code: str) -> Outcome:
    return Outcome(TYPES[code].status, code)


def _begin(engine: Engine, deed: Deed, outcome: Outcome | None = None) -> bytes:
    now = now_us()
    entry = audit.new_entry(now)
    transact(engine, lambda connection: audit.begin(connection, deed, entry, now, outcome))
    return entry


def _end(engine: Engine, entry: bytes, outcome: Outcome) -> None:
    try:
        transact(engine, lambda connection: audit.end(connection, entry, outcome))
    except CatalogUnavailable as error:
        # What was done is done, and its entry says that it was begun.
        _log.warning("audit.left_open", problem=error)
