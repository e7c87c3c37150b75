"""Why the catalog believes that a file is gone, in sentences for people (rule R1).

Made from the evidence as it was kept, so that what was kept long ago profits from better words.
"""

from __future__ import annotations

from holdfast import paths
from holdfast.gate import SENTENCES, Check
from holdfast.reports import Absent, Proof

_CHECKS = {str(check): sentence for check, sentence in SENTENCES.items()}


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
        " error, lacked it."
    )


def _times(absent: Absent) -> str:
    proof = absent.proof
    if proof.before is not None:
        return "The folder had moved its own times since it had the file, as a folder does when a name leaves it."
    if proof.listed != absent.directory:
        return "The times of that folder from before are not known, so they could not be compared."
    return "The file system keeps no times for this folder, or none were known, so they could not be compared."


def _shown(directory: str) -> str:
    return f"“{paths.to_display(paths.to_bytes(directory))}”" if directory else "the root of the storage"
