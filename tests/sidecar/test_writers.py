"""Two agents see one volume: which of them is the writer, what the others' words count for, and what is believed.

A sidecar in process, on SQLite and on MariaDB, with agents that speak to it over HTTP.
"""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.assignments import FENCE_HEADER, Assignment, BelievedPage, Binding, BindingState
from holdfast.volumes import Identity, Reason, VolumeState, is_same_storage
from sidecar import writers
from sidecar.catalog import agents, clock
from sidecar.catalog.engine import transact
from tests.sidecar.world import Agent, Problem, World, absent, checked, file, kinds, listed, new_id

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


@pytest.fixture
def agent(world: World) -> Agent:
    """The agent on the host that the disk is in at first."""
    made = Agent(world)
    made.heartbeat()
    return made


@pytest.fixture
def other(world: World, agent: Agent) -> Agent:
    """An agent on another host, which knows the disk and does not see it."""
    made = Agent(world, "other", "elsewhere", agent.volume)
    made.becomes(Reason.NOT_MOUNTED, None)
    return made


def carried(agent: Agent, other: Agent) -> None:
    """The disk is carried from one host to the other."""
    agent.becomes(Reason.UNPLUGGED, None)
    other.becomes(Reason.VERIFIED, "/media/usb")


def refused(agent: Agent, *names: str) -> str:
    with pytest.raises(Problem) as error:
        checked(agent.put(agent.report(listed("", *names), sequence=1)))
    assert error.value.status == 403
    return error.value.code


def known(agent: Agent, fence: int | None = None, **query: Any) -> BelievedPage:
    headers = {FENCE_HEADER: str(agent.fence if fence is None else fence)}
    answer = agent.client.get(f"/agent/streams/{agent.volume}/known", params=query, headers=headers)
    return msgspec.json.decode(checked(answer).content, type=BelievedPage)


def believed(agent: Agent, limit: int = 5000) -> set[tuple[str, str]]:
    """Everything that is believed, page by page: (directory, name), each once."""
    found: list[tuple[str, str]] = []
    query: dict[str, str] = {}
    while True:
        page = known(agent, limit=limit, **query)
        pieces = [(one.directory, each.name) for one in page.directories for each in one.files]
        assert len(pieces) <= limit
        found += pieces
        if page.next_cursor is None:
            assert len(found) == len(set(found))
            return set(found)
        query = {"cursor": page.next_cursor}


class TestTheRule:
    @pytest.mark.parametrize("theirs", VolumeState)
    def test_r33_a_writer_that_is_online_stays(self, theirs: VolumeState) -> None:
        assert writers.choose(B, {A: theirs, B: VolumeState.ONLINE}) == B

    @pytest.mark.parametrize("own", [state for state in VolumeState if state is not VolumeState.ONLINE])
    def test_r33_one_that_is_not_gives_way_to_one_that_is(self, own: VolumeState) -> None:
        assert writers.choose(A, {A: own, B: VolumeState.UNKNOWN, C: VolumeState.ONLINE}) == C
        assert writers.choose(A, {A: own, B: VolumeState.ONLINE, C: VolumeState.ONLINE}) == B

    @pytest.mark.parametrize("theirs", [state for state in VolumeState if state is not VolumeState.ONLINE])
    def test_r33_and_to_no_other(self, theirs: VolumeState) -> None:
        assert writers.choose(C, {A: theirs, C: VolumeState.OFFLINE}) == C

    def test_r33_the_first_writer_is_one_that_is_online(self) -> None:
        assert writers.choose(None, {A: VolumeState.OFFLINE, B: VolumeState.ONLINE}) == B
        assert writers.choose(None, {B: VolumeState.OFFLINE, A: VolumeState.OFFLINE}) == A

    @pytest.mark.parametrize("states", list(itertools.product(VolumeState, repeat=3)))
    def test_r33_it_settles_at_once(self, states: tuple[VolumeState, ...]) -> None:
        said = dict(zip((A, B, C), states, strict=True))
        for holder in (None, A, B, C):
            chosen = writers.choose(holder, said)
            assert writers.choose(chosen, said) == chosen

    def test_r33_a_fence_is_never_given_twice(self) -> None:
        assert writers.raised(5, 4_000) == 6
        assert writers.raised(5, 9_000_000) == 9_000


