"""docs/fault-matrix.md: the table of faults for people, made from what is expected and what was measured.

Run as a program, ``python -m tests.linux.matrix.document DIRECTORY``, with what the rounds recorded in that
directory (HOLDFAST_MATRIX): it writes the document. Without one it keeps the times that the document has.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from holdfast.volumes import STATE_OF, Reason
from tests.linux.matrix.expected import ROWS, Moment, Row, outcome, today

DOCUMENT = Path(__file__).parents[3] / "docs" / "fault-matrix.md"
FILE_SYSTEMS = ("ext4", "xfs", "btrfs", "overlay", "fuse", "sshfs", "mergerfs")
# Times depend on the machine and on what else it does; only their order of magnitude says something.
_CLASSES = ((1.0, "within 1 s"), (5.0, "within 5 s"), (15.0, "within 15 s"))
_LATER = "later"
_TIME = re.compile(r"^\| (?P<words>[^|]+?) \|.*\| (?P<time>[^|]*) \|$", re.MULTILINE)

_HEAD = """# What every fault comes to

Made by `make matrix`, and checked by `tests/linux/test_fault_matrix.py`, which does every fault on every file system
through the whole product: a real sidecar, a real agent, kernel mounts, loop disks, FUSE programs.

Each is done at three moments: at rest after a complete scan, in the middle of a running scan, and while the agent is
down, which is then started. Each cell shows the state and the reason that the volume comes to and keeps, whatever the
moment. In every cell:

- **no photo is called missing, or removed**;
- when the fault is over, the volume is `online` again without anybody's help, and every photo has the id it had.

What is not so yet, if anything is not, stands at the end.

Faults marked "at the next look" are those that the kernel tells nobody of: they show when something is read, by a
scan, by a hint, or by a person's use. What each reason means is in [troubleshooting.md](troubleshooting.md).

"""
_TODAY = """
## Not reached yet

These cells are what the design says. Today they come to something else, which the test knows of
(`NOT_YET` in `tests/linux/matrix/expected.py`):

"""


def render(times: Mapping[str, str]) -> str:
    """The whole document; ``times`` by the words of a fault."""
    lines = [_HEAD + _table_row(["fault", *FILE_SYSTEMS, "told"]), _table_row(["---"] * (len(FILE_SYSTEMS) + 2))]
    for row in ROWS:
        cells = [_cell(row, fs_type) for fs_type in FILE_SYSTEMS]
        lines.append(_table_row([row.words, *cells, times.get(row.words, "")]))
    open_cells = [line for row in ROWS for line in _open(row)]
    return "\n".join(lines) + "\n" + (_TODAY + "\n".join(open_cells) + "\n" if open_cells else "")


def times_in(document: str) -> dict[str, str]:
    """The times of a document, by the words of a fault."""
    return {found["words"]: found["time"] for found in _TIME.finditer(document) if found["words"] != "fault"}


def times_of(seen: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """The times of what was recorded: the slowest cell of each fault, as a class."""
    slowest: dict[str, float] = {}
    for one in seen:
        after_s = one["after_s"]
        if isinstance(after_s, float) and one["moment"] != Moment.AGENT_DOWN:
            slowest[str(one["fault"])] = max(after_s, slowest.get(str(one["fault"]), 0.0))
    return {row.words: _time(row, slowest.get(row.name)) for row in ROWS}


def _time(row: Row, after_s: float | None) -> str:
    if row.reason is Reason.VERIFIED:
        return "nothing to tell"
    if row.silent:
        return "at the next look"
    return "" if after_s is None else next((words for most, words in _CLASSES if after_s < most), _LATER)


def _cell(row: Row, fs_type: str) -> str:
    if fs_type not in row.file_systems:
        return ""
    return "online" if row.reason is Reason.VERIFIED else _in_words((row.reason, *row.also))


def _in_words(reasons: tuple[Reason, ...]) -> str:
    """``suspect, io-error or shut-down``; each with its state where these differ."""
    if len({STATE_OF[reason] for reason in reasons}) == 1:
        return f"{STATE_OF[reasons[0]]}, {' or '.join(reasons)}"
    return " or ".join(f"{STATE_OF[reason]}, {reason}" for reason in reasons)


def _open(row: Row) -> list[str]:
    """The cells of a row that are not reached, the moments of one file system together."""
    lines = []
    for fs_type in row.file_systems:
        late = {moment: outcome(row.name, fs_type, moment) for moment in Moment if today(row.name, fs_type, moment)}
        for found in dict.fromkeys(late.values()):
            moments = [moment for moment in late if late[moment] == found]
            when = "" if len(moments) == len(Moment) else f", {' and '.join(moments)}"
            told = f"; the feed says {', '.join(sorted(found.told))}" if found.told - row.told else ""
            lines.append(f"- {row.words}, {fs_type}{when}: {_in_words(found.reasons)}{told}")
    return lines


def _table_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(place: str | None) -> None:
    """Write the document."""
    if place is None:
        times = times_in(DOCUMENT.read_text())
    else:
        times = times_of(one for file in sorted(Path(place).glob("*.json")) for one in json.loads(file.read_text()))
    DOCUMENT.write_text(render(times))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
