"""The sidecar as ``up`` sees it: a small client of its REST API."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import httpx2
import msgspec

from holdfast.problems import Problem

REQUEST_WAIT_S = 30.0
PAGE = 1000  # the most that a page of a list may have


class ImportPath(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of a library, and what the agent found there."""

    id: str
    agent: str
    path: str
    state: str
    message: str | None = None
    volume_id: str | None = None


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A library, as far as ``up`` cares."""

    id: str
    name: str
    import_paths: list[ImportPath]
    refreshed_at: str | None = None


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one library."""

    photos: int = 0
    videos: int = 0
    bytes: int = 0
    by_status: dict[str, int] = {}
    by_availability: dict[str, int] = {}


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume, as far as ``up`` cares."""

    id: str
    label: str
    state: str
    reason: str
    detail: str | None = None
    fs_type: str | None = None
    assets: int | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold, as far as ``up`` cares."""

    id: str
    summary: str
    files: int


class FeedItem(msgspec.Struct, frozen=True, kw_only=True):
    """One change: the kind of the latest thing that happened to an entity, and the entity as it is now."""

    entity: str
    kind: str
    id: str
    at: str
    state: dict[str, Any] | None = None

    @property
    def at_unix(self) -> float:
        """When it happened, as Unix time."""
        return datetime.fromisoformat(self.at).timestamp()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the feed. ``next`` is the cursor to go on from."""

    items: list[FeedItem]
    next: str
    has_more: bool = False


class Move(NamedTuple):
    """Where a file was and where it went, as paths inside its volume."""

    origin: str
    target: str


class _Transition(msgspec.Struct, frozen=True):
    from_path: str | None = None
    to_path: str | None = None


class _Transitions(msgspec.Struct, frozen=True):
    items: list[_Transition]


class _Created(msgspec.Struct, frozen=True):
    token: str


_Item = TypeVar("_Item")


class _Items(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw]
    next_cursor: str | None = None


class CatalogError(Exception):
    """The sidecar answered with a problem, or with nothing. ``status`` is None when it did not answer."""

    def __init__(self, sentence: str, status: int | None = None, code: str | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class Catalog:
    """A client. Close it when done; it may be used by one thread at a time."""

    def __init__(self, url: str, token: str | None = None, transport: httpx2.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # No proxy of the environment stands between two processes of one machine.
        self._client = httpx2.Client(
            base_url=url, headers=headers, timeout=REQUEST_WAIT_S, transport=transport, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def is_ready(self) -> bool:
        """Whether the sidecar is up and its database in order."""
        try:
            return self._client.get("/readyz", timeout=2.0).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    def enrolment_token(self, name: str) -> str:
        """A new one-time token for an agent."""
        body = self._send("POST", "/api/v1/tokens", {"scope": "enrol", "name": name})
        return msgspec.json.decode(body, type=_Created).token

    def libraries(self) -> list[Library]:
        """All libraries."""
        return self._all("/api/v1/libraries", Library)

    def library(self, identifier: str) -> Library:
        """One library."""
        return msgspec.json.decode(self._send("GET", f"/api/v1/libraries/{identifier}"), type=Library)

    def create_library(self, name: str, owner: str, agent: str, path: str) -> Library:
        """A library with one import path."""
        body = {"name": name, "owner": owner, "import_paths": [{"agent": agent, "path": path}]}
        return msgspec.json.decode(self._send("POST", "/api/v1/libraries", body), type=Library)

    def statistics(self, library: str) -> Statistics:
        """Counts of a library."""
        return msgspec.json.decode(self._send("GET", f"/api/v1/libraries/{library}/statistics"), type=Statistics)

    def volumes(self) -> list[Volume]:
        """All volumes."""
        return self._all("/api/v1/volumes", Volume)

    def open_holds(self) -> list[Hold]:
        """The holds that wait for a decision."""
        return self._all("/api/v1/holds", Hold, {"state": "open"})

    def changes(self, since: str | None, wait_s: float, limit: int = PAGE) -> Page:
        """The next piece of the feed; waits up to ``wait_s`` seconds when there is nothing."""
        query: dict[str, str | float] = {"limit": limit, "wait": wait_s}
        if since is not None:
            query["since"] = since
        body = self._send("GET", "/api/v1/changes", query=query, timeout_s=wait_s + REQUEST_WAIT_S)
        return msgspec.json.decode(body, type=Page)

    def last_move(self, asset: str) -> Move | None:
        """The latest move of an asset, if it is among its latest transitions."""
        body = self._send("GET", f"/api/v1/assets/{asset}/history", query={"limit": 20})
        transitions = msgspec.json.decode(body, type=_Transitions).items
        return next((Move(one.from_path, one.to_path) for one in transitions if one.from_path and one.to_path), None)

    def assets(self, library: str) -> list[dict[str, Any]]:
        """Every asset of a library, whatever its status. For libraries that fit into memory."""
        return self._all("/api/v1/assets", dict[str, Any], {"library": library, "limit": PAGE})

    def _all(self, path: str, item: type[_Item], query: dict[str, str | float] | None = None) -> list[_Item]:
        found: list[_Item] = []
        now = dict(query or {})
        while True:
            page = msgspec.json.decode(self._send("GET", path, query=now), type=_Items)
            found += [msgspec.json.decode(raw, type=item) for raw in page.items]
            if not page.next_cursor:
                return found
            now["cursor"] = page.next_cursor

    def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: dict[str, str | float] | None = None,
        timeout_s: float = REQUEST_WAIT_S,
    ) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            answer = self._client.request(
                method, path, content=content, headers=headers, params=query or None, timeout=timeout_s
            )
        except httpx2.TransportError as error:
            raise CatalogError(f"the sidecar does not answer ({str(error) or type(error).__name__})") from error
        if answer.is_success:
            return answer.content
        raise _as_error(answer)


def _as_error(answer: httpx2.Response) -> CatalogError:
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.DecodeError:
        return CatalogError(f"the sidecar answered with status {answer.status_code}", answer.status_code)
    sentences = [problem.detail, *(f"{error.pointer}: {error.message}" for error in problem.errors)]
    return CatalogError(" ".join(sentences), problem.status, problem.code)
