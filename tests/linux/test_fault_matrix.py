"""Every fault on every file system it can befall, at every moment, through the whole product.

The table of what must come of it is ``tests/linux/matrix/expected.py``; docs/fault-matrix.md shows it to people.
``tests.turns`` may spread it over a few commits.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import turns
from tests.linux.disks import Disks
from tests.linux.matrix import document
from tests.linux.matrix.expected import ROWS, Moment, row
from tests.linux.matrix.rounds import HUMBLE, IMPATIENT, Round, grounds
from tests.story.stack import Stack

pytestmark = [pytest.mark.root, pytest.mark.story]

# Few enough file systems for one agent that none of its workers waits for a processor for long.
GROUPS = {
    "mounts": ("unmounted", "unmounted-lazily", "unmounted-in-use", "stray-files"),
    "places": ("covered", "nested", "alias", "read-only"),
    "identities": ("wrong-disk", "turns", "clone", "clone-renamed", "reformatted"),
    "contents": ("set-back", "set-back-marked", "snapshot", "shut-down", "disk-errors", "emptied"),
    "programs": ("dead", "hung", "eio", "empty-listing", "short-listing", "slow-listing", "branch-lost"),
    "permissions": ("folder-closed", "root-closed"),
}


@pytest.mark.parametrize(
    ("group", "moment"), turns.of_this_commit([(group, moment) for moment in Moment for group in GROUPS])
)
def test_r42_every_fault_comes_to_its_state_and_to_no_false_absence(
    group: str, moment: Moment, tmp_path: Path, disks: Disks
) -> None:
    top, home = tmp_path / "mnt", tmp_path / "state"
    top.mkdir()
    home.mkdir()
    with grounds(disks, top, [row(name) for name in GROUPS[group]]) as cells:
        parts = Stack(home)
        parts.agent_within = HUMBLE if group == "permissions" else ()
        parts.agent_settings = IMPATIENT if group == "programs" else ""
        try:
            parts.start_agent(top)
            one = Round(parts, moment, cells, top)
            one.befall()
            one.wait()
            one.mend()
        except BaseException:
            print(parts.log())  # noqa: T201 - pytest shows it with the failure
            raise
        finally:
            parts.close()
    _record(group, moment, [cell.seen._asdict() for cell in cells if cell.seen is not None])


def test_every_fault_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(one.name for one in ROWS)


def _record(group: str, moment: Moment, seen: list[dict[str, object]]) -> None:
    """For `make matrix`, which writes the table for people."""
    if place := os.environ.get("HOLDFAST_MATRIX"):
        Path(place, f"{group} {moment}.json").write_text(json.dumps(seen))


def test_the_document_says_what_is_expected() -> None:
    """The times are of the machine that measured them; all else must be as the code says."""
    written = document.DOCUMENT.read_text()
    assert written == document.render(document.times_in(written)), (
        "make matrix, or python -m tests.linux.matrix.document"
    )
