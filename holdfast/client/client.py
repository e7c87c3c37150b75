"""The calls of the REST API that a photo server needs, as methods."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx2
import msgspec

from holdfast.client import feed
from holdfast.client.errors import Unreachable, error_of
from holdfast.client.feed import Piece, Snapshot
from holdfast.client.resources import (
    Asset,
    Change,
    CheckedAsset,
    CheckedUpload,
    Found,
    Hold,
    ImportPath,
    Job,
    Library,
    NewImportPath,
    Statistics,
    Transition,
    Volume,
    VolumeTransition,
)
from holdfast.scans import ScanMode

T = TypeVar("T")

Query = dict[str, str | int | float | bool | None]
PAGE = 1_000  # the most that a page, and a look-up, may have
UPLOADS = 5_000  # the most that can be checked at once
TIMEOUT_S = 30.0


class _Page(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw]
    next_cursor: str | None = None


class _FoundPage(msgspec.Struct, frozen=True):
    items: list[Found]


class _CheckedUploads(msgspec.Struct, frozen=True):
    items: list[CheckedUpload]


class _Jobs(msgspec.Struct, frozen=True):
    jobs: list[Job]


class Client:
    """A client of one sidecar. Close it when done, or use it in a ``with``; threads may share it.

    Every method raises :class:`Unreachable` when there is no answer and :class:`Refused` when there is a refusal; lists
    are read page by page as they are iterated over.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.BaseTransport | None = None,
        trust_env: bool = True,
    ) -> None:
        """``url`` is the sidecar's, such as ``http://127.0.0.1:8765``. ``trust_env``: go by the proxies that the
        environment names."""
        self._timeout_s = timeout_s
        self._http = httpx2.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
            transport=transport,
            trust_env=trust_env,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def libraries(self, owner: str | None = None) -> Iterator[Library]:
        """All libraries, or an owner's."""
        return self._all("/libraries", Library, {"owner": owner})

    def library(self, library_id: str) -> Library:
        """One library."""
        return self._ask(Library, "GET", f"/libraries/{library_id}")

    def create_library(
        self,
        name: str,
        owner: str,
        import_paths: Sequence[NewImportPath],
        *,
        exclusion_patterns: Sequence[str] | None = None,
        key: str | None = None,
    ) -> Library:
        """Make a library. With a ``key`` of your own, a repeat within a day makes no second one."""
        body: dict[str, Any] = {"name": name, "owner": owner, "import_paths": list(import_paths)}
        if exclusion_patterns is not None:
            body["exclusion_patterns"] = list(exclusion_patterns)
        return self._ask(Library, "POST", "/libraries", body=body, headers={"Idempotency-Key": key} if key else {})

    def change_library(
        self,
        library: Library,
        *,
        name: str | None = None,
        import_paths: Sequence[ImportPath | NewImportPath] | None = None,
        exclusion_patterns: Sequence[str] | None = None,
    ) -> Library:
        """Change a library as it was read: refused with "precondition-failed" when it is another by now.

        The lists are the whole of what it is to have. An import path that it has keeps its assets, with another
        ``server_path`` too; what leaves the lists becomes *excluded*, and is the same when it returns.
        """
        body: dict[str, Any] = {} if name is None else {"name": name}
        if import_paths is not None:
            body["import_paths"] = [
                {"id": one.id, "server_path": one.server_path} if isinstance(one, ImportPath) else one
                for one in import_paths
            ]
        if exclusion_patterns is not None:
            body["exclusion_patterns"] = list(exclusion_patterns)
        condition = {"If-Match": f'"{library.revision}"'}
        return self._ask(Library, "PATCH", f"/libraries/{library.id}", body=body, headers=condition)

    def upload_library(self, owner: str) -> Library:
        """The library of what an owner has uploaded, which is made when it is first asked for."""
        return self._ask(Library, "POST", "/libraries", body={"owner": owner, "kind": "upload"})

    def add_upload(
        self,
        library_id: str,
        path: str,
        *,
        size: int,
        modified_at: datetime,
        content_checksum: str,
        foreign_id: str | None = None,
        key: str | None = None,
    ) -> Asset:
        """Make a file known that was uploaded. Refused with "duplicate-content" when the library has its content, and
        with ``problem.existing``, the asset that has it. With a ``key`` of your own, a repeat makes no second one."""
        body = {
            "path": path,
            "size": size,
            "modified_at": modified_at,
            "content_checksum": content_checksum,
            "foreign_id": foreign_id,
        }
        headers = {"Idempotency-Key": key} if key else {}
        return self._ask(Asset, "POST", f"/libraries/{library_id}/assets", body=body, headers=headers)

    def check_uploads(self, owner: str, content_checksums: Sequence[str]) -> list[CheckedUpload]:
        """Which of these an owner has uploaded already, in the order given."""
        found: list[CheckedUpload] = []
        for start in range(0, len(content_checksums), UPLOADS):
            body = {"owner": owner, "content_checksums": list(content_checksums[start : start + UPLOADS])}
            found += self._ask(_CheckedUploads, "POST", "/assets/upload-check", body=body).items
        return found

    def delete_upload(self, asset_id: str) -> Asset:
        """Take an upload out of the catalog, whose file the photo server has deleted."""
        return self._ask(Asset, "DELETE", f"/assets/{asset_id}")

    def delete_owner(self, owner: str) -> list[Job]:
        """An owner is gone: delete all of their libraries, in the background. No file is touched."""
        return self._ask(_Jobs, "DELETE", "/libraries", query={"owner": owner}).jobs

    def delete_library(self, library_id: str) -> Job:
        """Delete a library, in the background. No file is touched."""
        return self._ask(Job, "DELETE", f"/libraries/{library_id}")

    def remove_missing(self, library_id: str, *, dry_run: bool = False, older_than_s: int | None = None) -> Job:
        """Have what is missing removed from the catalog, once its agent has looked for it again; with ``older_than_s``
        what has been missing for so many seconds in which its storage was there. A dry run counts and removes nothing.
        """
        body = {"dry_run": dry_run, "older_than_s": older_than_s}
        return self._ask(Job, "POST", f"/libraries/{library_id}/remove-missing", body=body)

    def undo(self, job_id: str) -> Job:
        """Bring back, in the background, what a job has removed because it was missing."""
        return self._ask(Job, "POST", f"/jobs/{job_id}/undo")

    def restore(self, asset_id: str) -> Asset:
        """Bring back an asset that was removed because it was missing. Refused with "path-taken" when another one has
        its path by now, and with "not-restorable" when its library was deleted."""
        return self._ask(Asset, "POST", f"/assets/{asset_id}/restore")

    def job(self, job_id: str) -> Job:
        """One job: long work, and how far it is."""
        return self._ask(Job, "GET", f"/jobs/{job_id}")

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; what it has done stays done. Refused with "job-not-cancellable" where half of it would do harm,
        and when it is over."""
        return self._ask(Job, "POST", f"/jobs/{job_id}/cancel")

    def scan(self, library_id: str, path: str | None = None, *, mode: ScanMode = ScanMode.CHANGED) -> Job:
        """Have a library scanned, or a folder or file of it, the photo server's path or the host's. Asked again before
        the end, it is the same job. What is on a disk that is away is scanned when the disk is back."""
        body = {"mode": mode} | ({} if path is None else {"path": path})
        return self._ask(Job, "POST", f"/libraries/{library_id}/scan", body=body)

    def check(self, asset_id: str, *, wait_s: float = 8.0) -> CheckedAsset:
        """Have the file of an asset looked at now, as when a user opens it and it is not there. Waits so long at most
        for the agent, and not at all for a disk that is away."""
        query: Query = {"wait": wait_s}
        timeout_s = wait_s + self._timeout_s
        return self._ask(CheckedAsset, "POST", f"/assets/{asset_id}/check", query=query, timeout_s=timeout_s)

    def statistics(
        self, library_id: str | None = None, *, owner: str | None = None, volume: str | None = None
    ) -> Statistics:
        """Counts of a library; or of all libraries, of an owner's, and of what of them is on one volume."""
        if library_id is not None:
            return self._ask(Statistics, "GET", f"/libraries/{library_id}/statistics")
        return self._ask(Statistics, "GET", "/statistics", query={"owner": owner, "volume": volume})

    def assets(
        self,
        *,
        library: str | None = None,
        owner: str | None = None,
        status: str | None = None,
        availability: str | None = None,
        volume: str | None = None,
        path_prefix: str | None = None,
        kind: Literal["image", "video"] | None = None,
        trashed: bool | None = None,
        content: str | None = None,
    ) -> Iterator[Asset]:
        """Assets, all or those that fit. What changes meanwhile may or may not be in it: see :meth:`snapshot`."""
        query: Query = {
            "library": library,
            "owner": owner,
            "status": status,
            "availability": availability,
            "volume": volume,
            "path_prefix": path_prefix,
            "kind": kind,
            "trashed": trashed,
            "content": content,
        }
        return self._all("/assets", Asset, query)

    def asset(self, asset_id: str) -> Asset:
        """One asset."""
        return self._ask(Asset, "GET", f"/assets/{asset_id}")

    def lookup(
        self,
        *,
        ids: Sequence[str] = (),
        paths: Sequence[str] = (),
        path_checksums: Sequence[str] = (),
        content_checksums: Sequence[str] = (),
    ) -> list[Found]:
        """Many assets at once, by id, by absolute path (the photo server's or the host's), by the checksum of the
        photo server's path, or by that of the content: in this order, and each in the order given. What is not known
        has no assets. Raises :class:`NotReady` while the checksums of paths are computed; ask again to go on with it.
        """
        asked = {"ids": ids, "paths": paths, "path_checksums": path_checksums, "content_checksums": content_checksums}
        found: list[Found] = []
        for name, wanted in asked.items():
            for start in range(0, len(wanted), PAGE):
                body = {name: list(wanted[start : start + PAGE])}
                found += self._ask(_FoundPage, "POST", "/assets/lookup", body=body).items
        return found

    def history(self, asset_id: str) -> Iterator[Transition]:
        """What an asset has been through, the newest first, with the evidence."""
        return self._all(f"/assets/{asset_id}/history", Transition)

    def trash(self, asset_id: str, trashed: bool = True) -> Asset:
        """Note that a user put an asset into the photo server's bin, or took it out. No file is touched."""
        return self._ask(Asset, "PATCH", f"/assets/{asset_id}", body={"trashed": trashed})

    def set_foreign_id(self, asset_id: str, foreign_id: str | None) -> Asset:
        """Note the photo server's own id of an asset."""
        return self._ask(Asset, "PATCH", f"/assets/{asset_id}", body={"foreign_id": foreign_id})

    def volumes(self) -> Iterator[Volume]:
        """All volumes."""
        return self._all("/volumes", Volume)

    def volume(self, volume_id: str) -> Volume:
        """One volume."""
        return self._ask(Volume, "GET", f"/volumes/{volume_id}")

    def volume_history(self, volume_id: str) -> Iterator[VolumeTransition]:
        """What a volume has been through, the newest first."""
        return self._all(f"/volumes/{volume_id}/history", VolumeTransition)

    def recheck(self, volume_id: str) -> Volume:
        """Have all of a volume looked at again: what was dismissed by mistake is then held anew."""
        return self._ask(Volume, "POST", f"/volumes/{volume_id}/recheck")

    def holds(self, state: str | None = "open") -> Iterator[Hold]:
        """Mass changes that wait for a person; None: also those that were decided about."""
        return self._all("/holds", Hold, {"state": state})

    def approve(self, hold: Hold) -> Hold:
        """Let the change of exactly this set show. Refused when it is another set by now."""
        return self._ask(Hold, "POST", f"/holds/{hold.id}/approve", body={"digest": hold.digest})

    def dismiss(self, hold: Hold) -> Hold:
        """Keep exactly this set as it was."""
        return self._ask(Hold, "POST", f"/holds/{hold.id}/dismiss", body={"digest": hold.digest})

    def snapshot(self) -> Snapshot:
        """Everything that there is, as changes, and then the cursor to follow on from: nothing lies between the two.

        For the first time, and after :class:`CursorExpired`: take all of it in, put away what was not in it, and
        follow from its cursor.
        """
        return Snapshot(self._piece)

    def follow(
        self, cursor: str | None = None, *, wait_s: float = 20.0, stop: threading.Event | None = None
    ) -> Iterator[Change]:
        """What happens after a cursor, without end; without one, everything that there is comes first.

        Keep the ``cursor`` of each change together with what you make of the change, in one transaction if there is
        one: then you may stop and start again anywhere, and miss nothing.

        A sidecar that does not answer is waited for, with growing pauses. ``stop`` ends the loop after ``wait_s``
        at the latest. Raises :class:`CursorExpired` when the sidecar cannot tell what happened since: go on with
        :meth:`snapshot`; and :class:`Refused` for a token that is no good.
        """
        return feed.follow(self._piece, cursor, wait_s, stop)

    def _piece(self, cursor: str | None, wait_s: float) -> Piece:
        query: Query = {"limit": PAGE, "wait": wait_s, "since": cursor}
        return self._ask(Piece, "GET", "/changes", query=query, timeout_s=wait_s + self._timeout_s)

    def _all(self, path: str, kind: type[T], query: Query | None = None) -> Iterator[T]:
        now: Query = {"limit": PAGE, **(query or {})}
        while True:
            page = self._ask(_Page, "GET", path, query=now)
            for raw in page.items:
                yield msgspec.json.decode(raw, type=kind)
            if page.next_cursor is None:
                return
            now["cursor"] = page.next_cursor

    def _ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> T:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            answer = self._http.request(
                method,
                path,
                params=params or None,
                content=None if body is None else msgspec.json.encode(body),
                headers=sent,
                timeout=self._timeout_s if timeout_s is None else timeout_s,
            )
        except httpx2.RequestError as error:
            raise Unreachable(f"the sidecar does not answer ({str(error) or type(error).__name__})") from error
        if not answer.is_success:
            raise error_of(answer)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(f"something that is no sidecar answered: {error}") from error
