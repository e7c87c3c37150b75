"""Questions to storage that are under way while things change."""

from __future__ import annotations

from typing import cast

from agent.messages import FromWorker, Probed, ProbeMount, ToWorker
from agent.ports import Probe
from agent.probing import Prober
from agent.processes import WorkerProcess, Workers
from agent.testing.host import FakeHost
from agent.testing.mounts import probe

AT = "/mnt/photos"


class Asked:
    """A worker that finds what is mounted when it is asked, and tells of it when it is read."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._found: list[FromWorker] = []

    def send(self, message: ToWorker) -> bool:
        assert isinstance(message, ProbeMount)
        found = probe(self._host, message.mount)
        assert isinstance(found, Probe)
        self._found.append(Probed(message.unique_id, found))
        return True

    def receive(self, now: float) -> list[FromWorker]:
        found, self._found = self._found, []
        return found


class OneWorker(Workers):
    """Gives everybody the same worker."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__()
        self.worker = Asked(host)

    def take(self, now: float) -> WorkerProcess:
        return cast(WorkerProcess, self.worker)


def test_r12_an_answer_about_what_was_mounted_under_a_recycled_number_does_not_count() -> None:
    host = FakeHost(recycles_ids=True)
    prober = Prober(OneWorker(host), deadline_s=15.0)
    host.mount(host.disk("stranger"), AT)
    stranger = host.place(AT).mounted
    prober.probe(stranger.mount, stranger.unique_id, now=1.0)
    host.umount(AT)
    host.mount(host.disk("photos"), AT)
    photos = host.place(AT).mounted
    assert photos.unique_id == stranger.unique_id
    prober.forget_all_but(())
    prober.answer(photos.unique_id, now=1.1)
    assert prober.probes == {}, "the answer is about the stranger"
    prober.probe(photos.mount, photos.unique_id, now=1.2)
    prober.answer(photos.unique_id, now=1.3)
    found = prober.probes[photos.unique_id]
    assert isinstance(found, Probe)
    assert found.identity.uuid == photos.disk.uuid
