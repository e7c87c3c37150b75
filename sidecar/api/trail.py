"""The trail that people leave: around everything that lets them change something, an entry of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Engine

from sidecar.api.auth import Caller
from sidecar.api.problems import kind
from sidecar.catalog import audit
from sidecar.catalog.audit import Deed, Outcome
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.errors import CatalogUnavailable, Refused
from sidecar.logs import Log

T = TypeVar("T")

_log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """Who does what to what: ``action`` is the endpoint, ``target`` its path with what it names."""

    caller: Caller
    action: str
    target: str


def followed(
    engine: Engine,
    visit: Visit,
    read: Callable[[], dict[str, Any]],
    act: Callable[[dict[str, Any]], T],
    outcome: Callable[[T], Outcome],
) -> T:
    """Read what is asked for and act on it, and write both into the audit log: that it is tried, before, and what came
    of it, after. Where the log cannot be written, nothing is done."""
    try:
        values = read()
    except Refused as refused:
        _begin(engine, _deed(visit, None), _refused(refused.code))
        raise
    entry = _begin(engine, _deed(visit, values.get("body")))
    try:
        answer = act(values)
    except Refused as refused:
        _end(engine, entry, _refused(refused.code))
        raise
    except CatalogUnavailable:
        _end(engine, entry, _refused("unavailable"))
        raise
    except Exception:
        _end(engine, entry, _refused("internal"))
        raise
    _end(engine, entry, outcome(answer))
    return answer


def _deed(visit: Visit, body: msgspec.Struct | None) -> Deed:
    text = "" if body is None else msgspec.json.encode(body).decode()
    caller = visit.caller
    return Deed(caller.token, caller.name, caller.scope, visit.action, visit.target, text)


def _refused(code: str) -> Outcome:
    return Outcome(kind(code).status, code)


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
