"""Reconcile what a report observed with what the catalog knows: which rows change, and why.

Everything comes in as a value and goes out as one. The caller loads the assets and .xmp files that the steps
touch (:func:`touched` names them), and writes what comes out.

| step    | the asset at the path is          | what becomes of it                                              |
| ------- | --------------------------------- | --------------------------------------------------------------- |
| Seen    | unknown                           | added, in every library that the path belongs to; or a missing  |
|         |                                   | asset of the same content is at the path now, same id           |
|         | the same                          | nothing at all                                                  |
|         | present, of other size, mtime or  | updated                                                         |
|         | content                           |                                                                 |
|         | missing or unreadable             | restored, same id                                               |
|         | there, but a rule excludes it now | excluded, same id; included again when the rule no longer does  |
| Shifted | known at the old path             | moved, same id; whatever held the new path is displaced         |
|         | missing at the old path, and what | as Seen: the move is known, as a file that changed and another  |
|         | is at the new one is no news      | that went, and the ids stay as people know them                 |
|         | unknown at the old path           | as Seen                                                         |
| Gone    | present or unreadable             | missing, with the observation as its evidence                   |
|         | missing or unknown                | nothing                                                         |
| Blocked | present, in or below it           | unreadable                                                      |

Steps are applied in order, moves of one observation at once; a row is written once, with its final facts, and every
status change and move on the way leaves its transition, and so does what became of the .xmp file of a photo that is
there. A displaced asset has lost its path to another file, and is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from msgspec.structs import replace

from holdfast.media import Kind
from sidecar import relinking
from sidecar.asset import Asset, Status, change_kind, status
from sidecar.ledger import Known, Ledger, Now, Transition, Write, XmpFacts
from sidecar.membership import Membership
from sidecar.steps import Blocked, Gone, Seen, Shifted, Step


@dataclass(frozen=True, slots=True)
class Touched:
    """The paths that steps speak of: of media files, of .xmp files, and those that media files moved to; and the
    contents of media files."""

    media: set[bytes]
    xmp: set[bytes]
    arrived: set[bytes]
    contents: set[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to write. ``released`` are assets that must give up their path before anything is written, so that
    no two rows claim one path half-way. ``blocked`` still has to be applied to all rows that were not touched.
    ``seen`` are the assets whose file was there at the end, changed or not."""

    writes: list[Write]
    transitions: list[Transition]
    released: list[bytes]
    blocked: list[Blocked]
    seen: set[bytes]
    xmp_written: dict[bytes, XmpFacts]
    xmp_gone: set[bytes]


def at_once(steps: Sequence[Step]) -> Iterator[Step | list[Shifted]]:
    """The steps in their order, with the moves of one observation together: they happened at once."""
    if not any(isinstance(step, Shifted) for step in steps):
        yield from steps  # nearly every report, and the largest ones
        return
    for source, group in groupby(steps, key=lambda step: (isinstance(step, Shifted), step.source)):
        if source[0]:
            yield [step for step in group if isinstance(step, Shifted)]
        else:
            yield from group


def touched(steps: Sequence[Step]) -> Touched:
    """The paths whose rows must be known before these steps can be reconciled."""
    found = Touched(set(), set(), set(), set())
    for step in steps:
        match step:
            case Seen() | Gone():
                (found.xmp if step.kind is Kind.SIDECAR else found.media).add(step.path)
                if isinstance(step, Seen) and step.content is not None and step.kind is not Kind.SIDECAR:
                    found.contents.add(step.content)
            case Shifted(origin=origin, origin_kind=kind, now=now):
                (found.xmp if kind is Kind.SIDECAR else found.media).add(origin)
                if now is not None and now.kind is Kind.SIDECAR:
                    found.xmp.add(now.path)
                elif now is not None:
                    found.media.add(now.path)
                    found.arrived.add(now.path)
            case Blocked():
                pass
    return found


def xmp_after(steps: Sequence[Step]) -> dict[bytes, XmpFacts | None]:
    """What the steps say of .xmp files, at their end: path -> facts, or None when it is gone."""
    after: dict[bytes, XmpFacts | None] = {}
    for group in at_once(about_xmp(steps)):
        match group:
            case list():
                after |= {step.origin: None for step in group if step.origin_kind is Kind.SIDECAR}
                arrived = (step.now for step in group if step.now is not None)
                after |= {now.path: (now.size, now.mtime_ns) for now in arrived if now.kind is Kind.SIDECAR}
            case Seen(kind=Kind.SIDECAR) as step:
                after[step.path] = (step.size, step.mtime_ns)
            case Gone(kind=Kind.SIDECAR) as step:
                after[step.path] = None
            case _:
                pass
    return after


def about_xmp(steps: Sequence[Step]) -> list[Step]:
    """The steps that may be about an .xmp file, in their order."""
    return [
        step
        for step in steps
        if isinstance(step, Shifted) or (not isinstance(step, Blocked) and step.kind is Kind.SIDECAR)
    ]


def xmp_sources(steps: Sequence[Step]) -> dict[bytes, int]:
    """The last observation that speaks of each .xmp file: path -> its index."""
    found: dict[bytes, int] = {}
    for step in about_xmp(steps):
        match step:
            case Seen(path=path, kind=Kind.SIDECAR, source=source) | Gone(path=path, kind=Kind.SIDECAR, source=source):
                found[path] = source
            case Shifted(origin=origin, origin_kind=kind, now=now, source=source):
                if kind is Kind.SIDECAR:
                    found[origin] = source
                if now is not None and now.kind is Kind.SIDECAR:
                    found[now.path] = source
            case _:
                pass
    return found


def reconcile(
    known: Known, steps: Sequence[Step], membership: Membership, now: Now, new_ids: Iterator[bytes], volume: bytes
) -> Outcome:
    """Apply the steps of one report. ``new_ids`` gives the ids of new assets."""
    ledger = Ledger(known, membership, now, new_ids, volume, relinking.doubles(steps))
    for group in at_once(steps):
        ledger.apply(group)
    rest = about_xmp(steps)
    after, told = xmp_after(rest), xmp_sources(rest)
    changed = {path: told[path] for path, facts in after.items() if known.xmp.get(path) != facts}
    existing = {path for path in known.xmp if path not in after} | {p for p, f in after.items() if f}
    ledger.attach(existing, changed)
    return Outcome(
        writes=ledger.writes(),
        transitions=ledger.transitions,
        released=ledger.released(),
        blocked=ledger.blocked,
        seen=ledger.seen,
        xmp_written={path: facts for path in changed if (facts := after[path]) is not None},
        xmp_gone={path for path in changed if after[path] is None},
    )


def block(assets: Sequence[Asset], step: Blocked) -> tuple[list[Write], list[Transition]]:
    """Apply an unreadable directory to assets below it that no other step touched."""
    writes, transitions = [], []
    for before in assets:
        if status(before) is not Status.PRESENT:
            continue
        after = replace(before, unreadable_error=step.error)
        writes.append(Write(after, change_kind(before, after), is_new=False, source=step.source))
        transitions.append(Transition(before.id, Status.PRESENT, status(after), None, None, "unreadable", step.source))
    return writes, transitions
