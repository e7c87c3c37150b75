"""The outbox and its delivery: numbered, immutable, acknowledged only when the sidecar has committed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from agent.outbox import Outbox, Sealed
from agent.ports import Refused, Unreachable
from agent.shipping import MISTAKE_EVERY_S, Delivery, Shipper
from agent.store import JournalUnusable, Lease, Standing, Store
from agent.testing.clock import FakeClock
from holdfast import gate, reports
from holdfast.assignments import Assignment, BelievedPage, Heartbeat, HeartbeatResponse
from holdfast.reports import Absent, FileFacts, Listed, Look, Proof, Receipt, Report
from holdfast.volumes import Epoch

EPOCH = Epoch("boot", 7, 1)
LEASE = ("cat_1", 7)


@pytest.fixture
def store() -> Store:
    store = Store(":memory:", "vol_1", "jrn_1")
    with store.transaction():
        store.set_lease(*LEASE)
        store.stand(Standing.WRITING)
    return store


def spool(store: Store, *observations: reports.Observation, epoch: Epoch = EPOCH) -> None:
    with store.transaction():
        Outbox(store).spool(epoch, observations)


def listed(directory: str, count: int = 1) -> Listed:
    return Listed(directory, [FileFacts(f"{number}.jpg", 1, 2) for number in range(count)])


def decode(sealed: Sealed | None) -> Report:
    assert sealed is not None
    return msgspec.json.decode(gzip.decompress(sealed.body), type=Report)


def test_r32_sealed_report_never_changes_and_keeps_its_number(store: Store) -> None:
    spool(store, listed("a"))
    first = decode(Outbox(store).seal(1.0))
    spool(store, listed("b"))
    assert decode(Outbox(store).seal(2.0)) == first
    assert first.sequence == 1


def test_r32_outbox_is_freed_only_by_the_acknowledgement(store: Store) -> None:
    spool(store, listed("a", 3))
    outbox = Outbox(store)
    outbox.seal(1.0)
    assert outbox.pending()[0] == 3
    outbox.acknowledge(1)
    assert outbox.pending()[0] == 0
    assert outbox.seal(2.0) is None
    spool(store, listed("b"))
    assert decode(outbox.seal(3.0)).sequence == 2


def test_reports_stay_within_their_bounds_and_keep_the_order(store: Store) -> None:
    for number in range(12):
        spool(store, listed(str(number), 1000))
    outbox = Outbox(store)
    directories: list[str] = []
    while (sealed := outbox.seal(1.0)) is not None:
        report = decode(sealed)
        reports.check(report)
        directories += [one.directory for one in report.observations]
        outbox.acknowledge(sealed.sequence)
    assert directories == [str(number) for number in range(12)]


def test_report_holds_observations_of_one_epoch_only(store: Store) -> None:
    spool(store, listed("a"))
    spool(store, listed("b"), epoch=Epoch("boot", 8, 2))
    outbox = Outbox(store)
    assert decode(outbox.seal(1.0)).epoch == EPOCH
    outbox.acknowledge(1)
    assert decode(outbox.seal(1.0)).epoch.attach == 2


def test_store_survives_being_opened_again_and_by_two(tmp_path: Path) -> None:
    path = str(tmp_path / "j.sqlite3")
    first = Store(path, "vol_1", "jrn_1")
    spool(first, listed("a"))
    second = Store(path, "vol_1", "jrn_other", durable=True)
    assert second.id == "jrn_1"
    assert decode(Outbox(second).seal(1.0)).journal == "jrn_1"
    first.close()
    second.close()


def test_store_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite3"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(JournalUnusable, match="Move it away"):
        Store(str(path), "vol_1", "jrn_1")


def test_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "j.sqlite3")
    store = Store(path, "vol_1", "jrn_1")
    store.db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(JournalUnusable, match="newer"):
        Store(path, "vol_1", "jrn_1")


class ScriptedUplink:
    """Answers as told, in order."""

    def __init__(self, *answers: Callable[[int], Receipt]) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        raise AssertionError("not asked here")

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        raise AssertionError("not asked here")

    def known(self, volume: str, fence: int, cursor: str | None) -> BelievedPage:
        assert fence == LEASE[1]
        return BelievedPage(directories=[], next_cursor=None)

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        assert fence == LEASE[1]
        self.bodies.append(body)
        return self.answers.pop(0)(sequence)


def done(sequence: int) -> Receipt:
    return Receipt(sequence=sequence, applied=True, expected=sequence + 1)


def failing(error: Exception) -> Callable[[int], Receipt]:
    def fail(_sequence: int) -> Receipt:
        raise error

    return fail


def shipper(store: Store, uplink: ScriptedUplink) -> Shipper:
    made = Shipper(store, uplink, FakeClock(), chance=lambda: 0.5, new_journal=lambda: "jrn_another")
    made.lease = Lease(*LEASE)
    return made


def test_r32_outage_sends_the_same_bytes_again_after_growing_waits(store: Store) -> None:
    spool(store, listed("a"))
    uplink = ScriptedUplink(*[failing(Unreachable("down"))] * 3, done)
    ship = shipper(store, uplink)
    waits = [ship.step().wait_s for _ in range(3)]
    assert waits == sorted(waits)
    assert waits[0] > 0
    assert ship.problem == "down"
    assert ship.step().delivery is Delivery.SENT
    assert ship.problem is None
    assert len(set(uplink.bodies)) == 1
    assert ship.step().delivery is Delivery.NOTHING


def test_r32_nobody_waits_where_something_is_left_behind_what_was_sent(store: Store) -> None:
    for number in range(2):
        spool(store, listed(str(number), 600))
    ship = shipper(store, ScriptedUplink(*[done] * 4))
    assert [ship.step().is_last for _ in range(2)] == [False, True], "the first report has 1,000 files at most"
    spool(store, listed("a"))
    sealed = Outbox(store).seal(1.0)
    assert sealed is not None
    assert sealed.is_last
    spool(store, listed("b"))
    assert [ship.step().is_last for _ in range(2)] == [False, True], "the outbox was added to after it was sealed"


def test_r34_a_journal_that_is_to_be_emptied_first_is_not_waited_for(store: Store) -> None:
    spool(store, listed("a"))
    with store.transaction():
        store.stand(Standing.DRAINING)
    ship = shipper(store, ScriptedUplink(done))
    step = ship.step()
    assert (step.delivery, step.is_last) == (Delivery.SENT, False)
    ship.step()
    assert store.standing() is Standing.BASELINE


def test_wish_of_the_sidecar_is_kept(store: Store) -> None:
    spool(store, listed("a"))
    step = shipper(store, ScriptedUplink(failing(Unreachable("busy", 20.0)))).step()
    assert step.delivery is Delivery.LATER
    assert 20.0 <= step.wait_s <= 25.0


def test_r32_lost_answer_is_recognised_by_the_number_expected(store: Store) -> None:
    spool(store, listed("a"))
    ship = shipper(store, ScriptedUplink(failing(Refused(409, "sequence-mismatch", "", expected=2))))
    assert ship.step().delivery is Delivery.SENT
    assert not Outbox(store).has_pending()


def test_r32_refused_report_stops_the_stream_visibly_and_is_not_skipped(store: Store) -> None:
    spool(store, listed("a"))
    uplink = ScriptedUplink(
        failing(Refused(422, "invalid-report", "nonsense")), failing(Refused(422, "invalid-report", ""))
    )
    ship = shipper(store, uplink)
    step = ship.step()
    assert step.delivery is Delivery.STOPPED
    assert "nonsense" in (step.problem or "")
    assert ship.step().delivery is Delivery.STOPPED
    assert Outbox(store).has_pending()


def impossible() -> Absent:
    """An absence with a proof that is none: the folder has not changed since it had the name."""
    first, second = (Look(at=at, boot_s=at, mount_id=7, mtime_ns=5, ctime_ns=5, entries=0) for at in (1.0, 9.0))
    return Absent("trip", ["a.jpg"], Proof("trip", (5, 5), first, second, sorted(gate.REQUIRED)))


def test_r34_what_both_sides_find_impossible_is_given_up_and_all_is_told_anew(store: Store) -> None:
    refusal = failing(Refused(422, "invalid-report", "the directory has not changed"))
    spool(store, impossible())
    clock = FakeClock()
    uplink = ScriptedUplink(*[refusal] * 4)
    ship = Shipper(store, uplink, clock, chance=lambda: 0.5, new_journal=lambda: "jrn_another")
    ship.lease = Lease(*LEASE)
    assert ship.step().delivery is Delivery.SENT
    assert (store.id, store.standing()) == ("jrn_another", Standing.BASELINE)
    assert "has not changed since it had the name" in (ship.mistake or "")
    assert not Outbox(store).has_pending()
    ship.step()
    assert store.standing() is Standing.WRITING
    # A mistake that is made again and again must not keep a large library busy for good.
    spool(store, impossible())
    assert [ship.step().delivery, ship.step().delivery] == [Delivery.STOPPED] * 2
    assert Outbox(store).has_pending()
    clock.advance(MISTAKE_EVERY_S)
    assert ship.step().delivery is Delivery.SENT
    assert store.standing() is Standing.BASELINE


@pytest.mark.parametrize(
    "answer",
    [
        lambda sequence: Receipt(sequence=sequence, applied=False, expected=40),
        failing(Refused(409, "stream-diverged", "")),
    ],
    ids=["its numbers were used long ago", "its last number was used for something else"],
)
def test_r34_journal_that_was_set_back_begins_anew_and_drops_what_is_stale(
    store: Store, answer: Callable[[int], Receipt]
) -> None:
    spool(store, listed("a"))
    uplink = ScriptedUplink(answer, done)
    ship = shipper(store, uplink)
    assert ship.step().delivery is Delivery.SENT
    assert store.standing() is Standing.BASELINE
    assert not Outbox(store).has_pending()
    assert ship.step().delivery is Delivery.SENT
    assert store.standing() is Standing.WRITING
    spool(store, listed("b"))
    assert [ship.step().delivery for _ in range(2)] == [Delivery.SENT, Delivery.NOTHING]
    sent = [msgspec.json.decode(gzip.decompress(body), type=Report) for body in uplink.bodies]
    told = [(one.journal, one.sequence, one.observations[0].directory) for one in sent]
    assert told == [("jrn_1", 1, "a"), ("jrn_another", 1, "b")]


def test_r35_what_waits_is_told_to_a_catalog_that_was_set_back_before_the_baseline(store: Store) -> None:
    for number in range(3):
        spool(store, listed(str(number)))
        Outbox(store).seal(1.0)
        Outbox(store).acknowledge(number + 1)
    spool(store, listed("a"))
    uplink = ScriptedUplink(failing(Refused(409, "sequence-mismatch", "", expected=2)), done, done)
    ship = shipper(store, uplink)
    ship.step()
    spool(store, listed("b"))
    assert store.standing() is Standing.DRAINING
    standings = []
    while ship.step().delivery is Delivery.SENT:
        standings.append(store.standing())
    assert standings == [Standing.DRAINING, Standing.DRAINING, Standing.BASELINE, Standing.WRITING]
    sent = [msgspec.json.decode(gzip.decompress(body), type=Report) for body in uplink.bodies]
    told = [(one.journal, one.sequence, one.observations[0].directory) for one in sent]
    assert told == [("jrn_1", 4, "a"), ("jrn_another", 1, "a"), ("jrn_another", 2, "b")]


def test_lost_answer_to_the_last_report_is_no_reason_to_begin_anew(store: Store) -> None:
    spool(store, listed("a"))
    ship = shipper(store, ScriptedUplink(lambda sequence: Receipt(sequence=sequence, applied=False, expected=2)))
    assert ship.step().delivery is Delivery.SENT
    assert store.meta("id") == "jrn_1"


class PacedUplink(ScriptedUplink):
    """Takes so long for each file; whoever waits longer than half a minute for an answer gets none."""

    def __init__(self, clock: FakeClock, file_s: float) -> None:
        super().__init__()
        self.clock, self.file_s = clock, file_s
        self.sizes: list[int] = []

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        report = msgspec.json.decode(gzip.decompress(body), type=Report)
        files = sum(len(one.files) for one in report.observations if isinstance(one, Listed))
        self.sizes.append(files)
        self.clock.advance(min(30.0, files * self.file_s))
        if files * self.file_s > 30.0 and self.sizes.count(files) == 1:
            raise Unreachable("timed out")
        return done(sequence)


@pytest.mark.parametrize(
    ("file_s", "sizes"),
    [
        (0.000_02, [1_000, 2_000, 4_000, 5_000, 5_000, 3_000]),
        (0.000_2, [1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 1_000]),
        (0.005, [1_000, 500, 200, 200, 200]),
        # The first one is applied behind the back of who gave up waiting for it.
        (0.05, [1_000, 1_000, 200, 100, 100]),
    ],
    ids=["fast", "slower", "a small board", "worse"],
)
def test_reports_are_as_large_as_the_sidecar_can_take(store: Store, file_s: float, sizes: list[int]) -> None:
    for number in range(200):
        spool(store, listed(str(number), 100))
    clock = FakeClock()
    uplink = PacedUplink(clock, file_s)
    ship = Shipper(store, uplink, clock, chance=lambda: 0.5, new_journal=lambda: "jrn_another")
    ship.lease = Lease(*LEASE)
    while Outbox(store).has_pending():
        ship.step()
    assert uplink.sizes[: len(sizes)] == sizes


def test_what_is_small_says_nothing_of_what_is_large(store: Store) -> None:
    clock = FakeClock()
    uplink = PacedUplink(clock, 0.001)
    ship = Shipper(store, uplink, clock, chance=lambda: 0.5, new_journal=lambda: "jrn_another")
    ship.lease = Lease(*LEASE)
    for number in range(40):
        spool(store, listed(f"small {number}", 3))
        ship.step()
    for number in range(30):
        spool(store, listed(str(number), 100))
    while Outbox(store).has_pending():
        ship.step()
    assert uplink.sizes[40:] == [1_000, 1_000, 1_000]
