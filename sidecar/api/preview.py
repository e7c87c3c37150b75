"""``/libraries/{id}/preview`` and ``/explain``: what rules would do, and what they do, before anybody is surprised."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.explaining import Explanation, Folder, explain, with_ignores
from holdfast.problems import PlacedError
from sidecar.api import shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.pagination import CursorText, behind, cursor_at
from sidecar.api.rules import ImportPathChange, absolute, changed_import_paths, pattern_errors
from sidecar.api.validation import RulesBody
from sidecar.catalog import agents, libraries, memberships, previewing
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot
from sidecar.catalog.libraries import KeptImportPath, NewImportPath
from sidecar.errors import Refused

resource = Resource("preview")


class ExplainQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``path`` is a file as the photo server sees it or as its host has it; a directory when it ends in ``/``."""

    path: str = "/"


class PreviewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the library is judged: what follows the cursor of the answer before."""

    cursor: CursorText | None = None


class _Asked(msgspec.Struct, frozen=True):
    """What a cursor is good for: this library, and this change."""

    library: bytes
    body: RulesBody


@resource.serves(
    "POST",
    "/libraries/<library>/preview",
    scope=Scope.OPERATOR,
    reads=True,
    query=PreviewQuery,
    body=RulesBody,
    returns=shapes.RulesPreview,
    problems=("bad-cursor", "cursor-expired"),
)
def preview_rules(call: Call, library: bytes, query: PreviewQuery, body: RulesBody) -> shapes.RulesPreview:
    """What a change of import paths or patterns would exclude, include and leave, without making it.

    It counts the assets that are in the catalog. What import paths hold that nobody has looked at yet, and files that
    were always excluded, are not in it. Of a library with very many assets one answer tells a part: send the same again
    with its ``next_cursor`` for the next one, and add them up.
    """
    asked = _Asked(library, body)
    with snapshot(call.engine) as connection:
        row = _library(call, connection, library)
        begin = behind(connection, query.cursor, asked)
        has = libraries.import_paths(connection, [library])[library]
        kept = [ImportPathChange(id=ids.to_text("import_path", one.id)) for one in has if one.parent_id is None]
        given = kept if body.import_paths is None else body.import_paths
        wanted, errors = changed_import_paths(given, has, lambda text: agents.resolve(connection, text))
        stored = msgspec.json.decode(row.exclusion_patterns, type=list[str])
        chosen = stored if body.exclusion_patterns is None else body.exclusion_patterns
        errors += pattern_errors(chosen)
        if errors:
            raise Refused("invalid-body", "The library cannot be changed like this, see the errors.", errors=errors)
        roots = {one.id: one.server_path for one in wanted if isinstance(one, KeptImportPath)}
        found = previewing.preview(connection, library, has, roots, chosen, begin[0] if begin else None)
        cursor = None if found.behind is None else cursor_at(connection, asked, [found.behind])
    return shapes.RulesPreview(
        excluded=_share(found.excluded),
        included=_share(found.included),
        unchanged=found.unchanged,
        unexplored=[one.path for one in wanted if isinstance(one, NewImportPath)],
        next_cursor=cursor,
    )


@resource.serves(
    "GET",
    "/libraries/<library>/explain",
    scope=Scope.READER,
    limited=True,
    query=ExplainQuery,
    returns=shapes.PathExplanation,
)
def explain_path(call: Call, library: bytes, query: ExplainQuery) -> shapes.PathExplanation:
    """Which import path a file is under, and which pattern or rule of an ignore file excludes it, if one does."""
    errors: list[PlacedError] = []
    if absolute(query.path, "/path", errors) is None:
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=errors)
    with snapshot(call.engine) as connection:
        row = _library(call, connection, library)
        found = explained(connection, row, query.path)
    return shape(found)


def shape(found: Explanation) -> shapes.PathExplanation:
    """An explanation, as JSON shows it."""
    return shapes.PathExplanation(
        path=found.server_path,
        import_path_id=None if found.folder is None else found.folder.id,
        is_excluded=found.folder is None or found.pattern is not None,
        excluded_by=found.pattern,
        message=found.sentence,
    )


def explained(connection: Connection, row: AnyRow, path: str) -> Explanation:
    """Why a path is in a library or not: by its import paths and patterns, and by the ignore files of its volume."""
    has = [one for one in libraries.import_paths(connection, [row.id])[row.id] if one.parent_id is None]
    chosen = msgspec.json.decode(row.exclusion_patterns, type=list[str])
    by_id = {ids.to_text("import_path", one.id): one for one in has}
    folders = [
        Folder(key, paths.to_wire(one.path), paths.to_wire(one.server_path), chosen) for key, one in by_id.items()
    ]
    found = explain(folders, path)
    bound = None if found.folder is None else by_id[found.folder.id]
    if bound is None or bound.volume_id is None:
        return found
    return with_ignores(found, paths.to_wire(bound.directory), memberships.ignores_of(connection, bound.volume_id))


def _share(found: previewing.Share) -> shapes.RulesShare:
    return shapes.RulesShare(
        assets=found.assets, bytes=found.size, examples=[paths.to_display(one) for one in found.examples]
    )


def _library(call: Call, connection: Connection, library: bytes) -> AnyRow:
    row = libraries.get(connection, library)
    if row is None or row.deleted_at is not None or not call.may_see(row.owner):
        raise Refused("not-found", "There is no such library.")
    return row
