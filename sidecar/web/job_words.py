"""What jobs are about and what came of them, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sidecar.api import shapes
from sidecar.catalog.removal import WOULD_BE_REMOVED
from sidecar.jobs import UNFINISHED, JobKind, JobState, why_not_cancelled
from sidecar.removal import Undoing, Verdict


class Count(NamedTuple):
    """A count of a job's result: how many, what of, and what that means for who asked."""

    number: int
    label: str
    hint: str


class Progress(NamedTuple):
    """A job, with how far it is in percent, if that can be told, and what its counts mean."""

    job: shapes.Job
    is_unfinished: bool
    percent: int | None
    counts: list[Count]


# name of a count -> label, what it means
_COUNTS: dict[str, tuple[str, str]] = {
    WOULD_BE_REMOVED: ("would be removed", "An agent has looked, and they are not there."),
    Verdict.REMOVE: ("removed", "An agent had looked, and they were not there. It can be undone."),
    Verdict.UNAVAILABLE: ("kept: their storage is away", "What is away is not gone."),
    Verdict.UNVERIFIED: (
        "kept: nobody could look",
        "The look at their folders did not come to its end without an error.",
    ),
    Verdict.CHANGED: ("kept: there is news of them", "They were seen, or something else happened to them, meanwhile."),
    Verdict.TOO_RECENT: ("kept: not missing for long enough", "Only time in which their storage was there counts."),
    Undoing.RESTORED: ("brought back", "With the same ids, missing as before."),
    Undoing.PATH_TAKEN: ("not brought back: their paths are taken", "Another file is there by now, and is an asset."),
    Undoing.GONE: ("not brought back: nothing to bring back", "They came back before, or went with their library."),
    "excluded": ("excluded", "The changed rules leave them out."),
    "included": ("included again", "The changed rules let them in."),
    "scans": ("scans asked for", ""),
    "removals": ("removals asked for", ""),
    "deletions": ("deletions of libraries taken up again", ""),
}
# What comes first in a list of counts.
_ORDER = {name: at for at, name in enumerate(_COUNTS)}


def counts(kind: str, result: Mapping[str, int]) -> list[Count]:
    """The counts of a result, in words; those of zero are left out."""
    found = []
    for name in sorted(result, key=lambda one: (_ORDER.get(one, len(_ORDER)), one)):
        label, hint = _COUNTS.get(name, (name.replace("_", " "), ""))
        if kind == JobKind.DELETE_LIBRARY:
            hint = "They went with their library, which does not come back. No file was touched."
        if result[name]:
            found.append(Count(result[name], label, hint))
    return found


def progress(job: shapes.Job) -> Progress:
    """How far a job is."""
    percent = None
    if job.scan is not None and job.scan.parts:
        percent = int(100 * sum(part.fraction for part in job.scan.parts) / len(job.scan.parts))
    elif job.total:
        percent = min(100, 100 * job.done // job.total)
    return Progress(job, job.state in UNFINISHED, percent, counts(job.kind, job.result))


def kind_of(job: shapes.Job) -> JobKind:
    """What sort of a job it is."""
    return JobKind(job.kind)


def why_it_goes_on(job: shapes.Job) -> str | None:
    """Why a job cannot be cancelled, in a sentence; None when it can."""
    return why_not_cancelled(JobKind(job.kind), JobState(job.state))


def is_dry_run(job: shapes.Job) -> bool:
    """Whether a job only looks at what a removal would do."""
    return job.kind == JobKind.REMOVE_MISSING and bool(job.parameters.get("dry_run"))
