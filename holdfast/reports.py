"""Reports: what an agent may say about the files of a volume, and the receipt it gets.

A report is a list of *observations*, facts that the agent saw, all made in one epoch of one volume. The agent
decides nothing about assets. Observations are grouped by directory and applied in the order they stand.

Reports form one *stream* per volume and journal: numbered from 1 without holes. A report is immutable once its
number was used; sending it again is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from holdfast import content, gate, ignoring, paths
from holdfast.scans import PROBLEMS_MAX, ScanMode, ScanProblem
from holdfast.volumes import Epoch

FORMAT = 1
# Bounds of one report. Five thousand rows are past the point where larger batches make any database faster, and
# the sizes bound what a sidecar must hold in memory: a body larger than this is refused, before or while inflating.
FILES_MAX = 5_000
BODY_BYTES_MAX = 4 * 1024 * 1024
INFLATED_BYTES_MAX = 32 * 1024 * 1024
# A directory with more files than this is told in pieces, so that any report can hold an observation.
PIECE_FILES_MAX = 2_000

# Numbers are kept in 64 bits with a sign, in every database and in the kernel.
_NUMBER_END = 1 << 63

T = TypeVar("T")


class FileFacts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A media file as it was seen: its name in the directory (wire text), bytes, and modification time. ``content`` is
    the digest of what is in it, see :mod:`holdfast.content`, None while nobody has read it."""

    name: str
    size: int
    mtime_ns: int
    content: str | None = None


class Listed(msgspec.Struct, frozen=True, tag="listed", gc=False):
    """These files are in ``directory``; they are new or changed since they were last reported."""

    directory: str
    files: list[FileFacts]


class MovedFile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file that was at ``old_name`` in the origin and is now ``file.name``."""

    old_name: str
    file: FileFacts


class Move(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Files that were in ``origin`` are now in ``directory``."""

    origin: str
    directory: str
    files: list[MovedFile]


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """Files have new names: the same inode, born at the same nanosecond, and the old name was looked for and not
    found. All of one observation happened at once: old names are those before it, so that two files can trade
    places."""

    moves: list[Move]


class Look(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One complete listing of a directory, read to its end without an error.

    ``at`` is Unix time and ``boot_s`` the monotonic clock that counts suspended time. ``mount_id`` was taken from
    the very descriptor that was listed. ``mtime_ns`` and ``ctime_ns`` are the directory's; ``entries`` counts
    every name it had, photos or not.
    """

    at: float
    boot_s: float
    mount_id: int
    mtime_ns: int
    ctime_ns: int
    entries: int


class Proof(msgspec.Struct, frozen=True):
    """Why a name is known to be gone: two complete listings, apart in time, in one epoch, that lack it.

    ``listed`` is the directory that was listed: the one that held the name, or the nearest ancestor left of it.
    ``before`` are mtime and ctime of that directory when it still had the name, or None when the file system
    does not keep them (the root of a FAT). ``gate`` names the checks that were passed after the second look, see
    :mod:`holdfast.gate`.
    """

    listed: str
    before: tuple[int, int] | None
    first: Look
    second: Look
    gate: list[str]


class Absent(msgspec.Struct, frozen=True, tag="absent"):
    """These names are gone from ``directory``, and this is the proof."""

    directory: str
    names: list[str]
    proof: Proof


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable"):
    """``directory`` and everything below it cannot be read. ``error`` is the errno's name, such as ``EACCES``."""

    directory: str
    error: str


class IgnoreRules(msgspec.Struct, frozen=True, tag="ignore-rules"):
    """All ignore files of the volume as they are now: folder -> text. What it had before and is not here is no more."""

    files: dict[str, str]


class Gap(msgspec.Struct, frozen=True, tag="gap"):
    """Change events below ``directory`` were lost; a scan of it follows."""

    directory: str
    reason: str


class ScanStarted(msgspec.Struct, frozen=True, tag="scan-started"):
    """A scan of ``directory`` began. ``mode`` is how closely known files are looked at. ``name``: it is of this one
    thing in the directory alone."""

    scan: str
    directory: str
    mode: ScanMode
    name: str | None = None


class ScanFinished(msgspec.Struct, frozen=True, tag="scan-finished", kw_only=True):
    """A scan ended. ``complete``: every directory was read to its end, without error, in one epoch.

    ``problems`` are the first of the directories that could not be read, ``errors`` counts all of them. ``name``: it
    was of this one thing in the directory alone; ``files`` is then 0 when it was not there.
    """

    scan: str
    directory: str
    complete: bool
    directories: int
    files: int
    errors: int
    duration_s: float
    name: str | None = None
    problems: list[ScanProblem] = []


Observation = Listed | Moved | Absent | Unreadable | IgnoreRules | Gap | ScanStarted | ScanFinished


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One numbered message of a stream. ``journal`` is the incarnation of the journal the numbers belong to."""

    format: int = FORMAT
    volume: str
    journal: str
    sequence: int
    epoch: Epoch
    made_at: float
    observations: list[Observation]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The sidecar's answer. ``applied`` is False for a repeat. ``expected`` is the next number of the stream."""

    sequence: int
    applied: bool
    expected: int


class BadReport(ValueError):
    """A report that cannot be true. ``pointer`` is a JSON pointer (RFC 6901) to the place."""

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"{pointer}: {problem}")
        self.pointer = pointer
        self.problem = problem


