"""What a person's "this is true" means for a volume that is held back, and for which reasons it can be said. Pure.

It never makes anything absent. It lifts what stands against looking; every absence that follows still needs its own
proof, look by look.
"""

from __future__ import annotations

from msgspec import structs

from agent.volume import Volume
from holdfast.volumes import Reason

# What is said before it is done.
MEANING: dict[Reason, str] = {
    Reason.ROLLED_BACK: (
        "The earlier state of this storage becomes the true one. Photos that it does not have are looked for once "
        "more, and are then reported as missing."
    ),
    Reason.MARKER_MISSING: (
        "This is the right storage although its marker file is gone. It is recognised without a marker from now on, "
        "until 'holdfast-agent enrol --marker' writes a new one."
    ),
    Reason.EMPTY: (
        "The folder is empty because it was emptied. At its next look the agent believes that, once; the photos that "
        "were in it are then reported as missing."
    ),
    Reason.PARTIAL: (
        "The parts that are gone were taken away. At its next look the agent believes that, once; the photos that "
        "were in them are then reported as missing."
    ),
}

# Why it cannot be said of the others.
REFUSAL: dict[Reason, str] = {
    Reason.REFORMATTED: (
        "A file system that was made anew is another storage, and its files never replace the old ones. Give it a "
        "library path of its own; the old photos stay as unavailable until you delete them from the catalog."
    ),
    Reason.WRONG_VOLUME: "It is another storage. Mount the right one, or give this one a library path of its own.",
    Reason.CLONE: "Which of the two is true cannot be told from here. Remove one, or give one of them a new UUID.",
    Reason.COVERED: "Something else is mounted over it. Unmount that.",
    Reason.TWO_WRITERS: "Another agent reports this storage. Remove the import path from one of the two.",
}
_NOTHING_TO_ACCEPT = "There is nothing to accept: {sentence}"


def refusal(reason: Reason, sentence: str) -> str | None:
    """Why a volume with this reason cannot be accepted, or None when it can. ``sentence`` is its own."""
    if reason in MEANING:
        return None
    return REFUSAL.get(reason) or _NOTHING_TO_ACCEPT.format(sentence=sentence)


def accept(volume: Volume) -> Volume | None:
    """The volume as it is after a person's word; None when its reason is none that can be accepted."""
    match volume.reason:
        case Reason.ROLLED_BACK:
            # All that is known of its age is forgotten, and learned anew from what is there.
            identity = structs.replace(volume.identity, subvolume=None)
            return structs.replace(volume, identity=identity, generation=None, marker_generation=None)
        case Reason.MARKER_MISSING:
            identity = structs.replace(volume.identity, marker=None)
            return structs.replace(volume, identity=identity, marker_generation=None)
        case Reason.EMPTY | Reason.PARTIAL:
            return structs.replace(volume, accepted=True)
        case _:
            return None
