"""Why a file is in a library or not."""

from __future__ import annotations

import pytest

from holdfast.explaining import Folder, explain

FOLDERS = [
    Folder("imp_trip", "/mnt/nas/trip", "/data/trip", ["**/Raw/**", "**/*.tif", "/data/trip/x/*"]),
    Folder("imp_deep", "/mnt/nas/trip/deep", "/deep", ["**/Raw/**"]),
]


@pytest.mark.parametrize(
    ("path", "folder", "pattern"),
    [
        ("/data/trip/a.jpg", "imp_trip", None),
        ("/mnt/nas/trip/a.jpg", "imp_trip", None),  # as its host has it
        ("/mnt/nas/trip/raw/a.jpg", "imp_trip", "**/Raw/**"),
        ("/data/trip/Raw/a.tif", "imp_trip", "**/Raw/**"),  # the first that excludes it
        ("/data/trip/a.TIF", "imp_trip", "**/*.tif"),
        ("/mnt/nas/trip/deep/a.tif", "imp_deep", None),  # the longest import path counts
        ("/data/tripod/a.jpg", None, None),
        ("/data/trip/Raw/", "imp_trip", "**/Raw/**"),
        ("/data/trip/x/", "imp_trip", None),  # a file pattern closes no directory
        ("/data/trip/x/a.jpg", "imp_trip", "/data/trip/x/*"),
    ],
)
def test_the_import_path_and_the_pattern_are_named(path: str, folder: str | None, pattern: str | None) -> None:
    found = explain(FOLDERS, path)
    assert (found.folder.id if found.folder else None, found.pattern) == (folder, pattern)
    assert (pattern or "include" if folder else "outside") in found.sentence


def test_an_import_path_of_everything() -> None:
    found = explain([Folder("imp_1", "/", "/", ["**/b/**"])], "/a/b/c.jpg")
    assert (found.server_path, found.pattern) == ("/a/b/c.jpg", "**/b/**")
