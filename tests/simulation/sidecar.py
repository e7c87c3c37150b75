"""The sidecar of the simulator: the real application on a real database, called in process, and a photo server that
follows its feed."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx2
from flask import Flask

from holdfast import ids, paths
from sidecar.api import create_app
from sidecar.catalog import migrate, tokens
from sidecar.catalog.engine import connect, transact

Item = dict[str, Any]

# Memory, where there is such a place: a simulated catalog need not survive the machine.
_PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@cache
def _template() -> Path:
    """A catalog with its schema and nothing in it, made once."""
    path = Path(mkdtemp(dir=_PLACE)) / "template.sqlite3"
    engine = connect(f"sqlite:///{path}")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


class Unfailing(httpx2.BaseTransport):
    """Calls the application in process. That it fails is no outage here, but a fault."""

    def __init__(self, app: Flask) -> None:
        self._beyond = httpx2.WSGITransport(app=app)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._beyond.handle_request(request)
        if response.status_code == 500:
            raise AssertionError(f"{request.method} {request.url} failed")
        return response


class SimulatedSidecar:
    """One sidecar with one agent enrolled."""

    def __init__(self) -> None:
        self._home = Path(mkdtemp(dir=_PLACE))
        shutil.copy(_template(), self._home / "catalog.sqlite3")
        self._engine = connect(f"sqlite:///{self._home}/catalog.sqlite3")
        self.transport = Unfailing(create_app(self._engine))
        self._client = self._connect(self._token("admin"))
        enrolling = self._connect(self._token("enrol"))
        answer = enrolling.post("/agent/enrol", json={"name": "host", "host": "host", "version": "0"})
        enrolling.close()
        answer.raise_for_status()
        self.agent: str = answer.json()["agent"]
        self.agent_token: str = answer.json()["token"]
        self.library = ""
        self._cursor: str | None = None
        self._followed: dict[tuple[str, str], Item] = {}

    def close(self) -> None:
        """Throw it away."""
        self._client.close()
        self._engine.dispose()
        shutil.rmtree(self._home)

    def make_library(self, places: list[str]) -> None:
        """A library of these host paths."""
        body = {
            "name": "Photos",
            "owner": "anna",
            "import_paths": [{"agent": self.agent, "path": place} for place in places],
        }
        answer = self._client.post("/libraries", json=body)
        answer.raise_for_status()
        self.library = answer.json()["id"]

    def follow(self) -> list[Item]:
        """Read the feed on to its end; returns what is new."""
        found: list[Item] = []
        while True:
            query = {"limit": "1000"} | ({} if self._cursor is None else {"since": self._cursor})
            answer = self._client.get("/changes", params=query)
            answer.raise_for_status()
            page = answer.json()
            self._cursor = page["next"]
            for item in page["items"]:
                self._followed[item["entity"], item["id"]] = item
            found.extend(page["items"])
            if not page["has_more"]:
                return found

    def assets(self) -> list[Item]:
        """Every asset. ``wire`` is its host path in wire text."""
        found: list[Item] = []
        cursor: str | None = None
        while True:
            query = {"limit": "1000"} | ({} if cursor is None else {"cursor": cursor})
            answer = self._client.get("/assets", params=query)
            answer.raise_for_status()
            page = answer.json()
            found.extend({**item, "wire": _wire(item)} for item in page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def feed_differs(self) -> str | None:
        """Whether somebody who followed the feed knows another catalog than the one there is."""
        followed = {key: item["state"] for (entity, key), item in self._followed.items() if entity == "asset"}
        there = {item["id"]: {k: v for k, v in item.items() if k != "wire"} for item in self.assets()}
        if followed.keys() != there.keys():
            return f"the feed and the catalog differ in {sorted(followed.keys() ^ there.keys())}"
        for key, state in there.items():
            for name in ("path", "status", "size", "change", "modified_at"):
                if followed[key][name] != state[name]:
                    return f"the feed says {name} of {key} is {followed[key][name]}, the catalog {state[name]}"
        return None

    def _token(self, scope: str) -> str:
        now_ms = time.time_ns() // 1_000_000
        return transact(
            self._engine,
            lambda connection: tokens.create(
                connection,
                new_id=ids.new(now_ms, secrets.token_bytes(10)),
                secret=secrets.token_bytes(tokens.SECRET_BYTES),
                name=scope,
                scope=scope,
                now=now_ms * 1000,
            ),
        )

    def _connect(self, token: str) -> httpx2.Client:
        return httpx2.Client(
            base_url="http://localhost/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            transport=self.transport,
        )


def _wire(item: Item) -> str:
    """The host path, exactly: the part that the server path shows is the same here."""
    if item["path_b64"] is None:
        return str(item["path"])
    return paths.to_wire(base64.b64decode(item["path_b64"]))
