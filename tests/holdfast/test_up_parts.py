"""The small decisions of ``holdfast up``: restarts, folders, events, checks, configuration."""

from __future__ import annotations

import os
import socket
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.exits import Exit
from holdfast.up import checks, folders, restarts
from holdfast.up.catalog import FeedItem, Hold, ImportPath, Library, Move, Volume
from holdfast.up.checks import Listen
from holdfast.up.events import ORIGINS_MAX, Interpreter
from holdfast.up.folders import Wanted
from holdfast.up.home import Home, agent_toml, default_directory
from holdfast.up.narrate import FileEvent, Note, VolumeEvent
from holdfast.up.refusals import Refusal, Refused

# Restarts


def test_a_part_that_fails_again_and_again_is_given_up() -> None:
    record, waits = restarts.Record(), []
    while isinstance(decision := restarts.after_exit(record, ran_s=1.0), restarts.Again):
        waits.append(decision.wait_s)
        record = decision.record
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert decision.failures == restarts.FAILURES_MAX + 1


def test_a_part_that_ran_steadily_starts_with_a_clean_record() -> None:
    worn = restarts.Record(failures=restarts.FAILURES_MAX)
    assert restarts.after_exit(worn, ran_s=restarts.STEADY_S) == restarts.Again(1.0, restarts.Record(1))


# Folders


def library(name: str, *paths: str, agent: str = "agt_1") -> Library:
    return Library(
        id=f"lib_{name}",
        name=name,
        import_paths=[ImportPath(id=f"imp_{p}", agent=agent, path=p, state="bound") for p in paths],
    )


def test_only_folders_without_a_library_get_one() -> None:
    there = [library("usb", "/mnt/usb")]
    assert folders.to_create(["/mnt/usb", "/mnt/nas"], there, "agt_1") == [Wanted("nas", "/mnt/nas")]
    assert folders.to_create(["/mnt/usb"], there, "agt_1") == []


def test_the_same_path_of_another_agent_is_another_folder() -> None:
    there = [library("usb", "/mnt/usb", agent="agt_2")]
    assert folders.to_create(["/mnt/usb"], there, "agt_1") == [Wanted("mnt/usb", "/mnt/usb")]


def test_two_folders_of_one_name_get_two_names() -> None:
    wanted = folders.to_create(["/a/DCIM", "/b/DCIM", "/"], [], "agt_1")
    assert [one.name for one in wanted] == ["DCIM", "b/DCIM", "/"]


def test_paths_are_told_from_the_folder_that_was_named() -> None:
    assert folders.short("/mnt/usb/trip/a.jpg", ["/mnt/usb"]) == "trip/a.jpg"
    assert folders.short("/mnt/usb/trip/a.jpg", ["/mnt/usb", "/mnt/nas"]) == "usb/trip/a.jpg"
    assert folders.short("/mnt/usb/sub/a.jpg", ["/mnt/usb", "/mnt/usb/sub"]) == "sub/a.jpg"
    assert folders.short("/mnt/usbstick/a.jpg", ["/mnt/usb"]) == "/mnt/usbstick/a.jpg"


def test_earlier_folders_are_kept_and_come_first() -> None:
    assert folders.merge(["/b", "/a"], ["/a", "/c"]) == ["/b", "/a", "/c"]


# Events

AT = "2026-11-21T14:03:22Z"


def asset(kind: str, path: str, identifier: str = "ast_1") -> FeedItem:
    return FeedItem(
        entity="asset", kind=f"asset.{kind}", id=identifier, at=AT, state={"host_path": path, "kind": "image"}
    )


def volume(state: str, *, kind: str | None = None) -> FeedItem:
    body = {"state": state, "label": "USB", "detail": "Why.", "assets": 3}
    return FeedItem(entity="volume", kind=kind or f"volume.{state}", id="vol_1", at=AT, state=body)


def test_a_move_is_told_with_the_place_it_came_from() -> None:
    (event,) = Interpreter(["/p"], [], 0.0).read([asset("moved", "/p/b/y.jpg")], lambda _: Move("a/x.jpg", "b/y.jpg"))
    assert isinstance(event, FileEvent)
    assert (event.origin, event.path) == ("a/x.jpg", "b/y.jpg")


def test_thousands_of_moves_ask_for_no_history() -> None:
    items = [asset("moved", f"/p/{n}.jpg", f"ast_{n}") for n in range(ORIGINS_MAX + 1)]
    events = Interpreter(["/p"], [], 0.0).read(items, lambda _: pytest.fail("asked"))
    assert len(events) == len(items)


def test_a_volume_is_told_only_when_its_state_changed() -> None:
    known = Volume(id="vol_1", label="USB", state="online", reason="verified")
    interpreter = Interpreter(["/p"], [known], 0.0)
    assert interpreter.read([volume("online")], lambda _: None) == []
    events = interpreter.read([volume("offline"), volume("offline"), volume("online")], lambda _: None)
    assert [(e.was, e.state) for e in events if isinstance(e, VolumeEvent)] == [
        ("online", "offline"),
        ("offline", "online"),
    ]


