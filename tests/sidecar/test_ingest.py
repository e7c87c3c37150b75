"""What reports do to the catalog, as photo servers see it: through the API, on every engine."""

from __future__ import annotations

import base64
import hashlib

import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.gate import REQUIRED
from holdfast.reports import FILES_MAX, Gap, ScanFinished, ScanStarted
from holdfast.volumes import Reason
from sidecar.catalog.tables import asset, asset_transition, clock, evidence
from tests.sidecar.world import Agent, World, absent, at_once, file, kinds, listed, moved, new_id, unreadable


@pytest.fixture
def library(world: World, agent: Agent) -> str:
    return str(world.library(agent)["id"])


def scan_id() -> str:
    return ids.to_text("scan", new_id())


def finished(scan: str, directory: str = "", *, complete: bool = True) -> ScanFinished:
    return ScanFinished(
        scan=scan, directory=directory, complete=complete, directories=1, files=1, errors=0, duration_s=1.5
    )


@pytest.mark.usefixtures("library")
class TestFiles:
    def test_a_new_file_is_an_asset_with_all_that_is_known_of_it(self, world: World, agent: Agent) -> None:
        agent.send(listed("trip", file("a.jpg", 12, 1_700_000_000_123_456_789)))
        (one,) = world.assets()
        assert one["path"] == one["host_path"] == "/mnt/usb/trip/a.jpg"
        assert one["file_name"] == "a.jpg"
        assert (one["status"], one["availability"], one["unavailable"]) == ("present", "online", None)
        assert (one["size"], one["kind"], one["owner"]) == (12, "image", "anna")
        assert one["modified_at"] == "2023-11-14T22:13:20.123456Z"
        digest = hashlib.sha1(b"path:/mnt/usb/trip/a.jpg").digest()
        assert one["path_checksum"] == base64.b64encode(digest).decode()

    def test_what_no_photo_server_wants_is_no_asset(self, world: World, agent: Agent) -> None:
        agent.send(listed("", "notes.txt", ".jpg", "film.mkv"))
        assert [one["path"] for one in world.assets()] == ["/mnt/usb/film.mkv"]

    def test_the_same_again_touches_nothing(self, world: World, agent: Agent) -> None:
        agent.send(listed("", "a.jpg"))
        before = world.value(sa.select(clock.c.value))
        assert agent.send(listed("", "a.jpg")).applied
        assert world.value(sa.select(clock.c.value)) == before

    def test_other_content_is_an_update_of_the_same_asset(self, world: World, agent: Agent) -> None:
        agent.send(listed("", file("a.jpg", 1)))
        (before,) = world.assets()
        agent.send(listed("", file("a.jpg", 2)))
        (after,) = world.assets()
        assert (after["id"], after["size"]) == (before["id"], 2)
        assert after["change"] > before["change"]
        items, _ = world.changes()
        assert kinds(items)[-1] == "asset.updated"

    def test_r1_absence_is_missing_with_its_evidence(self, world: World, agent: Agent) -> None:
        agent.send(listed("trip", "a.jpg", "b.jpg"))
        agent.send(absent("trip", "a.jpg"))
        found = world.by_path()
        gone = found["/mnt/usb/trip/a.jpg"]
        assert gone["status"] == "missing"
        assert gone["missing_since"] is not None
        assert found["/mnt/usb/trip/b.jpg"]["status"] == "present"
        (step,) = world.get(f"/assets/{gone['id']}/history")["items"]
        assert (step["from_status"], step["to_status"], step["reason"]) == ("present", "missing", "absent")
        assert step["evidence"]["volume"] == agent.volume
        assert step["evidence"]["sequence"] == 2
        assert step["evidence"]["observation"]["proof"]["gate"] == sorted(REQUIRED)

    def test_one_proof_is_stored_once_for_all_its_names(self, world: World, agent: Agent) -> None:
        names = [f"{number}.jpg" for number in range(50)]
        agent.send(listed("", *names))
        agent.send(absent("", *names))
        assert world.value(sa.select(sa.func.count()).select_from(asset_transition)) == 50
        assert world.value(sa.select(sa.func.count()).select_from(evidence)) == 1

    def test_absence_of_what_was_never_seen_is_nothing(self, world: World, agent: Agent) -> None:
        agent.send(absent("", "never.jpg"))
        assert world.assets() == []

    def test_r26_a_file_that_comes_back_is_the_same_asset(self, world: World, agent: Agent) -> None:
        agent.send(listed("", "a.jpg"))
        (before,) = world.assets()
        agent.send(absent("", "a.jpg"))
        agent.send(listed("", "a.jpg"))
        (after,) = world.assets()
        assert (after["id"], after["status"], after["missing_since"]) == (before["id"], "present", None)
        items, _ = world.changes()
        assert kinds(items)[-1] == "asset.restored"

    def test_r1_unreadable_is_not_missing(self, world: World, agent: Agent) -> None:
        agent.send(listed("x/deep", "a.jpg"), listed("xy", "b.jpg"))
        agent.send(unreadable("x"))
        found = world.by_path()
        assert found["/mnt/usb/x/deep/a.jpg"]["status"] == "unreadable"
        assert found["/mnt/usb/x/deep/a.jpg"]["unreadable_error"] == "EACCES"
        assert found["/mnt/usb/xy/b.jpg"]["status"] == "present"
        agent.send(listed("x/deep", "a.jpg"))
        assert world.by_path()["/mnt/usb/x/deep/a.jpg"]["status"] == "present"

    def test_unreadable_with_more_assets_than_one_page(self, world: World, agent: Agent) -> None:
        for start in (0, 5000):
            agent.send(listed("big", *(f"{number:05}.jpg" for number in range(start, start + 3000))))
        agent.send(unreadable(""), listed("big", "00007.jpg"))
        statuses = [one["status"] for one in world.assets(limit=1000)]
        assert (statuses.count("unreadable"), statuses.count("present")) == (5999, 1)
        changes = [one["change"] for one in world.assets(limit=1000)]
        assert len(set(changes)) == 6000

    def test_a_full_report_is_taken_in_at_once(self, world: World, agent: Agent, library: str) -> None:
        agent.send(listed("d", *(f"{number}.jpg" for number in range(FILES_MAX))))
        assert world.get(f"/libraries/{library}/statistics")["photos"] == FILES_MAX

    def test_r37_names_are_bytes(self, world: World, agent: Agent) -> None:
        agent.send(listed("caf\0e9", "a\nb.jpg", "A\nB.jpg", "e\u0301.jpg", "\u00e9.jpg"))
        found = world.assets()
        assert len(found) == 4
        assert {one["path"] for one in found} >= {"/mnt/usb/caf\N{REPLACEMENT CHARACTER}/\u00e9.jpg"}
        assert {base64.b64decode(one["path_b64"]) for one in found} >= {b"/mnt/usb/caf\xe9/a\nb.jpg"}


