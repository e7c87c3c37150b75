"""A pass: one gated look at a few directories, from listing to a single commit.

    list  ->  compare  ->  look where arrivals came from  ->  sentinels  ->  gate  ->  resolve  ->  commit

Nothing is written before the commit gate; after it, what was learned and what must be told become true in one
transaction of the journal. A pass that fails its gate leaves nothing behind. Sentinels cost a read of the disk, so
they are looked for only when a volume is adopted, and when absences are about to be written (R9, R41).
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

from agent import absences, contradictions, identity, learning, sentinels, survey, telling, unmoved
from agent.absences import Grounds
from agent.contents import Contents
from agent.doubts import Doubt, doubt_of
from agent.errnos import Meaning, forbids_only_absences, meaning
from agent.journal import Candidate, Journal
from agent.looks import Attachment, Outcome, Unheard, Unsettled, Wish
from agent.missed import Foundlings, Missed
from agent.outbox import Outbox
from agent.ports import Clock, FileEntry, Trouble
from agent.reappearing import Reappearing
from agent.scopes import Scopes
from agent.sentinels import Verdict
from agent.store import Standing, Store
from agent.survey import Departure, Refused, Survey
from holdfast import paths, reports
from holdfast.gate import Check
from holdfast.ignoring import IGNORE_FILE
from holdfast.reports import IgnoreRules, Listed, Observation, Unreadable
from holdfast.scans import ScanMode
from holdfast.volumes import Reason


class Pass:
    """Use once: construct, then :meth:`run`.

    ``grounds``: what absences are proven on, as far as that is known before. ``settle_s``: how long a file that was not
    seen to be closed must be quiet. ``unfinished``: there are places left to look at, in which a file may be that has
    lost its name to another. ``adopting``: it is the first look at an attachment. ``missed``: new files that may be one
    of these are read before they are told, except those that cannot be (``hopeless``).
    """

    def __init__(
        self,
        store: Store,
        attachment: Attachment,
        scopes: Scopes,
        clock: Clock,
        grounds: Grounds,
        *,
        settle_s: float,
        unfinished: bool = False,
        adopting: bool = False,
        missed: Missed | None = None,
        hopeless: Container[Unheard] = frozenset(),
    ) -> None:
        self._store = store
        self._journal = Journal(store)
        self._outbox = Outbox(store)
        self._at = attachment
        self._scopes = scopes
        self._clock = clock
        self._grounds = grounds
        self._settle_s = settle_s
        self._unfinished = unfinished
        self._looked: dict[str, Wish] = {}
        self._put_off: dict[str, Survey] = {}
        self._adopting = adopting
        self._contents = Contents(store, by_inode=attachment.traits.stable_inodes)
        self._foundlings = Foundlings(missed or Missed(), self._journal, self._contents, attachment.traits, hopeless)
        self._reappearing = Reappearing(self._journal, self._contents, hopeless)
        self._unmoved = unmoved.NONE
        self._unheard: list[Unheard] = []
        self._gone: list[int] = []
        self._surveys: dict[str, Survey] = {}
        self._unreadable: dict[str, int] = {}
        self._vanished: list[str] = []
        self._later: list[str] = []
        self._origins_of: dict[str, set[str]] = {}
        self._again: set[str] = set()
        self._unsettled: dict[str, Unsettled] = {}
        self._reread: dict[str, str | None] = {}
        self._suspected = self._missed = self._learned = False
        self._turn = 0
        self._doubt: Doubt | None = None

    def run(self, wishes: Iterable[Wish]) -> Outcome:
        """Look, and commit what was found."""
        self._turn = self._store.turn()
        self._at.files.begin()
        wanted = list(wishes)
        self._unmoved = unmoved.find(self._journal, self._at, wanted)
        wanted = [wish for wish in wanted if wish.directory not in self._unmoved.known]
        self._at.files.expect([wish.directory for wish in wanted if wish.mode is not ScanMode.NEW])
        self._look(wanted)
        if self._unfinished or self._new_directories():
            waiting = {directory for directory, wish in self._looked.items() if wish.waits}
            self._put_off = contradictions.put_off_displaced(self._surveys, self._origins_of, waiting)
        if self._doubt is None and not self._at.guarded:
            self._wait_for_proofs()
        grounds = self._grounds.finding(self._unsettled, unlooked=bool(self._later))
        if self._new_directories():  # what is missed here may be in one of these
            grounds = grounds._replace(confirm_delay_s=None)
        due = absences.due(self._journal, self._surveys, grounds, sentinels.MISSED_MAX)
        if self._doubt is None and (self._adopting or due):
            grounds = grounds._replace(sentinels=self._look_for_sentinels(due))
        told = 0
        if self._doubt is None:
            passed = self._at.files.gate()
            if not isinstance(passed, Trouble):
                told = self._commit(passed, grounds)
            elif self._at.guarded and forbids_only_absences(passed):
                told = self._commit((), grounds)
            else:
                self._doubt = doubt_of(passed, self._at.mount_point)
        return self._outcome(told)

    # Looking

    def _look(self, wishes: Iterable[Wish]) -> None:
        """List every wish, and then every place that an arrival may have come from, until there are none left."""
        queue = deque(wishes)
        seen = self._looked
        told_apart: set[tuple[str, str]] = set()
        while queue and self._doubt is None:
            wish = queue.popleft()
            if wish.directory in seen:
                continue
            seen[wish.directory] = wish
            origins = self._origins_of[wish.directory] = set(self._look_at(wish))
            overtaken = contradictions.older(self._surveys, wish.directory, origins)
            overtaken += self._reappearing.still_shown(self._surveys, wish.directory)
            older = {(one, wish.directory) for one in overtaken}
            queue.extend(seen.pop(one) for one, _ in sorted(older - told_apart) if one in seen)
            told_apart |= older
            queue.extend(Wish(directory) for directory in origins)
        contradictions.drop_overtaken(self._surveys)
        self._later += contradictions.put_off(self._surveys, self._origins_of, self._later)

    def _look_at(self, wish: Wish) -> Iterable[str]:
        """List one directory; returns where else to look because of it."""
        directory = wish.directory
        known = self._journal.directory(directory)
        alike = self._unmoved.alike.pop(directory, None)  # whoever lists it twice in a pass has a reason
        listing = self._at.files.list(directory, alike or survey.on_trust(known, wish.mode))
        if isinstance(listing, Trouble):
            return self._trouble(directory, listing)
        now = self._clock.now()
        held = survey.unsettled(listing.files, known, now, self._settle_s, wish.whole) | wish.writing
        held = held if wish.settles else frozenset()
        if held:
            self._again.add(directory)
            self._unsettled[directory] = survey.birthmarks(listing, held)
        if IGNORE_FILE not in listing.unclear:  # it counts for the files beside it at once
            self._scopes = self._scopes.heeding(directory, listing.rules)
        excluded = self._scopes.excluded(directory)
        settled = (file for file in listing.files if file.name not in held and not (excluded and excluded(file.name)))
        unheard = self._foundlings.among(directory, settled, known)
        self._unheard += unheard
        held |= {one.file.name for one in unheard}
        compared = survey.compare(
            listing,
            now.before(listing.age_s),
            known,
            excluded=excluded,
            held=held,
            traits=self._at.traits,
            is_root=self._scopes.is_root(directory),
            accepted=self._grounds.accepted,
        )
        if isinstance(compared, Refused):
            reason = Reason.EMPTY if compared.empty else Reason.PARTIAL
            self._doubt = Doubt(reason, self._at.host_path(directory), directory)
            return ()
        self._surveys.pop(directory, None)  # they are kept in the order of their listings
        self._surveys[directory] = compared
        if wish.mode is ScanMode.FULL:
            self._reread[directory] = wish.only
        return self._origins(directory, compared) if compared.arrivals or compared.named else ()

    def _origins(self, directory: str, compared: Survey) -> Iterable[str]:
        """Where the arrivals were last seen, if they are not new."""
        origins = self._reappearing.origins(directory, compared.arrivals)
        if self._at.traits.stable_inodes:
            origins |= self._journal.directories({file.inode for file in compared.arrivals})
        return origins - {directory}

    def _wait_for_proofs(self) -> None:
        """Leave for later what may be a file that is missed, until it is read, and that one is proven gone."""
        can_wait = {one: compared for one, compared in self._surveys.items() if self._looked[one].settles}
        waiting = self._reappearing.among(can_wait)
        self._unheard += waiting.unheard
        for directory, names in waiting.names.items():
            self._surveys[directory] = survey.withhold(self._surveys[directory], names)
            self._again.add(directory)
            self._unsettled[directory] = {**dict.fromkeys(names), **self._unsettled.get(directory, {})}

    def _trouble(self, directory: str, trouble: Trouble) -> Iterable[str]:
        """Sort a failed look; returns where else to look because of it."""
        self._surveys.pop(directory, None)
        match meaning(trouble):
            case Meaning.VANISHED if not directory and not self._at.traits.local:
                # The root of what is mounted cannot be removed. A server that denies it has lost its disk.
                self._doubt = Doubt(Reason.STALE, self._at.mount_point)
            case Meaning.VANISHED if self._scopes.is_root(directory) or not directory:
                self._doubt = Doubt(Reason.ROOT_MISSING, self._at.host_path(directory))
            case Meaning.VANISHED:
                self._vanished.append(directory)
                return (paths.split(directory)[0],)
            case Meaning.UNREADABLE if directory == "":
                self._doubt = Doubt(Reason.NO_PERMISSION, self._at.mount_point)
            case Meaning.UNREADABLE:
                self._unreadable[directory] = trouble.errno
            case Meaning.LATER:
                self._later.append(directory)
            case Meaning.DOUBT:
                self._doubt = doubt_of(trouble, self._at.mount_point)._replace(directory=directory)
            case Meaning.CROSSED:
                # A volume of its own begins here; what was known below is covered, and keeps its last state.
                pass
        return ()

    def _look_for_sentinels(self, due: Iterable[Candidate]) -> Verdict:
        """Whether the rest is there, past the caches, and what is ``due`` to be called gone is not (R9), or a doubt."""
        groups = sentinels.groups(self._journal, self._scopes)
        missed = sentinels.missed(groups, due, self._at.traits)
        found = self._at.files.look_for([*sentinels.left(groups), *missed])
        if isinstance(found, Trouble):
            self._doubt = doubt_of(found, self._at.mount_point)
            return Verdict.NOT_FOUND
        unlisted = absences.unlisted(missed, self._surveys)
        verdict = sentinels.judge(groups, found, self._at.traits, unlisted=[*unlisted], adopting=self._adopting)
        if verdict is Verdict.CONTRADICTED:
            lying = next(where for place, where in unlisted.items() if found.get(place))
            self._doubt = Doubt(Reason.PARTIAL, self._at.host_path(lying.directory), lying.directory)
        if verdict is Verdict.TOGETHER and not self._grounds.accepted:
            self._doubt = Doubt(Reason.PARTIAL, self._at.mount_point)
        return verdict

    # Committing

    def _commit(self, gate: Sequence[str], grounds: Grounds) -> int:
        """Write down what the pass found; returns how many observations are to be told."""
        has_news = learning.has_news(self._surveys, self._at.traits)
        has_rules = self._scopes.ignores.rules != self._journal.rules()
        if not (has_news or has_rules or self._reread or self._unreadable or self._journal.has_candidates()):
            return 0
        with self._store.transaction():
            if self._store.turn() != self._turn or self._store.standing() is not Standing.WRITING:
                return 0  # what this was compared with is not what is known now, or another agent is the writer
            self._learned = True
            departures, forgotten = absences.departures(self._journal, self._surveys)
            found, fresh = self._resolve(departures)
            self._journal.clear(found.cleared)
            lost = {directory: paths.split(directory)[0] for directory in self._vanished}
            absences.reanchor(self._journal, {**lost, **forgotten}, self._surveys)
            passed = {*gate, Check.SENTINELS} if grounds.sentinels is Verdict.FOUND else {*gate}
            second = absences.second_looks(
                self._journal, self._surveys, grounds, [check for check in Check if check in passed]
            )
            self._again |= second.look_at
            self._journal.suspect(absences.candidate(one, self._surveys, self._at.epoch) for one in found.gone)
            self._missed = bool(found.gone)
            self._suspected = self._missed or second.waiting
            for directory in forgotten:
                self._journal.forget(directory)
                self._contents.done(directory)
            for move in found.moves:
                self._contents.follow(move.arrival.file)
            for one in second.gone:
                self._contents.forget(one.directory, [one.file])
            self._gone = [one.file.size for one in second.gone]
            moved = {(move.origin, move.arrival.file.inode, move.old_name) for move in found.moves}
            learning.learn(self._journal, self._contents, self._surveys, moved, self._at.traits)
            learning.forget_contents(self._contents, self._surveys, self._reread)
            unreadable = self._note_unreadable()
            observations: list[Observation] = [
                *self._rules(forgotten),
                *telling.moved(found.moves),
                *self._listed(fresh),
                *second.absent,
                *unreadable,
            ]
            return self._outbox.spool(self._at.epoch, observations) if observations else 0

    def _rules(self, forgotten: Collection[str]) -> list[IgnoreRules]:
        """The ignore files, if they are to be told. After a loss they are told when a scan has found them all."""
        rules = {
            directory: text
            for directory, text in self._scopes.ignores.rules.items()
            if not any(paths.contains(one, directory) for one in forgotten)
        }
        if rules != self._journal.rules():
            self._journal.set_rules(rules)
        if self._journal.rules_are_told() or not self._journal.rules_told_are_known():
            return []
        self._journal.note_rules_told()
        return [IgnoreRules(rules)]

    def _resolve(self, departures: list[Departure]) -> tuple[identity.Resolution, Mapping[str, Sequence[FileEntry]]]:
        """What arrivals and departures come to, and the arrivals that are new, by directory."""
        arriving = {directory: compared.arrivals for directory, compared in self._surveys.items()}
        if not departures and not self._journal.has_candidates():
            # Nothing is missed that they could be. A first scan has hundreds of thousands of them.
            return identity.resolve([], [], []), arriving
        arrivals = [
            identity.Arrival(directory, file, self._surveys[directory].listing.births.get(file.name))
            for directory, files in arriving.items()
            for file in files
        ]
        found = identity.resolve(arrivals, departures, self._candidates_like(arrivals))
        fresh: dict[str, list[FileEntry]] = {}
        for arrival in found.listed:
            fresh.setdefault(arrival.directory, []).append(arrival.file)
        return found, fresh

    def _candidates_like(self, arrivals: list[identity.Arrival]) -> list[Candidate]:
        if not arrivals or not self._journal.has_candidates():
            return []
        inodes = {arrival.file.inode for arrival in arrivals} if self._at.traits.stable_inodes else set()
        return self._journal.candidates_like(inodes, [(one.directory, one.file.name) for one in arrivals])

    def _listed(self, fresh: Mapping[str, Sequence[FileEntry]]) -> list[Listed]:
        """What is new, what changed in the eyes of others (size, modification time), and what must be retold."""
        found: list[Listed] = []
        for directory, compared in self._surveys.items():
            files = sorted((*fresh.get(directory, ()), *compared.changes, *compared.retold))
            facts = telling.all_facts(files, self._contents.digests(directory, files))
            found.extend(Listed(directory, piece) for piece in reports.pieces(facts))
        return found

    def _note_unreadable(self) -> list[Unreadable]:
        """Directories that cannot be read, told once; those that can be again are looked at whole (R26)."""
        if self._journal.has_unreadable():
            self._journal.note_readable(self._surveys)
        return [
            Unreadable(directory, errno.errorcode.get(number, str(number)))
            for directory, number in self._unreadable.items()
            if self._journal.note_unreadable(directory)
        ]

    def _outcome(self, told: int) -> Outcome:
        listed = sum(len(compared.listing.files) for compared in self._surveys.values())
        return Outcome(
            inside={one: self._inside(one) for one in (*self._surveys, *self._put_off, *self._unmoved.known)},
            new_directories=self._new_directories(),
            files=listed + sum(known.file_count for known in self._unmoved.known.values()),
            looked_at=listed + self._unmoved.asked_for,
            unreadable=dict(self._unreadable),
            later=self._later,
            again=self._again,
            told=told,
            learned=self._learned,
            suspected=self._suspected,
            doubt=self._doubt,
            unheard=self._unheard,
            gone=self._gone,
            displaced=[self._looked[directory]._replace(trusting=False) for directory in self._put_off],
            unsettled=self._unsettled,
            missed=self._missed,
        )

    def _inside(self, directory: str) -> list[str]:
        """The wanted subdirectories of a directory."""
        compared = self._surveys.get(directory, self._put_off.get(directory))
        names = compared.listing.directories if compared else self._unmoved.known[directory].directories
        below = (paths.join(directory, name) for name in names)
        return [path for path in below if self._scopes.enters(path)]

    def _new_directories(self) -> list[str]:
        """Directories that must be entered, because of what this pass saw of their parents."""
        found = {
            path: None
            for directory, compared in self._surveys.items()
            if not compared.unchanged
            for path in self._inside(directory)
            if path not in self._surveys and _is_new(paths.split(path)[1], compared)
        }
        return list(found | dict.fromkeys(self._replaced()))

    def _replaced(self) -> Iterator[str]:
        """Directories that are not watched, though they may have been looked at and look as ever."""
        for directory, wish in self._looked.items():
            compared = self._surveys.get(directory)
            there = wish.replaced if compared is None else wish.replaced.intersection(compared.listing.directories)
            below = (paths.join(directory, name) for name in sorted(there))
            yield from (path for path in below if self._scopes.enters(path))


def _is_new(name: str, compared: Survey) -> bool:
    """Whether a subdirectory must be entered: never seen, another one than was known by this name, or all of it has
    to be told again."""
    known = compared.known
    return known is None or not known.told or known.directories.get(name) != compared.directories[name]
