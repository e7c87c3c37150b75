"""A sidecar in process, with one agent, one volume and one library, to be spoken to over HTTP without a network."""

from __future__ import annotations

import copy
import functools
import gzip
import itertools
import os
import time
from collections.abc import Sequence
from typing import Any, Self

import httpx2
import msgspec
import sqlalchemy as sa
from flask import Flask

from holdfast import ids
from holdfast.assignments import FENCE_HEADER, Binding, BindingState, EnrolRequest, EnrolResponse, Heartbeat
from holdfast.gate import REQUIRED
from holdfast.reports import (
    Absent,
    FileFacts,
    Listed,
    Look,
    Move,
    Moved,
    MovedFile,
    Observation,
    Proof,
    Receipt,
    Report,
    Unreadable,
)
from holdfast.volumes import STATE_OF, Capacity, Epoch, Identity, Reason, VolumeStatus
from sidecar.api import create_app
from sidecar.api.endpoint import Services, install, services_of
from sidecar.api.forwarded import Forwarded
from sidecar.api.intake import Intake
from sidecar.catalog import tokens
from sidecar.catalog.engine import connect, transact
from sidecar.catalog.waiting import Doorbell
from sidecar.forwarding import Proxies

EPOCH = Epoch("boot", 7, 1)
JSON = {"Content-Type": "application/json"}
Item = dict[str, Any]


