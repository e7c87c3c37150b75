"""How a page that is open learns that something has changed.

It asks every few seconds, as long as somebody can see it, with the ETag of what it knows, which came with it: one small
read, no thread that waits. Only when the change clock has moved does it fetch itself anew.
"""

from __future__ import annotations

from flask import Response, request

from sidecar.api import conditions
from sidecar.web import freshness
from sidecar.web.pages import Pages, Visit

pages = Pages("live")


@pages.shows("/live")
def look(visit: Visit) -> Response:
    """Whether anything has changed."""
    tag = freshness.tag(visit.engine)
    headers = {"ETag": conditions.quote(tag), "Cache-Control": "no-cache"}
    if conditions.is_current(request.headers.get("If-None-Match"), tag):
        return Response(status=304, headers=headers)
    return Response(tag, mimetype="text/plain", headers=headers)