def test_what_happened_to_a_volume_before_it_was_introduced_is_not_told_again() -> None:
    at = volume("online").at_unix
    assert Interpreter([], [], at + 1).read([volume("unknown"), volume("online")], lambda _: None) == []
    assert len(Interpreter([], [], at).read([volume("unknown"), volume("online")], lambda _: None)) == 2


def test_agents_and_gaps_are_noted_and_the_rest_is_passed_over() -> None:
    items = [
        FeedItem(entity="agent", kind="agent.silent", id="agt_1", at=AT),
        FeedItem(entity="agent", kind="agent.back", id="agt_1", at=AT),
        FeedItem(entity="scan", kind="gap", id="scn_1", at=AT, state={"directory": "trip"}),
        FeedItem(entity="scan", kind="scan.finished", id="scn_1", at=AT),
        FeedItem(entity="library", kind="library.updated", id="lib_1", at=AT),
    ]
    events = Interpreter([], [], 0.0).read(items, lambda _: None)
    assert [e.is_trouble for e in events if isinstance(e, Note)] == [True, False, False]
    assert len(events) == 3


def hold(files: int, state: str = "open", kind: str = "hold.updated") -> FeedItem:
    body = {"state": state, "files": files, "summary": f"{files} files in /p are gone."}
    return FeedItem(entity="hold", kind=kind, id="hld_1", at=AT, state=body)


def test_r20_a_hold_is_told_with_what_to_do_once_and_again_when_it_doubled() -> None:
    interpreter = Interpreter(["/p"], [], 0.0, options="--state '/my home'")
    items = [
        hold(200, kind="hold.opened"),
        hold(399),
        hold(400),
        hold(120),
        hold(799),
        hold(0, "resolved", "hold.closed"),
    ]
    events = [event for event in interpreter.read(items, lambda _: None) if isinstance(event, Note)]
    assert [event.is_trouble for event in events] == [True, True, False]
    assert "200 files in /p are gone." in events[0].text
    assert "holdfast-sidecar holds show hld_1 --state '/my home'" in events[0].text
    assert "400 files" in events[1].text
    assert "seen again" in events[2].text


def test_a_hold_that_was_told_at_the_start_is_not_told_again() -> None:
    known = Hold(id="hld_1", summary="200 files are gone.", files=200)
    interpreter = Interpreter([], [], 0.0, [known])
    assert interpreter.read([hold(201)], lambda _: None) == []
    (event,) = interpreter.read([hold(201, "approved", "hold.closed")], lambda _: None)
    assert isinstance(event, Note)
    assert "approved" in event.text
    assert interpreter.read([hold(1, "approved", "hold.closed")], lambda _: None) == []


# Checks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8765", Listen("127.0.0.1", 8765)),
        ("[::1]:80", Listen("::1", 80)),
        ("localhost:1", Listen("localhost", 1)),
        ("0.0.0.0:65535", Listen("0.0.0.0", 65535)),
    ],
)
def test_addresses_are_understood_and_written_back(text: str, expected: Listen) -> None:
    parsed = checks.parse_listen(text)
    assert parsed == expected
    assert str(parsed) == text


@pytest.mark.parametrize("text", ["", "8765", ":8765", "a:", "a:0", "a:65536", "a:x", "a:-1", "a:²"])
def test_what_is_no_address_is_refused(text: str) -> None:
    parsed = checks.parse_listen(text)
    assert isinstance(parsed, Refusal)
    assert parsed.status == Exit.USAGE


def test_only_loopback_is_private() -> None:
    assert Listen("127.0.0.1", 1).is_loopback
    assert Listen("::1", 1).is_loopback
    assert not Listen("0.0.0.0", 1).is_loopback
    assert Listen("0.0.0.0", 1).url == "http://127.0.0.1:1"
    assert Listen("::", 1).url == "http://[::1]:1"


def test_folders_that_cannot_be_used_are_told_apart(tmp_path: os.PathLike[str]) -> None:
    root = os.fspath(tmp_path)
    full, file, empty = (os.path.join(root, name) for name in ("a b", "file", "empty"))
    os.mkdir(full)
    os.mkdir(empty)
    for path in (file, os.path.join(full, "a.jpg")):
        with open(path, "w", encoding="utf-8"):
            pass
    assert checks.photos(full) is None
    sentences = {}
    for path in (file, empty, os.path.join(root, "nowhere"), os.path.join(file, "below"), f"{root}/\udce9"):
        refusal = checks.photos(path)
        assert refusal is not None
        assert refusal.status == Exit.NO_INPUT
        sentences[path] = refusal.sentence
    assert "is a file" in sentences[file]
    assert "is empty" in sentences[empty]
    assert "does not exist" in sentences[os.path.join(root, "nowhere")]
    assert "not text" in sentences[f"{root}/\udce9"]