class TestIdentity:
    DISK = Identity(fs_type="ext4", uuid="ab" * 16, root_inode=2, root_birth_ns=5)

    def test_r33_a_disk_is_the_same_on_every_host(self) -> None:
        assert is_same_storage(self.DISK, msgspec.structs.replace(self.DISK, source="/dev/sdb1"))
        assert not is_same_storage(self.DISK, msgspec.structs.replace(self.DISK, root_birth_ns=6))

    @pytest.mark.parametrize(
        ("fs_type", "source", "is_same"),
        [
            ("nfs4", "nas:/export", True),
            ("cifs", "//nas/photos", True),
            ("nfs4", "localhost:/export", False),
            ("cifs", "//127.0.0.1/photos", False),
            ("fuse.rclone", "photos:", False),
            ("fuse.mergerfs", "1:2", False),
        ],
    )
    def test_r33_a_source_means_the_same_everywhere_or_proves_nothing(
        self, fs_type: str, source: str, is_same: bool
    ) -> None:
        seen = Identity(fs_type=fs_type, source=source, root_inode=1)
        assert is_same_storage(seen, seen) is is_same


class TestLease:
    def test_r33_a_carried_disk_has_one_writer_at_a_time(self, world: World, agent: Agent, other: Agent) -> None:
        world.library(agent)
        agent.send(listed("", "a.jpg"))
        (before,) = world.assets()
        first = agent.fence
        assert refused(other, "b.jpg") == "two-writers"
        carried(agent, other)
        shown = world.get(f"/volumes/{agent.volume}")
        assert (shown["agent"], shown["state"], shown["mounted_at"]) == (other.id, "online", "/media/usb")
        assert other.fence > first
        assert refused(agent, "c.jpg") == "two-writers"
        other.send(listed("", "a.jpg", "b.jpg"))
        assert world.by_path()["/mnt/usb/a.jpg"]["id"] == before["id"]
        assert set(world.by_path()) == {"/mnt/usb/a.jpg", "/mnt/usb/b.jpg"}

    def test_r33_a_fence_of_before_is_refused(self, agent: Agent, other: Agent) -> None:
        stale = agent.fence
        carried(agent, other)
        carried(other, agent)
        assert agent.fence > stale
        agent.fence = stale
        assert refused(agent, "a.jpg") == "two-writers"

    def test_r33_a_report_without_a_fence_is_refused(self, agent: Agent) -> None:
        agent.fence = 0
        assert refused(agent, "a.jpg") == "two-writers"

    def test_r33_of_two_that_see_it_the_first_stays(self, world: World, agent: Agent, other: Agent) -> None:
        other.becomes(Reason.VERIFIED)
        fence = agent.fence
        _, since = world.changes()
        for _ in range(3):
            assert agent.volume not in other.heartbeat()["grants"]
            assert agent.heartbeat()["grants"] == {agent.volume: fence}
            other.becomes(Reason.HUNG)
            other.becomes(Reason.VERIFIED)
        assert world.changes(since)[0] == [], "what only the other one sees is no news of the volume"

    def test_r33_a_late_heartbeat_takes_no_lease(self, world: World, agent: Agent, other: Agent) -> None:
        late = agent.status
        carried(agent, other)
        fence = other.fence
        for _ in range(3):
            assert agent.heartbeat(late)["grants"] == {}
            assert other.heartbeat()["grants"] == {agent.volume: fence}
        other.becomes(Reason.UNPLUGGED, None)
        assert agent.heartbeat(late)["grants"] == {}, "the disk is in neither host now"
        assert world.get(f"/volumes/{agent.volume}")["state"] == "offline"
        late = other.status
        carried(other, agent)
        assert other.heartbeat(late)["grants"] == {}
        assert world.get(f"/volumes/{agent.volume}")["agent"] == agent.id

    def test_r33_a_revoked_writer_gives_way(self, world: World, agent: Agent, other: Agent) -> None:
        other.becomes(Reason.VERIFIED)
        checked(world.admin.delete(f"/agents/{agent.id}"))
        assert agent.volume in other.heartbeat()["grants"]

    def test_r33_the_history_tells_the_change(self, world: World, agent: Agent, other: Agent) -> None:
        _, since = world.changes()
        carried(agent, other)
        items, _ = world.changes(since)
        assert kinds(items) == ["volume.online"]
        assert items[0]["state"]["agent"] == other.id


