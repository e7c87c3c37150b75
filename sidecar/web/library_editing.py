"""Making and changing a library. Before anything is saved, agents look at new import paths, and what other rules would
do to the assets is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Response, url_for

from holdfast import patterns
from sidecar.api import libraries as api_libraries
from sidecar.api import preview as api_preview
from sidecar.api import shapes, validation
from sidecar.api.auth import Scope
from sidecar.errors import Refused
from sidecar.web import library_forms
from sidecar.web.libraries import agent_names, library_of, pages
from sidecar.web.library_forms import Filled, Wrong
from sidecar.web.pages import Answer, Visit

# Its pages are those of ``libraries``, and registered with them.
__all__ = ["pages"]

# What the buttons of the form ask for, and what the page asks for by itself while somebody types.
SAVE, CHECK, CHECK_PATHS, CHECK_PATTERNS, ADD = "save", "check", "paths", "patterns", "add"
_PREVIEWED = (CHECK, CHECK_PATTERNS)
_NOTHING = Wrong({}, [])


class Verdict(NamedTuple):
    """What came of a check: of each row of the form by where it stands, and what would become of the assets."""

    paths: Mapping[int, shapes.CheckedPath]
    preview: shapes.RulesPreview | None = None
    is_fine: bool = False


_UNCHECKED = Verdict({})


@pages.shows("/libraries/new", role=Scope.OPERATOR)
def ask_for_library(visit: Visit) -> str:
    """The form for a library."""
    return _form(visit, None, library_forms.of_new(visit.visitor.name, patterns.DEFAULTS))


@pages.takes("/libraries/new")
def make_library(visit: Visit) -> Answer:
    """Make a library, or check what was filled in."""
    filled = library_forms.read(visit.form)
    return _answered(visit, None, filled, lambda: _make(visit, filled))


@pages.shows("/libraries/<library>/edit", role=Scope.OPERATOR)
def ask_for_change(visit: Visit, library: bytes) -> str:
    """The form of a library."""
    return _form(visit, library, library_forms.of_library(library_of(visit, library)))


@pages.takes("/libraries/<library>/edit")
def change_library(visit: Visit, library: bytes) -> Answer:
    """Change a library, or check what was filled in."""
    filled = library_forms.read(visit.form)
    return _answered(visit, library, filled, lambda: _change(visit, library, filled))


def _make(visit: Visit, filled: Filled) -> Response:
    body = {"owner": filled.owner, **filled.rules(), **({"name": filled.name} if filled.name else {})}
    made: shapes.Library = visit.ask(api_libraries.create_library, body=body)
    return visit.go(url_for("libraries_pages.show_library", library=made.id), "library-created")


def _change(visit: Visit, library: bytes, filled: Filled) -> Response:
    body: dict[str, Any] = {"name": filled.name}
    if library_of(visit, library).kind != "upload":
        body |= filled.rules()
    headers = {"If-Match": f'"{filled.revision}"'}
    changed: shapes.Library = visit.ask(api_libraries.change_library, library=library, body=body, headers=headers)
    return visit.go(url_for("libraries_pages.show_library", library=changed.id), "library-changed")


def _answered(visit: Visit, library: bytes | None, filled: Filled, save: Any) -> Answer:
    """What a form is answered with: the next page when it is saved, and else the form again."""
    wanted = visit.form.get("do", SAVE)
    try:
        if wanted == SAVE:
            answer: Answer = save()
            return answer
        if wanted == ADD:
            rows = [*library_forms.with_spare(filled.rows), library_forms.Row()]
            return _form(visit, library, filled._replace(rows=rows[: library_forms.ROWS_MAX]))
        return _form(visit, library, filled, *_checked(visit, library, filled, wanted))
    except Refused as refused:
        if refused.code not in ("invalid-body", "precondition-failed"):
            raise
        found = library_forms.wrong(filled, refused.errors, refused.detail)
        return Response(_form(visit, library, filled, _UNCHECKED, found), 422, mimetype="text/html")


def _checked(visit: Visit, library: bytes | None, filled: Filled, wanted: str) -> tuple[Verdict, Wrong]:
    rules = filled.rules()
    # What an agent is asked about, it goes and looks at: not for the sake of a pattern.
    asked = (
        rules if wanted != CHECK_PATTERNS else {"exclusion_patterns": rules["exclusion_patterns"], "import_paths": []}
    )
    if library is None:
        checked: shapes.CheckedRules = visit.ask(validation.validate_new_rules, body=asked)
    else:
        checked = visit.ask(validation.validate_rules, library=library, body=asked)
    by_row = dict(zip(filled.sent_rows, checked.import_paths, strict=False))
    bad = [f"{one.pattern}: {one.message}" for one in checked.exclusion_patterns if not one.is_valid]
    found = Wrong({"patterns": " ".join(bad)}, []) if bad else _NOTHING
    preview = None
    if library is not None and not bad and wanted in _PREVIEWED:
        preview = visit.ask(api_preview.preview_rules, library=library, body=rules)
    is_fine = not bad and all(one.is_valid for one in by_row.values())
    return Verdict(by_row, preview, is_fine), found


def _form(
    visit: Visit, library: bytes | None, filled: Filled, verdict: Verdict = _UNCHECKED, found: Wrong = _NOTHING
) -> str:
    return visit.render(
        "libraries/form.html",
        library=None if library is None else library_of(visit, library),
        filled=filled._replace(rows=library_forms.with_spare(filled.rows)),
        agents=agent_names(visit),
        verdict=verdict,
        wrong=found,
    )