def test_a_port_in_use_is_refused_with_another_one_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = Listen("127.0.0.1", server.getsockname()[1])
        refusal = checks.port(taken)
    assert refusal is not None
    assert refusal.status == Exit.UNAVAILABLE
    assert f"--listen 127.0.0.1:{taken.port + 1}" in refusal.sentence
    assert checks.port(taken) is None  # it is free again, and the check itself did not take it


def test_an_address_of_another_machine_is_refused() -> None:
    refusal = checks.port(Listen("192.0.2.1", 8765))
    assert refusal is not None
    assert "not an address of this machine" in refusal.sentence


@pytest.mark.parametrize(
    "url",
    ["postgresql://localhost/x", "mysql://localhost/x", "catalog.sqlite3", "sqlite://x", "mysql+pymysql://h:port/x"],
)
def test_a_database_that_is_not_supported_is_refused(url: str) -> None:
    refusal = checks.database(url)
    assert refusal is not None
    assert refusal.status == Exit.USAGE


def test_a_database_that_is_not_there_is_refused(tmp_path: os.PathLike[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert checks.database(f"mysql+pymysql://u:p@127.0.0.1:{port}/x") is None
    for url in (
        f"mysql+pymysql://u:p@127.0.0.1:{port}/x",
        f"mysql+pymysql://u@localhost/x?unix_socket={os.fspath(tmp_path)}/none.sock",
    ):
        refusal = checks.database(url)
        assert refusal is not None
        assert refusal.status == Exit.UNAVAILABLE
        assert "u:p" not in refusal.sentence, "a password is never shown"
    assert checks.database("sqlite:////var/lib/x.sqlite3") is None


def test_a_password_is_never_kept() -> None:
    assert checks.without_password("mysql+pymysql://u:p@h:1/x?a=b") == "mysql+pymysql://u@h:1/x?a=b"
    for url in ("mysql+pymysql://u@h/x", "sqlite:////var/lib/x.sqlite3"):
        assert checks.without_password(url) == url


def test_a_state_directory_among_the_photos_is_refused() -> None:
    assert checks.state_outside("/mnt/usb/state", ["/mnt/nas", "/mnt/usb"]) is not None
    assert checks.state_outside("/mnt/usb", ["/mnt/usb"]) is not None
    assert checks.state_outside("/mnt/usbstate", ["/mnt/usb"]) is None
    assert checks.state_outside("/home/x/state", ["/mnt/usb"]) is None


def test_a_state_directory_that_no_socket_fits_into_is_refused(tmp_path: os.PathLike[str]) -> None:
    refusal = checks.state(os.path.join(tmp_path, "x" * 100))
    assert refusal is not None
    assert "too long" in refusal.sentence


# Home


def test_the_default_state_directory_follows_the_xdg_rules() -> None:
    assert default_directory({"XDG_STATE_HOME": "/s"}) == "/s/holdfast"
    assert default_directory({"XDG_STATE_HOME": "relative"}).endswith("/.local/state/holdfast")
    assert default_directory({}).endswith("/.local/state/holdfast")


def test_one_state_directory_serves_one_run_at_a_time(tmp_path: os.PathLike[str]) -> None:
    with Home(os.fspath(tmp_path)):
        with pytest.raises(Refused) as refused, Home(os.fspath(tmp_path)):
            pass
        assert refused.value.refusal.status == Exit.TRY_AGAIN
        assert f"process {os.getpid()}" in refused.value.refusal.sentence
    with Home(os.fspath(tmp_path)):
        pass


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=3))
def test_any_folder_survives_the_configuration(roots: list[str]) -> None:
    text = agent_toml(Home("/state"), "http://127.0.0.1:1", 'a "name"', roots)
    assert tomllib.loads(text)["roots"] == roots
    assert tomllib.loads(text)["name"] == 'a "name"'


def test_folders_of_earlier_runs_are_known(tmp_path: os.PathLike[str]) -> None:
    home = Home(os.fspath(tmp_path))
    assert home.known_folders() == []
    home.write(home.agent_config, agent_toml(home, "http://127.0.0.1:1", "n", ["/mnt/a b", '/mnt/"']))
    assert home.known_folders() == ["/mnt/a b", '/mnt/"']
    assert os.stat(home.agent_config).st_mode & 0o777 == 0o600


def test_a_state_directory_belongs_to_one_catalog(tmp_path: os.PathLike[str]) -> None:
    home = Home(os.fspath(tmp_path))
    assert home.adopt("sqlite:////a") is None
    assert home.adopt("sqlite:////a") is None
    refusal = home.adopt("mysql+pymysql://u@h/x")
    assert refusal is not None
    assert "sqlite:////a" in refusal.sentence


def test_a_damaged_configuration_is_named(tmp_path: os.PathLike[str]) -> None:
    home = Home(os.fspath(tmp_path))
    home.write(home.agent_config, "roots = [")
    with pytest.raises(Refused, match="is damaged"):
        home.known_folders()
