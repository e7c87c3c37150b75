"""Ingest: one report in, one transaction, a few statements whatever its size.

The order of locks is what keeps writers out of each other's way, and it is the same for everybody who writes:

    agents, all of them, but only for the ends of a scan that somebody wants ->
    the volume (shared, so that nobody else becomes its writer) -> its stream -> its assets -> tallies -> holds ->
    agents that are to look out -> libraries -> wanted scans -> the change clock

From the volume to its holds all is the volume's own, so the reports of different volumes do not wait for each other.
The clock comes last, since everybody waits for that one; what is written after it is locked already, or new.

On a cluster the locks are those of one node. There it is the rows that are *written* which count: that of the stream by
every report, and the clock by every report that changes anything (docs/databases.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace
from sqlalchemy import Connection

from holdfast import ids
from holdfast.problems import PlacedError
from holdfast.reports import BadReport, IgnoreRules, Receipt, Report, ScanFinished, ScanStarted, Unreadable, check
from sidecar import companions
from sidecar.asset import Asset
from sidecar.catalog import (
    agents,
    asset_rows,
    figures,
    holds,
    memberships,
    rules,
    scans,
    seeking,
    streams,
    volumes,
    wanted_scans,
    xmp_files,
)
from sidecar.catalog.clock import CLOCK, Clock
from sidecar.catalog.columns import WORD_CHARS_MAX
from sidecar.catalog.guarding import Guarded, Scene, guard
from sidecar.catalog.history import History
from sidecar.errors import Refused
from sidecar.holds import HoldKind
from sidecar.ledger import Known, Now, Transition, Write
from sidecar.membership import Membership
from sidecar.reconcile import Outcome, block, reconcile, touched, xmp_after
from sidecar.steps import Step, steps


def check_report(report: Report) -> None:
    """Raise :class:`Refused` for a report that cannot be true; decoding has already checked its types."""
    try:
        check(report)
    except BadReport as error:
        raise _refused(error.pointer, error.problem) from error
    for name, text in (("volume", report.volume), ("journal", report.journal)):
        if ids.from_text(name, text) is None:
            raise _refused(f"/{name}", f"this is not the id of a {name}")
    for index, one in enumerate(report.observations):
        if isinstance(one, ScanStarted | ScanFinished) and ids.from_text("scan", one.scan) is None:
            raise _refused(f"/observations/{index}/scan", "this is not the id of a scan")
        if isinstance(one, ScanFinished) and not _countable(one):
            raise _refused(f"/observations/{index}", "a count or duration is impossible")
        if isinstance(one, ScanFinished) and not all(0 < len(bad.error) <= WORD_CHARS_MAX for bad in one.problems):
            raise _refused(f"/observations/{index}/problems", "this is not the name of an errno")
        if isinstance(one, Unreadable) and not 0 < len(one.error) <= WORD_CHARS_MAX:
            raise _refused(f"/observations/{index}/error", "this is not the name of an errno")


def apply(
    connection: Connection,
    report: Report,
    *,
    agent: bytes,
    fence: int | None,
    digest: bytes,
    now: int,
    entropy: bytes,
    clock: Clock = CLOCK,
) -> Receipt:
    """Apply a checked report that ``agent`` sent under the grant of this ``fence``. ``digest`` is the SHA-256 of its
    body, ``entropy`` 10 random bytes.

    Raises :class:`Refused` for a volume that is unknown or of which the agent is not the writer, and for a report out
    of its turn.
    """
    volume_id = ids.from_text("volume", report.volume)
    journal = ids.from_text("journal", report.journal)
    if volume_id is None or journal is None:
        raise ValueError("bug: the report was not checked")
    wanted = wanted_scans.told(connection, report.observations)
    storage = volumes.check_writer(connection, volume_id, agent, fence)
    turn, expected = streams.take_turn(connection, volume_id, journal, report.sequence, digest, now)
    if turn is streams.Turn.REPEAT:
        return Receipt(sequence=report.sequence, applied=False, expected=expected)
    new_ids = ids.series(now // 1000, entropy)
    told = [one.files for one in report.observations if isinstance(one, IgnoreRules)]
    if told and memberships.set_ignores(connection, volume_id, told[-1]):
        concerned = memberships.libraries_on(connection, volume_id)
        rules.reapply(connection, concerned, new_ids, now, by="an ignore file that was changed")
    membership = memberships.of_volume(connection, volume_id)
    walk = steps(report.observations)
    known = _load(connection, walk, membership, volume_id)
    moment = Now(now, storage.online_us)
    outcome = reconcile(known, walk, membership, moment, new_ids, volume_id)
    scene = Scene(report, volume_id, membership.roots, moment, new_ids)
    before = {one.id: one for one in (*known.alike, *known.assets)}
    guarded = guard(connection, outcome, before, scene)
    agents.tell(connection, _seekers(connection, guarded, before))
    scan_steps = scans.steps(report.observations)
    refreshed = scans.refreshed_libraries(connection, volume_id, scan_steps, now)
    pages = _blocked(connection, outcome, known, membership, volume_id)
    looks = wanted_scans.take(connection, volume_id, wanted, now)
    count = len(guarded.writes) + len(guarded.holds) + len(scan_steps) + len(refreshed) + looks
    # Not for nothing: a report that only confirms must not hold up everybody else's.
    changes = clock.take(connection, count) if count else iter(())
    asset_rows.release(connection, outcome.released)
    _write(connection, guarded.writes, before, changes, now)
    xmp_files.write(connection, volume_id, outcome.xmp_written, outcome.xmp_gone)
    history = History(connection, report, storage, new_ids, now)
    history.write(guarded.transitions)
    guarded.write(connection, volume_id, history.evidence_of, changes, now)
    scans.write(connection, volume_id, scan_steps, refreshed, changes, new_ids, now)
    for writes, transitions in pages:
        was = {one.asset.id: replace(one.asset, unreadable_error=None) for one in writes}
        _write(connection, writes, was, clock.take(connection, len(writes)), now)
        history.write(transitions)
    expected = streams.advance(connection, volume_id, journal, report.sequence, digest, now)
    return Receipt(sequence=report.sequence, applied=True, expected=expected)


def _write(
    connection: Connection, writes: Sequence[Write], before: Mapping[bytes, Asset], changes: Iterator[int], now: int
) -> None:
    figures.keep(connection, ((before.get(one.asset.id), one.asset) for one in writes))
    asset_rows.write(connection, writes, changes, now)


def _refused(pointer: str, message: str) -> Refused:
    errors = [PlacedError(pointer, message)]
    return Refused("invalid-report", "The report was refused whole: no honest agent makes it.", errors=errors)


def _countable(one: ScanFinished) -> bool:
    counts = (one.directories, one.files, one.errors, one.duration_s * 1_000_000)
    return all(0 <= count < 1 << 62 for count in counts)


def _load(connection: Connection, walk: Sequence[Step], membership: Membership, volume_id: bytes) -> Known:
    """Everything that the steps touch: assets, .xmp files, and each of them beside the other."""
    libraries = membership.libraries
    asked = touched(walk)
    assets = {one.id: one for one in asset_rows.at(connection, libraries, volume_id, asked.media)}
    xmp_known = xmp_files.at(connection, volume_id, asked.xmp)
    told = xmp_after(walk) if asked.xmp else {}
    changed = {path for path, facts in told.items() if xmp_known.get(path) != facts}
    if changed:
        beside = _beside(connection, libraries, volume_id, changed)
        assets |= {one.id: one for one in beside}
    # Known photos carry their companion in the row. It is looked for beside new and moved ones, and anew where an
    # .xmp file changed.
    if xmp_files.exist(connection, volume_id):
        claimed = {one.path for one in assets.values() if one.claims}
        look = (asked.media - claimed) | asked.arrived | (claimed if changed else set())
        wanted = {candidate for path in look for candidate in companions.candidates(path)} - asked.xmp
        xmp_known |= xmp_files.at(connection, volume_id, wanted)
    alike = asset_rows.with_content(connection, libraries, asked.contents) if asked.contents else []
    withheld = holds.proven_absent(connection, [one.id for one in alike])
    online = volumes.online(connection, {one.volume for one in alike})
    return Known(list(assets.values()), xmp_known, alike, withheld, online)


def _beside(connection: Connection, libraries: Sequence[bytes], volume_id: bytes, changed: set[bytes]) -> list[Asset]:
    """The assets that one of the changed .xmp files could describe."""
    exact, ranges = set(), []
    for path in sorted(changed):
        base, low, high = companions.described(path)
        exact.add(base)
        ranges.append((low, high))
    found = asset_rows.at(connection, libraries, volume_id, exact)
    found += asset_rows.in_ranges(connection, libraries, volume_id, ranges)
    return [one for one in found if not changed.isdisjoint(companions.candidates(one.path))]


def _seekers(connection: Connection, guarded: Guarded, before: Mapping[bytes, Asset]) -> set[bytes]:
    """The agents that are to look out for files that are missed from now on."""
    became = [(before.get(one.asset.id), one.asset) for one in guarded.writes]
    waiting = [before[one.row.asset_id] for one in guarded.waiting if one.row.kind == HoldKind.ABSENT]
    return seeking.seekers(connection, became, waiting)


def _blocked(
    connection: Connection, outcome: Outcome, known: Known, membership: Membership, volume_id: bytes
) -> Iterator[tuple[list[Write], list[Transition]]]:
    """The untouched assets below unreadable directories, page by page: there may be a whole library of them."""
    touched_ids = {one.id for one in known.assets} | {write.asset.id for write in outcome.writes}
    for step in outcome.blocked:
        for one_library in membership.libraries:
            for page in asset_rows.present_below(connection, one_library, volume_id, step.directory):
                yield block([one for one in page if one.id not in touched_ids], step)
