"""What is in a file, and missing photos that come back elsewhere: known again by their content, or not. By the API."""

from __future__ import annotations

import base64
import hashlib

import pytest

from holdfast import ids
from holdfast.reports import FileFacts
from holdfast.volumes import Reason
from sidecar.catalog import deciding, seeking
from sidecar.catalog.engine import transact
from sidecar.holds import HoldState
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.world import Agent, Item, Problem, World, absent, checked, kinds, listed, moved


def sha1(text: str) -> str:
    return "sha1:" + base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def read(name: str, text: str = "a beach", size: int = 100, mtime_ns: int = 1_000_000_000) -> FileFacts:
    """A file that the agent has read."""
    return FileFacts(name, size, mtime_ns, sha1(text))


def missing(world: World, agent: Agent, *files: FileFacts) -> list[Item]:
    """Photos that were there and are proven to be gone."""
    agent.send(listed("2024", *files))
    agent.send(absent("2024", *(file.name for file in files)))
    return [world.by_path()[f"/mnt/usb/2024/{file.name}"] for file in files]


def ids_at(world: World, *paths: str) -> list[str | None]:
    found = world.by_path()
    return [found[f"/mnt/usb/{path}"]["id"] if f"/mnt/usb/{path}" in found else None for path in paths]


def test_r38_a_missing_photo_that_turns_up_elsewhere_is_the_same_asset(world: World, agent: Agent) -> None:
    (lost,) = missing(world, agent, read("a.jpg"))
    world.patch(f"/assets/{lost['id']}", {"trashed": True, "foreign_id": "immich-7"})
    _, since = world.changes()
    agent.send(listed("album", read("b.jpg", mtime_ns=2_000_000_000)))
    (back,) = world.assets()
    assert (back["id"], back["status"], back["path"]) == (lost["id"], "present", "/mnt/usb/album/b.jpg")
    assert (back["foreign_id"], back["trashed_at"] is not None) == ("immich-7", True)
    items, _ = world.changes(since)
    assert kinds(items) == ["asset.moved"], "nobody ever hears of a photo that was added or removed"
    step = world.get(f"/assets/{lost['id']}/history")["items"][0]
    assert (step["reason"], step["from_path"], step["to_path"]) == ("relinked", "2024/a.jpg", "album/b.jpg")
    assert (step["from_status"], step["to_status"], step["from_volume_id"]) == ("missing", "present", None)


@pytest.fixture
def both(world: World) -> tuple[Agent, Agent]:
    """Two agents with a disk each, and one library on both."""
    one, other = Agent(world), Agent(world, name="attic", host="attic.home")
    for each in (one, other):
        each.heartbeat()
    paths = [(one, "/mnt/usb"), (other, "/mnt/attic")]
    import_paths = [{"agent": each.id, "path": path} for each, path in paths]
    library = world.post("/libraries", {"owner": "anna", "import_paths": import_paths})
    for each in (one, other):
        each.bind(library, "")
    return one, other


def test_r38_a_photo_that_went_to_another_disk_keeps_its_id(world: World, both: tuple[Agent, Agent]) -> None:
    one, other = both
    (lost,) = missing(world, one, read("a.jpg"))
    # At the same place of the other disk, even.
    other.send(listed("2024", read("a.jpg")))
    (back,) = world.assets()
    assert (back["id"], back["status"], back["volume_id"]) == (lost["id"], "present", other.volume)
    assert back["path"] == "/mnt/attic/2024/a.jpg"
    step = world.get(f"/assets/{lost['id']}/history")["items"][0]
    assert (step["reason"], step["from_volume_id"]) == ("relinked", one.volume)
    # The disk that it came from says nothing about it any more; the other one does.
    one.send(absent("2024", "a.jpg"))
    assert world.assets()[0]["status"] == "present"
    other.send(absent("2024", "a.jpg"))
    assert world.assets()[0]["status"] == "missing"
    other.send(listed("2024", read("a.jpg")))
    assert ids_at(world, "2024/a.jpg") == [None]
    assert world.assets()[0]["id"] == lost["id"]