class TestSilence:
    def fall_silent(self, world: World, agent: Agent) -> None:
        raw = ids.from_text("agent", agent.id)
        assert raw is not None

        def work(connection: sa.Connection) -> None:
            counted = agents.heartbeat_counts(connection)[raw]
            assert agents.fall_silent(connection, raw, counted, 1, b"0123456789")

        transact(world.engine, work)

    def test_r36_a_silent_writer_is_unknown_and_never_offline(self, world: World, agent: Agent, other: Agent) -> None:
        world.library(agent)
        agent.send(listed("", "a.jpg"))
        self.fall_silent(world, agent)
        shown = world.get(f"/volumes/{agent.volume}")
        assert (shown["agent"], shown["state"], shown["reason"]) == (agent.id, "unknown", "agent-silent")
        assert [(one["status"], one["availability"]) for one in world.assets()] == [("present", "unknown")]

    def test_r36_one_that_sees_the_volume_takes_over(self, world: World, agent: Agent, other: Agent) -> None:
        other.becomes(Reason.VERIFIED)
        self.fall_silent(world, agent)
        assert world.get(f"/volumes/{agent.volume}")["state"] == "online"
        assert agent.volume in other.heartbeat()["grants"]
        assert agent.heartbeat()["grants"] == {}, "who comes back finds the other at work"

    def test_r36_the_silence_of_another_changes_nothing(self, world: World, agent: Agent, other: Agent) -> None:
        other.becomes(Reason.VERIFIED)
        _, since = world.changes()
        self.fall_silent(world, other)
        assert kinds(world.changes(since)[0]) == ["agent.silent"]
        assert world.get(f"/volumes/{agent.volume}")["state"] == "online"


class TestRecognition:
    def volumes(self, agent: Agent) -> list[str]:
        answer = checked(agent.client.get("/agent/assignment"))
        return [one.id for one in msgspec.json.decode(answer.content, type=Assignment).volumes]

    def test_r33_every_agent_knows_a_disk_that_can_be_carried(self, world: World, agent: Agent) -> None:
        stranger = Agent(world, "stranger", "far")
        assert self.volumes(stranger) == [agent.volume]

    @pytest.mark.parametrize(
        "status",
        [
            {"last_mounted_at": "/"},
            {"identity": Identity(fs_type="fuse.rclone", source="photos:", root_inode=1)},
        ],
        ids=["the storage that a host runs from", "a name that every host may have"],
    )
    def test_r10_what_proves_nothing_elsewhere_is_not_recognised(
        self, world: World, agent: Agent, status: dict[str, Any]
    ) -> None:
        agent.becomes(Reason.VERIFIED)
        agent.heartbeat(msgspec.structs.replace(agent.status, version=99, **status))
        stranger = Agent(world, "stranger", "far")
        assert self.volumes(stranger) == []
        assert self.volumes(agent) == [agent.volume]

    def test_r33_a_new_volume_is_told_to_those_who_wait(self, world: World, agent: Agent) -> None:
        before = agent.heartbeat()["revision"]
        Agent(world, "stranger", "far").heartbeat()
        assert agent.heartbeat()["revision"] > before

    def test_r33_a_disk_that_was_enrolled_twice_is_one_volume(self, world: World, agent: Agent) -> None:
        """Two agents bind it at the same moment, before either has heard of the other's id for it."""
        hasty = Agent(world, "hasty", "far")
        hasty.status = msgspec.structs.replace(hasty.status, identity=agent.status.identity)
        made = world.post("/libraries", {"owner": "anna", "import_paths": [{"agent": hasty.id, "path": "/media/x"}]})
        hasty.bindings = [
            Binding(
                import_path=made["import_paths"][0]["id"],
                state=BindingState.BOUND,
                volume=hasty.volume,
                directory="trip",
            )
        ]
        hasty.heartbeat()
        assert [one["id"] for one in world.get("/volumes")["items"]] == [agent.volume]
        answer = checked(hasty.client.get("/agent/assignment"))
        (path,) = msgspec.json.decode(answer.content, type=Assignment).import_paths
        assert (path.volume, path.directory) == (agent.volume, "trip")


