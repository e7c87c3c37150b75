"""`holdfast up` refuses what cannot work, with one sentence, before anything is started."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from holdfast.exits import Exit
from holdfast.up import main
from holdfast.up.home import Home

Up = Callable[..., Result]


@pytest.fixture
def state(tmp_path: os.PathLike[str]) -> str:
    return os.path.join(tmp_path, "state")


@pytest.fixture
def photos(tmp_path: os.PathLike[str]) -> str:
    folder = os.path.join(tmp_path, "my photos")
    os.mkdir(folder)
    with open(os.path.join(folder, "a.jpg"), "wb") as file:
        file.write(b"\xff\xd8")
    return folder


@pytest.fixture
def up(state: str) -> Up:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["up", "--state", state, *arguments])

    return run


def assert_refused(result: Result, status: Exit, *words: str) -> None:
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, "one sentence, no traceback"
    for word in words:
        assert word in result.stderr


def test_no_folder(up: Up) -> None:
    assert_refused(up(), Exit.USAGE, "holdfast up /path/to/photos")


def test_a_folder_that_does_not_exist(up: Up, tmp_path: os.PathLike[str], state: str) -> None:
    assert_refused(up(os.path.join(tmp_path, "none")), Exit.NO_INPUT, "does not exist")
    assert not os.path.exists(state), "nothing is left behind"


def test_a_file(up: Up, photos: str) -> None:
    assert_refused(up(os.path.join(photos, "a.jpg")), Exit.NO_INPUT, "is a file")


def test_an_empty_folder_might_be_a_disk_that_is_not_mounted(up: Up, tmp_path: os.PathLike[str]) -> None:
    os.mkdir(os.path.join(tmp_path, "usb"))
    assert_refused(up(os.path.join(tmp_path, "usb")), Exit.NO_INPUT, "is empty", "mount it first")


def test_one_bad_folder_among_good_ones(up: Up, photos: str, tmp_path: os.PathLike[str]) -> None:
    assert_refused(up(photos, os.path.join(tmp_path, "none")), Exit.NO_INPUT, "none does not exist")


def test_a_folder_of_an_earlier_run_may_be_away(up: Up, state: str, tmp_path: os.PathLike[str]) -> None:
    usb = os.path.join(tmp_path, "usb")
    os.mkdir(usb)
    os.mkdir(state)
    with open(os.path.join(state, "agent.toml"), "w", encoding="utf-8") as file:
        file.write(f'roots = ["{usb}"]\n')
    # It is not the folder that is refused now, but what is checked after it.
    assert_refused(up(usb, "--listen", "nonsense"), Exit.USAGE, "--listen")


def test_an_address_that_is_none(up: Up, photos: str) -> None:
    assert_refused(up(photos, "--listen", "8765"), Exit.USAGE, "HOST:PORT")


def test_a_port_in_use(up: Up, photos: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert_refused(up(photos, "--listen", f"127.0.0.1:{taken}"), Exit.UNAVAILABLE, "in use", "--listen")


def test_a_database_that_cannot_be_reached(up: Up, photos: str, tmp_path: os.PathLike[str]) -> None:
    url = f"mysql+pymysql://u:secret@localhost/x?unix_socket={tmp_path}/none.sock"
    result = up(photos, "--database", url)
    assert_refused(result, Exit.UNAVAILABLE, "cannot be reached", "none.sock")
    assert "secret" not in result.output


def test_a_package_that_is_not_installed(up: Up, photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gunicorn" else real(name))
    assert_refused(up(photos), Exit.UNAVAILABLE, "gunicorn", "pip install 'holdfast[sidecar]'")


def test_a_second_run_on_the_same_state(up: Up, photos: str, state: str) -> None:
    os.mkdir(state)
    with Home(state):
        assert_refused(up(photos), Exit.TRY_AGAIN, "Another 'holdfast up'", "--state")


def test_a_state_directory_that_cannot_be_made(photos: str) -> None:
    result = CliRunner().invoke(main, ["up", "--state", os.path.join(photos, "a.jpg", "state"), photos])
    assert_refused(result, Exit.CANNOT_CREATE, "--state")


def test_a_state_directory_among_the_photos(photos: str) -> None:
    result = CliRunner().invoke(main, ["up", "--state", os.path.join(photos, "state"), photos])
    assert_refused(result, Exit.CANNOT_CREATE, "lies inside")


def test_another_database_for_the_same_state(up: Up, photos: str, state: str) -> None:
    os.mkdir(state)
    with Home(state) as home:
        home.adopt("sqlite:////somewhere/else.sqlite3")
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert_refused(up(photos, "--listen", f"127.0.0.1:{free}"), Exit.USAGE, "/somewhere/else.sqlite3")
