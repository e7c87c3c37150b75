"""``/agent/streams``: reports, each taken in exactly once."""

from __future__ import annotations

import hashlib
import os
import zlib

import msgspec
from flask import request
from sqlalchemy import Connection

from holdfast import ids
from holdfast.problems import PlacedError
from holdfast.reports import BODY_BYTES_MAX, INFLATED_BYTES_MAX, Receipt, Report
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource, decode, read_body
from sidecar.catalog import ingest
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.errors import Refused

resource = Resource("streams", "/api/v1/agent/streams")

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
    ),
    headers=("Content-Encoding",),
)
def put_report(call: Call, volume: bytes, sequence: int) -> Receipt:
    """Take in one report of a volume's stream. A repeat changes nothing; a hole is refused, with the number expected.

    The answer comes after the catalog has committed, so an agent may forget what was acknowledged.
    """
    body = _inflated(read_body(BODY_BYTES_MAX), request.headers.get("Content-Encoding", "identity"))
    report: Report = decode(_REPORT, body, "invalid-report")
    ingest.check_report(report)
    errors = []
    if report.volume != ids.to_text("volume", volume):
        errors.append(PlacedError("/volume", "The path names another volume."))
    if report.sequence != sequence:
        errors.append(PlacedError("/sequence", "The path names another number."))
    if errors:
        raise Refused("invalid-report", "The report is not the one that the path names.", errors=errors)
    digest, entropy = hashlib.sha256(body).digest(), os.urandom(10)

    def work(connection: Connection) -> Receipt:
        return ingest.apply(connection, report, agent=call.agent, digest=digest, now=now_us(), entropy=entropy)

    receipt = transact(call.engine, work)
    if receipt.applied:
        call.doorbell.ring()
    return receipt


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
