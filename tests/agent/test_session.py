"""The session's threads, with a sidecar in memory."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.linux.clock import SystemClock
from agent.outbox import Outbox
from agent.session import Session
from agent.store import Standing, Store
from holdfast import ids
from holdfast.assignments import Heartbeat
from holdfast.reports import Listed, Receipt
from holdfast.volumes import Epoch, Identity, Reason, VolumeState, VolumeStatus
from tests.agent.listening import WAIT_S, ListeningSidecar

VOLUME = ids.to_text("volume", bytes(16))
STATUS = VolumeStatus(
    volume=VOLUME,
    state=VolumeState.ONLINE,
    reason=Reason.VERIFIED,
    detail="",
    since=0,
    version=1,
    label="",
    identity=Identity(fs_type="ext4", root_inode=2),
)


def test_r31_a_journal_that_cannot_be_written_for_a_while_is_delivered_later(tmp_path: Path) -> None:
    path = tmp_path / "journals" / "volume.sqlite3"  # there is no such directory yet: SQLite fails to open it
    sidecar = ListeningSidecar("/mnt/photos")
    session = Session(sidecar, SystemClock(), lambda assignment: None)
    session.start()
    try:
        session.publish(Heartbeat(volumes=[STATUS], version="0"))
        session.ship(VOLUME, str(path))
        while session.shipping_problem(VOLUME) is None:
            assert session._shippers[VOLUME].is_alive()
        path.parent.mkdir()
        store = Store(str(path), VOLUME)
        with store.transaction():
            store.set_lease("cat_1", 1)
            store.stand(Standing.WRITING)
            Outbox(store).spool(Epoch("boot", 1, 1), [Listed("", [])])
        store.close()
        session._shippers[VOLUME].hurry()
        sidecar.until(lambda: sidecar.told() != [])
    finally:
        session.close(WAIT_S)


class Reading(ListeningSidecar):
    """While it takes the first report, the next photo is read."""

    def __init__(self, path: str, store: Callable[[], None]) -> None:
        super().__init__(path)
        self._store = store

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        if sequence == 1:
            self._store()
        return super().send(volume, sequence, body, fence)


def test_what_is_read_file_by_file_is_sent_when_somebody_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "volume.sqlite3")

    def spool(directory: str) -> None:
        store = Store(path, VOLUME)
        with store.transaction():
            Outbox(store).spool(Epoch("boot", 1, 1), [Listed(directory, [])])
        store.close()

    store = Store(path, VOLUME)
    with store.transaction():
        store.set_lease("cat_1", 1)
        store.stand(Standing.WRITING)
    store.close()
    spool("first")
    sidecar = Reading("/mnt/photos", lambda: spool("second"))
    session = Session(sidecar, SystemClock(), lambda assignment: None)
    session.start()
    try:
        session.publish(Heartbeat(volumes=[STATUS], version="0"))
        session.ship(VOLUME, path)
        sidecar.until(lambda: len(sidecar.told()) == 1)
        sidecar.never(lambda: len(sidecar.told()) > 1)
        session.ship(VOLUME, path)
        sidecar.until(lambda: len(sidecar.told()) == 2)
    finally:
        session.close(WAIT_S)


class Tokens:
    """Where tokens are kept. Nothing can be kept while the disk is ``full``."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.full = False

    def keep(self, token: str) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.kept.append(token)


@pytest.mark.parametrize("by", ["the sidecar", "a person"])
def test_a_token_is_renewed_when_somebody_wants_it_and_only_then(by: str) -> None:
    sidecar, tokens = ListeningSidecar("/mnt/photos"), Tokens()
    session = Session(sidecar, SystemClock(), lambda assignment: None, tokens.keep)
    session.start()
    try:
        session.publish(Heartbeat(volumes=[STATUS], version="0"))
        sidecar.until(lambda: len(sidecar.heartbeats) >= 2)
        assert tokens.kept == []
        if by == "the sidecar":
            sidecar.renew_token = True
        else:
            session.renew_token()
        sidecar.until(lambda: bool(tokens.kept))
        sidecar.renew_token = False
        count = len(sidecar.heartbeats)
        sidecar.until(lambda: len(sidecar.heartbeats) >= count + 2)
        assert session.renewals == len(tokens.kept)
        assert by == "the sidecar" or tokens.kept == ["token 1"]
    finally:
        session.close(WAIT_S)


def test_a_token_that_cannot_be_kept_is_asked_for_again_later() -> None:
    sidecar, tokens = ListeningSidecar("/mnt/photos"), Tokens()
    tokens.full = True
    session = Session(sidecar, SystemClock(), lambda assignment: None, tokens.keep)
    session.start()
    try:
        session.publish(Heartbeat(volumes=[STATUS], version="0"))
        session.renew_token()
        sidecar.until(lambda: sidecar.tokens >= 2)
        assert (session.renewals, session.problem) == (0, None), "nothing else suffers from it"
        tokens.full = False
        sidecar.until(lambda: bool(tokens.kept))
    finally:
        session.close(WAIT_S)
