"""The process for one volume: it may hang or die alone.

Everything that storage can block happens here: probing a mount, inspecting a path, listing, watching, hashing. The
supervisor starts it before it touches anything, talks to it over one socket, and gives it up when it stops
answering. It ends by itself when the supervisor does.
"""

from __future__ import annotations

import errno
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Protocol

from agent.doubts import Doubt
from agent.engine import Engine
from agent.filesystems import traits
from agent.linux.storage import KernelStorage
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
    Seek,
    Stop,
    ToWorker,
    Want,
)
from agent.missed import Missed
from agent.noise import Noise
from agent.ports import Clock, Files, Mount, Probe, Trouble, Watch
from agent.scopes import Scopes
from agent.store import Store
from holdfast import collector
from holdfast.scans import EndedScan
from holdfast.volumes import Epoch

# While it works, a worker says so this often; the supervisor's patience is many times that.
_READING_EVERY_S = 0.5
# So long what is to be told may wait until that is said. And so short a rest is none: whoever reads file after file
# rests after each of them.
_MOMENT_S = 0.1


class OpenFiles(Files, Protocol):
    """The files of an attachment, to be closed when it ends."""

    def close(self) -> None:
        """Give back what is held."""


class Storage(Protocol):
    """What a worker touches storage with, and what else it asks of the world."""

    @property
    def clock(self) -> Clock:
        """Time."""

    def entropy(self, count: int) -> bytes:
        """Random bytes."""

    def store(self, path: str, volume: str) -> Store:
        """Open the journal of a volume."""

    def probe(self, mount: Mount) -> Probe | Trouble:
        """What stands at the root of a mount."""

    def inspect(self, question: Inspect) -> Inspected:
        """What is at a host path."""

    def branches(self, mount_point: str) -> list[str]:
        """The branches of a union. Raises :class:`OSError`."""

    def files(self, order: Adopt, asked_to_let_go: Callable[[], bool]) -> OpenFiles:
        """The files of the volume that is to be adopted."""

    def watch(self, order: Adopt, about_to_ask: Callable[[], None]) -> tuple[Watch | None, str]:
        """A watch of the volume that is to be adopted, and why it is no better one, or none. ``about_to_ask`` is called
        when it is going to ask the storage while it is read."""


