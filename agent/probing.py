"""Questions to storage, asked by processes that may hang: what is mounted here, what is at this path?

One question per mount or path is under way at a time, each in a worker of its own. A worker that misses the deadline
is given up, and the answer is then a :class:`~agent.ports.Trouble` (ETIMEDOUT) like any other.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from agent.filesystems import PSEUDO
from agent.messages import AskBranches, Branches, FromWorker, Inspect, Inspected, Probed, ProbeMount
from agent.mounts import covered
from agent.ports import Mount, Mounts, Probe, Trouble
from agent.processes import WorkerProcess, Workers

# A mount that could not be identified is asked again this often.
RETRY_S = 10.0


class OfUnion(NamedTuple):
    """The question to a union for its branches; those to mounts and paths are named by their ids alone."""

    unique_id: int


Question = int | str | OfUnion


class Prober:
    """Asks, remembers the answers about mounts, and keeps a free worker for the next question.

    ``deadline_s``: what takes longer is told as hung, and asked again later.
    """

    def __init__(self, workers: Workers, deadline_s: float) -> None:
        self._workers = workers
        self._deadline_s = deadline_s
        self._asked: dict[Question, tuple[WorkerProcess, float]] = {}
        self._free: WorkerProcess | None = None
        # Workers that hang in the kernel and cannot even be killed: their question is not asked a second time.
        self._stuck: dict[Question, WorkerProcess] = {}
        self._retry_at: float | None = None
        # Questions whose answer will be about what was mounted before.
        self._outdated: set[int] = set()
        self.probes: dict[int, Probe | Trouble] = {}

    def probe(self, mount: Mount, unique_id: int, now: float) -> None:
        """Ask what is mounted here, unless that is being asked already."""
        self._ask(unique_id, ProbeMount(mount, unique_id), now)

    def inspect(
        self,
        import_path: str,
        path: str,
        roots: list[str],
        now: float,
        *,
        shown_at: str | None = None,
        managed: Sequence[str] = (),
    ) -> None:
        """Ask what is at this host path, unless that is being asked already."""
        self._ask(import_path, Inspect(import_path, path, roots, shown_at, list(managed)), now)

    def ask_branches(self, mount: Mount, unique_id: int, now: float) -> None:
        """Ask a union for its branches, unless that is being asked already."""
        self._ask(OfUnion(unique_id), AskBranches(unique_id, mount.mount_point), now)

    def forget(self, unique_ids: Iterable[int]) -> None:
        """What was found at these mounts is not to be relied on any more."""
        for unique_id in unique_ids:
            self.probes.pop(unique_id, None)

    def forget_all_but(self, unique_ids: Collection[int]) -> None:
        """The ids of all other mounts may stand for others by now: what was found there counts no more, and an answer
        that is still to come does not either."""
        self.forget(self.probes.keys() - unique_ids)
        self._outdated |= {one for one in self._asked if isinstance(one, int) and one not in unique_ids}

    def retry(self, now: float) -> bool:
        """Forget the mounts that could not be identified, when it is time to ask again; whether it is."""
        failed = [key for key, found in self.probes.items() if isinstance(found, Trouble)]
        if not failed:
            self._retry_at = None
            return False
        if self._retry_at is None or now < self._retry_at:
            self._retry_at = self._retry_at or now + RETRY_S
            return False
        self._retry_at = None
        answerable = [key for key in failed if not self._is_stuck(key)]
        self.forget(answerable)
        return bool(answerable)

    def lines(self) -> dict[int, Question]:
        """The descriptors on which answers arrive, and the questions."""
        return {worker.fileno(): question for question, (worker, _) in self._asked.items()}

    def answer(self, question: Question, now: float) -> list[FromWorker]:
        """Read the answer that has arrived. A worker that died without one has given one too."""
        worker, _ = self._asked.pop(question)
        messages = worker.receive(now)
        if messages is None:
            self._workers.give_up(worker)
            return [self._failed(question, errno.EIO)]
        for message in messages:
            if isinstance(message, Probed):
                self._note(message.unique_id, message.probe or Trouble(message.errno, ""))
        if self._free is None:
            self._free = worker
        else:
            self._workers.give_up(worker)
        return messages

    def overdue(self, now: float) -> list[FromWorker]:
        """Give up the workers that have missed their deadline; what they were asked is answered for them."""
        late = [question for question, (_, deadline) in self._asked.items() if deadline <= now]
        for question in late:
            worker, _ = self._asked.pop(question)
            self._workers.give_up(worker)
            self._stuck[question] = worker
        return [self._failed(question, errno.ETIMEDOUT) for question in late]

    def due(self) -> float | None:
        """When :meth:`overdue` or :meth:`retry` has something to do next."""
        times = [deadline for _, deadline in self._asked.values()]
        if self._retry_at is not None:
            times.append(self._retry_at)
        return min(times, default=None)

    def close(self) -> None:
        """Give up everything that is under way."""
        for worker, _ in self._asked.values():
            self._workers.give_up(worker)
        if self._free is not None:
            self._workers.give_up(self._free)
        self._asked.clear()
        self._free = None

    def _is_stuck(self, question: Question) -> bool:
        worker = self._stuck.get(question)
        if worker is not None and worker.is_over():
            del self._stuck[question]
            return False
        return worker is not None

    def _ask(self, key: Question, question: ProbeMount | Inspect | AskBranches, now: float) -> None:
        if key in self._asked or self._is_stuck(key):
            return
        worker, self._free = self._free, None
        if worker is not None and not worker.send(question):
            self._workers.give_up(worker)
            worker = None
        if worker is None:
            worker = self._workers.take(now)
            worker.send(question)
        self._asked[key] = (worker, now + self._deadline_s)

    def _note(self, unique_id: int, found: Probe | Trouble) -> None:
        if unique_id in self._outdated:
            self._outdated.discard(unique_id)  # whoever still wants to know asks again
        else:
            self.probes[unique_id] = found

    def _failed(self, question: Question, number: int) -> FromWorker:
        if isinstance(question, int):
            self._note(question, Trouble(number, ""))
            return Probed(question, None, number)
        if isinstance(question, OfUnion):
            return Branches(question.unique_id, [], number)
        text = "The path does not answer. Check the network, the server or the cable, then try again."
        return Inspected(question, "", text, number)


def unique_ids(mounts: Mounts, table: Sequence[Mount], interesting: Iterable[Mount]) -> dict[int, int]:
    """The unique ids of those mounts that can be reached and may hold photos, by their numbers in the table."""
    found = {}
    for mount in interesting:
        if mount.fs_type not in PSEUDO and not covered(table, mount):
            unique_id = mounts.unique_id(mount.mount_point)
            if unique_id is not None:
                found[mount.mount_id] = unique_id
    return found