def test_r38_of_a_disk_that_is_away_nobody_can_say_that_the_photo_left_it(
    world: World, both: tuple[Agent, Agent]
) -> None:
    one, other = both
    (lost,) = missing(world, one, read("a.jpg"))
    one.becomes(Reason.NOT_MOUNTED, None)
    other.send(listed("2024", read("a.jpg")))
    found = world.by_path()
    assert found["/mnt/usb/2024/a.jpg"]["id"] == lost["id"]
    assert found["/mnt/usb/2024/a.jpg"]["status"] == "missing"
    assert found["/mnt/attic/2024/a.jpg"]["id"] != lost["id"]


def test_r38_a_copy_of_what_is_there_is_a_new_asset(world: World, agent: Agent) -> None:
    agent.send(listed("2024", read("a.jpg")))
    agent.send(listed("copies", read("a.jpg")))
    first, copy = ids_at(world, "2024/a.jpg", "copies/a.jpg")
    assert None not in (first, copy)
    assert first != copy
    assert world.get(f"/assets/{copy}/history")["items"] == []


@pytest.mark.parametrize(
    "found",
    [
        FileFacts("b.jpg", 100, 1),
        read("b.jpg", text="a mountain"),
        read("b.jpg", size=101),
    ],
    ids=["not read", "other content", "other size"],
)
def test_r38_what_is_not_shown_to_be_the_same_is_not_the_same(world: World, agent: Agent, found: FileFacts) -> None:
    (lost,) = missing(world, agent, read("a.jpg"))
    agent.send(listed("album", found))
    assert ids_at(world, "2024/a.jpg") == [lost["id"]]
    assert ids_at(world, "album/b.jpg")[0] not in (None, lost["id"])


def test_r38_empty_files_are_all_alike_and_none_is_another(world: World, agent: Agent) -> None:
    (lost,) = missing(world, agent, read("a.jpg", text="", size=0))
    agent.send(listed("album", read("b.jpg", text="", size=0)))
    assert ids_at(world, "2024/a.jpg") == [lost["id"]]


def ambiguous(world: World, path: str) -> bool:
    (asset,) = ids_at(world, path)
    steps = world.get(f"/assets/{asset}/history")["items"]
    return [one["reason"] for one in steps] == ["ambiguous content"]


def test_r38_of_two_that_are_missed_none_is_guessed(world: World, agent: Agent) -> None:
    lost = missing(world, agent, read("a.jpg"), read("b.jpg"))
    agent.send(listed("album", read("c.jpg")))
    assert ids_at(world, "2024/a.jpg", "2024/b.jpg") == [one["id"] for one in lost]
    assert ambiguous(world, "album/c.jpg")


def test_r38_of_two_that_turn_up_at_once_none_is_guessed(world: World, agent: Agent) -> None:
    (lost,) = missing(world, agent, read("a.jpg"))
    agent.send(listed("album", read("b.jpg"), read("c.jpg")))
    assert ids_at(world, "2024/a.jpg") == [lost["id"]]
    assert ambiguous(world, "album/b.jpg")
    assert ambiguous(world, "album/c.jpg")


def test_r38_where_a_copy_is_there_the_new_one_may_be_a_copy_of_that(world: World, agent: Agent) -> None:
    agent.send(listed("copies", read("a.jpg")))
    (lost,) = missing(world, agent, read("a.jpg"))
    agent.send(listed("album", read("b.jpg")))
    assert ids_at(world, "2024/a.jpg") == [lost["id"]]
    assert ambiguous(world, "album/b.jpg")


def holding(world: World) -> None:
    world.patch("/settings", {"guard_files": 0, "guard_percent": 0})