@pytest.mark.usefixtures("library")
class TestMoves:
    def test_r26_a_moved_file_keeps_its_id(self, world: World, agent: Agent) -> None:
        agent.send(listed("a", "x.jpg"))
        (before,) = world.assets()
        agent.send(moved("a", "b", ("x.jpg", "y.jpg")))
        (after,) = world.assets()
        assert (after["id"], after["path"]) == (before["id"], "/mnt/usb/b/y.jpg")
        items, _ = world.changes()
        assert kinds(items)[-1] == "asset.moved"
        (step,) = world.get(f"/assets/{after['id']}/history")["items"]
        assert (step["from_path"], step["to_path"]) == ("a/x.jpg", "b/y.jpg")

    @pytest.mark.parametrize("rotation", [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d", "e")])
    def test_files_that_rotate_their_names_keep_their_ids(
        self, world: World, agent: Agent, rotation: tuple[str, ...]
    ) -> None:
        size = {name: 10 + index for index, name in enumerate(rotation)}
        agent.send(*(listed(name, file("x.jpg", size[name])) for name in rotation))
        before = world.by_path()
        pairs = list(zip(rotation, rotation[1:] + rotation[:1], strict=True))
        agent.send(at_once(*(moved(old, new, ("x.jpg", file("x.jpg", size[old]))) for old, new in pairs)))
        after = world.by_path()
        assert {path: one["size"] for path, one in after.items()} == {
            f"/mnt/usb/{new}/x.jpg": size[old] for old, new in pairs
        }
        for old, new in pairs:
            assert after[f"/mnt/usb/{new}/x.jpg"]["id"] == before[f"/mnt/usb/{old}/x.jpg"]["id"]
        assert {one["status"] for one in after.values()} == {"present"}

    def test_a_file_that_was_overwritten_by_a_move_is_missing(self, world: World, agent: Agent) -> None:
        agent.send(listed("", file("a.jpg", 1), file("b.jpg", 2)))
        before = world.by_path()
        agent.send(moved("", "", ("a.jpg", file("b.jpg", 1))))
        found = {one["id"]: one for one in world.assets()}
        assert found[before["/mnt/usb/a.jpg"]["id"]]["path"] == "/mnt/usb/b.jpg"
        assert found[before["/mnt/usb/a.jpg"]["id"]]["status"] == "present"
        assert found[before["/mnt/usb/b.jpg"]["id"]]["status"] == "missing"
        # The path is the mover's now: what is seen there later is not the asset that lost it.
        agent.send(listed("", file("b.jpg", 3)))
        found = {one["id"]: one for one in world.assets()}
        assert found[before["/mnt/usb/a.jpg"]["id"]]["size"] == 3
        assert found[before["/mnt/usb/b.jpg"]["id"]]["status"] == "missing"

    def test_a_missing_file_that_moved_is_back(self, world: World, agent: Agent) -> None:
        agent.send(listed("", "a.jpg"))
        (before,) = world.assets()
        agent.send(absent("", "a.jpg"))
        agent.send(moved("", "", ("a.jpg", "b.jpg")))
        (after,) = world.assets()
        assert (after["id"], after["status"], after["path"]) == (before["id"], "present", "/mnt/usb/b.jpg")

    def test_a_move_from_an_unknown_place_is_a_new_file(self, world: World, agent: Agent) -> None:
        agent.send(moved("a", "b", ("x.jpg", "x.jpg")))
        items, _ = world.changes()
        assert kinds(items)[-1] == "asset.added"

    def test_a_photo_renamed_to_what_is_none_is_missing(self, world: World, agent: Agent) -> None:
        agent.send(listed("", "a.jpg"))
        agent.send(moved("", "", ("a.jpg", "a.jpg.bak")))
        assert [one["status"] for one in world.assets()] == ["missing"]


class TestLibraries:
    def test_a_file_in_two_libraries_is_two_assets(self, world: World, agent: Agent) -> None:
        first, second = (world.library(agent, "/mnt/usb", name=name) for name in ("one", "two"))
        agent.send(listed("", "a.jpg"))
        assert {one["library_id"] for one in world.assets()} == {first["id"], second["id"]}

    def test_under_nested_import_paths_of_one_library_it_is_one_asset(self, world: World, agent: Agent) -> None:
        world.library(agent, "/mnt/usb/a", "/mnt/usb/a/b")
        agent.send(listed("a/b", "x.jpg"), listed("ab", "y.jpg"))
        assert [one["path"] for one in world.assets()] == ["/mnt/usb/a/b/x.jpg"]

    def test_r29_a_file_that_leaves_the_import_paths_is_excluded_and_returns(self, world: World, agent: Agent) -> None:
        first = world.library(agent, "/mnt/usb/a", name="one")
        second = world.library(agent, "/mnt/usb/b", name="two")
        agent.send(listed("a", "x.jpg"))
        (before,) = world.assets()
        agent.send(moved("a", "b", ("x.jpg", "x.jpg")))
        left = world.get(f"/assets/{before['id']}")
        assert (left["status"], left["excluded_by"]) == ("excluded", "outside its import paths")
        (arrived,) = world.assets(library=second["id"])
        assert (arrived["status"], arrived["path"]) == ("present", "/mnt/usb/b/x.jpg")
        agent.send(moved("b", "a", ("x.jpg", "x.jpg")))
        (back,) = world.assets(library=first["id"])
        assert (back["id"], back["status"], back["path"]) == (before["id"], "present", "/mnt/usb/a/x.jpg")
        items, _ = world.changes()
        assert {item["id"]: item["kind"] for item in items}[before["id"]] == "asset.included"

    def test_a_file_that_moves_to_another_import_path_follows(self, world: World, agent: Agent) -> None:
        import_paths = [
            {"agent": agent.id, "path": "/mnt/usb/a", "server_path": "/photos/A"},
            {"agent": agent.id, "path": "/mnt/usb/b", "server_path": "/photos/B"},
        ]
        made = world.post("/libraries", {"owner": "anna", "import_paths": import_paths})
        agent.bind(made, "a", "b")
        agent.send(listed("a", "x.jpg"))
        (before,) = world.assets()
        agent.send(moved("a", "b/c", ("x.jpg", "x.jpg")))
        (after,) = world.assets()
        assert (before["id"], before["path"]) == (after["id"], "/photos/A/x.jpg")
        assert (after["path"], after["host_path"]) == ("/photos/B/c/x.jpg", "/mnt/usb/b/c/x.jpg")

    def test_r29_exclusion_patterns_are_matched_against_the_server_path(self, world: World, agent: Agent) -> None:
        import_paths = [{"agent": agent.id, "path": "/mnt/usb", "server_path": "/photos/private"}]
        patterns = ["**/private/secret/**", "**/*.tif"]
        made = world.post("/libraries", {"owner": "anna", "import_paths": import_paths, "exclusion_patterns": patterns})
        agent.bind(made, "")
        agent.send(listed("secret", "a.jpg"), listed("", "b.tif", "c.jpg"))
        assert [one["path"] for one in world.assets()] == ["/photos/private/c.jpg"]
        agent.send(moved("", "", ("c.jpg", "c.tif")))
        (one,) = world.assets()
        assert (one["status"], one["excluded_by"]) == ("excluded", "**/*.tif")

    def test_files_of_no_library_leave_no_trace(self, world: World, agent: Agent) -> None:
        agent.send(listed("", "a.jpg"))
        assert world.value(sa.select(sa.func.count()).select_from(asset)) == 0


@pytest.mark.usefixtures("library")
class TestXmp:
    def test_the_longer_name_wins(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg", "a.xmp"))
        assert world.assets()[0]["sidecar_path"] == "/mnt/usb/d/a.xmp"
        agent.send(listed("d", "a.jpg.xmp"))
        assert world.assets()[0]["sidecar_path"] == "/mnt/usb/d/a.jpg.xmp"
        agent.send(absent("d", "a.jpg.xmp"))
        assert world.assets()[0]["sidecar_path"] == "/mnt/usb/d/a.xmp"
        agent.send(absent("d", "a.xmp"))
        assert world.assets()[0]["sidecar_path"] is None

    def test_a_changed_xmp_shows_its_photo_in_the_feed(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg", "b.jpg", "a.b.jpg", file("a.xmp", 1)))
        _, cursor = world.changes()
        agent.send(listed("d", file("a.xmp", 2)))
        items, _ = world.changes(cursor)
        assert [(item["kind"], item["state"]["file_name"]) for item in items] == [("asset.sidecar", "a.jpg")]

    def test_what_becomes_of_an_xmp_is_told_by_a_reason_of_its_own(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg"))
        (photo,) = world.assets()
        _, cursor = world.changes()
        steps = [
            (listed("d", file("a.xmp", 1)), "sidecar appeared", "/mnt/usb/d/a.xmp"),
            (listed("d", file("a.xmp", 2)), "sidecar changed", "/mnt/usb/d/a.xmp"),
            (listed("d", "a.jpg.xmp"), "sidecar changed", "/mnt/usb/d/a.jpg.xmp"),
            (absent("d", "a.jpg.xmp"), "sidecar changed", "/mnt/usb/d/a.xmp"),
            (absent("d", "a.xmp"), "sidecar gone", None),
        ]
        for observation, reason, path in steps:
            agent.send(observation)
            items, cursor = world.changes(cursor)
            assert [(one["kind"], one["id"], one["state"]["sidecar_path"]) for one in items] == [
                ("asset.sidecar", photo["id"], path)
            ]
            last = world.get(f"/assets/{photo['id']}/history")["items"][0]
            assert (last["reason"], last["from_status"], last["to_status"]) == (reason, "present", "present")
            assert last["evidence"]["observation"]["directory"] == "d"
        (after,) = world.assets()
        assert {**after, "change": photo["change"]} == photo, "the photo itself is untouched"

    def test_a_weaker_xmp_beside_a_stronger_one_is_no_news(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg", "a.jpg.xmp"))
        _, cursor = world.changes()
        for size in (1, 2):
            agent.send(listed("d", file("a.xmp", size)))
        agent.send(absent("d", "a.xmp"))
        assert world.changes(cursor)[0] == []

    def test_seen_again_as_it_was_an_xmp_is_no_news(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg", "a.xmp"))
        _, cursor = world.changes()
        agent.send(listed("d", "a.jpg", "a.xmp"))
        assert world.changes(cursor)[0] == []

    def test_a_photo_that_changed_as_well_is_updated(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg"))
        _, cursor = world.changes()
        agent.send(listed("d", file("a.jpg", 7), "a.xmp"))
        items, _ = world.changes(cursor)
        assert [(one["kind"], one["state"]["sidecar_path"]) for one in items] == [("asset.updated", "/mnt/usb/d/a.xmp")]

    def test_a_photo_that_goes_with_its_xmp_is_missing(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg", "a.xmp"))
        _, cursor = world.changes()
        agent.send(absent("d", "a.jpg", "a.xmp"))
        items, _ = world.changes(cursor)
        assert [one["kind"] for one in items] == ["asset.missing"]
        (photo,) = world.assets()
        assert photo["sidecar_path"] is None
        (step,) = world.get(f"/assets/{photo['id']}/history")["items"]
        assert step["to_status"] == "missing"

    def test_the_xmp_of_a_photo_in_two_libraries_is_told_in_both(self, world: World, agent: Agent) -> None:
        world.library(agent, owner="ben")
        agent.send(listed("d", "a.jpg"))
        _, cursor = world.changes()
        agent.send(listed("d", "a.xmp"))
        items, _ = world.changes(cursor)
        assert [one["kind"] for one in items] == ["asset.sidecar"] * 2

    def test_an_xmp_on_a_disk_that_is_away_stays_beside_its_photo(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg", "a.xmp"))
        agent.becomes(Reason.UNPLUGGED, None)
        assert world.assets()[0]["sidecar_path"] == "/mnt/usb/d/a.xmp"

    def test_an_xmp_that_was_there_first_is_found_by_its_photo(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.JPG.XMP"))
        agent.send(listed("d", "a.JPG"))
        assert world.assets()[0]["sidecar_path"] == "/mnt/usb/d/a.JPG.XMP"

    def test_a_photo_that_moves_leaves_its_xmp_behind(self, world: World, agent: Agent) -> None:
        agent.send(listed("d", "a.jpg", "a.xmp"))
        agent.send(moved("d", "e", ("a.jpg", "a.jpg")))
        assert world.assets()[0]["sidecar_path"] is None
        agent.send(moved("d", "e", ("a.xmp", "a.xmp")))
        assert world.assets()[0]["sidecar_path"] == "/mnt/usb/e/a.xmp"


class TestScans:
    def test_r22_only_a_complete_scan_of_all_its_paths_refreshes_a_library(self, world: World, agent: Agent) -> None:
        library = world.library(agent, "/mnt/usb/a", "/mnt/usb/b")
        scan = scan_id()
        agent.send(ScanStarted(scan, "a", "new"), finished(scan, "a"))
        assert world.get(f"/libraries/{library['id']}")["refreshed_at"] is None
        agent.send(finished(scan_id(), "", complete=False))
        assert world.get(f"/libraries/{library['id']}")["refreshed_at"] is None
        agent.send(finished(scan_id(), ""))
        assert world.get(f"/libraries/{library['id']}")["refreshed_at"] is not None

    def test_an_unbound_import_path_keeps_a_library_from_being_refreshed(self, world: World, agent: Agent) -> None:
        library = world.post(
            "/libraries",
            {"owner": "anna", "import_paths": [{"agent": agent.id, "path": path} for path in ("/mnt/usb", "/other")]},
        )
        agent.bind({"import_paths": library["import_paths"][:1]}, "")
        agent.send(finished(scan_id(), ""))
        assert world.get(f"/libraries/{library['id']}")["refreshed_at"] is None

    def test_r31_scans_and_gaps_are_told(self, world: World, agent: Agent) -> None:
        scan = scan_id()
        _, cursor = world.changes()
        agent.send(Gap("trip", "IN_Q_OVERFLOW"), ScanStarted(scan, "trip", "full"))
        items, cursor = world.changes(cursor)
        assert kinds(items) == ["gap", "scan.started"]
        assert items[0]["state"]["reason"] == "IN_Q_OVERFLOW"
        assert (items[1]["state"]["mode"], items[1]["state"]["finished_at"]) == ("full", None)
        agent.send(finished(scan, "trip"))
        items, _ = world.changes(cursor)
        assert kinds(items) == ["scan.finished"]
        assert (items[0]["id"], items[0]["state"]["complete"], items[0]["state"]["mode"]) == (scan, True, "full")


@pytest.mark.usefixtures("library")
def test_r27_a_volume_that_goes_away_touches_no_asset(world: World, agent: Agent) -> None:
    agent.send(listed("", *(f"{number}.jpg" for number in range(20))))
    highest = world.value(sa.select(sa.func.max(asset.c.change)))
    _, cursor = world.changes()
    agent.becomes(Reason.NOT_MOUNTED, None)
    assert world.value(sa.select(sa.func.max(asset.c.change))) == highest
    items, cursor = world.changes(cursor)
    assert kinds(items) == ["volume.offline"]
    for one in world.assets():
        assert (one["status"], one["availability"]) == ("present", "unavailable")
        assert (one["unavailable"]["volume_id"], one["unavailable"]["reason"]) == (agent.volume, "not-mounted")
        assert one["host_path"].startswith("/mnt/usb/")
    agent.becomes(Reason.VERIFIED, "/media/elsewhere")
    assert {one["availability"] for one in world.assets()} == {"online"}
    assert {one["host_path"].rpartition("/")[0] for one in world.assets()} == {"/media/elsewhere"}
    assert {one["path"].rpartition("/")[0] for one in world.assets()} == {"/mnt/usb"}
