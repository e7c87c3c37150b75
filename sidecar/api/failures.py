"""What goes wrong, as problems that programs understand (RFC 9457)."""

from __future__ import annotations

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from holdfast.problems import Problem
from sidecar.api import problems
from sidecar.errors import CatalogUnavailable, Refused
from sidecar.logs import Log

_log = Log(__name__)
_CODES = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def install(app: Flask) -> None:
    """Answer with problems, whatever goes wrong."""
    app.after_request(_bare)
    app.register_error_handler(Refused, refused)
    app.register_error_handler(CatalogUnavailable, unavailable)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, failed)


def _bare(response: Response) -> Response:
    """No browser may take names for a page: what is sent is what its type says."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def refused(error: Refused) -> Response:
    """A request that is refused."""
    problem = problems.make(error.code, error.detail, error.errors, error.expected, error.digest, error.existing)
    return problems.respond(problem, error.retry_after_s or (5 if problem.status == 503 else None))


def unavailable(error: CatalogUnavailable) -> Response:
    """The database is away."""
    _log.warning("catalog.unavailable", problem=error)
    return problems.respond(problems.make("unavailable", error.said), error.retry_after_s)


def http(error: HTTPException) -> Response:
    """What the framework refuses by itself: unknown paths, methods, headers that cannot be read."""
    status = error.code or 500
    code = _CODES.get(status, "bad-request" if status < 500 else "internal")
    made = problems.make(code, error.description or "")
    response = problems.respond(Problem(type=made.type, title=made.title, status=status, detail=made.detail))
    allow = getattr(error, "valid_methods", None)
    if allow:
        response.headers["Allow"] = ", ".join(sorted(allow))
    return response


def failed(error: Exception) -> Response:
    """The one place where an unforeseen failure ends: it is logged whole, and told to nobody."""
    _log.error("request.failed", error, method=request.method, route=request.endpoint)
    detail = "This is a fault of the program. Its log has the details."
    return problems.respond(problems.make("internal", detail))
