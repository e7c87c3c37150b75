"""Following the feed: a thread that waits on it, and batches of what belongs together in time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from holdfast.up.catalog import Catalog, CatalogError, FeedItem, Page

LONG_POLL_S = 20
RETRY_WAIT_S = 1.0
# One command of a person reaches the feed in several pieces; what comes within a breath is told together.
BREATH_S = 0.3
BATCH_AGE_MAX_S = 1.5
BATCH_ITEMS_MAX = 20_000


class Bookmark(msgspec.Struct, frozen=True):
    """Where the next run goes on in the feed. What happened before ``told_until`` (Unix time) was told: by the
    counts of a first scan, or line by line. 0 is a catalog that was never introduced."""

    cursor: str
    told_until: float = 0.0


def read_bookmark(text: str | None) -> Bookmark | None:
    """The bookmark that was written as this text; None when it was not, or is damaged."""
    try:
        return msgspec.json.decode(text or "", type=Bookmark)
    except msgspec.DecodeError:
        return None


def present_end(catalog: Catalog) -> str:
    """The cursor behind everything that is in the feed now."""
    page = catalog.changes(None, 0)
    while page.has_more:
        page = catalog.changes(page.next, 0)
    return page.next


class Follower:
    """Reads the feed in a thread of its own."""

    def __init__(self, catalog: Catalog, cursor: str) -> None:
        self._cursor: str | None = cursor
        self._catalog = catalog
        self._pages: queue.Queue[Page] = queue.Queue(maxsize=16)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a request that waits is given up."""
        self._stopped.set()
        self._catalog.close()

    def page(self, wait_s: float) -> Page | None:
        """The next page, or None when there is none within ``wait_s`` seconds."""
        try:
            return self._pages.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                page = self._catalog.changes(self._cursor, LONG_POLL_S)
            except CatalogError as error:
                if error.code == "cursor-expired":  # the catalog was restored from a backup
                    self._cursor = None
                self._stopped.wait(RETRY_WAIT_S)
                continue
            except RuntimeError:
                return  # the client was closed under the request, by stop()
            self._cursor = page.next
            self._deliver(page)

    def _deliver(self, page: Page) -> None:
        while not self._stopped.is_set():
            try:
                self._pages.put(page, timeout=RETRY_WAIT_S)
            except queue.Full:
                continue
            return


class Batch:
    """Items gathered until they are followed by a breath of silence. Those from before ``begin`` (Unix time) are
    left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, begin: float = 0.0) -> None:
        self._clock = clock
        self._begin = begin
        self._items: list[FeedItem] = []
        self._first = self._last = 0.0

    @property
    def is_about_assets(self) -> bool:
        """Whether anything in it happened to an asset."""
        return any(item.entity == "asset" for item in self._items)

    def add(self, found: Sequence[FeedItem]) -> None:
        """Take in what the feed brought."""
        items = [item for item in found if item.at_unix >= self._begin] if self._begin else found
        if not items:
            return
        self._last = self._clock()
        if not self._items:
            self._first = self._last
        self._items += items

    def take(self) -> list[FeedItem]:
        """The items, when they are complete; else nothing yet."""
        now = self._clock()
        if not self._items:
            return []
        is_due = (
            now - self._last >= BREATH_S or now - self._first >= BATCH_AGE_MAX_S or len(self._items) >= BATCH_ITEMS_MAX
        )
        if not is_due:
            return []
        items, self._items = self._items, []
        return items
