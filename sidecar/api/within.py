"""Endpoints, asked from within the process: with the same checks, and the same trail, as over HTTP.

The web pages have no way of their own into the catalog for what the API does already. What a person may do at a page
and by a token cannot come apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from holdfast import ids
from sidecar.api import auth, trail
from sidecar.api.auth import Caller
from sidecar.api.endpoint import Answer, Call, Route, Services, placed
from sidecar.catalog.audit import Outcome
from sidecar.errors import Refused

_NAMED = re.compile(r"<(?:int:)?(\w+)>")


def ask(
    services: Services,
    caller: Caller,
    endpoint: Callable[..., Any],
    /,
    *,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    **named: bytes,
) -> Any:
    """What an endpoint answers to this caller; ``named`` are the values in its path. ``query`` and ``body`` are as they
    would be sent. Raises :class:`Refused`, as the endpoint does."""
    route = next(one for one in services.routes if one.function is endpoint)

    def read() -> dict[str, Any]:
        if route.scope is not None:
            auth.check(caller, route.scope, route.limited)
        return named | _given("query", route.query, query or {}) | _given("body", route.body, body or {})

    def act(values: dict[str, Any]) -> Any:
        return endpoint(Call(services, caller, headers or {}), **values)

    if not route.is_audited:
        return _answer(route, act(read()))
    visit = trail.Visit(caller, endpoint.__name__, _path(route, named))
    return _answer(route, trail.followed(services.engine, visit, read, act, lambda answer: _outcome(route, answer)))


def _given(name: str, kind: type[msgspec.Struct] | None, values: Mapping[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    try:
        return {name: msgspec.convert(dict(values), kind, strict=name == "body")}
    except msgspec.ValidationError as error:
        code = "invalid-body" if name == "body" else "bad-query"
        raise Refused(code, "It does not fit, see the errors.", errors=[placed(error)]) from error


def _answer(route: Route, answer: Any) -> Any:
    body = answer.body if isinstance(answer, Answer) else answer
    return msgspec.json.decode(bytes(body), type=route.returns) if isinstance(body, msgspec.Raw) else body


def _outcome(route: Route, answer: Any) -> Outcome:
    if isinstance(answer, Answer):
        return Outcome(answer.status, made=answer.headers.get("Location"))
    return Outcome(route.status)


def _path(route: Route, named: Mapping[str, bytes]) -> str:
    """The path that a request over HTTP would have."""

    def spelled(found: re.Match[str]) -> str:
        value = named[found[1]]
        return ids.to_text(found[1], value) if found[1] in ids.PREFIXES else str(value)

    return _NAMED.sub(spelled, route.path)
