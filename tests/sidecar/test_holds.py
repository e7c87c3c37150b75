"""Mass losses, through the API and on every engine: what is held, who sees it, and what becomes of it.

A volume of a few hundred photos, and reports as an agent sends them. What the guard decides is tested by itself in
``test_guard``; here it is about what consumers can see.
"""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.volumes import Reason
from sidecar.catalog import deciding
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import asset, asset_transition, clock, held, tally
from sidecar.courier import Courier
from tests.mariadb import MARIADB
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.watched import HOUR_NS, Days, fill, lose, names, pieces, set_back, shifted, statuses, the_hold
from tests.sidecar.world import Agent, Problem, World, absent, file, kinds, listed, moved, new_id, unreadable


def decide(world: World, hold: dict[str, object], verb: str) -> dict[str, object]:
    return dict(world.post(f"/holds/{hold['id']}/{verb}", {"digest": hold["digest"]}))


def approve_or_learn(world: World, hold: dict[str, object]) -> None:
    """Approve a hold while files come back: if some were faster, it is another set by then."""
    try:
        decide(world, hold, "approve")
    except Problem as problem:
        if problem.code != "hold-changed":
            raise


def refused(world: World, path: str, body: dict[str, object]) -> Problem:
    with pytest.raises(Problem) as caught:
        world.post(path, body)
    return caught.value


