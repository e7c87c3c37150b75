"""``/agent/streams``: reports, each taken in exactly once, and what an agent must know to begin a stream anew."""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from typing import Annotated

import msgspec
from flask import request
from msgspec import Meta
from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.assignments import FENCE_HEADER, BelievedDirectory, BelievedPage
from holdfast.problems import PlacedError
from holdfast.reports import BODY_BYTES_MAX, INFLATED_BYTES_MAX, FileFacts, Receipt, Report
from sidecar import counting, cursor
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource, decode, read_body
from sidecar.api.intake import OVERLOADED
from sidecar.api.pagination import ById, CursorText, after
from sidecar.catalog import clock, ingest, known, memberships, volumes
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused
from sidecar.logs import Log

_log = Log(__name__)
resource = Resource("streams", "/api/v1/agent/streams")

# A page is read in one go and costs the agent one transaction; past this many files neither gets cheaper.
KNOWN_LIMIT_MAX = 5_000
_REPORT = msgspec.json.Decoder(Report)
_GZIP = 16 + zlib.MAX_WBITS  # zlib's way of saying that the header is gzip's


@resource.serves(
    "PUT",
    "/<volume>/reports/<int:sequence>",
    scope=Scope.AGENT,
    raw=True,
    body_bytes_max=BODY_BYTES_MAX,
    returns=Receipt,
    problems=(
        "two-writers",
        "sequence-mismatch",
        "stream-diverged",
        "invalid-report",
        "malformed-json",
        "malformed-body",
        "too-large",
        "unsupported-encoding",
        "overloaded",
    ),
    headers=("Content-Encoding", FENCE_HEADER),
)
def put_report(call: Call, volume: bytes, sequence: int) -> Receipt:
    """Take in one report of a volume's stream. A repeat changes nothing; a hole is refused, with the number expected.

    The answer comes after the catalog has committed, so an agent may forget what was acknowledged. When more reports
    come in than can be taken, the answer is 429; as after 503, the agent sends the same report again, no earlier than
    ``Retry-After`` says.
    """
    try:
        body = read_body(BODY_BYTES_MAX)
        with call.intake.place():
            return _take(call, volume, sequence, body)
    except Refused as refused:
        if refused.code == OVERLOADED:
            counting.REPORTS.add(OVERLOADED)
            raise
        counting.REPORTS.add("refused")
        _log.warning(
            "report.refused",
            agent=ids.to_text("agent", call.agent),
            volume=ids.to_text("volume", volume),
            problem=refused.code,
            detail=refused.detail,
        )
        raise


def _take(call: Call, volume: bytes, sequence: int, sent: bytes) -> Receipt:
    body = _inflated(sent, request.headers.get("Content-Encoding", "identity"))
    report: Report = decode(_REPORT, body, "invalid-report")
    ingest.check_report(report)
    errors = []
    if report.volume != ids.to_text("volume", volume):
        errors.append(PlacedError("/volume", "The path names another volume."))
    if report.sequence != sequence:
        errors.append(PlacedError("/sequence", "The path names another number."))
    if errors:
        raise Refused("invalid-report", "The report is not the one that the path names.", errors=errors)
    digest, entropy, fence = hashlib.sha256(body).digest(), os.urandom(10), _fence(call)

    def work(connection: Connection) -> Receipt:
        return ingest.apply(
            connection, report, agent=call.agent, fence=fence, digest=digest, now=now_us(), entropy=entropy
        )

    started_s = time.monotonic()
    receipt = transact(call.engine, work)
    if receipt.applied:
        counting.REPORT_S.observe(time.monotonic() - started_s)
        counting.REPORT_ENTRIES.add(by=len(report.observations))
        call.doorbell.ring()
    counting.REPORTS.add("applied" if receipt.applied else "repeated")
    return receipt


class KnownQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part is wanted: what follows the cursor of the last page, the beginning without one."""

    limit: Annotated[int, Meta(ge=1, le=KNOWN_LIMIT_MAX, description="How many files a page has at most.")] = (
        KNOWN_LIMIT_MAX
    )
    cursor: CursorText | None = None


@resource.serves(
    "GET",
    "/<volume>/known",
    scope=Scope.AGENT,
    query=KnownQuery,
    returns=BelievedPage,
    problems=("two-writers", "bad-cursor", "cursor-expired"),
    headers=(FENCE_HEADER,),
)
def list_known(call: Call, volume: bytes, query: KnownQuery) -> BelievedPage:
    """What the catalog believes to be on a volume: every file that claims a path there and is not known to be gone.

    For the writer of the volume, which begins with it when its journal and the catalog may differ. A page may be empty
    and yet not the last.
    """
    with snapshot(call.engine) as connection:
        volumes.check_writer(connection, volume, call.agent, _fence(call))
        position, digest = known.START, cursor.digest(ById("known", volume))
        if query.cursor is not None:
            position = known.Position(*after(query.cursor, clock.incarnation(connection), digest, known.SORTS))
        page = known.page(connection, volume, position, query.limit)
        catalog = clock.incarnation(connection)
        has_rules = bool(memberships.ignores_of(connection, volume).rules)
    following = None if page.position is None else cursor.ListCursor(catalog, digest, list(page.position))
    return BelievedPage(
        directories=[
            BelievedDirectory(paths.to_wire(directory), [_facts(*file) for file in files])
            for directory, files in page.directories.items()
        ],
        next_cursor=None if following is None else cursor.to_text(following),
        has_rules=has_rules,
    )


def _facts(name: bytes, size: int, mtime_ns: int, content: str | None) -> FileFacts:
    return FileFacts(paths.to_wire(name), size, mtime_ns, content)


def _fence(call: Call) -> int | None:
    """The fence of the grant that the agent goes by; None when it names none."""
    text = call.header(FENCE_HEADER) or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _inflated(body: bytes, encoding: str) -> bytes:
    """The body itself. Inflating stops at the limit, so a bomb costs no more memory than an honest report."""
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise Refused("unsupported-encoding", f"The content encoding {encoding!r} is not read here; use gzip.")
    inflater = zlib.decompressobj(_GZIP)
    try:
        inflated = inflater.decompress(body, INFLATED_BYTES_MAX + 1)
    except zlib.error as error:
        raise Refused("malformed-body", f"The body is not gzip: {error}.") from error
    if len(inflated) > INFLATED_BYTES_MAX:
        raise Refused("too-large", f"The body may have up to {INFLATED_BYTES_MAX} bytes when it is inflated.")
    if not inflater.eof or inflater.unused_data:
        raise Refused("malformed-body", "The body is not one whole gzip stream.")
    return inflated
