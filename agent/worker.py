"""The process for one volume: it may hang or die alone.

Everything that storage can block happens here: probing a mount, inspecting a path, listing, watching, hashing. The
supervisor starts it before it touches anything, talks to it over one socket, and gives it up when it stops
answering. It ends by itself when the supervisor does.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
import time

from agent.doubts import Doubt
from agent.engine import Engine
from agent.filesystems import traits
from agent.linux.blockdev import device_of
from agent.linux.clock import SystemClock
from agent.linux.files import MountedFiles
from agent.linux.fuse import read_branches
from agent.linux.inotify import InotifyWatch
from agent.linux.inspection import inspect
from agent.linux.probe import probe
from agent.looks import Attachment
from agent.messages import (
    Adopt,
    AskBranches,
    Assign,
    Branches,
    Consult,
    Doubted,
    Guard,
    Inspect,
    Inspected,
    LetGo,
    Line,
    Probed,
    ProbeMount,
    Reading,
    Ready,
    Release,
    Rescan,
    Stop,
    ToWorker,
)
from agent.ports import Trouble
from agent.scopes import Scopes
from agent.store import Store
from holdfast.volumes import Epoch

# While it works, a worker says so this often; the supervisor's patience is many times that.
_READING_EVERY_S = 0.5


class Worker:
    """The loop around one engine."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._clock = SystemClock()
        self._store: Store | None = None
        self._engine: Engine | None = None
        self._watch: InotifyWatch | None = None
        self._files: MountedFiles | None = None
        self._epoch: Epoch | None = None
        self._said = 0.0
        self._said_busy = False
        self._pending = False

    def run(self) -> None:
        """Work until told to stop, or until the supervisor is gone."""
        while True:
            timeout_s = self._wait_s()
            if timeout_s != 0.0:
                self._say(busy=False)
            if self._wait(timeout_s):
                message = self._line.receive_to_worker()
                if message is None or isinstance(message, Stop):
                    self._release()
                    return
                self._obey(message)
            self._work()

    def _wait_s(self) -> float | None:
        due = None if self._engine is None else self._engine.due()
        return None if due is None else max(0.0, due - self._clock.now().boot)

    def _wait(self, timeout_s: float | None) -> bool:
        """Rest until there is something to do; True when a message waits."""
        poll = select.poll()
        poll.register(self._line.fileno(), select.POLLIN)
        if self._watch is not None:
            poll.register(self._watch.fileno(), select.POLLIN)
        ready = dict(poll.poll(None if timeout_s is None else timeout_s * 1000))
        if self._watch is not None and self._watch.fileno() in ready and self._engine is not None:
            self._doubt(self._engine.hint(self._watch.read()))
        return self._line.fileno() in ready

    def _work(self) -> None:
        if self._engine is None or not self._engine.attached:
            return
        due = self._engine.due()
        if due is None or due > self._clock.now().boot:
            return
        # What comes next may never return, and only a worker that is known to be at work is missed.
        if not self._said_busy or time.monotonic() - self._said >= _READING_EVERY_S:
            self._say(busy=True)
        self._doubt(self._engine.work())

    def _obey(self, message: ToWorker) -> None:
        match message:
            case ProbeMount(mount, unique_id):
                found = probe(mount)
                self._line.send(
                    Probed(unique_id, None, found.errno) if isinstance(found, Trouble) else Probed(unique_id, found)
                )
            case Inspect(import_path, path, roots, shown_at, managed):
                seen = inspect(path, roots, shown_at=shown_at, managed=managed)
                self._line.send(Inspected(import_path, seen.canonical, seen.refusal, seen.errno))
            case AskBranches(unique_id, mount_point):
                self._line.send(_ask_branches(unique_id, mount_point))
            case Adopt():
                self._adopt(message)
            case Guard(guarded) if self._engine is not None:
                self._engine.guard(guarded=guarded)
            case Assign(scopes) if self._engine is not None:
                self._engine.assign(Scopes(scopes))
            case Consult() if self._engine is not None:
                self._engine.consult()
            case Rescan() if self._engine is not None and self._engine.attached:
                self._engine.scan()
            case Release():
                self._release()
                self._line.send(LetGo())
            case _:
                pass

    def _adopt(self, order: Adopt) -> None:
        self._release()
        self._say(busy=True)
        self._store = Store(order.store_path, order.volume)
        self._engine = Engine(self._store, self._clock, order.settings, os.urandom)
        self._engine.assign(Scopes(order.scopes))
        self._epoch = order.epoch
        mount_point, mount_id = order.mount.mount_point, order.epoch.mount_id
        reliable = traits(order.mount.fs_type)
        self._files = MountedFiles(
            mount_point,
            mount_id,
            device=device_of(order.mount),
            identity=order.identity,
            marker=order.marker,
            remote=not reliable.local,
            asked_to_let_go=self._is_spoken_to,
        )
        self._watch, unwatched = _watch(mount_point, mount_id) if reliable.local else (None, "")
        doubt = self._engine.attach(
            Attachment(order.epoch, self._files, reliable, mount_point, order.guarded),
            self._watch,
            order.look_first,
            accepted=order.accepted,
            unwatched=unwatched,
        )
        if doubt is not None:
            self._doubt(doubt)
            return
        self._line.send(Ready(order.epoch))

    def _doubt(self, doubt: Doubt | None) -> None:
        """The engine has let go of the volume; say why."""
        if doubt is None:
            return
        epoch = self._epoch
        self._release()
        if epoch is not None:
            self._line.send(Doubted(epoch, doubt.reason, doubt.detail, doubt.directory))

    def _release(self) -> None:
        if self._engine is not None:
            self._engine.detach()
        if self._files is not None:
            self._files.close()
        if self._store is not None:
            self._store.close()
        self._engine = self._store = self._watch = self._files = self._epoch = None

    def _is_spoken_to(self) -> bool:
        """Whether the supervisor has said something, which may be that the volume is to be let go of: then a pass
        ends early, and what is left of it is looked at afterwards."""
        return self._line.has_message()

    def _say(self, *, busy: bool) -> None:
        if self._engine is None:
            return
        self._said = time.monotonic()
        self._said_busy = busy
        watching, watched = self._engine.watching()
        self._line.send(
            Reading(
                busy=busy,
                spooled=self._engine.take_spooled(),
                scan=self._engine.progress(),
                scans_finished=self._engine.scans_finished,
                watching=watching,
                watched_directories=watched,
                spool_full=self._engine.spool_is_full,
            )
        )


def _watch(mount_point: str, mount_id: int) -> tuple[InotifyWatch | None, str]:
    """A watch, or why there is none: the kernel gives each user only so many (R31)."""
    try:
        return InotifyWatch(mount_point, mount_id), ""
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
    return (
        None,
        "scans only, for lack of inotify instances; raise the limit with: sysctl fs.inotify.max_user_instances=1024",
    )


def _ask_branches(unique_id: int, mount_point: str) -> Branches:
    try:
        return Branches(unique_id, read_branches(mount_point))
    except OSError as error:
        return Branches(unique_id, [], error.errno or errno.EIO)


def main() -> None:
    """Run as ``python -m agent.worker FD``: serve the supervisor at the other end of this inherited socket."""
    # The terminal's Ctrl-C reaches the whole process group; the supervisor decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(socket.socket(fileno=int(sys.argv[1])))
    try:
        Worker(line).run()
    except BrokenPipeError:
        pass  # the supervisor died; nobody is left to be told anything
    finally:
        line.close()


if __name__ == "__main__":
    main()
