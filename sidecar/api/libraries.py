"""``/libraries``: what a photo server has made known to be photos."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from holdfast import ids, paths, patterns
from holdfast.problems import PlacedError
from sidecar.api import conditions, render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.api.pagination import Page, PageQuery, by_id, paged
from sidecar.catalog import agents, idempotency, libraries, statistics
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.libraries import NewImportPath
from sidecar.catalog.statistics import Statistics
from sidecar.errors import Refused

resource = Resource("libraries")

IMPORT_PATHS_MAX = 128
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]


class ImportPathBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder to watch. ``agent`` is an agent's id or name, ``path`` the folder on its host, ``server_path`` what
    the photo server calls it, the same when left out."""

    agent: str
    path: str
    server_path: str | None = None


class LibraryBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A library to make. Without ``exclusion_patterns`` it gets the six usual ones."""

    name: Name = "New External Library"
    owner: Name
    kind: str = "external"
    import_paths: list[ImportPathBody] = []
    exclusion_patterns: list[str] | None = None


class LibraryPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a library."""

    name: Name | UnsetType = UNSET


class LibraryQuery(PageQuery, frozen=True, kw_only=True):
    """Which libraries are wanted."""

    owner: str | None = None


class _Filters(msgspec.Struct, frozen=True):
    of: str
    owner: str | None


@resource.serves(
    "GET",
    "/libraries",
    scope=Scope.READER,
    limited=True,
    query=LibraryQuery,
    returns=Page[shapes.Library],
    problems=("bad-cursor", "cursor-expired"),
)
def list_libraries(call: Call, query: LibraryQuery) -> Page[shapes.Library]:
    """List libraries."""
    owner = call.narrowed(query.owner)
    with snapshot(call.engine) as connection:
        rows, cursor = paged(
            connection,
            query,
            lambda after, limit: libraries.page(connection, owner, _id(after), limit),
            by_id,
            _Filters("libraries", owner),
        )
        return Page(items=render.library_page(connection, rows), next_cursor=cursor)


@resource.serves(
    "POST",
    "/libraries",
    scope=Scope.OPERATOR,
    body=LibraryBody,
    returns=shapes.Library,
    status=201,
    problems=("idempotency-conflict",),
    headers=("Idempotency-Key",),
)
def create_library(call: Call, body: LibraryBody) -> Answer:
    """Make a library. With an Idempotency-Key, a repeat within a day gives the same answer and makes none."""
    key_text = call.header("Idempotency-Key")
    key = None if key_text is None else idempotency.digest(call.caller.token, b"libraries", key_text.encode())
    content = idempotency.digest(msgspec.json.encode(body))
    entropy, now = os.urandom(10), now_us()

    def work(connection: Connection) -> idempotency.Answer:
        given = None if key is None else idempotency.find(connection, key, content, now)
        if given is not None:
            return given
        made = _create(connection, body, entropy, now)
        answer = idempotency.Answer(201, f"/api/v1/libraries/{made.id}", msgspec.json.encode(made).decode())
        if key is not None:
            idempotency.keep(connection, key, content, answer, now)
        return answer

    try:
        answer = transact(call.engine, work)
    except IntegrityError:
        # Two requests with one key at the same moment: the other one's answer is there now.
        answer = transact(call.engine, work)
    call.doorbell.ring()
    revision = msgspec.json.decode(answer.body, type=shapes.Library).revision
    headers = {"Location": answer.location, "ETag": conditions.quote(revision)}
    return Answer(msgspec.Raw(answer.body.encode()), answer.status, headers)


@resource.serves(
    "GET",
    "/libraries/<library>",
    scope=Scope.READER,
    limited=True,
    returns=shapes.Library,
    headers=("If-None-Match",),
)
def get_library(call: Call, library: bytes) -> Answer:
    """One library."""
    with snapshot(call.engine) as connection:
        found = _shown(connection, library)
    if not call.may_see(found.owner):
        raise _not_found()
    headers = {"ETag": conditions.quote(found.revision)}
    if conditions.is_current(call.header("If-None-Match"), found.revision):
        return Answer(status=304, headers=headers)
    return Answer(found, headers=headers)


