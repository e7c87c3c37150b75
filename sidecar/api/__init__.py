"""The REST API: one module a resource, and what they share.

``endpoint`` turns requests into typed calls, ``shapes`` are the resources as JSON shows them, ``render`` makes them
from rows, ``problems`` are all errors there are, ``openapi`` describes everything from the same source.
"""

from __future__ import annotations

from flask import Flask, Response, request
from sqlalchemy import Engine
from werkzeug.exceptions import HTTPException

from holdfast.problems import Problem
from sidecar.api import (
    agent,
    agents,
    assets,
    audit,
    changes,
    health,
    holds,
    jobs,
    libraries,
    metrics,
    preview,
    problems,
    removal,
    scans,
    settings,
    statistics,
    streams,
    tokens,
    uploads,
    validation,
    volumes,
    webhooks,
)
from sidecar.api.endpoint import Resource, Services, install
from sidecar.api.forwarded import Forwarded
from sidecar.catalog.engine import connect
from sidecar.catalog.waiting import Doorbell
from sidecar.config import Config
from sidecar.errors import CatalogUnavailable, Refused
from sidecar.forwarding import Proxies, parse
from sidecar.logs import Log

RESOURCES: tuple[Resource, ...] = (
    health.resource,
    metrics.resource,
    libraries.resource,
    validation.resource,
    preview.resource,
    scans.resource,
    assets.resource,
    uploads.resource,
    volumes.resource,
    holds.resource,
    jobs.resource,
    removal.resource,
    changes.resource,
    statistics.resource,
    settings.resource,
    tokens.resource,
    audit.resource,
    webhooks.resource,
    agents.resource,
    agent.resource,
    streams.resource,
)

_log = Log(__name__)
_CODES = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def create_app(source: Engine | Config) -> Flask:
    """The application, on an engine or on the database that a configuration names. Nothing is migrated here."""
    engine = connect(source.database) if isinstance(source, Config) else source
    proxies = parse(source.trusted_proxies) if isinstance(source, Config) else Proxies()
    app = Flask("sidecar", static_folder=None)
    # No request is answered with a redirect that the framework made up.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    routes = [route for resource in RESOURCES for route in resource.routes]
    is_open = isinstance(source, Config) and source.metrics_open
    install(app, Services(engine, Doorbell(engine), routes, frozenset([metrics.PATH] if is_open else [])))
    metrics.count_answers(app)
    app.wsgi_app = Forwarded(app.wsgi_app, proxies)  # type: ignore[method-assign]
    for resource in RESOURCES:
        app.register_blueprint(resource)
    app.after_request(_bare)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(CatalogUnavailable, _unavailable)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _failed)
    return app


def _bare(response: Response) -> Response:
    """No browser may take names for a page: what is sent is what its type says."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _refused(error: Refused) -> Response:
    problem = problems.make(error.code, error.detail, error.errors, error.expected, error.digest, error.existing)
    return problems.respond(problem, error.retry_after_s or (5 if problem.status == 503 else None))


def _unavailable(error: CatalogUnavailable) -> Response:
    _log.warning("catalog.unavailable", problem=error)
    problem = problems.make("unavailable", "The database does not answer or is too busy. Try again in a moment.")
    return problems.respond(problem, error.retry_after_s)


def _http(error: HTTPException) -> Response:
    """What the framework refuses by itself: unknown paths, methods, headers that cannot be read."""
    status = error.code or 500
    code = _CODES.get(status, "bad-request" if status < 500 else "internal")
    made = problems.make(code, error.description or "")
    response = problems.respond(Problem(type=made.type, title=made.title, status=status, detail=made.detail))
    allow = getattr(error, "valid_methods", None)
    if allow:
        response.headers["Allow"] = ", ".join(sorted(allow))
    return response


def _failed(error: Exception) -> Response:
    """The one place where an unforeseen failure ends: it is logged whole, and told to nobody."""
    _log.error("request.failed", error, method=request.method, route=request.endpoint)
    detail = "This is a fault of the program. Its log has the details."
    return problems.respond(problems.make("internal", detail))
