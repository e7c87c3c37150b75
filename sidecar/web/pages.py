"""Pages: from a request to a visit by somebody who may, and from an answer to a response that protects them.

:class:`Pages` is a blueprint whose pages say who may see them. :class:`Visit` is what they work with: who is there, the
form that was sent, the endpoints of the API to ask, and templates to answer with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from flask import Blueprint, Flask, Response, current_app, g, redirect, render_template, request
from sqlalchemy import Connection
from werkzeug.datastructures import MultiDict

from sidecar.api import trail, within
from sidecar.api.auth import Scope, allows
from sidecar.api.endpoint import Services, path_value
from sidecar.catalog.audit import Outcome
from sidecar.catalog.engine import transact
from sidecar.config import Config
from sidecar.errors import Refused
from sidecar.web import freshness, visitors
from sidecar.web.notices import NOTICES
from sidecar.web.visitors import Arrival, Visitor

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
Answer = str | Response

_EXTENSION = "holdfast-pages"
# Sent by live.js when a page looks whether anything has changed.
LOOK_HEADER = "X-Holdfast-Look"
# The longest lists of paths and patterns that a library may have fit.
_FORM_BYTES_MAX = 512 * 1024
_STALE_FORM = "This form is not good any more: it was opened before you logged in or out. Go back, reload, try again."


@dataclass(frozen=True, slots=True)
class House:
    """What all pages share. ``version`` tells a browser whether what it keeps of the static files is still right."""

    services: Services
    config: Config
    version: str


class Visit:
    """One request for a page."""

    def __init__(self, house: House, arrival: Arrival, visitor: Visitor | None) -> None:
        self.services = house.services
        self.engine = house.services.engine
        self.config = house.config
        self.arrival = arrival
        self._visitor = visitor
        self.shows_form = False
        # What the catalog had come to before anything of the page was read; for pages that keep themselves true.
        self.known: str | None = None

    @property
    def visitor(self) -> Visitor:
        """Who is there."""
        if self._visitor is None:
            raise ValueError("bug: a page that is for everybody asks who is there")
        return self._visitor

    @property
    def somebody(self) -> Visitor | None:
        """Who is there, if anybody is."""
        return self._visitor

    @property
    def csrf(self) -> str:
        """The token for a form. With the page that has one goes a cookie."""
        self.shows_form = True
        return self.arrival.csrf

    @property
    def form(self) -> MultiDict[str, str]:
        """What was filled in."""
        return request.form

    @property
    def arguments(self) -> MultiDict[str, str]:
        """What the address says behind its question mark."""
        return request.args

    @property
    def is_look(self) -> bool:
        """Whether the page itself is looking, and no person."""
        return LOOK_HEADER in request.headers

    def may(self, scope: str) -> bool:
        """Whether whoever is there may do what needs this role."""
        return self._visitor is not None and allows(self._visitor.scope, Scope(scope))

    def ask(self, endpoint: Callable[..., Any], /, **given: Any) -> Any:
        """What an endpoint of the API answers to whoever is there, see :func:`sidecar.api.within.ask`."""
        return within.ask(self.services, self.visitor.caller, endpoint, **given)

    def does(self, action: str, target: str, work: Callable[[Connection], T]) -> T:
        """Do in a transaction what the API has no endpoint for, and write it into the audit log."""
        visit = trail.Visit(self.visitor.caller, action, target)
        return trail.followed(
            self.engine, visit, dict, lambda _: transact(self.engine, work), lambda _: Outcome(status=200)
        )

    def render(self, template: str, /, **values: Any) -> str:
        """A page."""
        return render_template(template, visit=self, **values)

    def go(self, url: str, notice: str | None = None) -> Response:
        """Send the browser on, after a form; with a sentence for the page that it comes to."""
        if notice is not None:
            url += ("&" if "?" in url else "?") + urlencode({"notice": notice})
        return _redirect(url)

    @property
    def notice(self) -> str | None:
        """The sentence that the page before has left for this one."""
        return NOTICES.get(request.args.get("notice", ""))


class Pages(Blueprint):
    """A blueprint of pages: ``Pages("things")`` has the endpoints ``things_pages.…``, beside those of the API."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}_pages", "sidecar.web")

    def shows(self, path: str, *, role: Scope | None = Scope.READER) -> Callable[[F], F]:
        """Register a page to look at. Its function is called with the :class:`Visit` and the values in the path, ids
        as bytes, and returns HTML or a response. ``role`` None: everybody may see it, logged in or not."""
        return self._register("GET", path, role)

    def takes(self, path: str, *, role: Scope | None = Scope.OPERATOR) -> Callable[[F], F]:
        """Register what a form is sent to. Nothing but a form of ours gets through."""
        return self._register("POST", path, role)

    def _register(self, method: str, path: str, role: Scope | None) -> Callable[[F], F]:
        def register(function: F) -> F:
            self.add_url_rule(
                path,
                endpoint=function.__name__,
                view_func=_view(function, role),
                methods=[method],
                provide_automatic_options=False,
            )
            return function

        return register


