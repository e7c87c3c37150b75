"""Why the catalog believes that a file is gone, in sentences for people (rule R1).

Made from the evidence as it was kept, so that what was kept long ago profits from better words.
"""

from __future__ import annotations

from datetime import UTC, datetime

from holdfast import paths
from holdfast.gate import SENTENCES, Check
from holdfast.reports import Absent, Proof
from holdfast.volumes import Epoch, Identity

_CHECKS = {str(check): sentence for check, sentence in SENTENCES.items()}


def storage(label: str, identity: Identity, mounted_at: str | None, epoch: Epoch) -> str:
    """Which storage it was: what it is called, what it was recognised by, and where and how it was attached.
    ``mounted_at`` is wire text."""
    known_by = next(
        (
            f"{name} {value}"
            for name, value in (("UUID", identity.uuid), ("source", identity.source), ("marker", identity.marker))
            if value is not None
        ),
        f"root inode {identity.root_inode}",
    )
    where = "mounted" if mounted_at is None else f"mounted at {_shown(mounted_at)}"
    return (
        f"The storage was “{label}” ({identity.fs_type}, {known_by}), {where} as mount {epoch.mount_id}, in one"
        f" attachment without a break (number {epoch.attach})."
    )


def why(absent: Absent) -> list[str]:
    """The reasons, the strongest first: the looks, the folder's own times, and every check of the mount."""
    proof = absent.proof
    found = [_looks(proof)]
    if proof.listed != absent.directory:
        found.append(
            f"Its folder itself is gone: {_shown(proof.listed)} is the nearest one above it that is left, and no folder"
            " of that name is in it."
        )
    found.append(_times(absent))
    found += [_CHECKS[check] for check in Check if check in proof.gate]
    return found


def _looks(proof: Proof) -> str:
    apart_s = proof.second.boot_s - proof.first.boot_s
    return (
        f"Two complete listings of {_shown(proof.listed)}, {apart_s:,.1f} s apart and each read to its end without an"
        f" error, lacked it{_when(proof.second.at)}."
    )


def _times(absent: Absent) -> str:
    proof = absent.proof
    if proof.before is not None:
        return "The folder had moved its own times since it had the file, as a folder does when a name leaves it."
    if proof.listed != absent.directory:
        return "The times of that folder from before are not known, so they could not be compared."
    return "The file system keeps no times for this folder, or none were known, so they could not be compared."


def _when(at: float) -> str:
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return ""  # the agent's clock said what no calendar has
    return f"; the second was made on {moment.isoformat(sep=' ', timespec='seconds')}"


def _shown(directory: str) -> str:
    return f"“{paths.to_display(paths.to_bytes(directory))}”" if directory else "the root of the storage"
