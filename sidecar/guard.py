"""The mass-change guard: how much may be lost, or change its time, before a person is asked (rule R20).

Every place has a *budget*: each top directory of a volume, and the volume as a whole. It is the larger of N files and
p percent of those that are there. Losses draw on the budgets of both places; what was drawn comes back over a window
of verified-online time. So a little every day passes, and a lot in small pieces does not: whatever the number of
reports, no more than one budget passes at once, and no more than two within a window.

What exceeds a budget is held, with everything else of the report in the same place. While a hold is open in a place,
whatever else is lost there joins it: what came first decides whether the rest is a loss.

| the file's place                    | the loss                                                    |
| ----------------------------------- | ----------------------------------------------------------- |
| has an open hold                    | joins it                                                    |
| its volume has an open hold         | joins that                                                  |
| its folder's own time went back     | is held: nothing but a rollback or a clock does that (R11)  |
| exceeds its top directory's budget  | is held, for that directory                                 |
| exceeds its volume's budget         | is held, for the volume as a whole                          |
| none of these                       | passes, and both budgets are drawn on                       |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from holdfast.reports import Proof
from sidecar.asset import Asset, is_there
from sidecar.holds import HoldKind, HoldReason, top_of
from sidecar.policy import Policy

Place = bytes | None  # a top directory of a volume; None is the volume as a whole

WHOLE: Place = None
_MICRO = 1_000_000
_FAT_NS = 2_000_000_000
_QUARTER_NS = 900 * 1_000_000_000
# The time zones of the world lie 26 hours apart.
_QUARTERS_MAX = 26 * 4


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was drawn on a budget: ``level`` in millionths of a file, as it was at ``at_us`` of online time."""

    level: int = 0
    at_us: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """A place: how many assets are there, and what was drawn on its budgets."""

    present: int = 0
    absent: Bucket = field(default_factory=Bucket)
    changed: Bucket = field(default_factory=Bucket)

    def bucket(self, kind: HoldKind) -> Bucket:
        return self.absent if kind is HoldKind.ABSENT else self.changed

    def drawn(self, kind: HoldKind, bucket: Bucket) -> Tally:
        return replace(self, absent=bucket) if kind is HoldKind.ABSENT else replace(self, changed=bucket)


class Suspect(msgspec.Struct, frozen=True, gc=False):
    """An asset that a report would turn into a missing one, or into one of another time."""

    asset: bytes
    kind: HoldKind
    directory: bytes
    went_back: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """``held`` says where each suspect that may not pass is held, ``reasons`` why in each such place (None: a hold
    is open there already), and ``tallies`` are those that were drawn on."""

    held: dict[bytes, Place]
    reasons: dict[tuple[Place, HoldKind], HoldReason | None]
    tallies: dict[Place, Tally]


