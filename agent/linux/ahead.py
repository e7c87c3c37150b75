"""Asking storage for what will be needed next, where it takes its time to answer.

A disk with heads is read fastest by one who asks one question after the other. A server at the far end of a network, or
a disk without moving parts, answers eight questions in the time of one. There some threads go through the directories
that are going to be listed, a few ahead of the agent, and ask for all that it will ask. What they are told is thrown
away: the kernel remembers it for a moment, and the agent, which looks at one place after the other as ever, need not
wait for it again. So no proof changes by it.

They hold what they read as long as the agent does, which is for a moment, and all of them let go together (R40).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from agent.linux.attachment import Attachment
from agent.linux.kernel import FileLooker
from holdfast.media import kind

THREADS = 8
# Whatever is asked too early is forgotten again before it is needed: servers' answers count for a second or more.
DIRECTORIES_AHEAD = 32
PIECE = 64


class Question(NamedTuple):
    """A directory that will be looked at, and the names in it that will be; None: those of all its photos."""

    directory: str
    names: Sequence[str] | None


class Ahead:
    """The threads of one attachment, which there are only while something is asked. To be used by one thread."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._changed = threading.Condition()
        self._questions: Sequence[Question] = ()
        self._pieces: deque[Question] = deque()
        self._next = 0
        self._reached = 0
        self._let_go = False
        self._threads: list[threading.Thread] = []

    def begin(self, questions: Sequence[Question]) -> None:
        """Ask these from now on, in their order, until :meth:`end`. Where the system allows no more threads, by those
        that it does."""
        self._questions, self._next, self._reached = questions, 0, 0
        self._let_go = False
        with suppress(RuntimeError):
            while len(self._threads) < THREADS:
                thread = threading.Thread(target=self._run, name="ahead", daemon=True)
                thread.start()
                self._threads.append(thread)

    def reach(self, number: int) -> None:
        """The agent itself has come to this question."""
        with self._changed:
            self._reached = number
            self._next = max(self._next, number)
            self._changed.notify_all()

    def end(self) -> None:
        """Ask no more, and return when nothing is held. That takes as long as the storage takes to answer."""
        with self._changed:
            self._let_go = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._pieces.clear()

    def _run(self) -> None:
        looker = FileLooker()
        while (question := self._take()) is not None:
            with suppress(OSError):  # the agent will meet it too, and can say what it means
                self._ask(question, looker)

    def _take(self) -> Question | None:
        with self._changed:
            while not self._let_go:
                if self._pieces:
                    return self._pieces.popleft()
                if self._next < min(len(self._questions), self._reached + DIRECTORIES_AHEAD):
                    self._next += 1
                    return self._questions[self._next - 1]
                self._changed.wait()
            return None

    def _ask(self, question: Question, looker: FileLooker) -> None:
        with self._attachment.reading(question.directory, self._must_let_go) as reading:
            names = question.names
            if names is None:
                with os.scandir(reading.descriptor) as entries:
                    names = [entry.name for entry in entries if kind(entry.name) is not None]
            self._share(question.directory, names[PIECE:])
            for name in names[:PIECE]:
                reading.pause()  # at every name: all the others wait for the one that has not let go yet
                with suppress(OSError):
                    looker.look(reading.descriptor, os.fsencode(name))

    def _share(self, directory: str, names: Sequence[str]) -> None:
        """Leave the rest of a large directory to whoever is free."""
        if not names:
            return
        with self._changed:
            self._pieces.extend(Question(directory, names[at : at + PIECE]) for at in range(0, len(names), PIECE))
            self._changed.notify_all()

    def _must_let_go(self) -> bool:
        return self._let_go
