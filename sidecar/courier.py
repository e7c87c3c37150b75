"""The courier: tells web hooks what happens. It runs in the worker that holds the lease, one step after the other.

A step writes down what is to be told, starts what is due, and writes down what came of what was started. Receivers are
slow or dead each for itself: every web hook has one message under way at most, and a thread for it.
"""

from __future__ import annotations

import email.utils
import os
import random
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

import httpx2
from sqlalchemy import Connection, Engine

from holdfast import __version__, ids
from sidecar import cursor, delivery
from sidecar.catalog import clock, feed, webhooks
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.webhooks import Due
from sidecar.delivery import Happening, Verdict
from sidecar.logs import Log

TIMEOUT_S = 20.0
AT_ONCE = 8
# A web hook with so many messages waiting is told the rest later, in fewer messages: the feed keeps it meanwhile.
WAITING_MAX = 20
_FEED_PAGE = 1_000
_US = 1_000_000

_log = Log(__name__)


class Attempt(NamedTuple):
    """What came of sending: the status of the answer, or None and why there was none. ``wished_s``: ``Retry-After``."""

    status: int | None
    error: str = ""
    wished_s: float | None = None


Send = Callable[[Due, str, int], Attempt]


class Courier:
    """Use :meth:`step` again and again, and :meth:`close` at the end. ``send`` posts one message."""

    def __init__(self, engine: Engine, send: Send | None = None) -> None:
        self._engine = engine
        self._send = send or post
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="courier")
        self._under_way: dict[bytes, tuple[Due, Future[Attempt]]] = {}

    def step(self) -> int:
        """Do what is due; returns how many attempts came to an end."""
        with snapshot(self._engine) as connection:
            hooks = webhooks.following(connection)
        for row in hooks:
            self._write_down(row)
        ended = self._collect()
        for row in hooks:
            if row.id not in self._under_way and len(self._under_way) < AT_ONCE:
                self._start(row)
        return ended

    def close(self) -> None:
        """Wait for what is under way, and write down what came of it."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._collect()

    def _write_down(self, row: AnyRow) -> None:
        """Turn what the feed has for a web hook into messages, unless too many wait already."""
        with snapshot(self._engine) as connection:
            if webhooks.waiting(connection, row.id) >= WAITING_MAX:
                return
            page = feed.outline(connection, row.cursor, _FEED_PAGE)
            since = cursor.to_text(cursor.FeedCursor(clock.incarnation(connection), row.cursor))
        if page.upto == row.cursor:
            return
        happened = (Happening(one.row.change_kind, ids.to_text(one.entity, one.row.id)) for one in page.changes)
        said = delivery.messages(happened, webhooks.kinds_of(row), since, datetime.now(UTC).replace(microsecond=0))
        entropy = os.urandom(10)

        def work(connection: Connection) -> bool:
            now = now_us()
            return webhooks.tell(connection, row, said, page.upto, ids.series(now // 1000, entropy), now)

        transact(self._engine, work)

    def _start(self, row: AnyRow) -> None:
        with snapshot(self._engine) as connection:
            one = webhooks.due(connection, row, now_us())
        if one is not None:
            message_id = ids.to_text("delivery", one.id)
            self._under_way[row.id] = (one, self._pool.submit(self._send, one, message_id, int(time.time())))

    def _collect(self) -> int:
        ended = [hook for hook, (_, future) in self._under_way.items() if future.done()]
        for hook in ended:
            one, future = self._under_way.pop(hook)
            if not future.cancelled():
                self._note(one, _came_of(future))
        return len(ended)

    def _note(self, one: Due, attempt: Attempt) -> None:
        found = delivery.verdict(attempt.status)
        next_s = delivery.next_attempt_s(one.attempts + 1, random.random(), attempt.wished_s)
        text = "" if found is Verdict.DELIVERED else attempt.error or f"The receiver answered {attempt.status}."

        def work(connection: Connection) -> str | None:
            now = now_us()
            next_at = None if next_s is None or found is Verdict.GONE else now + int(next_s * _US)
            webhooks.note(connection, one, status=attempt.status, error=text, next_at=next_at, now=now)
            since = webhooks.failing_since(connection, one.webhook)
            if found is Verdict.GONE:
                reason = "The receiver said that it is gone for good (410)."
            elif since is not None and now - since > delivery.DISABLE_AFTER_S * _US:
                reason = f"Nothing could be delivered for {delivery.DISABLE_AFTER_S // 86_400} days. The last: {text}"
            else:
                return None
            webhooks.disable(connection, one.webhook, reason)
            return reason

        disabled = transact(self._engine, work)
        if disabled:
            _log.warning("webhook.disabled", webhook=ids.to_text("webhook", one.webhook), reason=disabled)


def post(one: Due, message_id: str, at_s: int) -> Attempt:
    """Send one message over HTTP, to an address that was looked at: a name may lead anywhere by the next time."""
    headers = {
        "content-type": "application/json",
        "user-agent": f"holdfast/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": delivery.signature(one.secrets, message_id, at_s, one.body),
    }
    try:
        url = httpx2.URL(one.url)
        address = _resolve(url)
        if problem := delivery.problem_of_address(address):
            return Attempt(None, problem)
        # The connection goes to this very address; the name stays what TLS checks and what the receiver is asked for.
        headers["host"] = url.netloc.decode("ascii")
        extensions = {"sni_hostname": url.host}
        with httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
            direct = url.copy_with(host=address)
            sent = client.stream("POST", direct, content=one.body, headers=headers, extensions=extensions)
            # The status says everything. What else a receiver sends may have no end.
            with sent as answer:
                return _attempt(answer, at_s)
    except httpx2.InvalidURL as error:
        return Attempt(None, f"The URL cannot be sent to: {error}.")
    except (socket.gaierror, UnicodeError):
        return Attempt(None, "The name of the receiver's host is not known.")
    except httpx2.TimeoutException:
        return Attempt(None, f"The receiver did not answer within {TIMEOUT_S:.0f} s.")
    except httpx2.HTTPError as error:
        return Attempt(None, f"The receiver cannot be reached: {error}.")


def _attempt(answer: httpx2.Response, at_s: int) -> Attempt:
    if answer.is_redirect:
        return Attempt(answer.status_code, "The receiver answers with a redirect, which is not followed. Give its URL.")
    return Attempt(answer.status_code, wished_s=_retry_after_s(answer.headers.get("retry-after"), at_s))


def _came_of(future: Future[Attempt]) -> Attempt:
    """What came of sending. A fault of ours is one receiver's bad luck, and holds up no other."""
    error = future.exception()
    if error is None:
        return future.result()
    _log.error("webhook.failed", error)
    return Attempt(None, "Sending failed by a fault of the program. Its log has the details.")


def _resolve(url: httpx2.URL) -> str:
    port = url.port or (443 if url.scheme == "https" else 80)
    found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0]).partition("%")[0]


def _retry_after_s(text: str | None, now_s: float) -> float | None:
    """The seconds of a ``Retry-After``: a number, or a date."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None
