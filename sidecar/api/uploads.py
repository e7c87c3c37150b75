"""Uploads: what a photo server keeps in storage of its own. It makes them known here, and asks before it takes them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from holdfast import content, ids, media, paths
from holdfast.media import Kind
from holdfast.problems import PlacedError
from sidecar.api import checksums, once, render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.catalog import assets, idempotency, libraries, uploads
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.uploads import Upload
from sidecar.errors import Refused

resource = Resource("uploads")

# A phone that has been away for a year asks a few times.
CHECKSUMS_MAX = 5_000
_SIZE_MAX = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_MAX = (1 << 63) - 1
DELETED = "upload deleted"  # the reason of a transition


class UploadBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that was uploaded. ``path`` is absolute, where the photo server keeps it, and its name says whether it is
    a photo or a video; ``content_checksum`` is "sha1:" and the SHA-1 of the content in base64."""

    path: str
    size: Annotated[int, Meta(ge=0, le=_SIZE_MAX)]
    modified_at: Annotated[datetime, Meta(tz=True)]
    content_checksum: str
    foreign_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class UploadCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content checksums of files that a device of this owner could upload."""

    owner: str
    content_checksums: Annotated[list[str], Meta(max_length=CHECKSUMS_MAX)]


class CheckedUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a file is wanted. "reject": the asset ``asset_id`` has its content, and is in the bin if ``trashed``."""

    content_checksum: str
    action: Literal["accept", "reject"]
    asset_id: str | None
    trashed: bool


class CheckedUploads(msgspec.Struct, frozen=True, kw_only=True):
    """One answer for each checksum, in the order of the request."""

    items: list[CheckedUpload]


@resource.serves(
    "POST",
    "/libraries/<library>/assets",
    scope=Scope.OPERATOR,
    body=UploadBody,
    returns=shapes.Asset,
    status=201,
    problems=("duplicate-content", "idempotency-conflict", "not-an-upload", "path-taken"),
    headers=(once.HEADER,),
)
def add_upload(call: Call, library: bytes, body: UploadBody) -> Answer:
    """Make an upload known, in an upload library. A content that the library has is refused, with the id of the asset
    that has it. With an Idempotency-Key, a repeat within a day gives the same answer."""
    wanted, now, entropy = _upload(body), now_us(), os.urandom(10)

    def work(connection: Connection) -> idempotency.Answer:
        rows = libraries.lock(connection, [library])
        if not rows or rows[0].deleted_at is not None:
            raise Refused("not-found", "There is no such library.")
        if rows[0].kind != uploads.KIND:
            raise Refused("not-an-upload", "This is not an upload library: its assets are found by agents.")
        _check_new(connection, library, wanted)
        new_id = ids.new(now // 1000, entropy)
        uploads.add(connection, library, wanted, new_id, now)
        made = render.asset(_asset(connection, new_id))
        return idempotency.Answer(201, f"/api/v1/assets/{made.id}", msgspec.json.encode(made).decode())

    answer = once.make(call, b"uploads" + library, body, now, work)
    call.doorbell.ring()
    return Answer(msgspec.Raw(answer.body.encode()), answer.status, {"Location": answer.location})


@resource.serves(
    "POST",
    "/assets/upload-check",
    scope=Scope.READER,
    limited=True,
    reads=True,
    body=UploadCheck,
    returns=CheckedUploads,
)
def check_uploads(call: Call, body: UploadCheck) -> CheckedUploads:
    """Which of these files an owner's upload library has already, so that a device need not send them."""
    if errors := checksums.bad_contents(body.content_checksums):
        raise Refused("invalid-body", "Some of the checksums are none, see the errors.", errors=errors)
    call.narrowed(body.owner)
    with snapshot(call.engine) as connection:
        library = uploads.library_of(connection, body.owner)
        known = {} if library is None else uploads.with_content(connection, library.id, set(body.content_checksums))
    return CheckedUploads(items=[_checked(text, known.get(text)) for text in body.content_checksums])


@resource.serves("DELETE", "/assets/<asset>", scope=Scope.OPERATOR, returns=shapes.Asset, problems=("not-an-upload",))
def delete_upload(call: Call, asset: bytes) -> shapes.Asset:
    """Take an upload out of the catalog that the photo server has deleted; its content may be uploaded again. What lies
    on storage that agents watch is not deleted by this: see ``POST /libraries/{library}/remove-missing``."""
    now, entropy = now_us(), os.urandom(10)

    def work(connection: Connection) -> AnyRow:
        row = _asset(connection, asset)
        libraries.lock(connection, [row.library_id])
        if row.volume_id is not None:
            raise Refused("not-an-upload", "This is no upload: an agent watches its file, and tells when it is gone.")
        uploads.remove(connection, [asset], DELETED, ids.series(now // 1000, entropy), now)
        return _asset(connection, asset)

    row = transact(call.engine, work)
    call.doorbell.ring()
    return render.asset(row)


def _upload(body: UploadBody) -> Upload:
    """What is to be made known. Raises :class:`Refused` with all that is wrong."""
    errors: list[PlacedError] = []
    try:
        path = paths.check_absolute(body.path)
    except paths.BadPath as error:
        path = ""
        errors.append(PlacedError("/path", f"{error}."))
    kind = media.kind(paths.split(path)[1])
    if path and kind not in (Kind.IMAGE, Kind.VIDEO):
        errors.append(PlacedError("/path", "This is not the name of a photo or a video."))
    mtime_ns = (body.modified_at - _EPOCH) // timedelta(microseconds=1) * 1_000
    if not -_NS_MAX <= mtime_ns <= _NS_MAX:
        errors.append(PlacedError("/modified_at", "No file system has such a time; the years from 1678 to 2261 do."))
    if not content.is_digest(body.content_checksum):
        errors.append(PlacedError("/content_checksum", checksums.NO_CONTENT))
    if errors or kind is None:
        raise Refused("invalid-body", "The upload cannot be like this, see the errors.", errors=errors)
    return Upload(
        path=paths.to_bytes(path),
        kind=kind,
        size=body.size,
        mtime_ns=mtime_ns,
        content=body.content_checksum,
        foreign_id=body.foreign_id,
    )


def _check_new(connection: Connection, library: bytes, wanted: Upload) -> None:
    """Raise :class:`Refused` when a library, which is locked, has the content or the path."""
    same = uploads.with_content(connection, library, {wanted.content}).get(wanted.content)
    if same is not None:
        raise Refused(
            "duplicate-content",
            "The library has this content already, see 'existing'; it may be in the bin.",
            existing=ids.to_text("asset", same.id),
        )
    there = uploads.at_path(connection, library, wanted.path)
    if there is not None:
        raise Refused(
            "path-taken",
            "Another upload lies at this path, see 'existing'. Delete that first, if its file was overwritten.",
            existing=ids.to_text("asset", there.id),
        )


def _checked(text: str, known: AnyRow | None) -> CheckedUpload:
    if known is None:
        return CheckedUpload(content_checksum=text, action="accept", asset_id=None, trashed=False)
    asset_id, trashed = ids.to_text("asset", known.id), known.trashed_at is not None
    return CheckedUpload(content_checksum=text, action="reject", asset_id=asset_id, trashed=trashed)


def _asset(connection: Connection, asset: bytes) -> AnyRow:
    row = assets.get(connection, asset)
    if row is None:
        raise Refused("not-found", "There is no such asset.")
    return row
