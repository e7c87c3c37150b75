"""The rules of libraries, on real disks, with the real agent watching: what they cover comes, what they leave out
goes, and what comes back is what it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linux.disks import Disks
from tests.story.stack import Item, Stack

pytestmark = [pytest.mark.root, pytest.mark.story]

YEAR_S = 365 * 86400
RAW = "**/Raw/**"
# The folders that are watched are counted.
COUNTED = pytest.mark.parametrize("watch", ["inotify"])


def put(path: Path) -> None:
    """A file that was written a year ago, and has just arrived."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.parent / f".{path.name}.part"
    draft.write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(16))
    then = time.time() - YEAR_S
    os.utime(draft, (then, then))
    draft.rename(path)


def make(parts: Stack, name: str, owner: str, paths: dict[Path, str], patterns: list[str] | None = None) -> Item:
    """A library, each of its host paths under the path that the container has for it."""
    agent = parts.agent_id()
    body = {
        "name": name,
        "owner": owner,
        "import_paths": [
            {"agent": agent, "path": str(host), "server_path": container} for host, container in paths.items()
        ],
        **({} if patterns is None else {"exclusion_patterns": patterns}),
    }
    return dict(parts.post("/libraries", body))


def patch(parts: Stack, library: Item, body: Item) -> Item:
    answer = parts.client.patch(f"/libraries/{library['id']}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def shown(parts: Stack, library: Item) -> dict[str, tuple[str, str]]:
    """Path as the photo server sees it -> (id, status)."""
    return {one["path"]: (one["id"], one["status"]) for one in parts.assets(library=library["id"]).values()}


def until_shown(parts: Stack, library: Item, wanted: dict[str, str]) -> None:
    """Wait until a library has exactly these files, by path and status."""
    parts.feed.until_true(lambda: {path: now for path, (_, now) in shown(parts, library).items()} == wanted)


def watched(parts: Stack) -> int:
    """How many directories the agent watches."""
    told = json.loads(parts.agent_cli("status", "--json"))
    return sum(one["watched_directories"] for one in told["volumes"])


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for something that only the agent's status tells."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.1)  # the status socket tells of no change by itself


@COUNTED
def test_old_pictures_and_a_christmas_trip(running: Stack, disks: Disks, place: Path) -> None:
    """The usage example: two libraries, three folders on two disks, container paths that differ from host paths."""
    parts = running
    nas, videos = disks.make("ext4", label="nas"), disks.make("ext4", label="videos")
    nas.mount(place / "nas")
    videos.mount(place / "videos")
    for name in ("old-pics/1998/a.jpg", "old-pics/b.jpg", "christmas-trip/c.jpg", "christmas-trip/Raw/c.dng"):
        put(place / "nas" / name)
    put(place / "videos" / "wedding.mp4")
    put(place / "nas" / "not imported.jpg")
    old = make(
        parts,
        "Old pictures and videos",
        "anna",
        {place / "nas/old-pics": "/mnt/media/old-pics", place / "videos": "/mnt/media/videos"},
    )
    trip = make(parts, "Christmas trip", "anna", {place / "nas/christmas-trip": "/mnt/media/christmas-trip"}, [RAW])
    until_shown(
        parts,
        old,
        {
            "/mnt/media/old-pics/1998/a.jpg": "present",
            "/mnt/media/old-pics/b.jpg": "present",
            "/mnt/media/videos/wedding.mp4": "present",
        },
    )
    until_shown(parts, trip, {"/mnt/media/christmas-trip/c.jpg": "present"})
    before = shown(parts, old)

    # The container is set up anew with other paths: not one asset changes.
    parts.feed.drain()
    renamed = {one["id"]: one["server_path"].replace("/mnt/media", "/data") for one in old["import_paths"]}
    patch(parts, old, {"import_paths": [{"id": key, "server_path": path} for key, path in renamed.items()]})
    assert [one["kind"] for one in parts.feed.drain() if one["kind"].startswith("asset")] == []
    after = shown(parts, old)
    assert after == {path.replace("/mnt/media", "/data"): facts for path, facts in before.items()}

    # A disk leaves the library, and comes back to it.
    first, second = ({"id": one["id"]} for one in old["import_paths"])
    patch(parts, old, {"import_paths": [first]})
    assert shown(parts, old)[str(place / "videos/wedding.mp4")][1] == "excluded"
    again = {"agent": "agent", "path": str(place / "videos"), "server_path": "/data/videos"}
    patch(parts, old, {"import_paths": [first, again]})
    parts.feed.until_true(lambda: shown(parts, old) == after)
    assert second["id"] not in {one["id"] for one in parts.get(f"/libraries/{old['id']}")["import_paths"]}

    # A library is deleted: it is gone at once, its assets soon, and nobody watches its folders. Every file stays.
    parts.start_worker()
    rest = 4  # old-pics and 1998 of one disk, the root and lost+found of the other, which was taken up again just now
    until(lambda: watched(parts) == rest + 1)
    answer = parts.client.delete(f"/libraries/{trip['id']}")
    assert answer.status_code == 202
    assert [one["id"] for one in parts.get("/libraries")["items"]] == [old["id"]]
    parts.feed.until_true(lambda: {now for _, now in shown(parts, trip).values()} == {"removed"})
    until(lambda: parts.get(f"/jobs/{answer.json()['id']}")["state"] == "done")
    until(lambda: watched(parts) == rest)
    assert (place / "nas/christmas-trip/c.jpg").exists()
    assert (place / "nas/christmas-trip/Raw/c.dng").exists()


def explained(parts: Stack, path: str) -> tuple[int, str]:
    """What the agent says at its command line of a path, with the exit status."""
    command = [sys.executable, "-m", "agent.cli", "explain", path, "--config", f"{parts.home}/agent.toml"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.returncode, said.stdout


@COUNTED
def test_a_pattern_takes_effect_at_once_watched_too(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    disks.make("ext4", label="trip").mount(place / "usb")
    put(place / "usb/day/a.jpg")
    put(place / "usb/day/Raw/b.jpg")
    put(place / "usb/day/Raw/deep/c.jpg")
    library = make(parts, "Trip", "anna", {place / "usb": "/photos"}, [])
    files = {
        "/photos/day/a.jpg": "present",
        "/photos/day/Raw/b.jpg": "present",
        "/photos/day/Raw/deep/c.jpg": "present",
    }
    until_shown(parts, library, files)
    parts.feed.until_true(lambda: parts.get(f"/libraries/{library['id']}")["refreshed_at"] is not None)
    until(lambda: watched(parts) == 5)
    before = shown(parts, library)

    told = parts.post(f"/libraries/{library['id']}/preview", {"exclusion_patterns": [RAW]})
    assert (told["excluded"]["assets"], told["unchanged"]) == (2, 1)

    # Excluded: known at once, and nobody watches there any more.
    patch(parts, library, {"exclusion_patterns": [RAW]})
    assert {path: now for path, (_, now) in shown(parts, library).items()} == {
        path: "excluded" if "Raw" in path else "present" for path in files
    }
    until(lambda: watched(parts) == 3)
    said = explained(parts, f"{place}/usb/day/Raw/")
    assert said == (1, f"{library['id']}: /photos/day/Raw is excluded by {RAW}\n")
    parts.feed.drain()
    put(place / "usb/day/Raw/d.jpg")
    (place / "usb/day/Raw/b.jpg").unlink()
    put(place / "usb/day/e.jpg")
    parts.feed.until(lambda item: item["kind"] == "asset.added")
    assert shown(parts, library)["/photos/day/e.jpg"][1] == "present"
    assert "/photos/day/Raw/d.jpg" not in shown(parts, library)
    assert shown(parts, library)["/photos/day/Raw/b.jpg"][1] == "excluded"

    # Wanted again: the same ids; what is new there comes, what was deleted there is missing, and it is watched.
    patch(parts, library, {"exclusion_patterns": []})
    until_shown(
        parts,
        library,
        {
            **files,
            "/photos/day/Raw/b.jpg": "missing",
            "/photos/day/Raw/d.jpg": "present",
            "/photos/day/e.jpg": "present",
        },
    )
    after = shown(parts, library)
    assert {path: after[path][0] for path in before} == {path: one for path, (one, _) in before.items()}
    until(lambda: watched(parts) == 5)
    scans = len([item for item in parts.feed.items if item["kind"] == "scan.started"])
    put(place / "usb/day/Raw/deep/f.jpg")
    parts.feed.until(lambda item: item["kind"] == "asset.added" and item["state"]["file_name"] == "f.jpg")
    assert len([item for item in parts.feed.items if item["kind"] == "scan.started"]) == scans


@COUNTED
def test_an_ignore_file_takes_effect_when_it_is_seen(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    parts.start_worker()
    disks.make("ext4", label="trip").mount(place / "usb")
    put(place / "usb/trip/a.jpg")
    put(place / "usb/trip/raw/b.jpg")
    put(place / "usb/trip/c.png")
    library = make(parts, "Trip", "anna", {place / "usb": "/photos"}, [])
    files = {"/photos/trip/a.jpg": "present", "/photos/trip/raw/b.jpg": "present", "/photos/trip/c.png": "present"}
    until_shown(parts, library, files)
    before = shown(parts, library)
    until(lambda: watched(parts) == 4)

    (place / "usb/trip/.holdfastignore").write_text("raw/\n*.png\n")
    until_shown(parts, library, {path: "present" if path.endswith("a.jpg") else "excluded" for path in files})
    until(lambda: watched(parts) == 3)
    answer = parts.client.get(f"/libraries/{library['id']}/explain", params={"path": "/photos/trip/raw/b.jpg"})
    assert answer.json()["excluded_by"] == "raw/ (trip/.holdfastignore)"
    sentence = f"{library['id']}: /photos/trip/raw/b.jpg is excluded by raw/ (trip/.holdfastignore)\n"
    assert explained(parts, f"{place}/usb/trip/raw/b.jpg") == (1, sentence)
    assert explained(parts, f"{place}/usb/trip/a.jpg")[0] == 0

    (place / "usb/trip/.holdfastignore").write_text("raw/\n")
    until_shown(parts, library, {path: "excluded" if "/raw/" in path else "present" for path in files})
    (place / "usb/trip/.holdfastignore").unlink()
    until_shown(parts, library, files)
    assert shown(parts, library) == before
    until(lambda: watched(parts) == 4)


def test_names_that_nobody_would_choose(running: Stack, disks: Disks, place: Path) -> None:
    """Spaces, commas, braces, quotes, a newline and bytes that are no UTF-8: in paths, in names and in patterns."""
    parts = running
    disks.make("ext4", label="odd").mount(place / "usb")
    folders = ["a b, c", "{brace}", "quo\"te'", "new\nline", "[x]"]
    for name in folders:
        put(place / "usb" / name / "keep.jpg")
        put(place / "usb" / name / "out, {of} it.jpg")
    strange = os.fsencode(place / "usb") + b"/caf\xe9"
    os.mkdir(strange)
    put(Path(os.fsdecode(strange)) / "keep.jpg")
    agent = parts.agent_id()
    wanted = [*folders, "caf\0e9"]
    body = {
        "name": "Odd, {names} \"and\" 'more'",
        "owner": "anna",
        "import_paths": [{"agent": agent, "path": f"{place}/usb/{name}"} for name in wanted],
        "exclusion_patterns": ["**/out, \\{of\\} it.jpg"],
    }
    library = parts.post("/libraries", body)
    assert [one["path"] for one in library["import_paths"]] == [f"{place}/usb/{name}" for name in wanted]
    parts.feed.until_true(lambda: parts.by_status(library["id"]) == {"present": len(wanted)})
    names = {one["file_name"] for one in parts.assets(library=library["id"]).values()}
    assert names == {"keep.jpg"}
    answer = parts.client.patch(f"/libraries/{library['id']}", json={"exclusion_patterns": ["**/caf?/**"]})
    assert answer.status_code == 200
    parts.feed.until_true(lambda: parts.by_status(library["id"]) == {"present": 2 * len(folders), "excluded": 1})


def test_import_paths_are_checked_by_the_agent(tmp_path: Path, disks: Disks, place: Path) -> None:
    """Every way in which a path can be wrong, in a sentence that says what to do."""
    home = tmp_path / "state"
    home.mkdir()
    disks.make("ext4", label="usb").mount(place / "usb")
    put(place / "usb/photos/a.jpg")
    put(place / "usb/server/upload/b.jpg")
    (place / "usb/file").write_bytes(b"")
    (place / "usb/link").symlink_to("/etc")
    (place / "bare").mkdir()
    running = type("_", (Stack,), {"agent_settings": f'managed_directories = ["{place}/usb/server/upload"]\n'})(home)
    try:
        running.start_agent(place)
        agent = running.agent_id()
        library = running.post("/libraries", {"owner": "anna"})
        says = {
            "photos": None,
            "photos/": None,
            "none": "does not exist",
            "file": "not a directory",
            "link": "not exposed by the agent",
            "server/upload": "which the photo server manages by itself. Choose a folder outside of it.",
            "server/upload/deep": "does not exist",
            "server": "which the photo server manages by itself. Choose folders beside it.",
            "": "which the photo server manages by itself. Choose folders beside it.",
        }
        wanted = [f"{place}/usb/{path}".rstrip() for path in says] + [f"{place}/bare", "/etc", "no/slash"]
        sentences = [*says.values(), "say so: 'holdfast-agent enrol --plain", "not exposed by the agent", "absolute"]
        running.feed.until_true(lambda: running.get("/agents")["items"][0]["last_seen"] is not None)
        for path, sentence in zip(wanted, sentences, strict=True):
            body = {"import_paths": [{"agent": agent, "path": path}]}
            (found,) = running.post(f"/libraries/{library['id']}/validate", body)["import_paths"]
            assert found["is_valid"] is (sentence is None), (path, found)
            assert (sentence or "") in (found["message"] or ""), (path, found)
        running.stop_agent()
    finally:
        running.close()
