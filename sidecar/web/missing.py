"""What is missing, by folder; and its removal: a dry run, the removal itself, which is confirmed on a page of its own,
and the way back, which is at the page of the job."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Response, url_for

from holdfast import ids, paths
from sidecar.api import jobs as api_jobs
from sidecar.api import libraries as api_libraries
from sidecar.api import removal as api_removal
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.catalog import missing
from sidecar.catalog.engine import snapshot
from sidecar.catalog.removal import WOULD_BE_REMOVED
from sidecar.errors import Refused
from sidecar.jobs import UNFINISHED
from sidecar.web import job_words, missing_tree, spans
from sidecar.web.job_words import Progress
from sidecar.web.libraries import library_of
from sidecar.web.missing_tree import Folder
from sidecar.web.pages import Answer, Pages, Visit

pages = Pages("missing")

_JOBS_SHOWN = 5


class Item(NamedTuple):
    """A library in which something is missing."""

    id: str
    name: str
    owner: str
    assets: int
    bytes: int


@pages.shows("/missing")
def list_missing(visit: Visit) -> str:
    """The libraries in which something is missing."""
    with snapshot(visit.engine) as connection:
        found = missing.by_library(connection)
    items = [Item(ids.to_text("library", row.id), row.name, row.owner, assets, size) for row, assets, size in found]
    return visit.render("missing/list.html", items=items)


@pages.shows("/missing/<library>")
def show_missing(visit: Visit, library: bytes) -> str:
    """What is missing of one library, by folder, with what was done about it."""
    one = library_of(visit, library)
    with snapshot(visit.engine) as connection:
        lost = missing.of_library(connection, library)
        rows = missing.removals(connection, library, _JOBS_SHOWN)
        jobs = [job_words.progress(job) for job in render.job_page(connection, rows)]
    figures = visit.ask(api_libraries.library_statistics, library=library)
    tree: list[Folder] = missing_tree.grown((paths.to_display(path), since) for path, since in lost)
    return visit.render(
        "missing/show.html",
        library=one,
        total=figures.by_status["missing"],
        read=len(lost),
        tree=tree,
        moment=shapes.moment,
        jobs=jobs,
        is_running=any(job.is_unfinished for job in jobs),
        choices=spans.OLDER_THAN,
    )


@pages.takes("/missing/<library>/check")
def check(visit: Visit, library: bytes) -> Answer:
    """Have everything looked for, and count what a removal would remove."""
    wanted = _wanted(visit.form.get("older_than_s", ""))
    made: shapes.Job = visit.ask(api_removal.remove_missing, library=library, body={"dry_run": True, **wanted})
    return visit.go(url_for("jobs_pages.show_job", job=made.id), "check-asked")


@pages.shows("/missing/<library>/remove", role=Scope.OPERATOR)
def ask_removal(visit: Visit, library: bytes) -> str:
    """What a removal would do, and whether it is meant."""
    return _question(visit, library, visit.arguments.get("older_than_s", ""), visit.arguments.get("checked"))


@pages.takes("/missing/<library>/remove")
def remove(visit: Visit, library: bytes) -> Answer:
    """Remove what is missing, if that was confirmed."""
    older = visit.form.get("older_than_s", "")
    if visit.form.get("sure") != "yes":
        page = _question(visit, library, older, visit.form.get("checked"), "Say that you have read this.")
        return Response(page, 422, mimetype="text/html")
    made: shapes.Job = visit.ask(api_removal.remove_missing, library=library, body=_wanted(older))
    return visit.go(url_for("jobs_pages.show_job", job=made.id), "removal-asked")


def _wanted(older: str) -> dict[str, Any]:
    """What a form asks for. Raises :class:`Refused` for what none of ours sends."""
    if not older:
        return {}
    if older not in dict(spans.OLDER_THAN):
        raise Refused("invalid-body", "Choose one of the times that the form offers.")
    return {"older_than_s": int(older)}


def _question(visit: Visit, library: bytes, older: str, checked: str | None, problem: str | None = None) -> str:
    one = library_of(visit, library)
    dry_run = _dry_run(visit, one, checked)
    if dry_run is not None:
        older = str(dry_run.job.parameters.get("older_than_s") or "")
    _wanted(older)
    figures = visit.ask(api_libraries.library_statistics, library=library)
    return visit.render(
        "missing/remove.html",
        library=one,
        total=figures.by_status["missing"],
        older_than_s=older,
        dry_run=dry_run,
        would_go=0 if dry_run is None else dry_run.job.result.get(WOULD_BE_REMOVED, 0),
        problem=problem,
    )


def _dry_run(visit: Visit, library: shapes.Library, checked: str | None) -> Progress | None:
    """The dry run that somebody comes from; None without one, or while it goes on."""
    raw = None if not checked else ids.from_text("job", checked)
    if raw is None:
        return None
    job: shapes.Job = visit.ask(api_jobs.get_job, job=raw)
    if job.library_id != library.id or not job_words.is_dry_run(job) or job.state in UNFINISHED:
        return None
    return job_words.progress(job)