def new_id() -> bytes:
    return ids.new(time.time_ns() // 1_000_000, os.urandom(10))


def file(name: str, size: int = 100, mtime_ns: int = 1_000_000_000) -> FileFacts:
    return FileFacts(name, size, mtime_ns)


def listed(directory: str, *files: FileFacts | str) -> Listed:
    return Listed(directory, [file(one) if isinstance(one, str) else one for one in files])


def moved(origin: str, directory: str, *pairs: tuple[str, FileFacts | str]) -> Moved:
    files = [MovedFile(old, file(new) if isinstance(new, str) else new) for old, new in pairs]
    return Moved([Move(origin, directory, files)])


def at_once(*all_moved: Moved) -> Moved:
    """Moves that happened at the same moment, so that files can trade places."""
    return Moved([move for one in all_moved for move in one.moves])


def absent(directory: str, *names: str) -> Absent:
    return Absent(directory, list(names), proof(directory))


def unreadable(directory: str, error: str = "EACCES") -> Unreadable:
    return Unreadable(directory, error)


def proof(directory: str, mount_id: int = EPOCH.mount_id) -> Proof:
    first = Look(1.0, 10.0, mount_id, 5, 5, 1)
    second = Look(6.0, 15.0, mount_id, 5, 5, 1)
    return Proof(directory, (4, 4), first, second, sorted(REQUIRED))


def encoded(report: Report) -> bytes:
    return gzip.compress(msgspec.json.encode(report), 1)


class Problem(Exception):
    """The sidecar answered with an error."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__(answer.text)
        self.status = answer.status_code
        self.body = answer.json()
        self.code = str(self.body["type"]).rpartition("/")[2]


class Agent:
    """An enrolled agent with one volume and the stream of its reports."""

    def __init__(self, world: World, name: str = "nas", host: str = "nas.home", volume: str | None = None) -> None:
        """``volume``: it sees storage that another agent has enrolled."""
        self.world = world
        self.name = name
        token = world.token("enrol")
        request = EnrolRequest(name=name, host=host, version="1.0")
        answer = world.client(token).post("/agent/enrol", content=msgspec.json.encode(request), headers=JSON)
        enrolled = msgspec.json.decode(checked(answer).content, type=EnrolResponse)
        self.id = enrolled.agent
        self.token = enrolled.token
        self.client = world.client(enrolled.token)
        self.volume = volume or ids.to_text("volume", new_id())
        self._fences: dict[str, int] = {}
        self.journal = ids.to_text("journal", new_id())
        self._sequence = itertools.count(1)
        self._version = itertools.count(1)
        self.bindings: list[Binding] = []
        self.status = self._status(Reason.VERIFIED, "/mnt/usb")

    @property
    def fence(self) -> int:
        """That of the last grant for the volume; 0 before there was one."""
        return self._fences.get(self.volume, 0)

    @fence.setter
    def fence(self, fence: int) -> None:
        self._fences[self.volume] = fence

    def _status(self, reason: Reason, mounted_at: str | None) -> VolumeStatus:
        return VolumeStatus(
            volume=self.volume,
            state=STATE_OF[reason],
            reason=reason,
            detail=f"{reason} it is.",
            since=1_700_000_000.0,
            version=next(self._version),
            label="usb",
            identity=Identity(fs_type="ext4", uuid=self.volume.removeprefix("vol_"), root_inode=2),
            epoch=EPOCH,
            mounted_at=mounted_at,
            last_mounted_at="/mnt/usb",
            capacity=Capacity(1000, 500),
        )

    def becomes(self, reason: Reason, mounted_at: str | None = "/mnt/usb", epoch: Epoch = EPOCH) -> None:
        """The volume changes its state, and a heartbeat tells it."""
        self.status = msgspec.structs.replace(self._status(reason, mounted_at), epoch=epoch)
        self.heartbeat()

    def bind(self, library: Item, *directories: str) -> None:
        """Find the library's import paths of this agent at these directories of the volume."""
        own = [one for one in library["import_paths"] if one["agent"] == self.id]
        for path, directory in zip(own, directories, strict=True):
            bound = Binding(import_path=path["id"], state=BindingState.BOUND, volume=self.volume, directory=directory)
            self.bindings.append(bound)
        self.heartbeat()

    def begin_anew(self) -> None:
        """Begin a stream of another incarnation of the journal."""
        self.journal = ids.to_text("journal", new_id())
        self._sequence = itertools.count(1)

    def heartbeat(self, status: VolumeStatus | None = None) -> Item:
        beat = Heartbeat(volumes=[status or self.status], bindings=self.bindings, version="1.0")
        answer = self.client.post("/agent/heartbeat", content=msgspec.json.encode(beat), headers=JSON)
        answered = dict(checked(answer).json())
        self._fences.update(answered["grants"])
        return answered

    def report(self, *observations: Observation, sequence: int | None = None) -> Report:
        return Report(
            volume=self.volume,
            journal=self.journal,
            sequence=next(self._sequence) if sequence is None else sequence,
            epoch=EPOCH,
            made_at=time.time(),
            observations=list(observations),
        )

    def put(self, report: Report) -> httpx2.Response:
        path = f"/agent/streams/{report.volume}/reports/{report.sequence}"
        headers = {**JSON, "Content-Encoding": "gzip", FENCE_HEADER: str(self._fences.get(report.volume, 0))}
        return self.client.put(path, content=encoded(report), headers=headers)

    def send(self, *observations: Observation) -> Receipt:
        """Send the next report of the stream."""
        return msgspec.json.decode(checked(self.put(self.report(*observations))).content, type=Receipt)


@functools.cache
def _made() -> Flask:
    return create_app(connect("sqlite:///nowhere"))


def _application(engine: sa.Engine) -> Flask:
    """What ``create_app`` makes. Its table of routes takes longer to make than most tests take, and is made once."""
    app = copy.copy(_made())
    services = services_of(app)
    app.extensions = dict(app.extensions)
    install(app, Services(engine, Doorbell(engine), Intake(), services.routes))
    app.wsgi_app = Forwarded(functools.partial(Flask.wsgi_app, app), Proxies())  # type: ignore[method-assign]
    return app


class World:
    """The sidecar on a database. Enter it; ``admin`` may do everything."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.app = _application(engine)
        self._clients: list[httpx2.Client] = []
        self.admin = self.client(self.token("admin"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def client(self, token: str | None) -> httpx2.Client:
        """A client with this token."""
        made = httpx2.Client(
            transport=httpx2.WSGITransport(app=self.app),
            base_url="http://sidecar/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        self._clients.append(made)
        return made

    def token(self, scope: str) -> str:
        """A new token, made behind the API's back."""
        return transact(
            self.engine,
            lambda connection: tokens.create(
                connection, new_id=new_id(), secret=os.urandom(32), name=scope, scope=scope, now=1
            ),
        )

    def library(self, agent: Agent, *paths: str, **more: Any) -> Item:
        """A library with import paths that are bound where they say: /mnt/usb/a is "a" on the volume."""
        import_paths = [{"agent": agent.id, "path": path} for path in paths or ("/mnt/usb",)]
        made = self.post("/libraries", {"owner": "anna", "import_paths": import_paths, **more})
        agent.bind(made, *(path.removeprefix("/mnt/usb").removeprefix("/") for path in paths or ("/mnt/usb",)))
        return made

    def get(self, path: str, **query: Any) -> Any:
        return checked(self.admin.get(path, params=query)).json()

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return checked(self.admin.post(path, json=body, headers=headers)).json()

    def patch(self, path: str, body: Any) -> Any:
        return checked(self.admin.patch(path, json=body)).json()

    def assets(self, **query: Any) -> list[Item]:
        """All assets of a list, page by page."""
        found: list[Item] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get("/assets", **query, **cursor)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def by_path(self, **query: Any) -> dict[str, Item]:
        """Assets by the path that the photo server sees."""
        return {one["path"]: one for one in self.assets(**query)}

    def changes(self, since: str | None = None, limit: int = 1000) -> tuple[list[Item], str]:
        """Everything in the feed after a cursor, and the cursor after it."""
        found: list[Item] = []
        while True:
            page = self.get("/changes", limit=limit, **({} if since is None else {"since": since}))
            found += page["items"]
            since = str(page["next"])
            if not page["has_more"]:
                return found, since

    def value(self, statement: sa.Executable) -> Any:
        """One value from the database."""
        with self.engine.connect() as connection:
            return connection.execute(statement).scalar()


def kinds(items: Sequence[Item]) -> list[str]:
    """The kinds of feed items."""
    return [one["kind"] for one in items]


def checked(answer: httpx2.Response) -> httpx2.Response:
    """The answer, if it is a good one."""
    if answer.status_code >= 400:
        raise Problem(answer)
    return answer
