"""``/libraries``: what a photo server has made known to be photos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from holdfast import ids, patterns
from holdfast.problems import PlacedError
from sidecar.api import conditions, once, render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.api.pagination import Page, PageQuery, by_id, paged
from sidecar.api.rules import ImportPathBody, ImportPathChange, changed_import_paths, new_import_paths, pattern_errors
from sidecar.catalog import (
    agents,
    deletion,
    idempotency,
    jobs,
    libraries,
    statistics,
    uploads,
    wanted_scans,
    working,
)
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.libraries import Changed
from sidecar.catalog.statistics import Statistics
from sidecar.errors import Refused
from sidecar.jobs import JobKind

resource = Resource("libraries")

# Batches of a job that are done before the answer.
INLINE_BATCHES = 2
NAME = "New External Library"
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]


class LibraryBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A library to make. Without ``exclusion_patterns`` it gets the six usual ones. One of the kind "upload" has
    neither those nor import paths. Without a ``name`` it is called "New External Library", or "Uploads"."""

    name: Name | None = None
    owner: Name
    kind: str = "external"
    import_paths: list[ImportPathBody] = []
    exclusion_patterns: list[str] | None = None


class LibraryPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a library. ``import_paths`` and ``exclusion_patterns`` are the whole lists that it is to have;
    what is left out stays as it is."""

    name: Name | UnsetType = UNSET
    import_paths: list[ImportPathChange] | UnsetType = UNSET
    exclusion_patterns: list[str] | UnsetType = UNSET


class LibraryQuery(PageQuery, frozen=True, kw_only=True):
    """Which libraries are wanted."""

    owner: str | None = None


class OwnerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose libraries are to be deleted."""

    owner: Annotated[str, Meta(min_length=1)]


class OwnerDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that delete an owner's libraries."""

    jobs: list[shapes.Job]


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
    headers=(once.HEADER,),
)
def create_library(call: Call, body: LibraryBody) -> Answer:
    """Make a library. Of the kind "upload" an owner has one: it is made when it is first asked for, and given after
    that. With an Idempotency-Key, a repeat within a day gives the same answer and makes none."""
    entropy, now = os.urandom(10), now_us()

    def work(connection: Connection) -> idempotency.Answer:
        made, status = _create(connection, body, entropy, now)
        return idempotency.Answer(status, f"/api/v1/libraries/{made.id}", msgspec.json.encode(made).decode())

    answer = once.make(call, b"libraries", body, now, work)
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
    """Change name, import paths and exclusion patterns; owner and kind are fixed for life. It takes effect at once:
    what the rules do not cover any more is excluded, and what they cover again comes back with its id. No file is
    touched. Of a large library a job judges the assets, see ``/jobs``.
    """
    entropy, now, by = os.urandom(10), now_us(), call.caller.signature

    def work(connection: Connection) -> tuple[shapes.Library, bytes | None]:
        row, wanted = _wanted(connection, library, body, call.header("If-Match"))
        job = libraries.change(connection, row, wanted, ids.series(now // 1000, entropy), now, by)
        return _shown(connection, library), job

    changed, job = transact(call.engine, work)
    call.doorbell.ring()
    if job is not None:
        _begin(call, job)
        call.doorbell.ring()
    return Answer(changed, headers={"ETag": conditions.quote(changed.revision)})


@resource.serves(
    "DELETE",
    "/libraries/<library>",
    scope=Scope.OPERATOR,
    returns=shapes.Job,
    status=202,
    problems=("owner-exists", "precondition-failed"),
    headers=("If-Match",),
)
def delete_library(call: Call, library: bytes) -> Answer:
    """Delete a library. Its assets leave the catalog in the background, and no file is touched. Again is harmless."""
    entropy, now, by = os.urandom(10), now_us(), call.caller.signature

    def work(connection: Connection) -> shapes.Job:
        told = libraries.agents_of(connection, library)
        wanted_scans.lock_agents(connection)
        rows = libraries.lock(connection, [library])
        if not rows:
            raise _not_found()
        if rows[0].deleted_at is None:
            conditions.check_match(call.header("If-Match"), rows[0].revision)
            if rows[0].kind == uploads.KIND:
                raise Refused("owner-exists", "An upload library goes with its owner: DELETE /libraries?owner=… then.")
            agents.tell(connection, told)
            deletion.begin(connection, library, ids.new(now // 1000, entropy), by, now)
        job = jobs.latest(connection, library, JobKind.DELETE_LIBRARY)
        if job is None:
            raise _not_found()
        return render.job_page(connection, [job])[0]

    job = transact(call.engine, work)
    call.doorbell.ring()
    return Answer(job, 202, {"Location": f"/api/v1/jobs/{job.id}"})


@resource.serves("DELETE", "/libraries", scope=Scope.OPERATOR, query=OwnerQuery, returns=OwnerDeletion, status=202)
def delete_owner(call: Call, query: OwnerQuery) -> OwnerDeletion:
    """An owner is gone: delete all of their libraries, the upload library too. Each has a job; no file is touched."""
    entropy, now, by = os.urandom(10), now_us(), call.caller.signature

    def work(connection: Connection) -> list[shapes.Job]:
        new_ids, made = ids.series(now // 1000, entropy), []
        wanted_scans.lock_agents(connection)
        for row in libraries.lock(connection, libraries.owned_by(connection, query.owner)):
            if row.deleted_at is None:
                agents.tell(connection, libraries.agents_of(connection, row.id))
                made.append(next(new_ids))
                deletion.begin(connection, row.id, made[-1], by, now)
        return render.job_page(connection, jobs.with_ids(connection, made))

    found = transact(call.engine, work)
    call.doorbell.ring()
    return OwnerDeletion(jobs=found)


@resource.serves("GET", "/libraries/<library>/statistics", scope=Scope.READER, limited=True, returns=Statistics)
def library_statistics(call: Call, library: bytes) -> Statistics:
    """Photos, videos, bytes, and counts by status and availability."""
    with snapshot(call.engine) as connection:
        row = libraries.get(connection, library)
        if row is None or not call.may_see(row.owner):
            raise _not_found()
        return statistics.of_library(connection, library)


def _wanted(connection: Connection, library: bytes, body: LibraryPatch, if_match: str | None) -> tuple[AnyRow, Changed]:
    """The library, locked with its agents, and what it is to be. Raises :class:`Refused` with all that is wrong."""
    named = [] if body.import_paths is UNSET else [one.agent for one in body.import_paths if one.agent is not None]
    resolved = {one: agents.resolve(connection, one) for one in named}
    wanted_scans.lock_agents(connection)
    rows = libraries.lock(connection, [library])
    if not rows or rows[0].deleted_at is not None:
        raise _not_found()
    row = rows[0]
    conditions.check_match(if_match, row.revision)
    has = libraries.import_paths(connection, [library])[library]
    kept = [ImportPathChange(id=ids.to_text("import_path", one.id)) for one in has if one.parent_id is None]
    given = kept if body.import_paths is UNSET else body.import_paths
    wanted, errors = changed_import_paths(given, has, resolved.get)
    stored = msgspec.json.decode(row.exclusion_patterns, type=list[str])
    chosen = stored if body.exclusion_patterns is UNSET else body.exclusion_patterns
    errors += pattern_errors(chosen)
    if row.kind == uploads.KIND:
        errors += _upload_errors(bool(wanted), bool(chosen))
    if errors:
        raise Refused("invalid-body", "The library cannot be changed like this, see the errors.", errors=errors)
    name = row.name if body.name is UNSET else body.name.strip()
    return row, Changed(name=name, import_paths=wanted, exclusion_patterns=chosen)


def _begin(call: Call, job: bytes) -> None:
    """Do the first batches of a job before the answer, which is all of it for most libraries; the worker does the
    rest."""
    for _ in range(INLINE_BATCHES):
        if not transact(call.engine, lambda connection: working.step(connection, job, now_us(), os.urandom(10))):
            break


def _create(connection: Connection, body: LibraryBody, entropy: bytes, now: int) -> tuple[shapes.Library, int]:
    """The library, and the status that says whether it was made."""
    new_ids = ids.series(now // 1000, entropy)
    if body.kind == uploads.KIND:
        return _upload_library(connection, body, new_ids, now)
    wanted, errors = new_import_paths(body.import_paths, lambda text: agents.resolve(connection, text))
    if body.kind != "external":
        errors.append(PlacedError("/kind", "A library is of the kind 'external' or 'upload'."))
    chosen = list(patterns.DEFAULTS) if body.exclusion_patterns is None else body.exclusion_patterns
    errors += pattern_errors(chosen)
    if errors:
        raise Refused("invalid-body", "The library cannot be made like this, see the errors.", errors=errors)
    made = libraries.create(
        connection,
        name=NAME if body.name is None else body.name.strip(),
        owner=body.owner.strip(),
        kind=body.kind,
        import_paths=wanted,
        exclusion_patterns=chosen,
        new_ids=new_ids,
        now=now,
    )
    return _shown(connection, made), 201


def _upload_library(
    connection: Connection, body: LibraryBody, new_ids: Iterator[bytes], now: int
) -> tuple[shapes.Library, int]:
    errors = _upload_errors(bool(body.import_paths), bool(body.exclusion_patterns))
    if errors:
        raise Refused("invalid-body", "An upload library cannot be like this, see the errors.", errors=errors)
    owner = body.owner.strip()
    row = uploads.library_of(connection, owner)
    if row is not None:
        return _shown(connection, row.id), 200
    name = uploads.NAME if body.name is None else body.name.strip()
    return _shown(connection, uploads.make_library(connection, name, owner, new_ids, now)), 201


def _upload_errors(import_paths: bool, exclusion_patterns: bool) -> list[PlacedError]:
    """What is wrong with an upload library that is to have these."""
    wrong = (("/import_paths", import_paths), ("/exclusion_patterns", exclusion_patterns))
    sentence = "An upload library has none: the photo server makes its assets known, and no agent looks for them."
    return [PlacedError(pointer, sentence) for pointer, is_there in wrong if is_there]


def _shown(connection: Connection, library: bytes) -> shapes.Library:
    row = libraries.get(connection, library)
    if row is None:
        raise _not_found()
    return render.library_page(connection, [row])[0]


def _not_found() -> Refused:
    return Refused("not-found", "There is no such library.")


def _id(after: list[int | bytes] | None) -> bytes:
    return after[0] if after and isinstance(after[0], bytes) else b""
