"""Which missing asset a new file is, by what is in it (rule R38). Pure.

A file that turns up where no asset is takes the place of an asset of the library when

- it is not empty, and has the size and the content of that asset;
- the asset is proven to be gone, and its volume is online: of a disk that is away nobody can tell whether the file is
  still on it. It need not be shown as missing: what waits in a hold, or for its time of grace to be over, is proven as
  well, and to turn up elsewhere is the best that can become of it;
- no other asset of the library has that content, be it there, missing or excluded, and no other file of the report.

Otherwise it is a copy, and a new asset. Where only the last condition fails, the history of the new asset says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from enum import Enum

from holdfast.media import Kind
from sidecar.asset import Asset, Status, is_there, status
from sidecar.steps import Seen, Step


class Refusal(Enum):
    """Why a new file is not one that was missed."""

    UNLIKE = "no missing asset has this content"
    AMBIGUOUS = "it is not the only one with this content"


def origin(
    step: Seen,
    alike: Iterable[Asset],
    withheld: Collection[bytes],
    online: Collection[bytes],
    doubles: Collection[str],
) -> Asset | Refusal:
    """The asset that the file of this step is, if it is one. ``alike`` are the assets of a library with its content, as
    they are now; ``withheld`` are those whose absence is proven and waits; ``online`` are the volumes that are there;
    ``doubles`` as :func:`doubles` gives them."""
    if step.content is None or step.size == 0:
        return Refusal.UNLIKE
    same = [one for one in alike if one.content == step.content and one.removed_at is None]
    gone = [one for one in same if status(one) is Status.MISSING or (is_there(one) and one.id in withheld)]
    lost = [one for one in gone if one.size == step.size and one.volume in online]
    if not lost:
        return Refusal.UNLIKE
    if len(same) > 1 or step.content in doubles:
        return Refusal.AMBIGUOUS
    return lost[0]


def doubles(steps: Sequence[Step]) -> frozenset[str]:
    """The contents that more than one file of a report has."""
    found = {step.path: step.content for step in steps if isinstance(step, Seen) and step.kind is not Kind.SIDECAR}
    return frozenset(one for one, count in Counter(found.values()).items() if one is not None and count > 1)
