"""The steps of an asset's history, told in sentences. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sidecar import proofs
from sidecar.api import shapes
from sidecar.api.shapes import moment
from sidecar.asset import Status


class Told(NamedTuple):
    """A step: what happened, and why that is believed. ``source`` says who reported it and when."""

    step: shapes.AssetTransition
    icon: str
    tone: str
    title: str
    why: list[str]
    source: str | None
    made_at: datetime | None


# reason -> icon, tone, sentence; {from} and {to} are paths inside the volume
_BY_REASON: dict[str, tuple[str, str, str]] = {
    "absent": ("missing", "away", "The file is gone: that is proven, by the looks below"),
    "approved": ("missing", "away", "A person approved that the file is gone"),
    "renamed away": ("missing", "away", "The file was given a name that is not a photo's"),
    "displaced": ("missing", "away", "Another file was put where this one was"),
    "relinked": ("undo", "good", "The missing file was found again, by what is in it"),
    "removed": ("cross", "quiet", "It was removed from the catalog, because it was missing"),
    "undone": ("undo", "good", "It was brought back into the catalog, missing as before"),
    "library-deleted": ("cross", "quiet", "It went with its library, which was deleted"),
    "upload deleted": ("cross", "quiet", "The photo server deleted this upload"),
    "unreadable": ("warning", "alarm", "Its folder cannot be read, so nobody knows more"),
    "ambiguous content": ("question", "quiet", "A new file has the same content, but so have others: it may be a copy"),
    "sidecar appeared": ("photo", "quiet", "An .xmp file appeared beside it"),
    "sidecar changed": ("photo", "quiet", "The .xmp file beside it changed"),
    "sidecar gone": ("photo", "quiet", "The .xmp file beside it is gone"),
}
_BY_STATUS: dict[Status, tuple[str, str, str]] = {
    Status.PRESENT: ("check", "good", "The file was seen"),
    Status.MISSING: ("missing", "away", "The file is missing"),
    Status.EXCLUDED: ("exclude", "quiet", "A rule of the library leaves it out"),
    Status.UNREADABLE: ("warning", "alarm", "It cannot be read"),
    Status.REMOVED: ("cross", "quiet", "It was removed from the catalog"),
}
# What the file was before it was seen, and what that makes of seeing it.
_SEEN_AFTER: dict[Status, str] = {
    Status.MISSING: "The file is there again",
    Status.UNREADABLE: "It can be read again",
    Status.EXCLUDED: "A rule leaves it out no longer",
    Status.REMOVED: "It is in the catalog again",
}


def told(step: shapes.AssetTransition) -> Told:
    """A step, in words."""
    icon, tone, title = _headline(step)
    evidence = step.evidence
    if evidence is None:
        return Told(step, icon, tone, title, [], None, None)
    why = list(evidence.why)
    if not why and evidence.identity is not None:
        label = evidence.label or evidence.volume
        why.append(proofs.storage(label, evidence.identity, evidence.mounted_at, evidence.epoch))
    source = f"Report {evidence.sequence:,} of {evidence.label or evidence.volume}"
    return Told(step, icon, tone, title, why, source, _made_at(evidence.made_at))


def _headline(step: shapes.AssetTransition) -> tuple[str, str, str]:
    known = _BY_REASON.get(step.reason)
    if known is not None:
        return known
    if step.from_path is not None or step.to_path is not None:
        title = "The file was moved"
        if step.from_status is Status.MISSING:
            title = "The file is there again, at another place"
        if step.to_status not in (Status.PRESENT, step.from_status):
            title += f"; it is {step.to_status} there"
        return "move", "quiet" if step.to_status is step.from_status else "good", title
    if step.to_status is Status.PRESENT:
        return "check", "good", _SEEN_AFTER.get(step.from_status, "The file was seen")
    return _BY_STATUS[step.to_status]


def _made_at(seconds: float) -> datetime | None:
    """When a report was made, by the clock of its agent, which may say anything."""
    try:
        return moment(int(seconds * 1_000_000))
    except (OverflowError, ValueError):
        return None
