"""Long work that goes on after its request was answered: what sorts there are, and how each of them ends.

    pending ──▶ running ──▶ done
       │           ├──────▶ failed      (the error says why; whatever was done stays done)
       └───────────┴──────▶ cancelled   (only the sorts that may be left half done, or one that was overtaken)

A job is worked off in batches, each in a transaction with the place where the next one begins, so that whoever takes
over after a crash goes on there.
"""

from __future__ import annotations

from enum import StrEnum


class JobKind(StrEnum):
    """What a job does."""

    APPLY_RULES = "apply-rules"  # judge the assets of a library by its changed import paths and patterns
    DELETE_LIBRARY = "delete-library"  # take the assets of a deleted library out of the catalog
    SCAN = "scan"  # have the agents scan a library, or a path in it
    NIGHTLY = "nightly"  # what is done by the schedule
    REMOVE_MISSING = "remove-missing"  # take out of the catalog what is missing, once an agent has looked for it
    RESTORE = "restore"  # bring back what another job has removed


class JobState(StrEnum):
    """How a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (JobState.PENDING, JobState.RUNNING)

# Done by agents, and not in batches by the worker.
BY_AGENTS = frozenset({JobKind.SCAN})

# Half of either would leave a library that is neither the old nor the new one.
_UNDIVIDED = frozenset({JobKind.APPLY_RULES, JobKind.DELETE_LIBRARY})


def why_not_cancelled(kind: JobKind, state: JobState) -> str | None:
    """Why a job in this state cannot be cancelled, in a sentence for people; None when it can."""
    if state not in UNFINISHED:
        return f"The job is {state} already."
    if kind is JobKind.DELETE_LIBRARY:
        return "A deletion that was asked for is carried out; no file is touched by it."
    if kind in _UNDIVIDED:
        return "The rules of a library hold for all of it. Change them back instead, which overtakes this job."
    return None


def why_not_undone(kind: JobKind, state: JobState, removed: int) -> str | None:
    """Why what a job has done cannot be undone, in a sentence for people; None when it can."""
    if kind is not JobKind.REMOVE_MISSING:
        return "Only the removal of what was missing can be undone."
    if state in UNFINISHED:
        return "The job goes on. Cancel it first; what it has removed until then can be undone."
    return None if removed else "The job has removed nothing."