class TestWhatIsHeld:
    def test_r20_a_large_loss_is_held_and_touches_no_asset(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        before, (_, since) = world.assets(), world.changes()
        lose(agent, "trip", gone)
        assert world.assets() == before, "nothing of a hold can be seen in an asset"
        items, _ = world.changes(since)
        assert kinds(items) == ["hold.opened"]
        one = the_hold(world)
        assert items[0]["id"] == one["id"]
        assert (one["files"], one["bytes"], one["kind"], one["reason"]) == (150, 15_000, "absent", "many-absent")
        assert (one["directory"], one["host_path"], one["volume_label"]) == ("trip", "/mnt/usb/trip", "usb")
        assert one["directories"] == [{"directory": "trip", "files": 150}]
        assert "150 files in /mnt/usb/trip are gone" in one["summary"]
        assert "approve" in one["advice"]
        assert one["examples"][0] == "/mnt/usb/trip/00000.jpg"
        assert one["evidence"]["observation"]["directory"] == "trip"
        assert "Two complete listings of “trip”" in one["evidence"]["why"][1]

    def test_r20_what_a_person_deletes_in_a_day_is_not_held(self, world: World, agent: Agent) -> None:
        lose(agent, "trip", fill(agent, "trip", 300)[:100])
        assert statuses(world) == {"missing": 100, "present": 200}
        assert world.get("/holds")["items"] == []

    def test_r20_of_a_large_place_a_share_may_go(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 1500)
        lose(agent, "trip", made[:150])
        assert statuses(world) == {"missing": 150, "present": 1350}
        lose(agent, "trip", made[150:200])
        assert the_hold(world)["files"] == 50, "it was all of today's share"

    @pytest.mark.parametrize("size", [1, 7, 60])
    def test_r20_a_large_loss_in_small_batches_is_held(self, world: World, agent: Agent, size: int) -> None:
        lose(agent, "trip", fill(agent, "trip", 300)[:180], in_pieces_of=size)
        passed = 100 // size * size
        assert statuses(world) == {"missing": passed, "present": 300 - passed}
        assert the_hold(world)["files"] == 180 - passed

    def test_r20_a_loss_that_is_spread_over_many_folders_is_held(self, world: World, agent: Agent) -> None:
        for number in range(30):
            fill(agent, f"day{number:02}/deep", 20)
        for number in range(30):
            lose(agent, f"day{number:02}/deep", names(4))
        assert statuses(world) == {"missing": 100, "present": 500}
        one = the_hold(world)
        assert (one["directory"], one["host_path"], one["files"]) == (None, "/mnt/usb", 20)
        assert one["directories"] == [{"directory": f"day{number}/deep", "files": 4} for number in range(25, 30)]

    def test_r20_import_paths_of_one_volume_share_its_budget(self, world: World) -> None:
        agent = Agent(world)
        agent.heartbeat()
        for number in range(3):
            world.library(agent, f"/mnt/usb/{number}", owner=f"owner {number}")
            fill(agent, f"{number}/trip", 100)
        for number in range(3):
            lose(agent, f"{number}/trip", names(40), in_pieces_of=20)
        assert statuses(world) == {"missing": 100, "present": 200}
        assert (the_hold(world)["directory"], the_hold(world)["files"]) == (None, 20)

    def test_r32_a_repeated_report_draws_on_no_budget(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 300)
        report = agent.report(absent("trip", *made[:60]))
        for _ in range(3):  # the answer was lost
            assert agent.put(report).status_code == 200
        agent.send(absent("trip", *made[60:100]))
        assert statuses(world) == {"missing": 100, "present": 200}
        agent.begin_anew()
        agent.send(absent("trip", *made[:101]))
        assert statuses(world) == {"missing": 100, "present": 200}
        assert the_hold(world)["files"] == 1, "what is missing already is no loss once more"

    def test_r20_everything_of_the_report_in_that_place_is_held_and_no_other(self, world: World, agent: Agent) -> None:
        for directory in ("a", "a/x", "b"):
            fill(agent, directory, 80)
        agent.send(absent("a", *names(60)), absent("a/x", *names(60)), absent("b", *names(5)))
        assert statuses(world) == {"missing": 5, "present": 235}
        assert the_hold(world)["directories"] == [
            {"directory": "a", "files": 60},
            {"directory": "a/x", "files": 60},
        ]

    def test_r20_a_hold_grows_and_there_is_one_of_a_place(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 600)
        lose(agent, "trip", made[:150])
        before = the_hold(world)
        _, since = world.changes()
        lose(agent, "trip", made[150:152])
        after = the_hold(world)
        assert (after["id"], after["files"]) == (before["id"], 152)
        assert after["digest"] != before["digest"]
        assert kinds(world.changes(since)[0]) == ["hold.updated"]

    def test_r20_the_same_absence_again_is_held_once(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        lose(agent, "trip", gone)
        before = the_hold(world)
        value = world.value(sa.select(clock.c.value))
        lose(agent, "trip", gone)
        assert the_hold(world) == before
        assert world.value(sa.select(clock.c.value)) == value

    def test_r11_what_is_gone_because_the_storage_was_set_back_is_held(self, world: World, agent: Agent) -> None:
        fill(agent, "trip", 30)
        agent.send(set_back("trip", *names(2)))
        assert statuses(world) == {"present": 30}
        one = the_hold(world)
        assert (one["files"], one["reason"]) == (2, "rolled-back")
        assert "set back" in one["summary"]

    def test_r11_an_open_hold_that_turns_out_to_be_a_rollback_says_so(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 300)
        lose(agent, "trip", made[:150])
        assert the_hold(world)["reason"] == "many-absent"
        agent.send(set_back("trip", *made[150:152]))
        one = the_hold(world)
        assert (one["files"], one["reason"]) == (152, "rolled-back")

    def test_r20_times_that_all_shifted_are_held(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 300)
        before, (_, since) = world.assets(), world.changes()
        agent.send(shifted("trip", made))
        assert world.assets() == before
        assert kinds(world.changes(since)[0]) == ["hold.opened"]
        one = the_hold(world)
        assert (one["kind"], one["reason"], one["files"]) == ("changed", "many-changed", 300)
        agent.send(shifted("trip", made))
        assert the_hold(world) == one
        lose(agent, "trip", made[:3])
        assert statuses(world) == {"missing": 3, "present": 297}, "losses are another matter"
        assert the_hold(world)["files"] == 297

    @pytest.mark.parametrize("by_ns", [17 * 1_000_000_000, HOUR_NS + 60 * 1_000_000_000])
    def test_what_was_written_anew_is_no_shift(self, world: World, agent: Agent, by_ns: int) -> None:
        made = fill(agent, "trip", 300)
        agent.send(shifted("trip", made[:150], by_ns))  # tags that fit into the padding
        agent.send(shifted("trip", made[150:], HOUR_NS, size=101))
        assert world.get("/holds")["items"] == []
        assert {kind for kind in kinds(world.changes()[0]) if kind.startswith("asset")} == {"asset.updated"}

    def test_r29_what_a_rule_excludes_is_no_loss(self, world: World, agent: Agent) -> None:
        other = world.library(agent, "/mnt/usb/in", name="in")
        made = fill(agent, "in", 150)
        agent.send(moved("in", "out", *((name, name) for name in made)))
        assert statuses(world, library=other["id"]) == {"excluded": 150}
        assert world.get("/holds")["items"] == []
        lose(agent, "out", made[:90])
        assert statuses(world, library=other["id"]) == {"excluded": 150}
        assert world.get("/holds")["items"] == [], "the library that does want them may lose as many"

    def test_r20_files_that_get_a_name_nobody_wants_are_a_loss(self, world: World, agent: Agent) -> None:
        """Whoever encrypts photos and gives them another suffix is asked about, too."""
        made = fill(agent, "trip", 300)
        agent.send(moved("trip", "trip", *((name, f"{name}.locked") for name in made[:150])))
        assert statuses(world) == {"present": 300}
        one = the_hold(world)
        assert one["files"] == 150
        assert one["evidence"]["observation"]["type"] == "moved"
        agent.send(moved("trip", "trip", *((f"{name}.locked", name) for name in made[:150])))
        assert the_hold(world, "resolved")["id"] == one["id"]
        agent.send(moved("trip", "trip", *((name, f"{name}.locked") for name in made[:20])))
        assert statuses(world) == {"missing": 20, "present": 280}

    def test_files_that_move_are_no_loss(self, world: World, agent: Agent) -> None:
        made = fill(agent, "a", 300)
        agent.send(moved("a", "b", *((name, name) for name in made)))
        assert statuses(world) == {"present": 300}
        lose(agent, "b", made[:101])
        assert the_hold(world)["directory"] == "b"


def seen_by_a_consumer(world: World, agent: Agent, library: str) -> dict[str, object]:
    """All that a photo server can ask for, apart from holds."""
    assets = world.assets(limit=1000)
    paths = [one["path"] for one in assets]
    wanted = [{"ids": [one["id"] for one in assets]}, {"paths": paths}]
    return {
        "lists": [
            world.assets(limit=1000, **query)
            for query in (
                {"status": "present"},
                {"status": "missing"},
                {"availability": "online"},
                {"path_prefix": "/mnt/usb/trip"},
                {"updated_since": "2020-01-01T00:00:00Z"},
            )
        ],
        "look-ups": [world.post("/assets/lookup", body) for body in wanted],
        "one": world.get(f"/assets/{assets[0]['id']}"),
        "history": [world.get(f"/assets/{one['id']}/history") for one in assets[:3]],
        "statistics": world.get(f"/libraries/{library}/statistics"),
        "library": world.get(f"/libraries/{library}"),
        "volume": world.get(f"/volumes/{agent.volume}"),
        "feed": [one for one in world.changes()[0] if one["entity"] != "hold"],
    }


@pytest.mark.parametrize("then", ["open", "dismiss", "return"])
def test_r20_nothing_of_a_hold_can_be_seen_by_a_consumer(world: World, agent: Agent, then: str) -> None:
    gone = fill(agent, "trip", 300)[:150]
    library = str(world.get("/libraries")["items"][0]["id"])
    of_assets, of_holds = (
        world.post("/webhooks", {"url": "http://localhost:9/", "kinds": kinds_of})["id"]
        for kinds_of in (["asset.*", "volume.*", "library.*"], ["hold.*"])
    )
    before, (_, since) = seen_by_a_consumer(world, agent, library), world.changes()
    lose(agent, "trip", gone, in_pieces_of=150)
    assert seen_by_a_consumer(world, agent, library) == before
    if then == "dismiss":
        decide(world, the_hold(world), "dismiss")
    elif then == "return":
        agent.send(listed("trip", *gone))
    assert seen_by_a_consumer(world, agent, library) == before
    assert {one["entity"] for one in world.changes(since)[0]} == {"hold"}
    courier = Courier(world.engine)
    courier.step()
    courier.close()
    assert world.get(f"/webhooks/{of_holds}/deliveries")["items"], "whoever wants to hear of holds does"
    assert world.get(f"/webhooks/{of_assets}/deliveries")["items"] == []


class TestReturn:
    def test_r26_what_is_seen_again_leaves_and_an_empty_hold_is_resolved(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        before = world.assets()
        lose(agent, "trip", gone)
        full = the_hold(world)
        agent.send(listed("trip", *gone[:50]))
        rest = the_hold(world)
        assert (rest["files"], rest["bytes"]) == (100, 10_000)
        assert rest["digest"] != full["digest"]
        _, since = world.changes()
        agent.send(listed("trip", *gone[50:]))
        items, _ = world.changes(since)
        assert kinds(items) == ["hold.closed"]
        closed = the_hold(world, "resolved")
        assert (closed["files"], closed["directories"], closed["closed_by"]) == (0, [], None)
        assert world.assets() == before
        assert world.value(sa.select(sa.func.count()).select_from(held)) == 0

    def test_r26_a_held_file_that_turns_up_elsewhere_leaves(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        lose(agent, "trip", gone)
        agent.send(moved("trip", "new", (gone[0], gone[0])))
        assert the_hold(world)["files"] == 149
        assert "/mnt/usb/new/00000.jpg" in world.by_path(status="present")

    def test_r26_a_held_file_whose_path_another_takes_is_missing_and_leaves(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        agent.send(listed("", file("other.jpg", 5)))
        lose(agent, "trip", gone)
        agent.send(moved("", "trip", ("other.jpg", file(gone[0], 5))))
        assert the_hold(world)["files"] == 149
        assert statuses(world) == {"present": 300, "missing": 1}

    def test_r26_times_that_shift_back_leave_no_trace(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 150)
        before = world.assets()
        agent.send(shifted("trip", made))
        agent.send(listed("trip", *made))
        assert the_hold(world, "resolved")["files"] == 0
        assert world.assets() == before

    def test_a_held_change_gives_way_to_a_real_one(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 150)
        agent.send(shifted("trip", made))
        agent.send(shifted("trip", made[:1], size=7))
        assert the_hold(world)["files"] == 149
        assert [one["size"] for one in world.assets()].count(7) == 1

    def test_a_volume_that_goes_away_leaves_its_holds_alone(self, world: World, agent: Agent) -> None:
        lose(agent, "trip", fill(agent, "trip", 300)[:150])
        before = the_hold(world)
        agent.becomes(Reason.UNPLUGGED, None)
        assert the_hold(world) == before
        assert {one["availability"] for one in world.assets()} == {"unavailable"}
        agent.becomes(Reason.VERIFIED)
        agent.send(listed("trip", *names(150)))
        assert the_hold(world, "resolved")["files"] == 0


class TestDecisions:
    def test_r20_approving_makes_exactly_this_set_missing(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        lose(agent, "trip", gone)
        _, since = world.changes()
        done = decide(world, the_hold(world), "approve")
        assert (done["state"], done["done"], done["files"]) == ("approved", 150, 150)
        assert done["done_at"] is not None
        assert str(done["closed_by"]).startswith("admin (tok_")
        assert set(world.by_path(status="missing")) == {f"/mnt/usb/trip/{name}" for name in gone}
        items, _ = world.changes(since)
        assert kinds(items) == ["asset.missing"] * 150 + ["hold.closed"]
        assert world.get(f"/holds/{done['id']}/assets")["items"] == []
        one = world.assets(status="missing", limit=1000)[0]
        (step,) = world.get(f"/assets/{one['id']}/history")["items"]
        assert (step["from_status"], step["to_status"], step["reason"]) == ("present", "missing", "approved")
        assert step["hold_id"] == done["id"]
        assert step["evidence"]["observation"]["type"] == "absent"
        assert step["evidence"]["why"]

    def test_r25_what_was_approved_by_mistake_comes_back_with_its_id(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        before = world.assets()
        lose(agent, "trip", gone)
        decide(world, the_hold(world), "approve")
        agent.send(listed("trip", *gone))
        after = world.assets()
        assert [one["id"] for one in after] == [one["id"] for one in before]
        assert {one["status"] for one in after} == {"present"}

    def test_r20_after_an_approval_the_next_loss_is_judged_anew(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 600)
        lose(agent, "trip", made[:150])
        first = the_hold(world)
        decide(world, first, "approve")
        lose(agent, "trip", made[150:240])
        assert statuses(world) == {"missing": 240, "present": 360}, "what was approved drew on no budget"
        lose(agent, "trip", made[240:260])
        second = the_hold(world)
        assert second["id"] != first["id"]
        assert second["files"] == 20

    def test_r20_another_digest_is_refused(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 300)
        lose(agent, "trip", made[:150])
        looked_at = the_hold(world)
        lose(agent, "trip", made[150:151])
        for verb in ("approve", "dismiss"):
            problem = refused(world, f"/holds/{looked_at['id']}/{verb}", {"digest": looked_at["digest"]})
            assert (problem.status, problem.code) == (409, "hold-changed")
            assert "151" in problem.body["detail"]
            assert problem.body["digest"] == the_hold(world)["digest"] != looked_at["digest"]
        assert statuses(world) == {"present": 300}
        for nonsense in ("", "00", "x" * 32):
            problem = refused(world, f"/holds/{looked_at['id']}/approve", {"digest": nonsense})
            assert (problem.status, problem.body["errors"][0]["pointer"]) == (422, "/digest")

    def test_dismissing_keeps_them_present_and_says_who(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        before = world.assets()
        lose(agent, "trip", gone)
        done = decide(world, the_hold(world), "dismiss")
        assert (done["state"], done["files"], done["done"]) == ("dismissed", 150, 150)
        assert "admin" in str(done["closed_by"])
        assert world.assets() == before
        assert world.value(sa.select(sa.func.count()).select_from(held)) == 0
        lose(agent, "trip", gone)
        assert the_hold(world)["id"] != done["id"], "a loss that is proven again is asked about again"

    def test_the_same_decision_again_is_no_other_and_the_other_is_refused(self, world: World, agent: Agent) -> None:
        lose(agent, "trip", fill(agent, "trip", 300)[:150])
        one = the_hold(world)
        done = decide(world, one, "approve")
        value = world.value(sa.select(clock.c.value))
        assert decide(world, one, "approve") == done
        assert world.value(sa.select(clock.c.value)) == value
        problem = refused(world, f"/holds/{one['id']}/dismiss", {"digest": one["digest"]})
        assert (problem.status, problem.code) == (409, "hold-closed")

    def test_approved_times_are_updates(self, world: World, agent: Agent) -> None:
        agent.send(shifted("trip", fill(agent, "trip", 150)))
        _, since = world.changes()
        decide(world, the_hold(world), "approve")
        assert {one["modified_at"] for one in world.assets()} == {"1970-01-01T01:00:01Z"}
        assert kinds(world.changes(since)[0]) == ["asset.updated"] * 150 + ["hold.closed"]

    def test_what_is_unreadable_meanwhile_is_held_and_approved_all_the_same(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 150)[:120]
        lose(agent, "trip", gone)
        agent.send(unreadable("trip"))
        assert statuses(world) == {"unreadable": 150}
        decide(world, the_hold(world), "approve")
        assert statuses(world) == {"unreadable": 30, "missing": 120}

    def test_holds_and_their_assets_are_read_page_by_page(self, world: World, agent: Agent) -> None:
        for directory in ("a", "b", "c"):
            lose(agent, directory, fill(agent, directory, 120)[:110])
        first = world.get("/holds", limit=2)
        assert [one["directory"] for one in first["items"]] == ["c", "b"]
        rest = world.get("/holds", limit=2, cursor=first["next_cursor"])
        assert [one["directory"] for one in rest["items"]] == ["a"]
        assert len(world.get("/holds", volume=agent.volume)["items"]) == 3
        path = f"/holds/{rest['items'][0]['id']}/assets"
        page = world.get(path, limit=100)
        more = world.get(path, limit=100, cursor=page["next_cursor"])
        found = page["items"] + more["items"]
        assert {one["asset"]["file_name"] for one in found} == set(names(110))
        assert (found[0]["asset"]["status"], found[0]["evidence"]["volume"]) == ("present", agent.volume)
        with pytest.raises(Problem):
            world.get("/holds", volume="nonsense")


class TestCarryingOut:
    @pytest.fixture(autouse=True)
    def _small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deciding, "BATCH", 40)
        monkeypatch.setattr("sidecar.api.holds.INLINE_FILES_MAX", 10)

    def batch(self, world: World, hold: str) -> bool:
        key = bytes.fromhex(hold.partition("_")[2])
        return transact(world.engine, lambda c: deciding.carry_out(c, key, 1_700_000_000_000_000, new_id()[:10]))

    def test_r20_what_nobody_decided_about_is_not_carried_out(self, world: World, agent: Agent) -> None:
        lose(agent, "trip", fill(agent, "trip", 300)[:150])
        key = ids.from_text("hold", str(the_hold(world)["id"])) or b""
        assert not transact(world.engine, lambda connection: deciding.carry_out(connection, key, 1, new_id()[:10]))
        assert statuses(world) == {"present": 300}
        assert the_hold(world)["files"] == 150

    def test_a_crash_between_batches_loses_nothing(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        lose(agent, "trip", gone)
        one = decide(world, the_hold(world), "approve")
        assert (one["state"], one["done"], one["done_at"]) == ("approved", 0, None)
        assert self.batch(world, str(one["id"]))
        assert statuses(world) == {"missing": 40, "present": 260}
        assert world.get(f"/holds/{one['id']}")["done"] == 40
        # Whoever goes on finds what is left; a file that came back meanwhile is not in it.
        back = next(path for path in world.by_path(status="present") if path.rpartition("/")[2] in gone)
        agent.send(listed("trip", back.rpartition("/")[2]))
        while self.batch(world, str(one["id"])):
            pass
        assert statuses(world) == {"missing": 149, "present": 151}
        done = world.get(f"/holds/{one['id']}")
        assert (done["done"], done["files"]) == (150, 150)
        assert not self.batch(world, str(one["id"]))

    def test_a_transaction_that_fails_leaves_the_batch_for_the_next(self, world: World, agent: Agent) -> None:
        lose(agent, "trip", fill(agent, "trip", 300)[:150])
        one = decide(world, the_hold(world), "approve")
        key = bytes.fromhex(str(one["id"]).partition("_")[2])

        def dies(connection: sa.Connection) -> None:
            deciding.carry_out(connection, key, 1, new_id()[:10])
            raise RuntimeError("the power went")

        with pytest.raises(RuntimeError):
            transact(world.engine, dies)
        assert statuses(world) == {"present": 300}
        while self.batch(world, str(one["id"])):
            pass
        assert statuses(world) == {"missing": 150, "present": 150}
        assert world.value(sa.select(sa.func.count()).select_from(asset_transition)) == 150

    def test_what_is_lost_again_after_a_dismissal_is_asked_about_again(self, world: World, agent: Agent) -> None:
        gone = fill(agent, "trip", 300)[:150]
        lose(agent, "trip", gone)
        one = decide(world, the_hold(world), "dismiss")
        lose(agent, "trip", gone)  # before anybody came to forget the old rows
        assert the_hold(world)["files"] == 150
        while self.batch(world, str(one["id"])):
            pass
        assert the_hold(world)["files"] == 150
        assert len(world.get(f"/holds/{the_hold(world)['id']}/assets", limit=1000)["items"]) == 150


class TestTallies:
    def present(self, world: World) -> int:
        return int(world.value(sa.select(tally.c.present).where(tally.c.place_key == bytes(16))))

    def test_they_count_what_is_there_whatever_happens(self, world: World, agent: Agent) -> None:
        made = fill(agent, "trip", 300)
        agent.send(listed("", "a.jpg", "b.jpg"), absent("", "b.jpg"))
        assert self.present(world) == 301
        lose(agent, "trip", made[:150])
        assert self.present(world) == 301, "what is held is there"
        decide(world, the_hold(world), "approve")
        assert self.present(world) == 151
        agent.send(listed("trip", *made[:10]), moved("", "x", ("a.jpg", "a.jpg")))
        agent.send(moved("trip", "x", (made[200], "a.jpg")))
        rows = {status: count for status, count in statuses(world).items() if status == "present"}
        assert rows == {"present": self.present(world)}
        with world.engine.connect() as connection:
            counts = list(connection.execute(sa.select(tally.c.present).order_by(tally.c.present)).scalars())
        assert sum(counts) == 2 * self.present(world), "every file is counted in its directory and in its volume"


class TestAtOnce:
    def test_reports_of_several_volumes_that_lose_at_once(self, world: World, agent: Agent) -> None:
        agents = [agent]
        for number in range(3):
            other = Agent(world, f"nas{number}", f"nas{number}.home")
            other.heartbeat()
            world.library(other, name=f"of nas{number}")
            agents.append(other)
        failures: list[BaseException] = []

        def work(one: Agent) -> None:
            try:
                lose(one, "trip", fill(one, "trip", 200)[:150], in_pieces_of=30)
            except BaseException as error:  # noqa: BLE001 - it is told by the assertion
                failures.append(error)

        threads = [threading.Thread(target=work, args=(one,)) for one in agents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        found = world.get("/holds", state="open")["items"]
        assert sorted(one["volume_id"] for one in found) == sorted(one.volume for one in agents)
        assert {one["files"] for one in found} == {60}
        changes = [one["change"] for one in world.changes()[0]]
        assert len(changes) == len(set(changes))

    @pytest.mark.parametrize("database", [MARIADB], indirect=True)  # SQLite has one writer: nothing comes between
    def test_r26_files_that_come_back_while_their_hold_is_approved(
        self, world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deciding, "BATCH", 10)
        gone = fill(agent, "trip", 300)[:150]
        lose(agent, "trip", gone)
        one = the_hold(world)
        approving = threading.Thread(target=approve_or_learn, args=(world, one))
        approving.start()
        for part in pieces(gone, 5):
            agent.send(listed("trip", *part))
        approving.join()
        agent.send(listed("trip", *gone))
        assert statuses(world) == {"present": 300}
        assert world.value(sa.select(sa.func.count()).select_from(held)) == 0
        assert world.value(sa.select(sa.func.count()).where(asset.c.absent_since.is_not(None))) == 0


def test_r24_a_budget_comes_back_while_the_disk_is_there_and_not_in_a_drawer(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.patch("/settings", {"guard_window_s": 3600})
    days = Days(monkeypatch, agent)
    made = fill(agent, "trip", 600)
    lose(agent, "trip", made[:100])
    days.away(365 * 86_400)
    days.pass_by(86_400)  # and a day in which the agent is silent
    agent.heartbeat()
    lose(agent, "trip", made[100:110])
    assert the_hold(world)["files"] == 10, "a year in a drawer is no time at all"
    agent.send(listed("trip", *made[100:110]))
    days.online(1800)
    lose(agent, "trip", made[100:150])
    assert statuses(world) == {"missing": 150, "present": 450}
    lose(agent, "trip", made[150:152])
    assert the_hold(world)["files"] == 2
