"""Under which names a file that was read has been told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from agent.contents import Contents
from agent.journal import Journal
from agent.known import KnownDirectory, pack_births, pack_directories, pack_files
from agent.names import Names
from agent.ports import FileEntry
from agent.store import Standing, Store


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store(":memory:", "vol_1", "jrn_1")) as opened:
        yield opened


def entry(name: str, inode: int = 7) -> FileEntry:
    return FileEntry(name, inode, 1, 2, 3)


def learn(store: Store, directory: str, *files: FileEntry, told: bool = True) -> None:
    packed = (pack_files(files), pack_births([None for _ in files]), pack_directories({}))
    inodes = [file.inode for file in files]
    with store.transaction():
        Journal(store).learn(directory, KnownDirectory((1, 1), *packed, told=told), inodes, ())


def told(names: Names, store: Store, file: FileEntry, *, reads: bool = True) -> dict[str, list[str]]:
    """Ask as a reader does, who then writes down what is in the file."""
    with store.transaction():
        found = names.told("a", file)
        if reads:
            Contents(store, by_inode=True).put("a", file, "sha1:")
            names.keep()
    return {directory: [one.name for one in them] for directory, them in found.items()}


@pytest.mark.parametrize(
    ("by_inode", "found"), [(True, {"a": ["1.jpg", "2.jpg"], "b": ["3.jpg"]}), (False, {"a": ["1.jpg"]})]
)
def test_a_file_is_told_for_all_its_names(store: Store, by_inode: bool, found: dict[str, list[str]]) -> None:
    learn(store, "a", entry("1.jpg"), entry("2.jpg"), entry("4.jpg", 8))
    learn(store, "b", entry("3.jpg"))
    assert told(Names(store, by_inode=by_inode), store, entry("1.jpg")) == found
    assert told(Names(store, by_inode=by_inode), store, entry("1.jpg")._replace(ctime_ns=9)) == {}


def test_r38_names_are_those_of_now(store: Store) -> None:
    names = Names(store, by_inode=True)
    learn(store, "a", entry("1.jpg"))
    assert told(names, store, entry("1.jpg")) == {"a": ["1.jpg"]}
    learn(store, "a", entry("1.jpg"), entry("2.jpg"))
    assert told(names, store, entry("1.jpg")) == {"a": ["1.jpg", "2.jpg"]}
    with store.transaction():
        store.stand(Standing.BASELINE)
        Journal(store).retell("")
    assert told(names, store, entry("1.jpg")) == {}, "all of it will be told anew"


def test_what_a_reader_writes_has_no_directory_unpacked_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(store, by_inode=False)
    learn(store, "a", entry("1.jpg"), entry("2.jpg", 8))
    assert told(names, store, entry("1.jpg")) == {"a": ["1.jpg"]}
    monkeypatch.setattr(Journal, "directory", lambda *_: pytest.fail("it is unpacked again"))
    assert told(names, store, entry("2.jpg", 8)) == {"a": ["2.jpg"]}
