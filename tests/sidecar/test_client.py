"""The client for photo servers, against the sidecar itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import get_args, get_type_hints

import httpx2
import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from holdfast import client as offered
from holdfast.client import (
    AssetChange,
    BadSignature,
    Change,
    Client,
    CursorExpired,
    LibraryChange,
    NewImportPath,
    OtherChange,
    Refused,
    ScanMode,
    Unreachable,
    VolumeChange,
    resources,
    verify,
)
from holdfast.client.feed import BACKOFF_LAST_S, Piece, backoff_s, changes
from holdfast.reports import FileFacts, ScanFinished
from holdfast.volumes import Reason
from sidecar.api import shapes
from sidecar.api.uploads import CheckedUpload
from sidecar.asset import Availability, Status
from sidecar.catalog import clock
from sidecar.catalog.engine import transact
from sidecar.catalog.feed import SHOWN
from sidecar.delivery import signature, spell
from sidecar.worker import Worker
from tests.sidecar.world import Agent, World, absent, at_once, listed, moved, new_id

NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


@pytest.fixture
def agent(world: World) -> Agent:
    made = Agent(world)
    made.heartbeat()
    world.library(made, "/mnt/usb", name="Photos")
    made.send(listed("trip", *NAMES))
    return made


@pytest.fixture
def holdfast(world: World) -> Iterator[Client]:
    with client_of(world) as made:
        yield made


def client_of(world: World, transport: httpx2.BaseTransport | None = None, scope: str = "operator") -> Client:
    return Client("http://sidecar/", world.token(scope), transport=transport or httpx2.WSGITransport(app=world.app))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (resources.Library, shapes.Library),
        (resources.ImportPath, shapes.ImportPath),
        (resources.Asset, shapes.Asset),
        (resources.Unavailable, shapes.Unavailable),
        (resources.Transition, shapes.AssetTransition),
        (resources.Volume, shapes.Volume),
        (resources.VolumeTransition, shapes.VolumeTransition),
        (resources.Hold, shapes.Hold),
        (resources.Job, shapes.Job),
        (resources.ScanJob, shapes.ScanJob),
        (resources.ScanPart, shapes.ScanPart),
        (resources.DirectoryError, shapes.DirectoryError),
        (resources.CheckedAsset, shapes.CheckedAsset),
        (resources.CheckedUpload, CheckedUpload),
        (resources.Change, shapes.Change),
    ],
    ids=lambda kind: kind.__name__,
)
def test_the_client_has_the_fields_of_the_api(ours: type[msgspec.Struct], theirs: type[msgspec.Struct]) -> None:
    assert set(ours.__struct_fields__) <= set(theirs.__struct_fields__)


def test_the_client_has_the_words_of_the_api() -> None:
    hints = get_type_hints(resources.Asset)
    assert set(get_args(hints["status"])) == set(Status)
    assert set(get_args(hints["availability"])) == set(Availability)
    assert set(resources.CHANGES) == set(SHOWN)
    assert all(hasattr(offered, name) for name in offered.__all__)


def test_libraries_assets_volumes_and_look_ups(world: World, agent: Agent, holdfast: Client) -> None:
    (library,) = holdfast.libraries(owner="anna")
    assert holdfast.library(library.id) == library
    assert list(holdfast.libraries(owner="bert")) == []
    assert holdfast.statistics(library.id).photos == len(NAMES)
    assert holdfast.statistics(owner=library.owner) == holdfast.statistics() == holdfast.statistics(library.id)
    assert holdfast.statistics(owner="nobody").photos == 0
    assets = list(holdfast.assets(library=library.id, status="present"))
    assert [one.file_name for one in assets] == list(NAMES)
    assert holdfast.asset(assets[0].id) == assets[0]
    by_id, by_path, nothing = holdfast.lookup(ids=[assets[1].id], paths=["/mnt/usb/trip/c.jpg", "/no.jpg"])
    assert [one.assets for one in (by_id, by_path, nothing)] == [[assets[1]], [assets[2]], []]
    digest = f"sha1:{'A' * 27}="
    agent.send(listed("trip", FileFacts("a.jpg", 100, 1_000_000_000, digest)))
    (alike,) = holdfast.lookup(content_checksums=[digest])
    assert [one.file_name for one in alike.assets] == ["a.jpg"]
    assert list(holdfast.assets(content=digest)) == alike.assets
    assets = list(holdfast.assets())
    (volume,) = holdfast.volumes()
    assert (volume.id, volume.state, volume.assets) == (agent.volume, "online", len(NAMES))
    agent.becomes(Reason.NOT_MOUNTED, None)
    assert holdfast.volume(volume.id).reason == "not-mounted"
    assert next(one.to_state for one in holdfast.volume_history(volume.id)) == "offline"
    gone = holdfast.asset(assets[0].id)
    assert gone.status == "present"
    assert gone.unavailable is not None
    assert gone.unavailable.volume_id == volume.id


def test_what_a_photo_server_sets(world: World, agent: Agent, holdfast: Client) -> None:
    asset = next(holdfast.assets())
    assert holdfast.trash(asset.id).trashed_at is not None
    assert holdfast.trash(asset.id, False).trashed_at is None
    assert holdfast.set_foreign_id(asset.id, "immich 7").foreign_id == "immich 7"
    where = [NewImportPath(agent=agent.id, path="/mnt/usb/trip", server_path="/media/trip")]
    made = holdfast.create_library("Trip", "bert", where, exclusion_patterns=["**/Raw/**"], key="once")
    assert made.exclusion_patterns == ["**/Raw/**"]
    assert made.import_paths[0].server_path == "/media/trip"
    again = holdfast.create_library("Trip", "bert", where, exclusion_patterns=["**/Raw/**"], key="once")
    assert again.id == made.id


def test_scans_are_asked_for_and_cancelled(world: World, agent: Agent, holdfast: Client) -> None:
    (library,) = holdfast.libraries()
    asked = holdfast.scan(library.id, "/mnt/usb/trip/a.jpg", mode=ScanMode.FULL)
    assert (asked.kind, asked.state, asked.finished_at) == ("scan", "pending", None)
    assert asked.scan is not None
    assert (asked.scan.mode, asked.scan.path) == (ScanMode.FULL, "/mnt/usb/trip/a.jpg")
    (part,) = asked.scan.parts
    assert (part.volume_id, part.directory, part.name, part.state) == (agent.volume, "trip", "a.jpg", "waiting")
    assert holdfast.scan(library.id, "/mnt/usb/trip/a.jpg") == asked
    assert holdfast.scan(library.id).id != asked.id
    assert holdfast.cancel(asked.id).state == "cancelled"
    with pytest.raises(Refused) as refused:
        holdfast.scan(library.id, "/elsewhere")
    assert refused.value.code == "invalid-body"


def test_a_file_is_looked_at_unless_its_disk_is_away(world: World, agent: Agent, holdfast: Client) -> None:
    asset = next(holdfast.assets())
    nobody = holdfast.check(asset.id, wait_s=0.1)
    assert (nobody.looked, nobody.found, nobody.asset) == (False, None, asset)
    agent.becomes(Reason.UNPLUGGED, None)
    away = holdfast.check(asset.id)
    assert (away.looked, away.message, away.asset.status) == (False, "unplugged it is.", "present")
    assert holdfast.recheck(agent.volume).id == agent.volume


def test_a_library_is_changed_as_it_was_read(world: World, agent: Agent, holdfast: Client) -> None:
    (library,) = holdfast.libraries()
    before = {one.id: one.path for one in holdfast.assets()}
    elsewhere = [msgspec.structs.replace(one, server_path="/media/usb") for one in library.import_paths]
    more = NewImportPath(agent=agent.id, path="/mnt/usb/trip")
    changed = holdfast.change_library(
        library, name="All", import_paths=[*elsewhere, more], exclusion_patterns=["**/b.jpg"]
    )
    assert (changed.name, changed.exclusion_patterns) == ("All", ["**/b.jpg"])
    assert [one.server_path for one in changed.import_paths] == ["/media/usb", "/mnt/usb/trip"]
    after = {one.id: one.path for one in holdfast.assets()}
    assert after == {key: path.replace("/mnt/usb", "/media/usb") for key, path in before.items()}
    assert [one.file_name for one in holdfast.assets(status="excluded")] == ["b.jpg"]
    with pytest.raises(Refused) as error:
        holdfast.change_library(library, name="Mine")
    assert error.value.code == "precondition-failed"
    job = holdfast.delete_library(library.id)
    assert holdfast.job(job.id).library_id == library.id


def test_what_is_missing_is_removed_and_brought_back(world: World, agent: Agent, holdfast: Client) -> None:
    agent.send(absent("trip", "b.jpg"))
    (library,) = holdfast.libraries()
    dry = holdfast.remove_missing(library.id, dry_run=True, older_than_s=60)
    assert (dry.kind, dry.parameters) == ("remove-missing", {"dry_run": True, "older_than_s": 60})
    job = holdfast.remove_missing(library.id)
    worker = Worker(world.engine, 30.0, new_id(), 0.0)
    worker.step(0.0)
    for one in agent.client.get("/agent/assignment").json()["wanted_scans"]:
        figures = {"directories": 1, "files": 1, "errors": 0, "duration_s": 0.1}
        agent.send(ScanFinished(scan=one["id"], directory=one["directory"], complete=True, **figures))
    worker.step(1.0)
    assert holdfast.job(dry.id).result == {"too_recent": 1}
    assert holdfast.job(job.id).result == {"removed": 1}
    (gone,) = holdfast.assets(status="removed")
    assert holdfast.restore(gone.id).status == "missing"
    assert holdfast.undo(job.id).parameters == {"job_id": job.id}


def test_uploads_are_made_known_and_asked_for(world: World, holdfast: Client) -> None:
    library = holdfast.upload_library("anna")
    assert holdfast.upload_library("anna") == library
    one, two = (f"sha1:{letter * 27}=" for letter in "AE")
    facts = {"size": 7, "modified_at": datetime(2026, 5, 1, tzinfo=UTC), "content_checksum": one}
    made = holdfast.add_upload(library.id, "/data/a.jpg", foreign_id="7", key="k", **facts)
    assert holdfast.add_upload(library.id, "/data/a.jpg", foreign_id="7", key="k", **facts) == made
    assert (made.volume_id, made.availability, made.modified_at) == (None, "online", facts["modified_at"])
    with pytest.raises(Refused) as error:
        holdfast.add_upload(library.id, "/data/b.jpg", **facts)
    assert (error.value.code, error.value.problem.existing) == ("duplicate-content", made.id)
    first, second = holdfast.check_uploads("anna", [one, two])
    assert (first.action, first.asset_id, second.action) == ("reject", made.id, "accept")
    assert holdfast.delete_upload(made.id).status == "removed"
    assert library.id in {job.library_id for job in holdfast.delete_owner("anna")}


def test_history_says_why(world: World, agent: Agent, holdfast: Client) -> None:
    agent.send(moved("trip", "trip", ("a.jpg", "z.jpg")))
    agent.send(absent("trip", "b.jpg"))
    by_name = {one.file_name: one for one in holdfast.assets()}
    (step,) = (one for one in holdfast.history(by_name["z.jpg"].id) if one.to_path)
    assert (step.from_path, step.to_path) == ("trip/a.jpg", "trip/z.jpg")
    lost = next(holdfast.history(by_name["b.jpg"].id))
    assert lost.to_status == "missing"
    assert lost.evidence is not None
    assert lost.evidence["why"]


def test_holds_are_decided_about_as_they_were_looked_at(world: World, agent: Agent, holdfast: Client) -> None:
    names = [f"{number}.jpg" for number in range(200)]
    agent.send(listed("many", *names))
    agent.send(absent("many", *names))
    (hold,) = holdfast.holds()
    assert hold.files == len(names)
    with pytest.raises(Refused) as error:
        holdfast.approve(msgspec.structs.replace(hold, digest="00" * 16))
    assert error.value.code == "hold-changed"
    assert holdfast.dismiss(hold).state == "dismissed"
    assert list(holdfast.holds()) == []
    assert len(list(holdfast.holds(state=None))) == 1


def test_lists_are_read_page_by_page(
    world: World, agent: Agent, holdfast: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.client.client.PAGE", 3)
    agent.send(listed("more", *(f"{number}.jpg" for number in range(7))))
    assert len({one.id for one in holdfast.assets()}) == len(NAMES) + 7
    assert len(holdfast.lookup(paths=[f"/mnt/usb/more/{number}.jpg" for number in range(7)])) == 7


def test_refusals_and_silence_are_told_apart(world: World, holdfast: Client) -> None:
    with pytest.raises(Refused) as error:
        holdfast.asset("ast_" + new_id().hex())
    assert (error.value.code, error.value.status) == ("not-found", 404)
    with pytest.raises(Refused, match="/paths/0"):
        holdfast.lookup(paths=["not absolute"])
    with client_of(world, scope="reader") as reader, pytest.raises(Refused) as error:
        reader.trash("ast_" + new_id().hex())
    assert error.value.code == "forbidden"
    for answer in (
        lambda _: httpx2.Response(502, html="<h1>proxy</h1>"),
        lambda _: httpx2.Response(200, text="hello"),
        lambda _: httpx2.Response(404, text="hello"),
        lambda _: httpx2.Response(302, headers={"Location": "/login"}),
    ):
        with client_of(world, httpx2.MockTransport(answer)) as other, pytest.raises(Unreachable):
            other.volume("vol_1")


def test_why_a_sidecar_cannot_answer_is_said(world: World) -> None:
    problem = {"type": "/problems/unavailable", "title": "-", "status": 503, "detail": "The disk is full."}
    busy = httpx2.MockTransport(lambda _: httpx2.Response(503, json=problem))
    with client_of(world, busy) as other, pytest.raises(Unreachable, match=r"status 503: The disk is full\."):
        other.scan("lib_1")


class Failing(httpx2.BaseTransport):
    """Fails in every way before every answer."""

    def __init__(self, world: World) -> None:
        self._good = httpx2.WSGITransport(app=world.app)
        self._ways: Iterator[Callable[[httpx2.Request], httpx2.Response]] = itertools.cycle(
            [self._refused, self._proxy, self._unavailable, self._good.handle_request]
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return next(self._ways)(request)

    def _refused(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused", request=request)

    def _proxy(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(502, html="<h1>Bad gateway</h1>", request=request)

    def _unavailable(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(503, headers={"Retry-After": "0"}, request=request)


def test_the_loop_survives_a_sidecar_that_comes_and_goes(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.client.feed.BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr("holdfast.client.client.PAGE", 2)
    expected = {one["id"] for one in world.changes()[0]}
    with client_of(world, Failing(world)) as holdfast:
        seen = {change.id for change in itertools.islice(holdfast.follow(), len(expected))}
    assert seen == expected


@pytest.mark.parametrize("stops_after", [1, 2, 3, 4])
def test_a_consumer_that_starts_again_anywhere_misses_nothing(
    world: World, agent: Agent, holdfast: Client, monkeypatch: pytest.MonkeyPatch, stops_after: int
) -> None:
    monkeypatch.setattr("holdfast.client.client.PAGE", 3)
    everything = [one["id"] for one in world.changes()[0]]
    cursor: str | None = None
    taken: list[str] = []
    while len(taken) + stops_after <= len(everything):
        for change in itertools.islice(holdfast.follow(cursor, wait_s=0), stops_after):
            taken.append(change.id)
            cursor = change.cursor
    # No item twice, none left out.
    taken += [one.id for one in itertools.islice(holdfast.follow(cursor, wait_s=0), len(everything) - len(taken))]
    assert taken == everything


def test_the_loop_ends_when_asked_to(world: World, holdfast: Client) -> None:
    stop = threading.Event()
    changed: list[Change] = []
    world.post("/libraries", {"owner": "anna"})
    for change in holdfast.follow(wait_s=0, stop=stop):
        changed.append(change)
        stop.set()
    assert [type(change) for change in changed] == [LibraryChange]


def test_a_token_that_is_no_good_ends_the_loop(world: World) -> None:
    with Client("http://sidecar", "hf_no", transport=httpx2.WSGITransport(app=world.app)) as holdfast:
        with pytest.raises(Refused) as error:
            next(holdfast.follow())
        assert error.value.code == "unauthorized"


def test_listing_everything_and_following_misses_nothing(
    world: World, agent: Agent, holdfast: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.client.client.PAGE", 2)
    states: dict[str, str] = {}
    snapshot = holdfast.snapshot()
    with pytest.raises(ValueError, match="end"):
        _ = snapshot.cursor
    for number, change in enumerate(snapshot):
        if isinstance(change, AssetChange):
            states[change.id] = change.state.file_name
        if number < 4:  # it goes on changing while it is read
            agent.send(at_once(moved("trip", "trip", (f"{number - 1}.jpg" if number else "a.jpg", f"{number}.jpg"))))
            agent.send(listed("late", f"late {number}.jpg"))
    expected = {one.id: one.file_name for one in holdfast.assets()}
    cursor: str | None = snapshot.cursor
    while states != expected:
        change = next(holdfast.follow(cursor, wait_s=0))
        cursor = change.cursor
        if isinstance(change, AssetChange):
            states[change.id] = change.state.file_name


def test_a_restored_catalog_is_told_and_read_anew(world: World, agent: Agent, holdfast: Client) -> None:
    snapshot = holdfast.snapshot()
    before = {change.id for change in snapshot}
    transact(world.engine, lambda connection: clock.renew(connection, new_id()))
    with pytest.raises(CursorExpired):
        next(holdfast.follow(snapshot.cursor))
    again = holdfast.snapshot()
    assert {change.id for change in again} == before
    assert again.cursor != snapshot.cursor


def test_a_disk_that_goes_away_is_one_entry(world: World, agent: Agent, holdfast: Client) -> None:
    snapshot = holdfast.snapshot()
    list(snapshot)
    agent.becomes(Reason.NOT_MOUNTED, None)
    agent.send(listed("trip", "marker.jpg"))
    changed = list(itertools.islice(holdfast.follow(snapshot.cursor, wait_s=0), 2))
    assert isinstance(changed[0], VolumeChange)
    assert (changed[0].kind, changed[0].state.state) == ("volume.offline", "offline")
    assert isinstance(changed[1], AssetChange)
    assert changed[1].state.file_name == "marker.jpg"


def test_what_a_newer_sidecar_tells_is_no_trouble() -> None:
    item = {
        "entity": "album",
        "change": 7,
        "kind": "album.made",
        "id": "alb_1",
        "cursor": "c",
        "at": "2026-01-01T00:00:00Z",
    }
    piece = Piece(items=[msgspec.Raw(json.dumps({**item, "state": {}, "new": 1}).encode())], next="x", has_more=False)
    (change,) = changes(piece)
    assert isinstance(change, OtherChange)
    assert (change.entity, change.kind) == ("album", "album.made")


def test_pauses_grow_up_to_a_bound_and_are_spread() -> None:
    for failures in (*range(1, 12), 10_000):
        shortest, longest = backoff_s(failures, 0.0), backoff_s(failures, 0.999)
        assert 0 < shortest < longest <= BACKOFF_LAST_S
        assert longest >= 1.9 * shortest
    assert [backoff_s(failures, 0.999) > backoff_s(failures + 1, 0.999) for failures in range(1, 12)] == [False] * 11
    assert backoff_s(1, 0.0, wished_s=7.0) == 7.0
    assert backoff_s(1, 0.0, wished_s=1e9) == BACKOFF_LAST_S


BODY = (
    b'{"type": "asset.missing", "timestamp": "2026-01-01T00:00:00Z",'
    b' "data": {"ids": ["ast_1"], "count": 1, "since": "x"}}'
)
SECRET = spell(bytes(range(32)))
AT = datetime(2026, 1, 1, tzinfo=UTC)


def signed(body: bytes = BODY, at: datetime = AT, secret: str = SECRET) -> dict[str, str]:
    """The headers as the package of Standard Webhooks makes them."""
    made = Webhook(secret).sign("dlv_1", at, body.decode())
    return {"Webhook-Id": "dlv_1", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": made}


def test_a_message_signed_by_the_package_is_good() -> None:
    said = verify(BODY, signed(), SECRET, AT.timestamp())
    assert (said.id, said.kind, said.ids, said.count, said.since) == ("dlv_1", "asset.missing", ["ast_1"], 1, "x")
    assert said.at == AT


def test_a_message_signed_by_the_sidecar_is_good_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": "dlv_1",
        "webhook-timestamp": str(now),
        # As after a rotation: two secrets are good.
        "webhook-signature": signature([bytes(32), bytes(range(32))], "dlv_1", now, BODY),
    }
    assert verify(BODY, headers, SECRET).kind == "asset.missing"
    Webhook(SECRET).verify(BODY, headers)


@pytest.mark.parametrize(
    ("body", "headers", "secret"),
    [
        pytest.param(BODY + b" ", signed(), SECRET, id="changed"),
        pytest.param(BODY, signed(), spell(bytes(32)), id="another secret"),
        pytest.param(BODY, {**signed(), "Webhook-Id": "dlv_2"}, SECRET, id="another id"),
        pytest.param(BODY, {**signed(), "Webhook-Timestamp": "1767225601"}, SECRET, id="another time"),
        pytest.param(BODY, signed(at=AT - timedelta(seconds=301)), SECRET, id="old"),
        pytest.param(BODY, signed(at=AT + timedelta(seconds=301)), SECRET, id="from the future"),
        pytest.param(BODY, {}, SECRET, id="no headers"),
        pytest.param(BODY, {**signed(), "Webhook-Timestamp": "-1"}, SECRET, id="no time"),
        pytest.param(BODY, {**signed(), "Webhook-Signature": ""}, SECRET, id="no signature"),
        pytest.param(BODY, {**signed(), "Webhook-Signature": "v1, v1,é v2,x"}, SECRET, id="nonsense"),
        pytest.param(b"[]", signed(b"[]"), SECRET, id="of another version"),
    ],
)
def test_any_other_message_is_refused(body: bytes, headers: dict[str, str], secret: str) -> None:
    with pytest.raises(BadSignature):
        verify(body, headers, secret, AT.timestamp())


def test_a_secret_that_is_none_is_a_mistake_of_the_caller() -> None:
    with contextlib.suppress(BadSignature), pytest.raises(ValueError, match="whsec"):
        verify(BODY, signed(), "not base64!", AT.timestamp())
