"""Questions of the sidecar about host paths that may become import paths. Nothing is bound because of them."""

from __future__ import annotations

from collections.abc import Sequence

from agent import places
from agent.messages import Inspected
from agent.ports import Mount
from agent.probing import Prober
from holdfast import paths
from holdfast.assignments import Answered, Question

_UNKNOWN = "{path} is on no storage that the agent can see."


class Inquiries:
    """Asks a worker once for every question, and keeps the answer for as long as the question stands."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._asked: dict[str, str] = {}
        self._answers: dict[str, Answered] = {}

    def ask(self, questions: Sequence[Question], roots: list[str], managed: Sequence[str], now: float) -> None:
        """These are the questions now; the answers to all others are wanted no more."""
        standing = {one.id for one in questions}
        self._asked = {key: path for key, path in self._asked.items() if key in standing}
        self._answers = {key: answer for key, answer in self._answers.items() if key in standing}
        for one in questions:
            if one.id not in self._asked:
                self._asked[one.id] = one.path
                self._prober.inspect(one.id, one.path, roots, now, managed=managed)

    def has_asked(self, answer: Inspected) -> bool:
        """Whether this answers one of the questions."""
        return answer.import_path in self._asked

    def take(self, answer: Inspected, mount: Mount | None, vouched_for: Sequence[str]) -> None:
        """A worker has looked. ``mount`` is what the path lies on, ``vouched_for`` are the plain directories (R4)."""
        message = answer.refusal
        if message is None and mount is None:
            message = _UNKNOWN.format(path=self._asked[answer.import_path])
        elif message is None and mount is not None:
            message = places.needs_word(paths.to_os(answer.canonical), mount, vouched_for)
        self._answers[answer.import_path] = Answered(question=answer.import_path, message=message)

    def answers(self) -> list[Answered]:
        """The answers to the questions that stand."""
        return [self._answers[key] for key in sorted(self._answers)]
