"""What goes wrong at a page, as a page. What goes wrong in the API stays a problem for programs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from sidecar.api import failures, problems
from sidecar.errors import CatalogUnavailable, Refused
from sidecar.logs import Log
from sidecar.web import pages
from sidecar.web.pages import Visit

_log = Log(__name__)
_ROOTS_OF_PROGRAMS = ("/api/", "/healthz", "/readyz", "/openapi.json", "/metrics")


class Failure(NamedTuple):
    """What a page about a failure says."""

    status: int
    title: str
    sentence: str
    retry_after_s: int | None = None


_NOT_FOUND = "There is no page here. It may have been about something that is gone by now."
_AWAY = "The database does not answer, or is too busy. Nothing is lost by that; this page tries again by itself."
_FAULT = "This is a fault of the program. Its log has the details."


def install(app: Flask) -> None:
    """Have pages answer with pages, and leave everything else to the API."""
    _divide(app, Refused, failures.refused, _refused)
    _divide(app, CatalogUnavailable, failures.unavailable, _unavailable)
    _divide(app, HTTPException, failures.http, _http)
    _divide(app, Exception, failures.failed, _failed)


def is_for_programs() -> bool:
    """Whether the current request is one to the API."""
    return request.path.startswith(_ROOTS_OF_PROGRAMS)


def is_static() -> bool:
    """Whether the current request is for a file that came with the program."""
    return request.path.startswith("/static/")


def _divide(
    app: Flask, kind: type[Exception], for_programs: Callable[[Any], Response], for_people: Callable[[Any], Failure]
) -> None:
    def answer(error: Exception) -> Response:
        return for_programs(error) if is_for_programs() else _page(for_people(error))

    app.register_error_handler(kind, answer)


def _page(failure: Failure) -> Response:
    visit: Visit = g.get("visit") or _nobody(failure)
    response = pages.finish(visit, visit.render("failure.html", failure=failure), failure.status)
    if failure.retry_after_s is not None:
        response.headers["Retry-After"] = str(failure.retry_after_s)
    return response


def _nobody(failure: Failure) -> Visit:
    """A visit, by whoever it is if that can be told: that the database is away must be told without it."""
    if failure.status < 500:
        with contextlib.suppress(CatalogUnavailable):
            return pages.begin()
    return pages.begin(with_visitor=False)


def _refused(error: Refused) -> Failure:
    kind = problems.kind(error.code)
    if kind.status == 404:
        return Failure(404, "Not here", error.detail)
    title = "Not allowed" if kind.status == 403 else kind.title
    sentence = " ".join((error.detail, *(one.message for one in error.errors)))
    return Failure(kind.status, title, sentence)


def _unavailable(error: CatalogUnavailable) -> Failure:
    _log.warning("catalog.unavailable", problem=error)
    return Failure(503, "The database is away", _AWAY, error.retry_after_s)


def _http(error: HTTPException) -> Failure:
    """What the framework refuses by itself."""
    if error.code == 404:
        return Failure(404, "Not here", _NOT_FOUND)
    if error.code == 413:
        return Failure(413, "Too much at once", "The form is larger than any that these pages have.")
    return Failure(error.code or 500, error.name, error.description or "")


def _failed(error: Exception) -> Failure:
    _log.error("request.failed", error, method=request.method, route=request.endpoint)
    return Failure(500, "Something went wrong", _FAULT)