def pieces(items: Sequence[T]) -> Iterator[list[T]]:
    """Cut what an observation lists into pieces of a size that any report can hold."""
    return (list(items[start : start + PIECE_FILES_MAX]) for start in range(0, len(items), PIECE_FILES_MAX))


def check(report: Report) -> None:
    """Refuse a report that no honest agent makes; decoding has already checked its types.

    Raises :class:`BadReport` for an unknown format, bad paths, too many files, or an absence without its proof.
    """
    if report.format != FORMAT:
        raise BadReport("/format", f"format {report.format} is not known here")
    if report.sequence < 1:
        raise BadReport("/sequence", "a stream is numbered from 1")
    files = 0
    for index, observation in enumerate(report.observations):
        pointer = f"/observations/{index}"
        try:
            files += _check_observation(observation)
        except paths.BadPath as error:
            raise BadReport(pointer, str(error)) from error
        if files > FILES_MAX:
            raise BadReport(pointer, f"a report holds at most {FILES_MAX} files")
        if isinstance(observation, Absent) and (doubt := why_not_proven(observation, report.epoch)):
            raise BadReport(f"{pointer}/proof", doubt)


def why_not_proven(absent: Absent, epoch: Epoch) -> str | None:
    """What is lacking in the proof of an absence (rules R1 and R21), or None when it stands."""
    proof = absent.proof
    if not paths.contains(proof.listed, absent.directory):
        return "the listing is of another directory"
    for look in (proof.first, proof.second):
        if look.mount_id != epoch.mount_id:
            return "a listing was made on another mount"
        if proof.before is not None and (look.mtime_ns, look.ctime_ns) == proof.before:
            return "the directory has not changed since it had the name"
    if proof.second.boot_s <= proof.first.boot_s:
        return "there was no second look"
    if missing := gate.lacking(proof.gate):
        return f"the mount was not checked after the listing: {', '.join(missing)}"
    return None


def _check_observation(observation: Observation) -> int:
    """Check the paths of an observation; returns how many files it speaks of."""
    match observation:
        case Moved(moves=moves):
            return sum(_check_move(move) for move in moves)
        case IgnoreRules(files=rules):
            _check_rules(rules)
            return 0
        case _:
            paths.check_relative(observation.directory)
    match observation:
        case ScanStarted(name=str(name)):
            paths.check_name(name)
            return 0
        case ScanFinished():
            _check_end(observation)
            return 0
        case Listed(files=files):
            _check_files(files)
            return len(files)
        case Absent(names=names, proof=proof):
            paths.check_relative(proof.listed)
            paths.check_names(names)
            return len(names)
        case _:
            return 0


def _check_end(one: ScanFinished) -> None:
    if one.name is not None:
        paths.check_name(one.name)
    if len(one.problems) > PROBLEMS_MAX:
        raise paths.BadPath(f"a scan names at most {PROBLEMS_MAX} directories that it could not read")
    for problem in one.problems:
        paths.check_relative(problem.directory)


def _check_move(move: Move) -> int:
    paths.check_relative(move.origin)
    paths.check_relative(move.directory)
    paths.check_names([one.old_name for one in move.files])
    _check_files([one.file for one in move.files])
    return len(move.files)


def _check_rules(rules: dict[str, str]) -> None:
    if len(rules) > ignoring.FILES_MAX:
        raise paths.BadPath(f"a volume has at most {ignoring.FILES_MAX} ignore files")
    for directory, text in rules.items():
        paths.check_relative(directory)
        if len(text) > ignoring.RULES_BYTES_MAX:
            raise paths.BadPath(f"the ignore file in {directory!r} is too large")


def _check_files(files: Sequence[FileFacts]) -> None:
    paths.check_names([file.name for file in files])
    for file in files:
        if not 0 <= file.size < _NUMBER_END:
            raise paths.BadPath(f"{file.name!r} has an impossible size")
        if not -_NUMBER_END <= file.mtime_ns < _NUMBER_END:
            raise paths.BadPath(f"{file.name!r} has an impossible modification time")
        if file.content is not None and not content.is_digest(file.content):
            raise paths.BadPath(f"{file.name!r} has a content digest that is none")
