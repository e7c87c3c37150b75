"""Second looks: what is a proof, and what is not yet one."""

from __future__ import annotations

import pytest

from agent.absences import Grounds, second_looks
from agent.filesystems import traits
from agent.journal import Candidate, Journal
from agent.ports import FileEntry, Listing, Moment
from agent.sentinels import Verdict
from agent.store import Store
from agent.survey import Survey
from holdfast.gate import REQUIRED
from holdfast.reports import Absent, Look, why_not_proven
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


def judge(
    compared: Survey,
    *,
    before: tuple[int, int] | None = (4, 4),
    delay_s: float | None = 2.0,
    fs_type: str = "ext4",
    sentinels: Verdict = Verdict.FOUND,
    since: Epoch = EPOCH,
    accepted: bool = False,
) -> list[str]:
    """The names that are told absent; every proof is one that the contract accepts."""
    store = Store(":memory:", "vol_1", "jrn_1")
    journal = Journal(store)
    grounds = Grounds(EPOCH, traits(fs_type), delay_s, sentinels, accepted=accepted)
    with store.transaction():
        journal.suspect([Candidate("trip", FILE, 1, "trip", before, FIRST, EPOCH, since)])
        found = second_looks(journal, {"trip": compared}, grounds, sorted(REQUIRED))
    assert journal.has_candidates() is not bool(found.absent)
    store.close()
    assert all(why_not_proven(one, EPOCH) is None for one in found.absent)
    return [name for one in found.absent for name in one.names]


def test_second_look_later_in_a_directory_that_moved_is_a_proof() -> None:
    assert judge(survey(103.0)) == ["a.jpg"]


def test_times_that_were_too_fresh_to_be_kept_are_left_out_of_the_proof() -> None:
    assert judge(survey(103.0), before=None) == ["a.jpg"]


MOVED, UNMOVED, UNKNOWN = (4, 4), (5, 5), None
OTHER_MOUNT = Epoch("boot", 6, 1)
SAME_MOUNT = Epoch("boot", 7, 0)


@pytest.mark.parametrize(
    ("fs_type", "before", "sentinels", "since", "expected"),
    [
        ("nfs4", MOVED, Verdict.FOUND, EPOCH, True),
        ("nfs4", MOVED, Verdict.NONE_LEFT, EPOCH, True),
        ("nfs4", MOVED, Verdict.NOT_FOUND, EPOCH, False),
        ("ext4", MOVED, Verdict.NOT_FOUND, EPOCH, True),
        ("vfat", UNKNOWN, Verdict.FOUND, EPOCH, True),
        ("vfat", UNKNOWN, Verdict.NONE_LEFT, EPOCH, False),
        ("vfat", UNKNOWN, Verdict.NOT_FOUND, EPOCH, False),
        ("vfat", UNKNOWN, Verdict.NONE_LEFT, OTHER_MOUNT, True),
        ("nfs4", UNMOVED, Verdict.FOUND, EPOCH, False),
        ("nfs4", UNKNOWN, Verdict.FOUND, EPOCH, False),
        ("nfs4", UNMOVED, Verdict.FOUND, SAME_MOUNT, False),
        ("nfs4", UNMOVED, Verdict.FOUND, OTHER_MOUNT, True),
        ("nfs4", UNMOVED, Verdict.FOUND, Epoch("another boot", 7, 0), True),
        ("nfs4", UNMOVED, Verdict.NOT_FOUND, OTHER_MOUNT, False),
        ("ext4", UNMOVED, Verdict.FOUND, OTHER_MOUNT, False),
    ],
)
def test_r1_what_proves_a_file_gone_where_times_or_servers_may_lie(
    fs_type: str, before: tuple[int, int] | None, sentinels: Verdict, since: Epoch, expected: bool
) -> None:
    told = judge(survey(103.0), fs_type=fs_type, before=before, sentinels=sentinels, since=since)
    assert told == (["a.jpg"] if expected else [])


@pytest.mark.parametrize("accepted", [False, True], ids=["nobody vouches", "a person vouches"])
def test_r1_a_look_at_a_directory_that_had_not_moved_is_no_half_of_a_proof(accepted: bool) -> None:
    """A name was missing from a share, where such a listing is often a lie, and something else has changed since."""
    store = Store(":memory:", "vol_1", "jrn_1")
    journal = Journal(store)
    grounds = Grounds(EPOCH, traits("nfs4"), 2.0, Verdict.FOUND, accepted=accepted)
    told: list[Absent] = []
    with store.transaction():
        journal.suspect([Candidate("trip", FILE, 1, "trip", UNMOVED, FIRST, EPOCH, EPOCH)])
        for boot_s in (110.0, 111.0, 120.0):
            found = second_looks(journal, {"trip": survey(boot_s, (6, 6))}, grounds, sorted(REQUIRED))
            told += found.absent
            assert found.waiting is (boot_s == 110.0)
    store.close()
    (absent,) = told
    assert (absent.proof.first.boot_s, absent.proof.second.boot_s) == (110.0, 120.0)
    assert why_not_proven(absent, EPOCH) is None


def test_a_person_vouches_for_what_times_do_not_show() -> None:
    assert judge(survey(103.0), fs_type="nfs4", before=UNMOVED, accepted=True) == ["a.jpg"]


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
