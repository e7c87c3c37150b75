"""Second looks: what is a proof, and what is not yet one."""

from __future__ import annotations

import pytest

from agent.absences import second_looks
from agent.journal import Candidate, Journal
from agent.ports import FileEntry, Listing, Moment
from agent.store import Store
from agent.survey import Survey
from holdfast.gate import REQUIRED
from holdfast.reports import Look, why_not_proven
from holdfast.volumes import Epoch

EPOCH = Epoch("boot", 7, 1)
FILE = FileEntry("a.jpg", 12, 10, 20, 30)
FIRST = Look(at=1000.0, boot_s=100.0, mount_id=7, mtime_ns=5, ctime_ns=5, entries=1)


def survey(boot_s: float, times: tuple[int, int] = (5, 5), *, names: tuple[str, ...] = (), held: str = "") -> Survey:
    files = [FILE._replace(name=name) for name in names]
    listing = Listing("trip", 7, *times, 1 + len(files), files, {}, [])
    held_names = frozenset([held] if held else [])
    moment = Moment(1000.0 + boot_s, boot_s)
    return Survey(listing, moment, {}, None, [], [], [], [], [], {}, [], held_names, unchanged=False)


def judge(compared: Survey, *, before: tuple[int, int] | None = (4, 4), delay_s: float | None = 2.0) -> list[str]:
    """The names that are told absent; every proof is one that the contract accepts."""
    store = Store(":memory:", "vol_1", "jrn_1")
    journal = Journal(store)
    with store.transaction():
        journal.suspect([Candidate("trip", FILE, 1, "trip", before, FIRST, EPOCH)])
        found = second_looks(journal, {"trip": compared}, EPOCH, sorted(REQUIRED), delay_s)
    assert journal.has_candidates() is not bool(found.absent)
    store.close()
    assert all(why_not_proven(one, EPOCH) is None for one in found.absent)
    return [name for one in found.absent for name in one.names]


def test_second_look_later_in_a_directory_that_moved_is_a_proof() -> None:
    assert judge(survey(103.0)) == ["a.jpg"]


def test_file_systems_without_times_go_without_that_part() -> None:
    assert judge(survey(103.0), before=None) == ["a.jpg"]


@pytest.mark.parametrize(
    ("compared", "delay_s"),
    [
        (survey(101.9), 2.0),
        (survey(103.0), None),
        (survey(103.0, times=(4, 4)), 2.0),
        (survey(103.0, names=("a.jpg",), held="a.jpg"), 2.0),
    ],
    ids=["too soon", "places are left to look at", "times as they were with the name", "there, and still written to"],
)
def test_r21_what_is_no_proof_yet(compared: Survey, delay_s: float | None) -> None:
    assert judge(compared, delay_s=delay_s) == []
