"""The session: who is the writer, what a catalog that was set back is asked, who hears that a journal stands anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from agent.outbox import Outbox
from agent.ports import Unreachable
from agent.session import Session
from agent.store import Lease, Standing, Store
from agent.testing.clock import FakeClock
from holdfast.assignments import Assignment, Heartbeat, HeartbeatResponse
from holdfast.reports import FileFacts, Listed
from holdfast.volumes import Epoch, Identity, Reason, VolumeState, VolumeStatus
from tests.agent.listening import WAIT_S, ListeningSidecar

VOLUME = "vol_1"
STATUS = VolumeStatus(
    volume=VOLUME,
    state=VolumeState.ONLINE,
    reason=Reason.VERIFIED,
    detail="",
    since=1.0,
    version=1,
    label="photos",
    identity=Identity(fs_type="ext4", uuid="aa" * 16, root_inode=2, root_birth_ns=1),
)


class Talk:
    """A session, and the journal of the one volume that it ships."""

    def __init__(self, place: Path) -> None:
        self.sidecar = ListeningSidecar("/mnt/photos")
        self.assignments: list[Assignment] = []
        self.turned = threading.Event()
        self.path = str(place / "journal.sqlite3")
        self.store = Store(self.path, VOLUME, "jrn_1")
        with self.store.transaction():
            self.store.set_lease("cat_1", 1)
            self.store.stand(Standing.WRITING)
        self.session = Session(self.sidecar, FakeClock(), self.assignments.append)
        self.session.on_turn = self.turned.set

    def start(self) -> None:
        """Begin to talk."""
        self.session.start()
        self.session.publish(Heartbeat(volumes=[STATUS], version="1.0"))

    def spool(self, *names: str) -> None:
        """The worker has found files, and the supervisor has heard of that."""
        facts = [FileFacts(name, 1, 2) for name in names]
        with self.store.transaction():
            Outbox(self.store).spool(Epoch("boot", 7, 1), [Listed("", facts)])
        self.session.ship(VOLUME, self.path)

    def until_delivered(self, *names: str) -> None:
        """Wait until these were told."""
        self.sidecar.until(lambda: set(names) <= self.sidecar.listed())


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    one = Talk(tmp_path)
    yield one
    one.session.close(WAIT_S)
    one.store.close()


def test_r33_nothing_is_sent_before_the_sidecar_has_said_who_is_the_writer(talk: Talk) -> None:
    talk.sidecar.granting = False
    talk.start()
    talk.spool("a.jpg")
    talk.sidecar.until(lambda: talk.session.is_held_back(VOLUME))
    talk.sidecar.never(lambda: talk.sidecar.told() != [])
    assert talk.store.standing() is Standing.HELD_BACK
    talk.sidecar.granting = True
    talk.sidecar.until(lambda: talk.store.standing() is Standing.WRITING)
    talk.spool("b.jpg")
    talk.until_delivered("b.jpg")
    assert talk.sidecar.listed() == {"b.jpg"}, "what waited was stale"


def test_r33_a_grant_that_was_renewed_is_the_one_that_reports_are_sent_under(talk: Talk) -> None:
    talk.start()
    talk.spool("a.jpg")
    talk.until_delivered("a.jpg")
    talk.sidecar.fences[VOLUME] = 2
    talk.sidecar.until(lambda: talk.store.lease() == Lease("cat_1", 2))
    talk.spool("b.jpg")
    talk.until_delivered("b.jpg")


def test_r34_whoever_looks_at_the_disk_hears_that_the_journal_stands_anew(talk: Talk) -> None:
    talk.start()
    talk.spool("a.jpg")
    talk.until_delivered("a.jpg")
    assert talk.turned.wait(WAIT_S), "it hears how it stands to begin with"
    before = talk.session.turn(VOLUME)
    talk.turned.clear()
    talk.sidecar.fences[VOLUME] = 2
    assert talk.turned.wait(WAIT_S)
    assert talk.session.turn(VOLUME) > before


def test_r35_a_catalog_that_was_set_back_is_asked_for_its_assignment_anew(talk: Talk) -> None:
    talk.start()
    talk.spool("a.jpg")
    talk.sidecar.until(lambda: talk.assignments != [])
    # Its revisions count from the backup: this one was known, and stood for something else.
    talk.sidecar.current = structs.replace(talk.sidecar.current, catalog="cat_2")
    talk.sidecar.until(lambda: talk.store.lease() == Lease("cat_2", 1))
    talk.sidecar.until(lambda: [one.catalog for one in talk.assignments] == ["cat_1", "cat_2"])


def test_r35_a_catalog_that_was_set_back_before_its_first_answer_is_asked_anew(talk: Talk) -> None:
    talk.session.start()
    talk.sidecar.until(lambda: talk.assignments != [])
    talk.sidecar.current = structs.replace(talk.sidecar.current, catalog="cat_2")
    talk.session.publish(Heartbeat(volumes=[STATUS], version="1.0"))
    talk.sidecar.until(lambda: [one.catalog for one in talk.assignments] == ["cat_1", "cat_2"])


def test_r36_a_sidecar_that_is_away_is_told_how_things_are_when_it_is_back(talk: Talk) -> None:
    is_away, was_tried = threading.Event(), threading.Event()
    is_away.set()
    heartbeat = talk.sidecar.heartbeat

    def answer(told: Heartbeat) -> HeartbeatResponse:
        was_tried.set()
        if is_away.is_set():
            raise Unreachable("it is away")
        return heartbeat(told)

    talk.sidecar.heartbeat = answer  # type: ignore[method-assign]
    talk.start()
    talk.spool("a.jpg")
    assert was_tried.wait(WAIT_S)
    for version in (2, 3):
        talk.session.publish(Heartbeat(volumes=[structs.replace(STATUS, version=version)], version="1.0"))
    is_away.clear()
    talk.until_delivered("a.jpg")
    assert talk.sidecar.heartbeats[0].volumes[0].version == 3, "only the newest matters"
