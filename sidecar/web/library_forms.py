"""The form of a library: what was filled in, as the API takes it, and what is wrong, at the field where it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from holdfast import paths
from holdfast.problems import PlacedError
from sidecar.api import shapes

# Empty rows at the end of the import paths, to fill in; one more comes with each look at the form.
SPARE_ROWS = 1
ROWS_MAX = 128

_ROW = re.compile(r"path-(\d{1,3})-(?:id|path|agent)")
_POINTER = re.compile(r"/import_paths/(\d+)(?:/(\w+))?")


class Row(NamedTuple):
    """An import path as it was filled in. ``id`` is empty for a new one; ``was`` is what the photo server calls an old
    one until now."""

    id: str = ""
    agent: str = ""
    path: str = ""
    server_path: str = ""
    was: str = ""
    is_removed: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it: a new row that nobody has used."""
        return not (self.id or self.path.strip() or self.server_path.strip())


class Filled(NamedTuple):
    """A form as it was filled in."""

    name: str
    owner: str
    rows: list[Row]
    patterns: str
    revision: str = ""

    @property
    def pattern_list(self) -> list[str]:
        """The patterns, one a line."""
        return [line.strip() for line in self.patterns.splitlines() if line.strip()]

    @property
    def sent_rows(self) -> list[int]:
        """The rows that the API is told of, by where they stand in the form."""
        return [at for at, row in enumerate(self.rows) if not row.is_blank and not row.is_removed]

    def rules(self) -> dict[str, Any]:
        """The import paths and patterns, as the API takes them."""
        return {
            "import_paths": [_sent(self.rows[at]) for at in self.sent_rows],
            "exclusion_patterns": self.pattern_list,
        }


class Wrong(NamedTuple):
    """What is wrong with a form: with fields by their name, and with it as a whole."""

    fields: dict[str, str]
    whole: list[str]


def of_new(owner: str, patterns: Sequence[str]) -> Filled:
    """The form for a library that there is not yet."""
    return Filled("", owner, [Row()], "\n".join(patterns))


def of_library(library: shapes.Library) -> Filled:
    """The form for a library, filled in with what it is."""
    rows = [
        Row(one.id, one.agent, shown(one.path), shown(one.server_path), shown(one.server_path))
        for one in library.import_paths
    ]
    patterns = "\n".join(library.exclusion_patterns)
    return Filled(library.name, library.owner, with_spare(rows), patterns, str(library.revision))


def read(form: Mapping[str, str]) -> Filled:
    """A form that was sent."""
    places = sorted({int(found[1]) for name in form if (found := _ROW.fullmatch(name))})[:ROWS_MAX]
    rows = [
        Row(
            id=form.get(f"path-{at}-id", ""),
            agent=form.get(f"path-{at}-agent", ""),
            path=form.get(f"path-{at}-path", "").strip(),
            server_path=form.get(f"path-{at}-server_path", "").strip(),
            was=form.get(f"path-{at}-was", ""),
            is_removed=f"path-{at}-remove" in form,
        )
        for at in places
    ]
    return Filled(
        form.get("name", "").strip(),
        form.get("owner", "").strip(),
        rows,
        form.get("patterns", ""),
        form.get("revision", ""),
    )


def with_spare(rows: Sequence[Row]) -> list[Row]:
    """The rows, with an empty one to fill in at the end."""
    blanks = sum(row.is_blank for row in rows)
    return [*rows, *[Row()] * max(0, SPARE_ROWS - blanks)]


def wrong(filled: Filled, errors: Sequence[PlacedError], detail: str) -> Wrong:
    """What the API found wrong, by the fields of the form."""
    fields: dict[str, str] = {}
    whole = []
    for error in errors:
        name = _field(filled, error.pointer)
        if name is None:
            whole.append(error.message)
        else:
            fields[name] = f"{fields[name]} {error.message}" if name in fields else error.message
    return Wrong(fields, whole or ([] if fields else [detail]))


def shown(wire: str) -> str:
    """A path from the API as people see it."""
    return paths.to_display(paths.to_bytes(wire))


def _sent(row: Row) -> dict[str, str]:
    if row.id:
        # What was not changed is not sent: it may be a name that no field can hold.
        return {"id": row.id} | ({"server_path": row.server_path} if row.server_path not in ("", row.was) else {})
    found = {"agent": row.agent, "path": row.path}
    return found | ({"server_path": row.server_path} if row.server_path else {})


def _field(filled: Filled, pointer: str) -> str | None:
    if (found := _POINTER.fullmatch(pointer)) is not None:
        at, name = int(found[1]), found[2] or "path"
        sent = filled.sent_rows
        return f"path-{sent[at]}-{name}" if at < len(sent) else None
    if pointer.startswith("/exclusion_patterns"):
        return "patterns"
    return pointer.removeprefix("/") if pointer in ("/name", "/owner") else None
