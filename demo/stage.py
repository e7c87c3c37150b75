"""Both parts, running for real in a directory of their own, and what an observer of them can see."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from holdfast.status import AgentStatus
from holdfast.up import progress
from holdfast.up.agent_socket import read_status
from holdfast.up.catalog import Catalog, FeedItem, Library, Volume
from holdfast.up.checks import Listen
from holdfast.up.home import Home
from holdfast.up.launch import Launch
from holdfast.up.processes import Crew
from holdfast.up.summary import failure

WAIT_S = 30.0
_POLL_S = 0.01


class StepFailed(Exception):
    """Something that must hold does not. The text says what."""


class Gathered(NamedTuple):
    """What the feed brought, and after how many seconds the last of it was there."""

    items: list[FeedItem]
    took_s: float


class Stage:
    """A sidecar and an agent. Enter it to start them; leaving it stops them."""

    def __init__(
        self,
        state: str,
        roots: Sequence[str],
        *,
        plain: Sequence[str] = (),
        database: str | None = None,
        **settings: str,
    ) -> None:
        """``plain``: those of the roots that are plain folders, with no disk mounted on them. ``database``: the URL of
        an empty one; None for a file of the stage's own. ``settings``: of the agent, ``watch`` and
        ``read_contents``."""
        self._home = Home(state)
        self._roots, self._plain, self._settings = list(roots), list(plain), settings
        self._database = database or f"sqlite:///{self._home.directory}/catalog.sqlite3"
        self._listen = Listen("127.0.0.1", _free_port())
        self._crew = Crew()
        self._cursor: str | None = None
        self.agent = ""

    def __enter__(self) -> Self:
        os.makedirs(self._home.directory, mode=0o700, exist_ok=True)
        self._home.__enter__()
        try:
            launch = Launch(self._home, self._crew, self._listen, self.pause)
            token = launch.sidecar(self._database)
            self.url, self.token = self._listen.url, token
            self.catalog = Catalog(self.url, token)
            agent = launch.agent(self.catalog, "demo", self._roots, plain=self._plain, **self._settings)
            self.agent = agent.agent
        except BaseException:
            self._crew.stop()
            self._home.__exit__()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.catalog.close()
        self._crew.stop()
        self._home.__exit__()

    def pause(self, seconds: float) -> None:
        """Wait a moment; a part that died ends the show."""
        for exit_, _ in self._crew.tend():
            raise StepFailed(failure(exit_, self._home.log(exit_.name), starting=False))
        time.sleep(seconds)

    def library(self, name: str, path: str) -> Library:
        """Make a library."""
        return self.catalog.create_library(name, "demo", self.agent, path)

    def request_scan(self) -> None:
        """Ask the agent to scan everything again."""
        self.request("scan")

    def request(self, verb: str, volume: str | None = None) -> None:
        """Ask the agent for something, as a person on its host does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(f"{self._home.agent_socket}.control")
            connection.send(msgspec.json.encode({"verb": verb, "volume": volume}))

    def is_settled(self) -> bool:
        """Whether the agent has scanned all that it can, and delivered everything."""
        status = self.status()
        return status is not None and progress.settled(status.volumes)

    def pid(self, part: str) -> int:
        """The process id of "sidecar", "worker" (the sidecar's) or "agent"."""
        return self._crew.pids()[part]

    def status(self) -> AgentStatus | None:
        """What the agent says about itself."""
        return read_status(self._home.agent_socket)

    def refreshed_at(self, library: str) -> str | None:
        """When the catalog last received the end of a complete scan of all of a library."""
        return self.catalog.library(library).refreshed_at

    def await_refresh(self, library: str, since: str | None, wait_s: float = WAIT_S) -> None:
        """Wait until a library was scanned completely since then, and the catalog has received it all."""
        self.wait_for(lambda: self.refreshed_at(library) != since, "a complete scan", wait_s)

    def wait_for(self, holds: Callable[[], bool], what: str, wait_s: float = WAIT_S) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + wait_s
        while not holds():
            if time.monotonic() > deadline:
                raise StepFailed(f"waited {wait_s:.0f} s in vain for {what}")
            self.pause(_POLL_S)

    @property
    def cursor(self) -> str | None:
        """Up to where the feed was read."""
        return self._cursor

    def catch_up(self) -> list[FeedItem]:
        """Read the feed to its present end."""
        items: list[FeedItem] = []
        while True:
            page = self.catalog.changes(self._cursor, 0, limit=1000)
            self._cursor = page.next
            items += page.items
            if not page.has_more:
                return items

    def gather(self, is_enough: Callable[[list[FeedItem]], bool], what: str, wait_s: float = WAIT_S) -> Gathered:
        """Follow the feed until there is enough."""
        start = time.monotonic()
        items: list[FeedItem] = []
        while not is_enough(items):
            if time.monotonic() - start > wait_s:
                seen = ", ".join(sorted({item.kind for item in items})) or "nothing"
                raise StepFailed(f"waited {wait_s:.0f} s in vain for {what}; the feed brought {seen}")
            self.pause(0)
            page = self.catalog.changes(self._cursor, 1, limit=1000)
            self._cursor = page.next
            items += page.items
        return Gathered(items, time.monotonic() - start)

    def listen(self, wait_s: float) -> list[FeedItem]:
        """All that the feed brings within this time: to see that something does not happen."""
        deadline = time.monotonic() + wait_s
        items: list[FeedItem] = []
        while (left_s := deadline - time.monotonic()) > 0:
            self.pause(0)
            page = self.catalog.changes(self._cursor, min(1.0, left_s), limit=1000)
            self._cursor = page.next
            items += page.items
        return items

    def volume(self, label: str) -> Volume:
        """The volume with this label."""
        found = [one for one in self.catalog.volumes() if one.label == label]
        if len(found) != 1:
            raise StepFailed(f"there are {len(found)} volumes called {label}, not one")
        return found[0]

    def assets(self, library: str) -> dict[str, dict[str, Any]]:
        """Every asset of a library, by its id."""
        return {asset["id"]: asset for asset in self.catalog.assets(library)}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
