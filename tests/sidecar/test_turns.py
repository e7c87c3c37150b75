"""Who gets to write to an embedded catalog, in which there is one writer at a time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import sqlalchemy as sa

from sidecar import catalog
from sidecar.catalog.engine import connect, transact

# As with the reports of a first scan: little time passes between one and the next, and each takes a while.
WRITES_S, RESTS_S = 0.2, 0.006
TURNS = 8
MISSED_AT_MOST = 2 * TURNS


def test_whoever_wants_to_write_does_not_wait_for_all_the_reports_of_a_scan(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/catalog.sqlite3")
    catalog.migrate(engine)
    written, ended = [0], threading.Event()

    def reports() -> None:
        other = connect(f"sqlite:///{tmp_path}/catalog.sqlite3")
        while not ended.is_set():
            transact(other, lambda _: time.sleep(WRITES_S))
            written[0] += 1
            time.sleep(RESTS_S)
        other.dispose()

    scan = threading.Thread(target=reports)
    scan.start()
    try:
        missed = 0
        for _ in range(TURNS):
            before = written[0]
            while written[0] == before:
                ended.wait(0.001)
            time.sleep(2 * RESTS_S)  # in the midst of the next
            before = written[0]
            transact(engine, lambda connection: connection.execute(sa.text("SELECT 1")).scalar())
            missed += written[0] - before
    finally:
        ended.set()
        scan.join()
        engine.dispose()
    assert missed <= MISSED_AT_MOST, "one has to end, and now and then another"
