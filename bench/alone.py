"""The agent's engine alone, with no supervisor around it and no sidecar behind it."""

from __future__ import annotations

import os
import time
from contextlib import closing

from agent.engine import Engine
from agent.filesystems import traits
from agent.linux.clock import SystemClock
from agent.linux.files import MountedFiles
from agent.linux.kernel import boot_id, mount_at
from agent.looks import Attachment
from agent.scopes import Scope, Scopes
from agent.settings import EngineSettings
from agent.store import Standing, Store
from demo.stage import StepFailed
from holdfast.volumes import Epoch


def first_scan(place: str, files: int, journal: str, *, fs_type: str, parallel: bool = False) -> float:
    """How many seconds a first scan of all that is mounted here takes, until all of it is in the outbox. ``journal``:
    the path of a new one. Raises :class:`StepFailed` when it has not found so many files."""
    epoch = Epoch(boot_id(), mount_at(os.fsencode(place)).mount_id, 1)
    store = Store(journal, "vol_bench", "jrn_bench")
    with store.transaction():
        store.stand(Standing.WRITING)
    # Bounded as it is, the outbox holds a part of a million files: the sidecar is what would empty it meanwhile.
    engine = Engine(store, SystemClock(), EngineSettings(spool_bytes_max=1 << 40), os.urandom)
    engine.assign(Scopes([Scope("", place, ())]))
    reliable = traits(fs_type)
    with closing(MountedFiles(place, epoch.mount_id, remote=not reliable.local, parallel=parallel)) as mounted:
        start = time.monotonic()
        engine.attach(Attachment(epoch, mounted, reliable, place), None)
        while engine.scans_finished == 0:
            engine.work()
        took_s = time.monotonic() - start
        engine.detach()
    store.close()
    if engine.last_scan is None or engine.last_scan.files != files:
        raise StepFailed(f"the agent's scan ended with {engine.last_scan}")
    return took_s
