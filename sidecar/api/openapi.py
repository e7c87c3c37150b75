"""The OpenAPI 3.1 document, made of the endpoints' own descriptions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from holdfast import __version__
from holdfast.assignments import FENCE_HEADER
from holdfast.problems import CONTENT_TYPE, Problem
from holdfast.reports import Report
from sidecar.api.endpoint import Route
from sidecar.api.problems import TYPES

_VARIABLE = re.compile(r"<(?:(\w+):)?(\w+)>")
_REFERENCE = "#/components/schemas/{name}"
_HEADERS = {
    "If-None-Match": "The ETag of the state that is known; 304 when it is still the one.",
    "If-Match": "The ETag of the state that is to be changed; 412 when it is no more.",
    "Idempotency-Key": "A repeat under the same key, within a day, gives the same answer and does nothing.",
    "Prefer": "wait=N: how many seconds to wait for news.",
    "Content-Encoding": "gzip or identity.",
    FENCE_HEADER: "The fence of the grant that the agent goes by, from the answer to a heartbeat.",
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document."""
    kinds = [kind for route in routes for kind in (route.returns, route.body, route.query) if kind not in (None, dict)]
    _, components = msgspec.json.schema_components([*kinds, Report, Problem], ref_template=_REFERENCE)
    queries = {route.query.__name__ for route in routes if route.query is not None}
    schemas = {name: schema for name, schema in components.items() if name not in queries}
    operations: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        operations[_VARIABLE.sub(r"{\2}", route.path)][route.method.lower()] = _operation(route, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": __version__,
            "description": "Tells photo servers the truth about their storage.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(operations.items())),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def problems_of(route: Route) -> list[str]:
    """The codes of all problems that an endpoint can answer with."""
    codes = {"bad-query", "internal", "unavailable", *route.problems}
    if route.scope is not None:
        codes |= {"unauthorized", "forbidden", "too-many-tries"}
    if _VARIABLE.search(route.path):
        codes.add("not-found")
    if route.body is not None:
        codes |= {"malformed-json", "invalid-body", "too-large"}
    return sorted(codes)


def _operation(route: Route, components: dict[str, Any]) -> dict[str, Any]:
    summary, _, rest = (route.function.__doc__ or "").strip().partition("\n")
    operation: dict[str, Any] = {
        "operationId": route.function.__name__,
        "summary": summary,
        "tags": [route.function.__module__.rpartition(".")[2]],
        "parameters": _parameters(route, components),
        "responses": _responses(route),
    }
    description = " ".join(rest.split())
    if description:
        operation["description"] = description
    if route.scope is not None:
        operation["security"] = [{"bearer": []}, {"key": []}]
        operation["x-scope"] = route.scope.value
        operation["x-owner-limited"] = route.limited
        operation["x-audited"] = route.is_audited
    body = Report if route.raw else route.body
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(body)}}}
    return operation


def _parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if converter == "int" else {"type": "string"},
        }
        for converter, name in _VARIABLE.findall(route.path)
    ]
    if route.query is not None:
        properties = components[route.query.__name__]["properties"]
        found += [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
    found += [
        {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in route.headers
        # OpenAPI describes content codings elsewhere, but a client still has to know about this one.
    ]
    return found


def _responses(route: Route) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if route.returns is not None:
        kind = "text/plain" if route.returns is str else "application/json"
        good["content"] = {kind: {"schema": _schema(route.returns)}}
    responses = {str(route.status): good}
    if "If-None-Match" in route.headers:
        responses["304"] = {"description": "What you have is still the current state."}
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in problems_of(route):
        by_status[TYPES[code].status].append(code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {
            "description": "; ".join(f"{code}: {TYPES[code].title}" for code in codes),
            "content": {CONTENT_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
        }
    return responses


def _schema(kind: Any) -> dict[str, Any]:
    if kind is dict:
        return {"type": "object"}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return schema
