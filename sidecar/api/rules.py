"""What may be said of a library's import paths and patterns, and everything that is wrong with what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from holdfast import ids, paths, patterns
from holdfast.problems import PlacedError
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.libraries import KeptImportPath, NewImportPath

IMPORT_PATHS_MAX = 128

# From an agent's id or name to its id; None: there is no such agent.
Resolve = Callable[[str], bytes | None]
Wanted = NewImportPath | KeptImportPath


class ImportPathBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder to watch. ``agent`` is an agent's id or name, ``path`` the folder on its host, ``server_path`` what
    the photo server calls it, the same when left out."""

    agent: str
    path: str
    server_path: str | None = None


class ImportPathChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An import path that a library is to have: one that it has, by its ``id``, or a new one, by ``agent`` and
    ``path``. Without ``server_path`` one that it has is called as before."""

    id: str | None = None
    agent: str | None = None
    path: str | None = None
    server_path: str | None = None


def new_import_paths(
    bodies: Sequence[ImportPathBody], resolve: Resolve
) -> tuple[list[NewImportPath], list[PlacedError]]:
    """The import paths to make, and everything that is wrong with them."""
    wanted, errors = changed_import_paths(
        [ImportPathChange(agent=one.agent, path=one.path, server_path=one.server_path) for one in bodies], (), resolve
    )
    return [one for one in wanted if isinstance(one, NewImportPath)], errors


def changed_import_paths(
    bodies: Sequence[ImportPathChange], has: Sequence[AnyRow], resolve: Resolve
) -> tuple[list[Wanted], list[PlacedError]]:
    """The import paths that a library is to have, which ``has`` these, and everything that is wrong with them."""
    errors: list[PlacedError] = []
    if len(bodies) > IMPORT_PATHS_MAX:
        errors.append(PlacedError("/import_paths", f"A library has at most {IMPORT_PATHS_MAX} import paths."))
    each = each_import_path(bodies[:IMPORT_PATHS_MAX], has, resolve)
    errors += [error for _, wrong in each for error in wrong]
    return [wanted for wanted, _ in each if wanted is not None], errors


def each_import_path(
    bodies: Sequence[ImportPathChange], has: Sequence[AnyRow], resolve: Resolve
) -> list[tuple[Wanted | None, list[PlacedError]]]:
    """One by one, what is to be made of import paths, and what is wrong with each."""
    checking = _Checking([one for one in has if one.parent_id is None], resolve)
    return [checking.take(one, f"/import_paths/{index}") for index, one in enumerate(bodies)]


def pattern_errors(wanted: Sequence[str]) -> list[PlacedError]:
    """Everything that is wrong with exclusion patterns."""
    return [PlacedError(f"/exclusion_patterns/{at}", text) for at, text in patterns.problems(wanted)]


def absolute(path: str, pointer: str, errors: list[PlacedError]) -> str | None:
    """An absolute path in wire text; None, and one error more, when it is none."""
    try:
        return paths.check_absolute(path)
    except paths.BadPath as error:
        errors.append(PlacedError(pointer, f"{error}."))
        return None


class _Checking:
    """Takes import paths one by one."""

    def __init__(self, has: Sequence[AnyRow], resolve: Resolve) -> None:
        self._by_id = {one.id: one for one in has}
        self._by_place = {(one.agent_id, paths.to_wire(one.path)): one for one in has}
        self._resolve = resolve
        self._seen: set[tuple[bytes, str]] = set()
        self._errors: list[PlacedError] = []

    def take(self, one: ImportPathChange, at: str) -> tuple[Wanted | None, list[PlacedError]]:
        """Check one, which stands at this pointer."""
        self._errors = []
        wanted = self._check(one, at)
        return (None if self._errors else wanted), self._errors

    def _check(self, one: ImportPathChange, at: str) -> Wanted | None:
        server_path = None if one.server_path is None else absolute(one.server_path, f"{at}/server_path", self._errors)
        place = self._named(one, at) if one.id is not None else self._placed(one, at)
        if place is None:
            return None
        if place in self._seen:
            self._wrong(f"{at}/path" if one.id is None else f"{at}/id", "This import path is in the list twice.")
        self._seen.add(place)
        known = self._by_place.get(place)
        if known is not None:
            return KeptImportPath(known.id, paths.to_wire(known.server_path) if server_path is None else server_path)
        return NewImportPath(*place, place[1] if server_path is None else server_path)

    def _named(self, one: ImportPathChange, at: str) -> tuple[bytes, str] | None:
        known = self._by_id.get(ids.from_text("import_path", one.id or "") or b"")
        if known is None:
            self._wrong(f"{at}/id", "The library has no such import path.")
            return None
        path = paths.to_wire(known.path)
        if one.path is not None and one.path.rstrip("/") != path.rstrip("/"):
            self._wrong(f"{at}/path", "An import path leads where it leads. Leave it out, and add another one.")
            return None
        if one.agent is not None and self._resolve(one.agent) != known.agent_id:
            self._wrong(f"{at}/agent", "An import path stays with its agent. Leave it out, and add another one.")
            return None
        return known.agent_id, path

    def _placed(self, one: ImportPathChange, at: str) -> tuple[bytes, str] | None:
        agent = self._resolve(one.agent or "")
        if one.agent is None:
            self._wrong(f"{at}/agent", "Say which agent has it, by id or name.")
        elif agent is None:
            self._wrong(f"{at}/agent", "There is no such agent, or it was revoked.")
        if one.path is None:
            self._wrong(f"{at}/path", "Say where it is on the agent's host.")
            return None
        path = absolute(one.path, f"{at}/path", self._errors)
        return None if agent is None or path is None else (agent, path)

    def _wrong(self, pointer: str, message: str) -> None:
        self._errors.append(PlacedError(pointer, message))
