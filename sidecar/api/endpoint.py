"""Endpoints: from a request to typed values, and from an answer to a response.

An endpoint names its method, path, the scope it needs, the structs of its query and body, and what it returns. The
same description makes the OpenAPI document, so the two cannot differ. Bodies and queries are decoded strictly: what
is not known is refused, never ignored. And whatever a person changes here is written into the audit log, without the
endpoints doing anything for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy import Engine
from werkzeug.exceptions import RequestEntityTooLarge

from holdfast import ids
from holdfast.problems import PlacedError
from sidecar.api import auth, trail
from sidecar.api.auth import PEOPLE, Caller, Scope
from sidecar.api.intake import Intake
from sidecar.catalog.audit import Outcome
from sidecar.catalog.waiting import Doorbell
from sidecar.errors import Refused
from sidecar.throttling import Throttle

F = TypeVar("F", bound=Callable[..., Any])

BODY_BYTES_MAX = 1024 * 1024  # for all but reports; a look-up of a thousand long paths fits
_EXTENSION = "holdfast"
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`")
_AT = re.compile(r" - at `([^`]*)`$")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+|\.\.\.)\]")


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint's description.

    ``limited``: readers that are limited to an owner may call it, and are shown what is that owner's alone. ``reads``:
    it changes nothing, whatever its method. ``audited``: it goes into the audit log although no person calls it.
    ``raw``: it reads the body by itself, within ``body_bytes_max``.
    """

    method: str
    path: str
    function: Callable[..., Any]
    scope: Scope | None
    limited: bool
    reads: bool
    audited: bool
    query: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None
    raw: bool
    body_bytes_max: int
    returns: Any
    status: int
    problems: tuple[str, ...]
    headers: tuple[str, ...]

    @property
    def is_audited(self) -> bool:
        """Whether what is done here goes into the audit log: all that people change, and who lets an agent in."""
        by_people = self.scope in (*PEOPLE, Scope.ENROL) and self.method != "GET" and not self.reads
        return by_people or self.audited


@dataclass(frozen=True, slots=True)
class Services:
    """What endpoints work with. ``open_paths``: those of which the configuration says that they need no token."""

    engine: Engine
    doorbell: Doorbell
    intake: Intake
    routes: list[Route]
    open_paths: frozenset[str] = frozenset()
    throttle: Throttle = field(default_factory=Throttle)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is more than a body with the usual status. ``body`` None sends none."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Call:
    """One request, as endpoints see it. ``headers`` are those of the current request, unless others are given."""

    def __init__(self, services: Services, caller: Caller | None, headers: Mapping[str, str] | None = None) -> None:
        self.engine = services.engine
        self.doorbell = services.doorbell
        self.intake = services.intake
        self._caller = caller
        self._headers = headers

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            raise ValueError("bug: an endpoint without a scope asks who is calling")
        return self._caller

    @property
    def owner(self) -> str | None:
        """Whose things alone may be shown to the caller; None: everybody's."""
        return self.caller.owner

    def may_see(self, owner: str) -> bool:
        """Whether what belongs to an owner may be shown to the caller."""
        return self.owner in (None, owner)

    def narrowed(self, owner: str | None) -> str | None:
        """Whose things a list may show, when the caller asks for this owner's. Raises :class:`Refused`."""
        if owner is not None and not self.may_see(owner):
            raise Refused("forbidden", "Your token is limited to another owner's things.")
        return self.owner if owner is None else owner

    @property
    def token(self) -> bytes:
        """The token that the request came with."""
        if self.caller.token is None:
            raise ValueError("bug: an endpoint that is not for people at the web pages asks for a token")
        return self.caller.token

    @property
    def agent(self) -> bytes:
        """The agent that is calling."""
        if self.caller.agent is None:
            raise ValueError("bug: an endpoint that is not for agents asks which agent is calling")
        return self.caller.agent

    def header(self, name: str) -> str | None:
        """A header of the request."""
        return request.headers.get(name) if self._headers is None else self._headers.get(name)


class Resource(Blueprint):
    """A blueprint that remembers its endpoints."""

    def __init__(self, name: str, prefix: str = "/api/v1") -> None:
        super().__init__(name, __name__, url_prefix=prefix)
        self._prefix = prefix
        self.routes: list[Route] = []

    def serves(
        self,
        method: str,
        path: str,
        *,
        scope: Scope | None,
        limited: bool = False,
        reads: bool = False,
        audited: bool = False,
        query: type[msgspec.Struct] | None = None,
        body: type[msgspec.Struct] | None = None,
        raw: bool = False,
        body_bytes_max: int = BODY_BYTES_MAX,
        returns: Any = None,
        status: int = 200,
        problems: tuple[str, ...] = (),
        headers: tuple[str, ...] = (),
    ) -> Callable[[F], F]:
        """Register an endpoint. Its function is called with the :class:`Call`, the values in the path, and
        ``query`` and ``body`` where it has them. Values in the path that name a thing arrive as the id's bytes."""

        def register(function: F) -> F:
            route = Route(
                method,
                self._prefix + path,
                function,
                scope,
                limited,
                reads,
                audited,
                query,
                body,
                raw,
                body_bytes_max,
                returns,
                status,
                problems,
                headers,
            )
            self.routes.append(route)
            self.add_url_rule(
                path,
                endpoint=function.__name__,
                view_func=_view(route),
                methods=[method],
                provide_automatic_options=False,
            )
            return function

        return register


