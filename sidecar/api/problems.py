"""The problems that the API answers with: all of them, with status and title (RFC 9457)."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from flask import Response

from holdfast.problems import CONTENT_TYPE, DOCS, PlacedError, Problem
from sidecar.counting import Counter


class ProblemType(NamedTuple):
    """A kind of problem: HTTP status, and a title that never changes."""

    status: int
    title: str


TYPES: dict[str, ProblemType] = {
    "malformed-json": ProblemType(400, "The body is not JSON"),
    "malformed-body": ProblemType(400, "The body cannot be read"),
    "bad-query": ProblemType(400, "The query is not understood"),
    "bad-cursor": ProblemType(400, "The cursor is not one of this list"),
    "unauthorized": ProblemType(401, "A valid token is needed"),
    "forbidden": ProblemType(403, "The token does not allow this"),
    "two-writers": ProblemType(403, "The volume belongs to another agent"),
    "not-found": ProblemType(404, "There is no such thing"),
    "method-not-allowed": ProblemType(405, "This cannot be done here"),
    "sequence-mismatch": ProblemType(409, "The report is out of order"),
    "stream-diverged": ProblemType(409, "The report differs from the one applied"),
    "agent-name-taken": ProblemType(409, "The name belongs to another agent"),
    "hold-changed": ProblemType(409, "The hold is another set by now"),
    "not-rotatable": ProblemType(409, "The token cannot be given another secret"),
    "hold-closed": ProblemType(409, "The hold was decided about already"),
    "job-not-cancellable": ProblemType(409, "The job cannot be cancelled"),
    "job-not-undoable": ProblemType(409, "The job cannot be undone"),
    "duplicate-content": ProblemType(409, "The library has this content already"),
    "not-an-upload": ProblemType(409, "This is for uploads only"),
    "owner-exists": ProblemType(409, "The library goes with its owner"),
    "not-restorable": ProblemType(409, "The asset cannot be brought back"),
    "path-taken": ProblemType(409, "Another asset has the path now"),
    "cursor-expired": ProblemType(410, "The cursor is of another catalog, or too old"),
    "precondition-failed": ProblemType(412, "It was changed meanwhile"),
    "too-large": ProblemType(413, "The body is too large"),
    "unsupported-encoding": ProblemType(415, "The content encoding is not supported"),
    "invalid-body": ProblemType(422, "The body does not fit"),
    "invalid-report": ProblemType(422, "The report cannot be true"),
    "idempotency-conflict": ProblemType(422, "The idempotency key was used for something else"),
    "too-many-tries": ProblemType(429, "Too many wrong tokens"),
    "overloaded": ProblemType(429, "Too much comes at once"),
    "bad-request": ProblemType(400, "The request is not understood"),
    "internal": ProblemType(500, "Something went wrong here"),
    "not-ready": ProblemType(503, "It is being prepared"),
    "unavailable": ProblemType(503, "The database does not answer"),
}


REFUSALS = Counter(
    "holdfast_problems_total",
    "Requests that were answered with a problem, by its code.",
    ("problem",),
    tuple((code,) for code in sorted(TYPES)),
)
# What the pages and the command line refuse, and no endpoint does.
_ELSEWHERE: dict[str, ProblemType] = {
    "account-exists": ProblemType(409, "The name belongs to another account"),
    "too-many-attempts": ProblemType(429, "Too many attempts"),
}


def kind(code: str) -> ProblemType:
    """The kind of problem that a refusal is, wherever it was made."""
    return _ELSEWHERE[code] if code in _ELSEWHERE else TYPES[code]


def make(
    code: str,
    detail: str,
    errors: list[PlacedError] | None = None,
    expected: int | None = None,
    digest: str | None = None,
    existing: str | None = None,
) -> Problem:
    """A problem of a known kind."""
    status, title = TYPES[code]
    return Problem(
        type=DOCS + code,
        title=title,
        status=status,
        detail=detail,
        errors=errors or [],
        expected=expected,
        digest=digest,
        existing=existing,
    )


def respond(problem: Problem, retry_after_s: int | None = None) -> Response:
    """A problem as a response."""
    REFUSALS.add(problem.type.removeprefix(DOCS))
    response = Response(msgspec.json.encode(problem), problem.status, content_type=CONTENT_TYPE)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="holdfast"'
    elif problem.status == 403:
        response.headers["WWW-Authenticate"] = 'Bearer realm="holdfast", error="insufficient_scope"'
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response