class Worker:
    """The loop around one engine. ``storage`` is the kernel's, or the simulator's."""

    def __init__(self, line: Line, storage: Storage | None = None) -> None:
        self._line = line
        self._storage = storage or KernelStorage()
        self._clock = self._storage.clock
        self._store: Store | None = None
        self._engine: Engine | None = None
        self._watch: Watch | None = None
        self._files: OpenFiles | None = None
        self._epoch: Epoch | None = None
        self._said = 0.0
        self._said_busy = False
        self._has_news = self._has_spooled = False
        self._noise = Noise()
        self._adopting = False
        # What was said while a volume was being adopted, and can wait until that is done.
        self._waiting: deque[ToWorker | None] = deque()

    def run(self) -> None:
        """Work until told to stop, or until the supervisor is gone."""
        while self.turn():
            pass

    def turn(self) -> bool:
        """Wait until there is something to do, and do one thing; False at the end."""
        timeout_s = self._wait_s()
        if timeout_s != 0.0 and self._is_of_interest(timeout_s):
            self._say(busy=False)
        if self._waiting or self._wait(timeout_s):
            message = self._waiting.popleft() if self._waiting else self._line.receive_to_worker()
            if message is None or isinstance(message, Stop):
                self._release()
                return False
            self._obey(message)
        self._work()
        return True

    def _is_of_interest(self, timeout_s: float | None) -> bool:
        """Whether to say how things stand before a rest of so long."""
        if self._spooled():
            return True
        return (self._has_news or self._said_busy) and (timeout_s is None or timeout_s > _MOMENT_S)

    def _spooled(self) -> bool:
        """Whether the outbox was added to since anything was said."""
        self._has_spooled = self._has_spooled or (self._engine is not None and self._engine.take_spooled())
        return self._has_spooled

    def _wait_s(self) -> float | None:
        due = None if self._engine is None else self._engine.due()
        return None if due is None else max(0.0, due - self._clock.now().boot)

    def _wait(self, timeout_s: float | None) -> bool:
        """Rest until there is something to do; True when a message waits."""
        poll = select.poll()
        poll.register(self._line.fileno(), select.POLLIN)
        if self._watch is not None:
            pause_s = self._noise.until - self._clock.now().boot
            if pause_s <= 0.0:
                poll.register(self._watch.fileno(), select.POLLIN)
            else:
                timeout_s = pause_s if timeout_s is None else min(pause_s, timeout_s)
        ready = dict(poll.poll(None if timeout_s is None else timeout_s * 1000))
        if self._watch is not None and self._watch.fileno() in ready:
            self._listen()
        return self._line.fileno() in ready

    def _listen(self) -> None:
        """Take in what the watch has to tell. If nothing of it is of interest, it is left alone for a moment."""
        if self._watch is None or self._engine is None:
            return
        before = self._engine.hints_wanted
        doubt = self._engine.hint(self._watch.read())
        self._noise.heard(wanted=self._engine.hints_wanted > before, now=self._clock.now().boot)
        self._doubt(doubt)

    def _work(self) -> None:
        if self._engine is None or not self._engine.attached:
            return
        due = self._engine.due()
        if due is None or due > self._clock.now().boot:
            return
        # What comes next may never return, and only a worker that is known to be at work is missed.
        said_s = self._clock.now().boot - self._said
        if not self._said_busy or said_s >= _READING_EVERY_S or (said_s >= _MOMENT_S and self._spooled()):
            self._say(busy=True)
        self._doubt(self._engine.work())
        self._has_news = True

    def _obey(self, message: ToWorker) -> None:
        self._has_news = True
        match message:
            case ProbeMount(mount, unique_id):
                found = self._storage.probe(mount)
                self._line.send(
                    Probed(unique_id, None, found.errno) if isinstance(found, Trouble) else Probed(unique_id, found)
                )
            case Inspect():
                self._line.send(self._storage.inspect(message))
            case AskBranches(unique_id, mount_point):
                self._line.send(self._ask_branches(unique_id, mount_point))
            case Adopt():
                self._adopt(message)
            case Guard(guarded) if self._engine is not None:
                self._engine.guard(guarded=guarded)
            case Assign(scopes) if self._engine is not None:
                self._engine.assign(Scopes(scopes))
            case Seek(missed) if self._engine is not None:
                self._engine.seek(Missed(missed))
            case Consult() if self._engine is not None:
                self._engine.consult()
            case Rescan() if self._engine is not None and self._engine.attached:
                self._engine.scan(anew=True)
            case Want(scans) if self._engine is not None:
                self._engine.want(scans)
            case Release():
                self._release()
                self._line.send(LetGo())
            case _:
                pass

    def _adopt(self, order: Adopt) -> None:
        self._release()
        self._say(busy=True)
        self._store = self._storage.store(order.store_path, order.volume)
        self._engine = Engine(self._store, self._clock, order.settings, self._storage.entropy)
        self._engine.assign(Scopes(order.scopes))
        self._engine.seek(Missed(order.missed))
        self._engine.want(order.wanted)
        self._epoch = order.epoch
        reliable = traits(order.mount.fs_type)
        self._files = self._storage.files(order, self._is_spoken_to)
        self._noise = Noise()
        self._watch, seen_so = self._storage.watch(order, self._about_to_ask)
        self._adopting = True
        doubt = self._engine.attach(
            Attachment(order.epoch, self._files, reliable, order.mount.mount_point, order.guarded),
            self._watch,
            order.look_first,
            accepted=order.accepted,
            seen_so=seen_so,
        )
        self._adopting = False
        if doubt is not None:
            self._doubt(doubt)
            return
        self._line.send(Ready(order.epoch))

    def _ask_branches(self, unique_id: int, mount_point: str) -> Branches:
        try:
            return Branches(unique_id, self._storage.branches(mount_point))
        except OSError as error:
            return Branches(unique_id, [], error.errno or errno.EIO)

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
        self._has_spooled = False

    def _is_spoken_to(self) -> bool:
        """Whether the supervisor has said something, which may be that the volume is to be let go of: then a pass
        ends early, and what is left of it is looked at afterwards.

        The first look at a volume ends early only when it is to be let go of: what it did not get to would pass for in
        order."""
        if not self._adopting:
            return self._line.has_message()
        while None not in self._waiting and self._line.has_message():
            self._waiting.append(self._line.receive_to_worker())
        return not all(isinstance(one, Rescan | Guard | Consult | Assign | Seek | Want) for one in self._waiting)

    def _about_to_ask(self) -> None:
        """What comes next asks the storage, and may never return."""
        if not self._said_busy:
            self._say(busy=True)

    def _say(self, *, busy: bool) -> None:
        if self._engine is None:
            return
        self._said = self._clock.now().boot
        self._said_busy = busy
        spooled = self._spooled()
        self._has_news = self._has_spooled = False
        watching, watched = self._engine.watching()
        ended = self._engine.last_scan
        self._line.send(
            Reading(
                busy=busy,
                spooled=spooled,
                scan=self._engine.progress(),
                scans_finished=self._engine.scans_finished,
                watching=watching,
                watched_directories=watched,
                spool_full=self._engine.spool_is_full,
                last_scan=None
                if ended is None
                else EndedScan(
                    complete=ended.complete,
                    directories=ended.directories,
                    files=ended.files,
                    errors=ended.errors,
                    duration_s=ended.duration_s,
                ),
            )
        )


def main() -> None:
    """Run as ``python -m agent.worker FD``: serve the supervisor at the other end of this inherited socket."""
    # The terminal's Ctrl-C reaches the whole process group; the supervisor decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(socket.socket(fileno=int(sys.argv[1])))
    collector.begin_work()
    try:
        Worker(line).run()
    except BrokenPipeError:
        pass  # the supervisor died; nobody is left to be told anything
    finally:
        line.close()


if __name__ == "__main__":
    main()
