"""One volume, step by step: hints and scans in, observations in the outbox out.

The engine owns the order of things and no I/O of its own: storage, watch, journal and clock are ports, so that the
worker drives it on the kernel and the simulator on fakes. Every call of :meth:`Engine.work` is one bounded step.
Anything wrong with the storage ends the attachment and comes back as a :class:`~agent.passes.Doubt`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.absences import Grounds, birthmarks
from agent.asked import Prospects
from agent.confirming import Confirming
from agent.doubts import Doubt
from agent.journal import Journal
from agent.looks import Attachment, Outcome, Wish
from agent.missed import Missed
from agent.noise import of_interest
from agent.outbox import Outbox
from agent.passes import Pass
from agent.ports import Clock, Hint, Lost, Watch
from agent.reading import Reader
from agent.rescans import Rescans
from agent.rescoping import Interests
from agent.revisits import LATER_S, Revisits
from agent.scans import Walk
from agent.scopes import Scopes
from agent.settings import EngineSettings
from agent.settle import Settle
from agent.spool import Spool
from agent.store import Standing, Store
from agent.unmoved import Trust
from agent.walks import Walks
from agent.watching import Watching
from holdfast.reports import Gap, Observation, ScanFinished
from holdfast.scans import ScanMode, ScanProgress, WantedScan
from holdfast.volumes import Reason


class Engine:
    """Everything that happens to one volume's files. Not thread-safe; nothing in it waits, storage aside."""

    def __init__(self, store: Store, clock: Clock, settings: EngineSettings, entropy: Callable[[int], bytes]) -> None:
        self._store = store
        self._journal = Journal(store)
        self._outbox = Outbox(store)
        self._clock = clock
        self._settings = settings
        self._entropy = entropy
        self._settle = Settle(settings.settle_s)
        self._interests = Interests(store)
        self._reader = Reader(store, clock, background_after_s=settings.background_after_s)
        self._at: Attachment | None = None
        self._watching = Watching(None)
        self._accepted = self._reads_next = False
        self._walks = Walks(store, settings)
        self._walk_on_at = 0.0
        self._revisits = Revisits(settings.settle_s, self._settle.rests)
        self._confirming = Confirming(settings.confirm_delay_s)
        self._trust = Trust(store)
        self._rescans = Rescans(settings.rescan_s)
        self._spool = Spool(self._outbox, settings.spool_bytes_max)
        self._spooled = True  # what an earlier run left behind
        self._turn = self.scans_finished = self.hints_wanted = 0
        self.last_scan: ScanFinished | None = None
        self._resting = True  # until the journal was asked

    # What the outside asks for

    def assign(self, scopes: Scopes) -> None:
        """Take the import paths of this volume. What is newly wanted is told, and what is not any more is let go of."""
        unwanted = self._interests.assign(scopes)
        if unwanted is not None and self._at is not None:
            self._watching.remove(unwanted)
            self.scan()

    def seek(self, missed: Missed) -> None:
        """Files that are missed somewhere: new ones that may be one of them are read before they are told."""
        self._reader.missed = missed

    def attach(
        self,
        attachment: Attachment,
        watch: Watch | None,
        look_first: Iterable[str] = (),
        *,
        accepted: bool = False,
        seen_so: str = "",
    ) -> Doubt | None:
        """The volume is there and verified: adopt it with a first look at every import path, then scan.

        ``look_first`` are directories that cast doubt on it before; they must be in order now. ``accepted``: a person
        said that what is there now is true. Then no listing of this attachment casts doubt by what it lacks, until
        the first scan has ended and all that it missed was looked for a second time. ``seen_so`` says why there is no
        watch, or no other one, where that needs a reason.

        Returns the doubt when that look is not what it should be; the engine is then detached, as before.
        """
        self.detach()
        self._take_standing()
        self._at, self._watching, self._accepted = attachment, Watching(watch, seen_so), accepted
        self._trust.end(self._boot(), anew=True)
        outcome = self._pass((Wish(directory) for directory in (*self._scopes.roots(), *look_first)), adopting=True)
        if outcome.doubt is not None:
            self.detach()
            return outcome.doubt
        self._interests.take_rules()
        self._spooled = True
        self._begin()
        return None

    def guard(self, *, guarded: bool) -> None:
        """There is a concern about the volume: go on looking, and call nothing absent; or there is none any more, and
        what was missed meanwhile can be confirmed."""
        if self._at is None:
            return
        self._at = self._at._replace(guarded=guarded)
        self._reader.regard(self._at)
        self._confirming.clear()
        if not guarded and self._journal.has_candidates():
            self._confirm_soon()
        self._end_asked()

    def consult(self) -> None:
        """The journal's standing may have changed. One that is in step with the catalog again begins with a scan; until
        then nothing is looked at, since nothing could be told."""
        if self._store.turn() == self._turn:
            return
        self._take_standing()
        self._drop()
        if self._at is not None:
            self._begin()

    def detach(self) -> None:
        """The volume is gone, or not to be touched: drop everything that belongs to this attachment."""
        self._watching.close()
        self._at, self._watching, self._accepted = None, Watching(None), False
        self._drop()

    def scan(self, *, anew: bool = False) -> None:
        """Scan every import path from the beginning. A scan that was running is overtaken by this one. ``anew``: take
        nothing on trust, for whoever asks for it wants to know."""
        if self._resting:
            return
        self._trust.end(self._boot(), anew=anew)
        self._watching.scan_begins()
        self._tell([*self._walks.scan(self._scopes.roots(), self._clock.now(), self._entropy)])
        self._rescans.clear()

    def want(self, wanted: Iterable[WantedScan]) -> None:
        """These scans are asked for, and no others: one that was asked for and is no more is dropped."""
        self._trust.end(self._boot())
        self._walks.want(wanted)
        if self._at is not None and not self._resting:
            self._walks.begin_asked(self._boot())

    def hint(self, hints: Iterable[Hint | Lost]) -> Doubt | None:
        """Take in what the watch saw. A watch that ended means that the storage went away under it."""
        if self._at is None:
            return None
        for hint in (found := list(hints)):
            if isinstance(hint, Lost) and hint.ended:
                # R3: the events that are still queued were caused by the unmount, and say nothing about files.
                self.detach()
                return Doubt(Reason.NOT_MOUNTED, hint.reason, hint.directory)
        if self._resting:
            return None  # the scan that comes with the next grant finds what they would have said
        concerning = of_interest(found, self._scopes)
        self.hints_wanted += len(concerning)
        self._settle.hint(concerning, self._boot())
        return None

    # What it is doing

    @property
    def attached(self) -> bool:
        """Whether there is storage to work on."""
        return self._at is not None

    def watching(self) -> tuple[str, int]:
        """How changes are seen and why so, in words, and how many directories are watched."""
        return ("nothing", 0) if self._at is None else self._watching.reading(self._journal.directory_count)

    def progress(self) -> ScanProgress | None:
        """The scan that is running."""
        return self._walks.progress(self._boot())

    def take_spooled(self) -> bool:
        """Whether the outbox was added to since the last call."""
        spooled, self._spooled = self._spooled, False
        return spooled

    def due(self) -> float | None:
        """When :meth:`work` has something to do, on the boot clock; None: not before something comes in."""
        if self._at is None or self._resting:
            return None
        if self._spool.full_until is not None and self._spool.full_until > self._boot():
            return self._spool.full_until
        if self._walks and self._walk_on_at <= self._boot():
            return 0.0
        # Second looks and scans wait for a walk, also for one that rests because the machine is short of something.
        later = (self._walk_on_at,) if self._walks else (self._confirming.at, self._rescans.due())
        revisit = self._revisits.due(is_walking=bool(self._walks))
        times = (self._settle.due(), self._reader.due(), revisit, *later, self._walks.ends_due())
        return min((time for time in times if time is not None), default=None)

    @property
    def spool_is_full(self) -> bool:
        """Whether looking waits until some of what was found is told (R31)."""
        return self._spool.full_until is not None

    # Work

    def work(self) -> Doubt | None:
        """One step: a look at what is most urgent. Returns the doubt that ended the attachment, if one did."""
        if self._at is None or self._resting or self._spool.is_full(self._boot()):
            return None
        now = self._boot()
        self._take_up_losses(now)
        doubt = self._after(self._pass(wishes), now) if (wishes := self._wishes(now)) else self._go_on(now)
        self._settle.rests.looked((wish.directory for wish in wishes), now, self._boot())
        self._end_asked()
        return doubt

    def _go_on(self, now: float) -> Doubt | None:
        """What is less urgent: scans go on in turns with files that somebody waits for, and before all others."""
        self._reads_next = self._reader.is_urgent and not self._reads_next
        if self._walks and self._walk_on_at <= now and not self._reads_next:
            return self._walk_on(now)
        match None if self._walks else self._rescans.take(now):
            case ScanMode.NEW:
                self._walks.glance(self._scopes.roots(), now)
            case None:
                self._read(now)
            case _:
                self.scan()
        return None

    def _read(self, now: float) -> None:
        """Read a little of a file."""
        step = self._reader.step(self._scopes)
        self._spooled = self._spooled or step.told
        self._revisits.read(step.look_at, now, goes_on=self._reader.awaited())

    def _begin(self) -> None:
        """Take up the work on what is attached."""
        if self._at is None or self._resting:
            return
        self._reader.attach(self._at)
        if self._journal.suspected_listings():
            self._confirm_soon()
        self.scan()
        self._walks.begin_asked(self._boot())

    def _drop(self) -> None:
        """Forget what was to be done."""
        self._settle.clear()
        self._reader.detach()
        self._walks.drop()
        self._revisits.clear()
        self._rescans.clear()
        self._confirming.clear()

    def _take_standing(self) -> None:
        self._turn = self._store.turn()
        self._resting = self._store.standing() is not Standing.WRITING

    def _wishes(self, now: float) -> list[Wish]:
        """Directories to look at because of hints, files that should have settled, and absences to confirm."""
        confirms = self._confirming.is_due(now) and not self._walks
        ready = self._settle.ready(now, rested=not confirms)
        wishes = {one.directory: Wish(one.directory, one.whole, one.writing, replaced=one.replaced) for one in ready}
        self._revisits.take(wishes, now, is_walking=bool(self._walks))
        if confirms:
            for directory in (suspected := self._journal.suspected_listings()):
                wishes.setdefault(directory, Wish(directory))
            self._confirming.looked(now, at_any=bool(suspected))
            self._accepted = self._accepted and bool(suspected)
        return [wish for wish in wishes.values() if self._scopes.enters(wish.directory)]

    def _walk_on(self, now: float) -> Doubt | None:
        walk = self._walks.first
        if walk.scan is not None and not walk.is_begun:
            self._tell([walk.begin()])
        taken = walk.take(self._scopes.enters)
        for directory in taken:
            if self._watching.add(directory):
                self._tell([Gap(directory, "the limit of watched directories is reached")])
        outcome = self._pass(map(walk.wish, taken))
        self._walks.visit(walk, outcome)
        if taken and len(outcome.later) >= len(taken):
            self._walk_on_at = now + LATER_S
        is_scanned = outcome.doubt is None and not walk and self._walks.is_scanned(walk, self._boot())
        if is_scanned:
            self._finish(walk)
        is_scanned = is_scanned and not self._watching.is_complete
        self._rescans.walked(self._boot(), found=outcome.has_news, is_over=not self._walks, is_scanned=is_scanned)
        # The walk itself goes on below what it took; not so below what the pass looked at besides.
        besides = [path for path in outcome.new_directories if not walk.goes_on(path, taken)]
        return self._after(outcome._replace(new_directories=besides, later=[]), now)

    def _finish(self, walk: Walk) -> None:
        """A scan of our own has been everywhere."""
        self.scans_finished += 1
        self.last_scan = walk.end(self._boot())
        self._accepted = self._accepted and bool(self._journal.suspected_listings())
        self._tell([*self._interests.untold_rules(), self.last_scan])
        with self._store.transaction():
            self._journal.note_rules_told()
        self._watching.scan_ended()

    def _end_asked(self) -> None:
        """Tell the end of scans that were asked for, behind all that they have found."""
        if self._at is None or self._resting or not self._walks.are_asked_ones_resting:
            return
        unsettled = self._revisits.directories() | self._reader.awaited()
        waits, proves = (self._reader.awaits, self._revisits.awaits), not self._at.guarded
        ahead = Prospects(self._boot(), unsettled, waits, is_walking=bool(self._walks), proves=proves)
        for walk in self._walks.take_ended(ahead):
            self._tell([walk.end(ahead.now)], walk)

    def _pass(self, wishes: Iterable[Wish], *, adopting: bool = False) -> Outcome:
        if self._at is None:
            raise AssertionError("bug: a pass without an attachment")
        one = Pass(
            self._store,
            self._at,
            self._scopes,
            self._clock,
            self._grounds(self._at),
            settle_s=self._settings.settle_s,
            unfinished=bool(self._walks) and self._revisits.takes_displaced,
            adopting=adopting,
            missed=self._reader.missed,
            hopeless=self._reader.hopeless,
        )
        return one.run(wishes)

    @property
    def _scopes(self) -> Scopes:
        return self._interests.scopes

    def _grounds(self, attachment: Attachment) -> Grounds:
        """What absences can be proven on now.

        This is the one place where a concern becomes "no absences": a guarded attachment never confirms one. What is
        missed may yet turn up in a place that a walk has not reached."""
        return Grounds(
            attachment.epoch,
            attachment.traits,
            None if self._walks or attachment.guarded else self._settings.confirm_delay_s,
            accepted=self._accepted,
            unsettled=frozenset(birthmarks(self._revisits.unsettled)),
            unlooked=self._revisits.are_unlooked or self._settle.is_behind(self._boot()),
        )

    def _after(self, outcome: Outcome, now: float) -> Doubt | None:
        """What follows from a pass, besides what it has written down."""
        if outcome.doubt is not None:
            self.detach()
            return outcome.doubt
        self._spooled = self._spooled or outcome.told > 0
        self._reader.missed.add(outcome.gone)
        self._reader.want(outcome.unheard)
        if outcome.learned:
            self._reader.wake()
        if news := self._interests.take_rules():
            self._watching.remove(news[0])
        for directory in (*outcome.new_directories, *(news[1] if news else ())):
            self._walks.follow(directory, now)
        if not self._revisits.note(outcome, now):
            self.scan()
        if outcome.suspected:
            self._confirm_soon()
        return None

    def _confirm_soon(self) -> None:
        if self._at is not None and not self._at.guarded:  # else they wait for the next attachment
            self._confirming.soon(self._boot())

    def _take_up_losses(self, now: float) -> None:
        """Lost hints: say so, and look everywhere they could have been about (R31)."""
        for lost in self._settle.lost():
            self._tell([Gap(lost.directory, lost.reason)])
            self._walks.lose()
            for directory in self._scopes.roots_below(lost.directory) or [lost.directory]:
                self._walks.follow(directory, now)

    def _tell(self, observations: list[Observation], done: Walk | None = None) -> None:
        if self._at is None:
            raise AssertionError("bug: an observation without an attachment")
        with self._store.transaction():
            self._outbox.spool(self._at.epoch, observations)
            if done is not None:
                self._walks.note_done(done)
        self._spooled = True

    def _boot(self) -> float:
        return self._clock.now().boot
