"""How a page that is open learns that something has changed.

It asks every few seconds, as long as somebody can see it, with the ETag of what it knows: one small read, no thread
that waits. Only when the change clock has moved does it fetch itself anew.
"""

from __future__ import annotations

from flask import Response, request

from sidecar.api import conditions
from sidecar.catalog import clock
from sidecar.catalog.engine import snapshot
from sidecar.web.pages import Pages, Visit

pages = Pages("live")


@pages.shows("/live")
def look(visit: Visit) -> Response:
    """Whether anything has changed."""
    with snapshot(visit.engine) as connection:
        tag = f"{clock.incarnation(connection).hex()[:8]}.{clock.read(connection)}"
    headers = {"ETag": conditions.quote(tag), "Cache-Control": "no-cache"}
    if conditions.is_current(request.headers.get("If-None-Match"), tag):
        return Response(status=304, headers=headers)
    return Response(tag, mimetype="text/plain", headers=headers)
