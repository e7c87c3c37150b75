"""Checksums as callers give them: those of contents, which name their algorithm, and those of paths."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from holdfast import content
from holdfast.problems import PlacedError
from sidecar.catalog import path_checksums

NO_CONTENT = 'This is not a content checksum, such as "sha1:" and the SHA-1 in base64.'
_NO_PATH = "This is not a SHA-1 in base64."


def bad_contents(given: Iterable[str]) -> list[PlacedError]:
    """What is wrong with the ``content_checksums`` of a body."""
    wrong = (index for index, text in enumerate(given) if not content.is_digest(text))
    return [PlacedError(f"/content_checksums/{index}", NO_CONTENT) for index in wrong]


def bad_paths(given: Iterable[str]) -> list[PlacedError]:
    """What is wrong with the ``path_checksums`` of a body."""
    wrong = (index for index, text in enumerate(given) if of_path(text) is None)
    return [PlacedError(f"/path_checksums/{index}", _NO_PATH) for index in wrong]


def of_path(text: str) -> bytes | None:
    """The checksum of a path, from base64; None when it is none."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if len(raw) == path_checksums.DIGEST_BYTES else None