def install(app: Flask, services: Services) -> None:
    """Give the endpoints of an application what they work with."""
    app.extensions[_EXTENSION] = services


def services_of(app: Flask) -> Services:
    """What the endpoints of an application work with."""
    services: Services = app.extensions[_EXTENSION]
    return services


def read_body(route_max: int) -> bytes:
    """The body of the current request. Raises :class:`Refused` when it is larger than that."""
    request.max_content_length = route_max
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        _swallow(route_max)
        raise Refused("too-large", f"The body may have up to {route_max} bytes.") from error


def _swallow(bytes_max: int) -> None:
    """Read some of a body that nobody wants: whoever is still sending it would see a reset, and not our refusal."""
    body = request.environ["wsgi.input"]
    while bytes_max > 0 and (piece := body.read(min(bytes_max, 1 << 16))):
        bytes_max -= len(piece)


def decode(decoder: msgspec.json.Decoder[Any], body: bytes, code: str = "invalid-body") -> Any:
    """Decode a body. Raises :class:`Refused`, with a pointer to the place where it does not fit."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Refused(code, "The body does not fit, see the errors.", errors=[placed(error)]) from error
    except msgspec.DecodeError as error:
        raise Refused("malformed-json", f"The body is not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise Refused("malformed-json", "The body is not UTF-8.") from error


def placed(error: msgspec.ValidationError) -> PlacedError:
    """msgspec's message as a sentence and a JSON pointer (RFC 6901)."""
    text = str(error)
    at = _AT.search(text)
    steps = _STEP.findall(at[1]) if at else []
    pointer = "".join(f"/{name or index}" for name, index in steps)
    message = text[: at.start()] if at else text
    if unknown := _UNKNOWN_FIELD.match(message):
        pointer += f"/{unknown[1]}"
        message = "This field is not known."
    return PlacedError(pointer, message)


def path_value(name: str, value: Any) -> Any:
    """A value in a path: the bytes of an id where it names a thing. Raises :class:`Refused` for what is no id."""
    if name not in ids.PREFIXES:
        return value
    raw = ids.from_text(name, value)
    if raw is None:
        raise Refused("not-found", f"{value!r} is not the id of a {name.replace('_', ' ')}.")
    return raw


def outcome(response: Response) -> Outcome:
    """What the audit log is told of an answer."""
    return Outcome(response.status_code, made=response.headers.get("Location"))


def _view(route: Route) -> Callable[..., Response]:
    decoder = msgspec.json.Decoder(route.body) if route.body else None

    def view(**arguments: Any) -> Response:
        services = services_of(current_app)
        is_open = route.scope is None or route.path in services.open_paths
        caller = None if is_open else auth.authenticate(request, services.engine, services.throttle)

        def read() -> dict[str, Any]:
            if caller is not None and route.scope is not None:
                auth.check(caller, route.scope, route.limited)
            return _values(route, decoder, arguments)

        def act(values: dict[str, Any]) -> Response:
            return _response(route, route.function(Call(services, caller), **values))

        if caller is None or not route.is_audited:
            return act(read())
        visit = trail.Visit(caller, route.function.__name__, request.path)
        return trail.followed(services.engine, visit, read, act, outcome)

    return view


def _values(route: Route, decoder: msgspec.json.Decoder[Any] | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """What an endpoint is called with. Raises :class:`Refused` when the request does not fit."""
    values = {name: path_value(name, value) for name, value in arguments.items()}
    query = _query(route.query)
    if query is not None:
        values["query"] = query
    if decoder is not None:
        values["body"] = decode(decoder, read_body(route.body_bytes_max))
    return values


def _query(kind: type[msgspec.Struct] | None) -> msgspec.Struct | None:
    given = request.args.to_dict(flat=False)
    known = kind.__struct_fields__ if kind else ()
    wrong = [PlacedError(f"/{name}", "This parameter is not known.") for name in given if name not in known]
    wrong += [PlacedError(f"/{name}", "Give this once.") for name, values in given.items() if len(values) > 1]
    if wrong:
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=wrong)
    if kind is None:
        return None
    try:
        converted: msgspec.Struct = msgspec.convert(
            {name: values[0] for name, values in given.items()}, kind, strict=False
        )
    except msgspec.ValidationError as error:
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=[placed(error)]) from error
    return converted


def _response(route: Route, answer: Any) -> Response:
    if isinstance(answer, Response):
        return answer
    if not isinstance(answer, Answer):
        answer = Answer(answer, route.status)
    if answer.body is None:
        response = Response(status=answer.status)
        response.headers.pop("Content-Type", None)
    else:
        content = answer.body if isinstance(answer.body, msgspec.Raw) else msgspec.json.encode(answer.body)
        response = Response(bytes(content), answer.status, content_type="application/json")
    response.headers.update(answer.headers)
    return response
