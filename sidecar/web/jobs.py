"""Jobs: what runs, how far it is, what came of it, and what can be cancelled or undone."""

from __future__ import annotations

from flask import url_for

from holdfast import ids
from sidecar.api import jobs as api_jobs
from sidecar.api import libraries as api_libraries
from sidecar.api import removal as api_removal
from sidecar.api import shapes
from sidecar.catalog import missing
from sidecar.catalog.engine import snapshot
from sidecar.catalog.removal import WOULD_BE_REMOVED
from sidecar.errors import Refused
from sidecar.jobs import UNFINISHED, JobState, why_not_undone
from sidecar.removal import Verdict
from sidecar.web import addresses, job_words, words
from sidecar.web.pages import Answer, Pages, Visit

pages = Pages("jobs")

_SHOWN = 50
_ALL = {"limit": 1000}


@pages.shows("/jobs")
def list_jobs(visit: Visit) -> str:
    """What runs and what ran, the newest first."""
    given = {name: one for name in ("state", "library", "cursor") if (one := visit.arguments.get(name))}
    found = visit.ask(api_jobs.list_jobs, query={"limit": _SHOWN, **given})
    chosen = {name: given.get(name, "") for name in ("state", "library")}
    items = [job_words.progress(one) for one in found.items]
    names = library_names(visit)
    return visit.render(
        "jobs/list.html",
        items=items,
        is_running=any(one.is_unfinished for one in items),
        given=chosen,
        libraries=names,
        choices={
            "state": [("", "All"), *((one.value, words.JOBS[one].word) for one in JobState)],
            "library": [("", "All"), *sorted(names.items(), key=lambda one: one[1].casefold())],
        },
        next_url=addresses.of_list("jobs_pages.list_jobs", chosen, found.next_cursor) if found.next_cursor else None,
        first_url=addresses.of_list("jobs_pages.list_jobs", chosen) if "cursor" in given else None,
    )


@pages.shows("/jobs/<job>")
def show_job(visit: Visit, job: bytes) -> str:
    """One job: how far it is, what came of it, and what can be done now."""
    one: shapes.Job = visit.ask(api_jobs.get_job, job=job)
    kind, state = one.kind, JobState(one.state)
    refusal = why_not_undone(job_words.kind_of(one), state, one.result.get(Verdict.REMOVE, 0))
    is_undone = False
    if refusal is None and one.library_id is not None:
        raw = ids.from_text("library", one.library_id) or b""
        with snapshot(visit.engine) as connection:
            is_undone = missing.is_undone(connection, raw, one.id)
    return visit.render(
        "jobs/show.html",
        item=job_words.progress(one),
        kind=kind,
        libraries=library_names(visit),
        is_dry_run=job_words.is_dry_run(one),
        would_go=one.result.get(WOULD_BE_REMOVED, 0),
        can_undo=refusal is None and not is_undone,
        is_undone=is_undone,
        why_not_cancelled=job_words.why_it_goes_on(one) if state in UNFINISHED else None,
    )


@pages.takes("/jobs/<job>/cancel")
def cancel_job(visit: Visit, job: bytes) -> Answer:
    """Cancel a job; what it has done stays done."""
    try:
        visit.ask(api_jobs.cancel_job, job=job)
    except Refused as refused:
        if refused.code != "job-not-cancellable":
            raise
        return visit.go(_url(job))  # it has ended meanwhile, which the page says
    return visit.go(_url(job), "job-cancelled")


@pages.takes("/jobs/<job>/undo")
def undo_job(visit: Visit, job: bytes) -> Answer:
    """Bring back what a job has removed."""
    made: shapes.Job = visit.ask(api_removal.undo_job, job=job)
    return visit.go(url_for("jobs_pages.show_job", job=made.id), "undo-asked")


def library_names(visit: Visit) -> dict[str, str]:
    """What libraries are called, by their id."""
    return {one.id: one.name for one in visit.ask(api_libraries.list_libraries, query=_ALL).items}


def _url(job: bytes) -> str:
    return url_for("jobs_pages.show_job", job=ids.to_text("job", job))
