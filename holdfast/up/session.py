"""One run of ``holdfast up``: start the parts, make the libraries, show the scan, tell what happens, stop."""

from __future__ import annotations

import getpass
import os
import shlex
import signal
import threading
import time
from types import FrameType

import msgspec

from holdfast import __version__, wording
from holdfast.exits import Exit
from holdfast.up import checks, folders, restarts
from holdfast.up.agent_socket import read_status
from holdfast.up.catalog import Catalog, CatalogError, ImportPath, Move
from holdfast.up.checks import Listen
from holdfast.up.events import Interpreter, question
from holdfast.up.follow import Batch, Bookmark, Follower, present_end, read_bookmark
from holdfast.up.home import Home
from holdfast.up.launch import Launch, ensure_libraries
from holdfast.up.narrate import tell
from holdfast.up.processes import Crew
from holdfast.up.refusals import Refusal, Refused
from holdfast.up.scanning import Scanning
from holdfast.up.summary import Access, failure, hello, introduction
from holdfast.up.terminal import Screen

AGENT_NAME = "holdfast-up"
BIND_WAIT_S = 30.0
TICK_S = 0.1


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for, checked. ``given`` are absolute paths without symbolic links; ``plain`` are
    those among them that are new, not empty, and on the disk of the system: naming them is a person's word that they
    are no mount points."""

    given: list[str]
    plain: list[str]
    listen: Listen
    database: str


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class Session:
    """The running parts, and the conversation about them. Always :meth:`close` it."""

    def __init__(self, plan: Plan, home: Home, screen: Screen) -> None:
        self._plan = plan
        self._home = home
        self._screen = screen
        self._crew = Crew()
        self._stop = threading.Event()
        self._is_up = False
        self._setup_link: str | None = None
        self._bookmark = Bookmark("")
        self._roots = folders.merge(home.known_folders(), plan.given)
        self._plain = folders.merge(home.known_plain(), plan.plain)

    def run(self) -> None:
        """Everything. Ends by raising :class:`Stopped`, or :class:`Refused` when it cannot go on."""
        signal.signal(signal.SIGINT, self._asked_to_stop)
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        self._screen.say(hello(__version__, self._plan.listen, self._home.directory, self._roots))
        launch = Launch(self._home, self._crew, self._plan.listen, self._pause)
        self._screen.draw("starting the sidecar …")
        token = launch.sidecar(self._plan.database)
        self._setup_link = launch.setup_link(self._plan.database)
        url = self._plan.listen.url
        with Catalog(url, token) as catalog, Catalog(url, token) as feed_catalog:
            self._screen.draw("starting the agent …")
            agent = launch.agent(catalog, AGENT_NAME, self._roots, self._plain).agent
            self._is_up = True
            # Before there are libraries: the feed of a new catalog is as good as empty.
            self._keep(read_bookmark(self._home.read(self._home.bookmark)) or Bookmark(present_end(catalog)))
            self._ensure_libraries(catalog, agent)
            self._await_bindings(catalog, agent)
            follower = Follower(feed_catalog, self._bookmark.cursor)
            try:
                self._follow(catalog, follower)
            finally:
                follower.stop()

    def close(self) -> None:
        """Stop agent, worker and sidecar, in this order."""
        self._screen.draw("stopping …")
        for name in self._crew.stop():
            self._screen.warn(f"The {name} did not stop in time and was killed. Nothing is lost by that.")

    def _ensure_libraries(self, catalog: Catalog, agent: str) -> None:
        wanted = folders.to_create(self._plan.given, catalog.libraries(), agent)
        ensure_libraries(catalog, [(one.name, one.path) for one in wanted], _owner(), agent)

    def _await_bindings(self, catalog: Catalog, agent: str) -> None:
        """Wait until the agent has looked at every import path; tell those that it refuses."""
        deadline = time.monotonic() + BIND_WAIT_S
        while True:
            paths = folders.import_paths(catalog.libraries(), agent)
            pending = [one for one in paths if one.state == "pending"]
            if not pending:
                break
            if time.monotonic() > deadline:
                for one in pending:
                    self._screen.warn(f"{wording.shown(one.path)} does not answer yet; its photos appear when it does.")
                break
            self._pause(TICK_S)
        self._tell_refused(paths)

    def _tell_refused(self, paths: list[ImportPath]) -> None:
        refused = [one for one in paths if one.state == "refused"]
        for one in refused:
            self._screen.warn(wording.shown(f"{one.path} cannot be used: {one.message or 'the agent refuses it'}"))
        if refused and len(refused) == len(paths):
            raise Refused(Refusal(Exit.NO_INPUT, "No folder is left to look after."))

    def _follow(self, catalog: Catalog, follower: Follower) -> None:
        # Of a first scan there is nothing to tell but its result; and reading it from the feed would slow it down.
        is_first = self._bookmark.told_until == 0.0
        if not is_first:
            follower.start()
        batch = Batch(begin=self._bookmark.told_until)
        took_s = self._scan(follower, batch)
        held = catalog.open_holds()
        interpreter = Interpreter(self._roots, catalog.volumes(), time.time(), held, self._options())
        self._introduce(catalog, took_s, is_news=is_first or batch.is_about_assets)
        for hold in held:
            self._screen.warn(question(hold, self._options()))
        self._keep(msgspec.structs.replace(self._bookmark, told_until=time.time()))
        if is_first:
            batch = Batch(begin=self._bookmark.told_until)
            follower.start()
        while True:
            self._take_page(follower, batch)
            if items := batch.take():
                for line in tell(interpreter.read(items, lambda asset: _last_move(catalog, asset))):
                    self._screen.tell(line)

    def _scan(self, follower: Follower, batch: Batch) -> float:
        """Show the scan until it is over; answers with how many seconds it took."""
        scanning = Scanning(self._screen)
        while not scanning.look(read_status(self._home.agent_socket)):
            self._take_page(follower, batch)
        return scanning.elapsed_s

    def _take_page(self, follower: Follower, batch: Batch) -> None:
        self._pause(0)
        if page := follower.page(TICK_S):
            self._keep(msgspec.structs.replace(self._bookmark, cursor=page.next))
            batch.add(page.items)

    def _keep(self, bookmark: Bookmark) -> None:
        self._bookmark = bookmark
        self._home.write(self._home.bookmark, msgspec.json.encode(bookmark).decode())

    def _introduce(self, catalog: Catalog, took_s: float, *, is_news: bool) -> None:
        statistics = [catalog.statistics(library.id) for library in catalog.libraries()]
        access = Access(self._plan.listen.url, self._setup_link, self._home.admin_token, self._home.logs)
        for line in introduction(statistics, catalog.volumes(), access, took_s, is_news=is_news):
            self._screen.say(line)

    def _options(self) -> str:
        """How the command line of the sidecar finds this catalog."""
        database = self._plan.database
        if database == f"sqlite:///{self._home.directory}/catalog.sqlite3":
            return f"--state {shlex.quote(self._home.directory)}"
        return f"--database {shlex.quote(checks.without_password(database))}"

    def _pause(self, seconds: float) -> None:
        """Wait, and notice what must not wait: the wish to stop, and parts that ended."""
        for exit_, decision in self._crew.tend():
            sentence = failure(exit_, self._home.log(exit_.name), starting=not self._is_up)
            if not self._is_up:
                raise Refused(Refusal(Exit.SOFTWARE, sentence))
            self._screen.warn(sentence)
            if isinstance(decision, restarts.GiveUp):
                last = f"The {exit_.name} failed {decision.failures} times in a row; giving up."
                raise Refused(Refusal(Exit.SOFTWARE, last))
            self._screen.warn(f"Starting the {exit_.name} again in {wording.duration(decision.wait_s)}.")
        if self._stop.wait(seconds):
            raise Stopped

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()


def _last_move(catalog: Catalog, asset: str) -> Move | None:
    try:
        return catalog.last_move(asset)
    except CatalogError:
        return None  # the line is told without it


def _owner() -> str:
    try:
        return getpass.getuser()
    except KeyError:
        return str(os.getuid())  # a user without a name, as containers have