@pytest.mark.parametrize("settings", [{"guard_files": 0, "guard_percent": 0}, {"missing_grace_s": 3600}])
def test_r38_what_is_gone_and_waits_is_known_again_and_waits_no_more(
    world: World, both: tuple[Agent, Agent], settings: Item
) -> None:
    one, other = both
    world.patch("/settings", settings)
    one.send(listed("2024", read("a.jpg", size=123), read("b.jpg", text="a mountain")))
    one.send(absent("2024", "a.jpg", "b.jpg"))
    before = world.by_path()
    assert {asset["status"] for asset in before.values()} == {"present"}
    assert assignment(other)["sought_sizes"] == [100, 123]
    _, since = world.changes()
    other.send(listed("album", read("c.jpg", size=123)))
    after = world.by_path()
    assert after["/mnt/attic/album/c.jpg"]["id"] == before["/mnt/usb/2024/a.jpg"]["id"]
    assert len(after) == 2
    assert "asset.added" not in kinds(world.changes(since)[0])
    assert assignment(other)["sought_sizes"] == [100]
    if "guard_files" in settings:
        (hold,) = world.get("/holds")["items"]
        assert (hold["state"], hold["files"]) == ("open", 1)


def test_r38_what_a_person_says_is_there_is_not_found_elsewhere(world: World, agent: Agent) -> None:
    holding(world)
    agent.send(listed("2024", read("a.jpg")))
    agent.send(absent("2024", "a.jpg"))
    (hold,) = world.get("/holds")["items"]
    raw = ids.from_text("hold", hold["id"])
    assert raw is not None
    # It takes some time to carry out what was decided about a large hold; this is the moment before.
    decided = HoldState.DISMISSED
    transact(world.engine, lambda to: deciding.decide(to, raw, bytes.fromhex(hold["digest"]), decided, "anna", 1))
    agent.send(listed("album", read("b.jpg")))
    kept, new = ids_at(world, "2024/a.jpg", "album/b.jpg")
    assert None not in (kept, new)
    assert kept != new


def test_r38_a_library_never_takes_a_photo_from_another(world: World, agent: Agent) -> None:
    missing(world, agent, read("a.jpg"))
    other = world.library(agent, "/mnt/usb/other", name="Other")
    agent.send(listed("other", read("b.jpg")))
    (found,) = world.assets(library=other["id"])
    assert found["id"] not in {one["id"] for one in world.assets() if one["library_id"] != other["id"]}
    assert found["status"] == "present"


def test_r38_a_photo_that_goes_and_comes_in_one_report_is_known_again(world: World, agent: Agent) -> None:
    agent.send(listed("2024", read("a.jpg")))
    (before,) = world.assets()
    agent.send(absent("2024", "a.jpg"), listed("album", read("b.jpg")))
    (after,) = world.assets()
    assert (after["id"], after["path"]) == (before["id"], "/mnt/usb/album/b.jpg")


def test_r38_what_is_excluded_where_it_turns_up_stays_missing(world: World, agent: Agent) -> None:
    (lost,) = missing(world, agent, read("a.jpg"))
    agent.send(listed("@eaDir", read("b.jpg")))
    (still,) = world.assets()
    assert (still["id"], still["status"]) == (lost["id"], "missing")


def test_content_comes_later_and_goes_with_what_was_in_the_file(world: World, agent: Agent) -> None:
    agent.send(listed("", FileFacts("a.jpg", 100, 1)))
    assert world.assets()[0]["content_checksum"] is None
    _, since = world.changes()
    agent.send(listed("", FileFacts("a.jpg", 100, 1, sha1("one"))))
    items, since = world.changes(since)
    assert kinds(items) == ["asset.read"], "nothing has happened to it"
    assert world.assets()[0]["content_checksum"] == sha1("one")
    # Told again without it, and moved: it is still what is in there.
    agent.send(listed("", FileFacts("a.jpg", 100, 1)), moved("", "b", ("a.jpg", FileFacts("a.jpg", 100, 1))))
    assert world.assets()[0]["content_checksum"] == sha1("one")
    _, since = world.changes()
    agent.send(listed("b", FileFacts("a.jpg", 100, 1, sha1("another"))))
    items, since = world.changes(since)
    assert kinds(items) == ["asset.updated"], "somebody has set its old time"
    agent.send(listed("b", FileFacts("a.jpg", 100, 2)))
    assert world.assets()[0]["content_checksum"] is None


