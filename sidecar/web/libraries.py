"""Libraries: what there is, how a scan of one goes on, and the end of one."""

from __future__ import annotations

from typing import NamedTuple

from flask import Response, url_for

from holdfast import ids
from holdfast.scans import ScanMode
from sidecar.api import agents as api_agents
from sidecar.api import jobs as api_jobs
from sidecar.api import libraries as api_libraries
from sidecar.api import preview as api_preview
from sidecar.api import scans as api_scans
from sidecar.api import shapes
from sidecar.api import volumes as api_volumes
from sidecar.api.auth import Scope
from sidecar.catalog.statistics import Statistics
from sidecar.errors import Refused
from sidecar.jobs import UNFINISHED, JobKind
from sidecar.web.pages import Answer, Pages, Visit

pages = Pages("libraries")

_ALL = {"limit": 1000}
JOBS_SHOWN = 5
MODES = {
    ScanMode.NEW: "Names: what came, what is gone",
    ScanMode.CHANGED: "Names, sizes and times",
    ScanMode.FULL: "Everything, contents too",
}


class Item(NamedTuple):
    """A library in the list, with its figures. ``troubles`` are import paths that were refused."""

    library: shapes.Library
    figures: Statistics
    troubles: int


class Job(NamedTuple):
    """A job, and how far it is in percent; None: nobody knows."""

    job: shapes.Job
    is_unfinished: bool
    percent: int | None


@pages.shows("/libraries")
def list_libraries(visit: Visit) -> str:
    """All libraries."""
    items = []
    for one in visit.ask(api_libraries.list_libraries, query=_ALL).items:
        figures = visit.ask(api_libraries.library_statistics, library=_raw(one.id))
        troubles = sum(path.state == "refused" for path in one.import_paths)
        items.append(Item(one, figures, troubles))
    return visit.render("libraries/list.html", items=sorted(items, key=lambda one: one.library.name.casefold()))


@pages.shows("/libraries/<library>")
def show_library(visit: Visit, library: bytes) -> str:
    """One library: its figures, its import paths with the storage they are on, its patterns, its jobs."""
    one = library_of(visit, library)
    found = visit.ask(api_jobs.list_jobs, query={"library": one.id, "limit": JOBS_SHOWN}).items
    jobs = [_job(job) for job in found]
    return visit.render(
        "libraries/show.html",
        library=one,
        figures=visit.ask(api_libraries.library_statistics, library=library),
        volumes={volume.id: volume for volume in visit.ask(api_volumes.list_volumes, query=_ALL).items},
        agents=agent_names(visit),
        jobs=jobs,
        is_scanning=any(job.is_unfinished and job.job.kind == JobKind.SCAN for job in jobs),
        modes=MODES,
        explained=_explained(visit, library),
        asked=visit.arguments.get("path", ""),
    )


@pages.takes("/libraries/<library>/scan")
def scan_library(visit: Visit, library: bytes) -> Response:
    """Ask for a scan."""
    mode = visit.form.get("mode", ScanMode.CHANGED)
    visit.ask(api_scans.scan_library, library=library, body={"mode": mode})
    return visit.go(_url(library), "scan-asked")


@pages.takes("/libraries/<library>/jobs/<job>/cancel")
def cancel_job(visit: Visit, library: bytes, job: bytes) -> Response:
    """Cancel a scan."""
    visit.ask(api_jobs.cancel_job, job=job)
    return visit.go(_url(library), "scan-cancelled")


@pages.shows("/libraries/<library>/delete", role=Scope.OPERATOR)
def ask_deletion(visit: Visit, library: bytes) -> str:
    """What a deletion would do, and whether it is meant."""
    return _deletion(visit, library, None)


@pages.takes("/libraries/<library>/delete")
def delete_library(visit: Visit, library: bytes) -> Answer:
    """Delete a library, if its name was typed."""
    one = library_of(visit, library)
    if visit.form.get("name", "").strip() != one.name.strip():
        return Response(_deletion(visit, library, "That is not the name of this library."), 422, mimetype="text/html")
    visit.ask(api_libraries.delete_library, library=library)
    return visit.go(url_for("libraries_pages.list_libraries"), "library-deleted")


def library_of(visit: Visit, library: bytes) -> shapes.Library:
    """A library that there is. Raises :class:`Refused` for one that is deleted."""
    one: shapes.Library = visit.ask(api_libraries.get_library, library=library)
    if one.deleted_at is not None:
        raise Refused("not-found", "This library is deleted.")
    return one


def agent_names(visit: Visit) -> dict[str, str]:
    """What agents are called, by their id."""
    return {one.id: one.name for one in visit.ask(api_agents.list_agents, query=_ALL).items if one.revoked_at is None}


def _explained(visit: Visit, library: bytes) -> shapes.PathExplanation | str | None:
    """Why the path that somebody asks about is in the library, or not; the sentence against what is no path."""
    path = visit.arguments.get("path")
    if not path:
        return None
    try:
        found: shapes.PathExplanation = visit.ask(api_preview.explain_path, library=library, query={"path": path})
    except Refused as refused:
        return " ".join(error.message for error in refused.errors) or refused.detail
    return found


def _deletion(visit: Visit, library: bytes, problem: str | None) -> str:
    figures = visit.ask(api_libraries.library_statistics, library=library)
    one = library_of(visit, library)
    return visit.render("libraries/delete.html", library=one, figures=figures, problem=problem)


def _job(job: shapes.Job) -> Job:
    percent = None
    if job.scan is not None and job.scan.parts:
        percent = int(100 * sum(part.fraction for part in job.scan.parts) / len(job.scan.parts))
    elif job.total:
        percent = 100 * job.done // job.total
    return Job(job, job.state in UNFINISHED, percent)


def _url(library: bytes) -> str:
    return url_for("libraries_pages.show_library", library=ids.to_text("library", library))


def _raw(text: str) -> bytes:
    return ids.from_text("library", text) or b""
