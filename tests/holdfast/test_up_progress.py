"""The progress of a scan, as one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.scans import ScanProgress
from holdfast.status import VolumeReading
from holdfast.up import progress
from holdfast.up.progress import Progress
from holdfast.volumes import STATE_OF, Identity, Reason, VolumeState, VolumeStatus


def reading(
    reason: Reason = Reason.VERIFIED,
    *,
    fraction: float | None = None,
    finished: int = 0,
    pending: int = 0,
    files: int = 0,
) -> VolumeReading:
    status = VolumeStatus(
        volume="vol_1",
        state=STATE_OF[reason],
        reason=reason,
        detail="",
        since=0.0,
        version=1,
        label="USB",
        identity=Identity(fs_type="ext4", root_inode=2),
        pending=pending,
    )
    scan = None
    if fraction is not None:
        scan = ScanProgress(
            scan="scn_1", directory="", fraction=fraction, directories=1, files=files, errors=0, elapsed_s=2.0
        )
    return VolumeReading(status=status, scan=scan, scans_finished=finished)


def test_volumes_are_taken_together() -> None:
    now = progress.of([reading(finished=1), reading(fraction=0.5, files=100, pending=7)])
    assert now == Progress(fraction=0.75, files=100, elapsed_s=2.0, errors=0, waiting=7)
    assert now.files_per_s == 50.0


def test_a_volume_that_is_away_takes_no_part() -> None:
    assert progress.of([reading(Reason.NOT_MOUNTED), reading(fraction=0.5)]).fraction == 0.5


def test_nothing_to_scan_is_no_division_by_zero() -> None:
    assert progress.of([]).fraction == 0.0
    assert progress.of([reading(Reason.NOT_MOUNTED)]).files_per_s == 0.0


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], False),
        ([reading(finished=1)], True),
        ([reading(finished=0)], False),
        ([reading(finished=1, fraction=0.9)], False),
        ([reading(finished=1, pending=1)], False),
        ([reading(Reason.NOT_YET_VERIFIED)], False),
        ([reading(Reason.NOT_MOUNTED)], True),
        ([reading(Reason.HUNG), reading(finished=1)], True),
        ([reading(finished=1), reading()], False),
    ],
)
def test_settled_means_scanned_and_received(readings: list[VolumeReading], expected: bool) -> None:
    assert progress.settled(readings) is expected


progresses = st.builds(
    Progress,
    fraction=st.floats(0, 1),
    files=st.integers(0, 10**8),
    elapsed_s=st.floats(0, 1e5),
    errors=st.integers(0, 10**5),
    waiting=st.integers(0, 10**5),
)


@given(progresses, st.integers(1, 300), st.booleans())
def test_the_bar_always_fits_the_terminal(now: Progress, columns: int, plain: bool) -> None:
    drawn = progress.bar(now, columns, plain=plain)
    assert len(drawn) < columns
    assert "100 %" not in drawn
    assert not plain or drawn.isascii()


def test_the_bar() -> None:
    now = Progress(fraction=0.5, files=12_345, elapsed_s=2.0, errors=0, waiting=0)
    assert progress.bar(now, 80) == "scanning " + "█" * 15 + "░" * 15 + "  50 %  12,345 files, 6,172 a second"


def test_the_line_for_a_log() -> None:
    now = Progress(fraction=0.5, files=1, elapsed_s=9.0, errors=2, waiting=0)
    assert progress.line(now) == "scanning: 50 %, 1 file, 2 errors"
    assert progress.line(Progress(fraction=0.0, files=0, elapsed_s=0.0, errors=0, waiting=0)) == "scanning: 0 %"


def test_after_the_scan_what_the_catalog_has_yet_to_receive_is_told() -> None:
    now = Progress(fraction=1.0, files=0, elapsed_s=0.0, errors=0, waiting=5000)
    assert progress.line(now) == "scanning: 99 %, 5,000 files on the way into the catalog"


def test_every_state_is_either_waited_for_or_not() -> None:
    for reason, state in STATE_OF.items():
        waits = not progress.settled([reading(reason)])
        assert waits == (state in (VolumeState.ONLINE, VolumeState.UNKNOWN)), reason
