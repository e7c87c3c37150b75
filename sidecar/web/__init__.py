"""The web pages: what is going on, and what to do about it, for people.

No build step, no script or style from elsewhere. Everything works without JavaScript; with it, pages show by themselves
what has changed. Pages ask the endpoints of the REST API, from within the process (``sidecar.api.within``): what a
person may do, and what is written down of it, is the same at a page and by a token.

``pages``       a blueprint whose pages say who may see them, and the visit that they work with
``visitors``    who is there: cookies, sessions, proxies that vouch for people, tokens of forms
``door``        logging in and out, and the first account; ``account`` for what everybody has
``protection``  the headers that every page is sent with
``failures``    what goes wrong, as pages
``navigation``  where one can go from every page
``words``       states, times and numbers as templates show them
``live``        how a page that is open learns that something has changed

To add a page:

1. Make ``sidecar/web/things.py`` with ``pages = Pages("things")``. ``@pages.shows("/things")`` makes a page, and
   ``@pages.takes("/things/<thing>/delete")`` what a form is sent to. Both take a ``role``: without one, readers may
   look, and operators send forms. The function is called with the :class:`~sidecar.web.pages.Visit` and the ids in the
   path, as bytes::

       @pages.shows("/things")
       def list_things(visit: Visit) -> str:
           page = visit.ask(api_things.list_things, query={"limit": 100})
           return visit.render("things.html", things=page.items)

       @pages.takes("/things/<thing>/delete")
       def delete_thing(visit: Visit, thing: bytes) -> Response:
           visit.ask(api_things.delete_thing, thing=thing)
           return visit.go(url_for("things_pages.list_things"), "thing-deleted")

   What the API has no endpoint for is read with a function of ``sidecar.catalog``; what changes anything is an endpoint
   first. ``Refused`` may go through: it becomes a page. Where a form was filled in, catch it, and show
   ``errors_by_field`` beside the fields (:mod:`sidecar.web.libraries` does).
2. Add ``things.pages`` to :data:`PAGES`. The entry in ``navigation`` shows when its endpoint is there; sentences for
   ``visit.go`` stand in ``notices``.
3. The template extends ``base.html`` and fills ``title`` and ``main``. Macros are in ``_parts.html`` (icons, pills of
   states, forms with their token, empty states). An element with an id and ``data-live`` is replaced while the page is
   open when something has changed; ``data-live="always"`` also when nothing has that the change feed shows, such as the
   progress of a scan. Classes are listed at the top of ``static/holdfast.css``.
4. Add the address to ``tests/browser/test_every_page.py``, which looks at every page in both colour schemes on a phone
   and on a desktop, and lets axe look for what a screen reader would stumble over.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, url_for
from jinja2 import StrictUndefined, pass_context
from jinja2.runtime import Context

from sidecar.api.endpoint import services_of
from sidecar.catalog.clock import now_us
from sidecar.config import Config
from sidecar.web import (
    account,
    assets,
    audit,
    door,
    failures,
    holds,
    jobs,
    library_editing,
    live,
    missing,
    navigation,
    overview,
    pages,
    protection,
    settings,
    tokens,
    webhooks,
    words,
)
from sidecar.web.pages import House, Pages

PAGES: tuple[Pages, ...] = (
    door.pages,
    account.pages,
    live.pages,
    overview.pages,
    library_editing.pages,  # and those of ``libraries``, which are the same
    assets.pages,
    missing.pages,
    holds.pages,
    tokens.pages,  # and those of ``agents``, likewise
    webhooks.pages,
    jobs.pages,
    settings.pages,
    audit.pages,
)


def install(app: Flask, config: Config) -> None:
    """Add the web pages to the application of the API."""
    version = _version()
    root = Blueprint("web", __name__, template_folder="templates", static_folder="static", static_url_path="/static")
    pages.install(app, House(services_of(app), config, version))
    app.register_blueprint(root)
    for one in PAGES:
        app.register_blueprint(one)
    failures.install(app)
    app.after_request(_protected)
    environment = app.jinja_env
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters.update(words.FILTERS)
    environment.filters["when"] = _when
    environment.globals.update(looks=words.LOOKS, navigation=navigation.shown_to)

    def static(name: str) -> str:
        return url_for("web.static", filename=name, v=version)

    environment.globals["static"] = static


def _protected(response: Response) -> Response:
    if failures.is_for_programs():
        return response
    if failures.is_static():
        # The address of a file changes with what is in it.
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return protection.protect(response)


@pass_context
def _when(_context: Context, then: datetime | None) -> Any:
    return words.when(then, datetime.fromtimestamp(now_us() / 1_000_000, UTC))


def _version() -> str:
    """A digest of all static files."""
    digest = hashlib.sha256()
    folder = importlib.resources.files(__name__) / "static"
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
