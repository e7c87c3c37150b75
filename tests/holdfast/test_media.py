"""Which files are photos and videos."""

from __future__ import annotations

import pytest

from holdfast.media import Kind, kind


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", Kind.IMAGE),
        ("A.JPG", Kind.IMAGE),
        ("a.b.HeIc", Kind.IMAGE),
        ("raw.nef", Kind.IMAGE),
        ("clip.mp4", Kind.VIDEO),
        ("clip.m2ts", Kind.VIDEO),
        ("a.jpg.xmp", Kind.SIDECAR),
        ("a.xmp", Kind.SIDECAR),
        (".a.jpg", Kind.IMAGE),
        (".jpg", None),
        ("jpg", None),
        ("a.", None),
        ("a.txt", None),
        ("a.jpg~", None),
        ("a.jpg.part", None),
        ("", None),
    ],
)
def test_the_extension_decides(name: str, expected: Kind | None) -> None:
    assert kind(name) is expected


def test_a_name_that_is_not_utf8_has_a_kind_as_well() -> None:
    assert kind("caf\0e9.jpg") is Kind.IMAGE