class TestBaseline:
    def test_r34_what_is_believed_is_told_page_by_page(self, world: World, agent: Agent) -> None:
        world.library(agent)
        names = {f"{number:02}.jpg" for number in range(23)}
        agent.send(listed("trip", *names), listed("", "a.jpg", "a.xmp", "b\n.jpg"), listed("trip/deep", "a.jpg"))
        agent.send(absent("", "a.jpg"))
        everything = {("trip", name) for name in names} | {("", "a.xmp"), ("", "b\n.jpg"), ("trip/deep", "a.jpg")}
        for limit in (1, 7, 5000):
            assert believed(agent, limit) == everything

    def test_r34_it_has_the_facts(self, world: World, agent: Agent) -> None:
        world.library(agent)
        agent.send(listed("", file("a.jpg", 7, -5)))
        (one,) = known(agent).directories
        assert [(each.name, each.size, each.mtime_ns) for each in one.files] == [("a.jpg", 7, -5)]

    def test_r34_what_is_on_other_volumes_is_not_in_it(self, world: World, agent: Agent) -> None:
        """A library that is mostly elsewhere: pages may be empty, and there is an end."""
        elsewhere = Agent(world, "stranger", "far")
        elsewhere.heartbeat()
        import_paths = [{"agent": one.id, "path": "/mnt/usb"} for one in (agent, elsewhere)]
        made = world.post("/libraries", {"owner": "anna", "import_paths": import_paths})
        agent.bind(made, "")
        elsewhere.bind(made, "")
        elsewhere.send(listed("", *(f"{number}.jpg" for number in range(20))))
        agent.send(listed("", "mine.jpg"))
        assert believed(agent, 3) == {("", "mine.jpg")}

    def test_r33_only_the_writer_may_ask(self, agent: Agent, other: Agent) -> None:
        with pytest.raises(Problem) as error:
            known(other, agent.fence)
        assert error.value.code == "two-writers"
        with pytest.raises(Problem) as error:
            known(agent, agent.fence + 1)
        assert error.value.code == "two-writers"

    def test_r35_cursors_of_another_incarnation_end(self, world: World, agent: Agent) -> None:
        world.library(agent)
        agent.send(listed("", "a.jpg", "b.jpg"))
        _, since = world.changes()
        page = known(agent, limit=1)
        before = agent.heartbeat()["catalog"]
        transact(world.engine, lambda connection: clock.renew(connection, new_id()))
        assert agent.heartbeat()["catalog"] != before
        for call in (lambda: known(agent, cursor=page.next_cursor), lambda: world.get("/changes", since=since)):
            with pytest.raises(Problem) as error:
                call()
            assert (error.value.status, error.value.code) == (410, "cursor-expired")
        assert len(world.assets()) == 2