def limit(policy: Policy, present: int) -> int:
    """How many files may be lost at once in a place that has so many."""
    return max(policy.guard_files, present * policy.guard_percent // 100)


def draw(bucket: Bucket, count: int, allowed: int, window_s: int, online_us: int) -> Bucket | None:
    """The bucket after so many files were drawn from it, or None when they are too many."""
    passed_us = max(0, online_us - bucket.at_us)
    # A budget flows back within one window: microseconds times files by seconds are millionths of files.
    level = max(0, bucket.level - passed_us * allowed // window_s) + count * _MICRO
    return Bucket(level, online_us) if level <= allowed * _MICRO else None


def judge(
    suspects: Sequence[Suspect],
    tallies: Mapping[Place, Tally],
    standing: Collection[tuple[Place, HoldKind]],
    policy: Policy,
    online_us: int,
) -> Judgement:
    """Decide about everything that one report would take away. ``standing`` are the places with an open hold."""
    verdict = Judgement({}, {}, dict(tallies))
    for kind in HoldKind:
        groups: dict[bytes, list[Suspect]] = {}
        for one in suspects:
            if one.kind is kind:
                groups.setdefault(one.directory, []).append(one)
        _judge_kind(verdict, kind, groups, standing, policy, online_us)
    return verdict


def _judge_kind(
    verdict: Judgement,
    kind: HoldKind,
    groups: Mapping[bytes, Sequence[Suspect]],
    standing: Collection[tuple[Place, HoldKind]],
    policy: Policy,
    online_us: int,
) -> None:
    many = HoldReason.MANY_ABSENT if kind is HoldKind.ABSENT else HoldReason.MANY_CHANGED

    def drawn(place: Place, count: int) -> Tally | None:
        tally = verdict.tallies[place]
        allowed = limit(policy, tally.present)
        bucket = draw(tally.bucket(kind), count, allowed, policy.guard_window_s, online_us)
        return None if bucket is None else tally.drawn(kind, bucket)

    passing: dict[Place, Tally] = {}
    for directory, group in groups.items():
        reason = HoldReason.ROLLED_BACK if any(one.went_back for one in group) else None
        if (directory, kind) in standing:
            _hold(verdict, directory, group, reason)
        elif (WHOLE, kind) in standing:
            _hold(verdict, WHOLE, group, reason)
        elif reason is not None:
            _hold(verdict, directory, group, reason)
        elif (tally := drawn(directory, len(group))) is None:
            _hold(verdict, directory, group, many)
        else:
            passing[directory] = tally
    if not passing:
        return
    rest = [group for directory, group in groups.items() if directory in passing]
    whole = drawn(WHOLE, sum(map(len, rest)))
    if whole is not None:
        verdict.tallies.update(passing)
        verdict.tallies[WHOLE] = whole
        return
    for group in rest:
        _hold(verdict, WHOLE, group, many)


def _hold(verdict: Judgement, place: Place, group: Iterable[Suspect], reason: HoldReason | None) -> None:
    for one in group:
        verdict.held[one.asset] = place
        # Of several reasons in one place the rollback is the one to know.
        if verdict.reasons.get((place, one.kind)) is not HoldReason.ROLLED_BACK:
            verdict.reasons[place, one.kind] = reason


def is_shifted(was_ns: int, now_ns: int) -> bool:
    """Whether a modification time moved as no program that writes a file moves it.

    A write takes the time forward, to no particular distance. Back, by a whole number of quarter hours, or by less
    than FAT can tell is what clocks, time zones, summer time and mount options do (rule R23).
    """
    moved_ns = now_ns - was_ns
    quarters = (moved_ns + _QUARTER_NS // 2) // _QUARTER_NS
    near = abs(moved_ns - quarters * _QUARTER_NS) <= _FAT_NS and abs(quarters) <= _QUARTERS_MAX
    return moved_ns < 0 or near


def went_back(proof: Proof) -> bool:
    """Whether a folder is older now than when it had the file. Its change time is the kernel's own, which nobody can
    set: it goes back when the storage was set back, or the clock."""
    return proof.before is not None and proof.second.ctime_ns < proof.before[1]


def balance(pairs: Iterable[tuple[Asset | None, Asset]], roots: Mapping[bytes, bytes]) -> Counter[Place]:
    """By how many assets each place grows, when each asset becomes what stands beside it. ``roots`` are the
    directories of import paths."""
    by_directory: Counter[tuple[bytes, bytes]] = Counter()
    for before, after in pairs:
        if before is not None and is_there(before):
            by_directory[before.import_path, before.path.rpartition(b"/")[0]] -= 1
        if is_there(after):
            by_directory[after.import_path, after.path.rpartition(b"/")[0]] += 1
    found: Counter[Place] = Counter()
    for (import_path, directory), grown in by_directory.items():
        # Files of one directory are of one place, whatever their names are.
        found[top_of(roots.get(import_path, b""), directory + b"/" if directory else b"")] += grown
        found[WHOLE] += grown
    return Counter({place: grown for place, grown in found.items() if grown})