@resource.serves(
    "PATCH",
    "/libraries/<library>",
    scope=Scope.OPERATOR,
    body=LibraryPatch,
    returns=shapes.Library,
    problems=("precondition-failed",),
    headers=("If-Match",),
)
def change_library(call: Call, library: bytes, body: LibraryPatch) -> Answer:
    """Rename a library. Owner and kind are fixed for its life."""

    def work(connection: Connection) -> shapes.Library:
        rows = libraries.lock(connection, [library])
        if not rows:
            raise _not_found()
        conditions.check_match(call.header("If-Match"), rows[0].revision)
        if body.name is not UNSET and body.name != rows[0].name:
            libraries.rename(connection, library, body.name, now_us())
        return _shown(connection, library)

    changed = transact(call.engine, work)
    call.doorbell.ring()
    return Answer(changed, headers={"ETag": conditions.quote(changed.revision)})


@resource.serves("GET", "/libraries/<library>/statistics", scope=Scope.READER, limited=True, returns=Statistics)
def library_statistics(call: Call, library: bytes) -> Statistics:
    """Photos, videos, bytes, and counts by status and availability."""
    with snapshot(call.engine) as connection:
        row = libraries.get(connection, library)
        if row is None or not call.may_see(row.owner):
            raise _not_found()
        return statistics.of_library(connection, library)


def _create(connection: Connection, body: LibraryBody, entropy: bytes, now: int) -> shapes.Library:
    wanted, errors = _import_paths(connection, body.import_paths)
    if body.kind != "external":
        errors.append(PlacedError("/kind", "Only libraries of kind 'external' can be made; uploads are not offered."))
    chosen = list(patterns.DEFAULTS) if body.exclusion_patterns is None else body.exclusion_patterns
    errors += [PlacedError(f"/exclusion_patterns/{at}", text) for at, text in patterns.problems(chosen)]
    if errors:
        raise Refused("invalid-body", "The library cannot be made like this, see the errors.", errors=errors)
    made = libraries.create(
        connection,
        name=body.name.strip(),
        owner=body.owner.strip(),
        kind=body.kind,
        import_paths=wanted,
        exclusion_patterns=chosen,
        new_ids=ids.series(now // 1000, entropy),
        now=now,
    )
    return _shown(connection, made)


def _import_paths(
    connection: Connection, bodies: list[ImportPathBody]
) -> tuple[list[NewImportPath], list[PlacedError]]:
    """The import paths to make, and everything that is wrong with them."""
    found: list[NewImportPath] = []
    errors: list[PlacedError] = []
    if len(bodies) > IMPORT_PATHS_MAX:
        errors.append(PlacedError("/import_paths", f"A library has at most {IMPORT_PATHS_MAX} import paths."))
    for index, one in enumerate(bodies[:IMPORT_PATHS_MAX]):
        agent = agents.resolve(connection, one.agent)
        if agent is None:
            errors.append(PlacedError(f"/import_paths/{index}/agent", "There is no such agent, or it was revoked."))
        path = _absolute(one.path, f"/import_paths/{index}/path", errors)
        given = one.path if one.server_path is None else one.server_path
        server_path = _absolute(given, f"/import_paths/{index}/server_path", errors)
        if agent is None or path is None or server_path is None:
            continue
        if any(other.agent == agent and other.path == path for other in found):
            errors.append(PlacedError(f"/import_paths/{index}/path", "This import path is in the list twice."))
        found.append(NewImportPath(agent, path, server_path))
    return found, errors


def _absolute(path: str, pointer: str, errors: list[PlacedError]) -> str | None:
    try:
        return paths.check_absolute(path)
    except paths.BadPath as error:
        errors.append(PlacedError(pointer, f"{error}."))
        return None


def _shown(connection: Connection, library: bytes) -> shapes.Library:
    row = libraries.get(connection, library)
    if row is None:
        raise _not_found()
    return render.library_page(connection, [row])[0]


def _not_found() -> Refused:
    return Refused("not-found", "There is no such library.")


def _id(after: list[int | bytes] | None) -> bytes:
    return after[0] if after and isinstance(after[0], bytes) else b""