def install(app: Flask, house: House) -> None:
    """Give the pages of an application what they work with."""
    app.extensions[_EXTENSION] = house


def house_of(app: Flask) -> House:
    """What the pages of an application work with."""
    house: House = app.extensions[_EXTENSION]
    return house


def begin(*, with_visitor: bool = True) -> Visit:
    """The visit that the current request is. Without its visitor no database is needed for it."""
    house = house_of(current_app)
    arrival = visitors.arrive(request, house.config)
    if not with_visitor:
        return Visit(house, arrival, None)
    is_look = LOOK_HEADER in request.headers
    visitor = visitors.recognise(house.services.engine, arrival, house.config, is_look=is_look)
    return Visit(house, arrival, visitor)


def finish(visit: Visit, answer: Answer, status: int = 200) -> Response:
    """A response; with the cookie that a form needs, if it has one."""
    response = answer if isinstance(answer, Response) else Response(answer, status, mimetype="text/html")
    if visit.shows_form and visit.arrival.is_new:
        visitors.remember(response, visit.arrival.text, visit.arrival)
    return response


def local(url: str | None) -> str | None:
    """An address within these pages; None for any other."""
    if not url or not url.startswith("/") or url.startswith("//") or "\\" in url:
        return None
    return url if url.isprintable() else None


def _view(function: Callable[..., Answer], role: Scope | None) -> Callable[..., Response]:
    def view(**arguments: Any) -> Response:
        request.max_content_length = _FORM_BYTES_MAX
        request.max_form_memory_size = _FORM_BYTES_MAX
        visit = g.visit = begin()
        # Before anything else: who comes from elsewhere learns nothing by what is refused.
        if request.method == "POST" and not visitors.is_our_form(request, visit.arrival):
            raise Refused("forbidden", _STALE_FORM)
        if role is not None and visit.somebody is None:
            return _to_the_door(visit)
        if role is not None and not visit.may(role):
            raise Refused("forbidden", f"This needs the role {role}; yours is {visit.visitor.scope}.")
        values = {name: path_value(name, value) for name, value in arguments.items()}
        if request.method == "GET" and not visit.is_look and visit.somebody is not None:
            visit.known = freshness.tag(visit.engine)
        return finish(visit, function(visit, **values))

    return view


def _to_the_door(visit: Visit) -> Response:
    """Where somebody logs in, and then goes on to where they wanted to."""
    if visit.is_look:
        return Response(status=401)
    wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return _redirect("/login" if wanted == "/" else f"/login?next={quote(wanted)}")


def _redirect(url: str) -> Response:
    # 303: what was posted is not posted there again.
    response = redirect(url, 303)
    return Response(status=303, headers={"Location": response.headers["Location"]})


def errors_by_field(refused: Refused, names: Mapping[str, str] | None = None) -> dict[str, str]:
    """What is wrong with each field of a form: by the JSON pointer of the API, or what ``names`` calls it."""
    found: dict[str, str] = {}
    for one in refused.errors:
        name = (names or {}).get(one.pointer, one.pointer)
        found[name] = f"{found[name]} {one.message}" if name in found else one.message
    return found