def test_what_is_in_a_file_is_asked_for_by_filter_and_in_look_ups(world: World, agent: Agent) -> None:
    agent.send(listed("", read("a.jpg"), read("b.jpg"), read("c.jpg", text="a mountain")))
    assert {one["file_name"] for one in world.assets(content=sha1("a beach"))} == {"a.jpg", "b.jpg"}
    asked = [sha1("a mountain"), sha1("a river"), sha1("a beach")]
    found = world.post("/assets/lookup", {"content_checksums": asked})["items"]
    assert [one["content_checksum"] for one in found] == asked
    assert [[asset["file_name"] for asset in one["assets"]] for one in found] == [["c.jpg"], [], ["a.jpg", "b.jpg"]]


@pytest.mark.parametrize("wrong", ["", "sha1:", "md5:1B2M2Y8AsgTpgAmY7PhCfg==", "sha1:abc", sha1("x") + "=", "sha1:é"])
def test_what_is_no_digest_is_refused_everywhere(world: World, agent: Agent, wrong: str) -> None:
    with pytest.raises(Problem) as asked:
        world.get("/assets", content=wrong)
    assert asked.value.code == "bad-query"
    with pytest.raises(Problem) as looked_up:
        world.post("/assets/lookup", {"content_checksums": [wrong]})
    assert looked_up.value.code == "invalid-body"
    with pytest.raises(Problem) as reported:
        checked(agent.put(agent.report(listed("", FileFacts("a.jpg", 1, 1, wrong)))))
    assert reported.value.code == "invalid-report"
    assert world.assets() == []


def assignment(agent: Agent) -> Item:
    return dict(checked(agent.client.get("/agent/assignment")).json())


def test_agents_look_out_for_what_is_missed_at_any_disk_of_the_library(world: World, both: tuple[Agent, Agent]) -> None:
    one, other = both
    before = assignment(other)
    assert before["sought_sizes"] == []
    missing(world, one, read("a.jpg", size=123), FileFacts("b.jpg", 456, 1), read("c.jpg", text="", size=0))
    now = assignment(other)
    assert now["sought_sizes"] == [123], "only of what would be known again"
    assert now["revision"] > before["revision"]
    missing(world, one, FileFacts("d.jpg", 789, 1))
    assert assignment(other)["revision"] == now["revision"], "nothing more to look out for"
    other.send(listed("2024", read("a.jpg", size=123)))
    assert assignment(other)["sought_sizes"] == []


def test_where_too_much_is_missed_every_new_file_may_be_it(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeking, "SIZES_MAX", 2)
    files = [read(f"{size}.jpg", text=str(size), size=size) for size in (1, 2, 3)]
    missing(world, agent, *files[:2])
    assert assignment(agent)["sought_sizes"] == [1, 2]
    missing(world, agent, files[2])
    assert assignment(agent)["sought_sizes"] is None


def test_as_many_that_are_alike_in_size_are_not_looked_through_to_learn_it(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeking, "SIZES_MAX", 2)
    missing(world, agent, *(read(f"{number}.jpg", text=str(number), size=9) for number in range(3)))
    assert assignment(agent)["sought_sizes"] is None


def test_an_approved_loss_is_looked_out_for(world: World, agent: Agent) -> None:
    holding(world)
    agent.send(listed("2024", read("a.jpg")))
    agent.send(absent("2024", "a.jpg"))
    (hold,) = world.get("/holds")["items"]
    world.post(f"/holds/{hold['id']}/approve", {"digest": hold["digest"]})
    assert assignment(agent)["sought_sizes"] == [100]


def test_an_agent_that_begins_anew_learns_what_is_in_the_files(world: World, agent: Agent) -> None:
    agent.send(listed("", read("a.jpg"), FileFacts("b.jpg", 100, 1)))
    answer = agent.client.get(f"/agent/streams/{agent.volume}/known", headers={"Holdfast-Fence": str(agent.fence)})
    (directory,) = checked(answer).json()["directories"]
    assert sorted(directory[1]) == [["a.jpg", 100, 1_000_000_000, sha1("a beach")], ["b.jpg", 100, 1, None]]
