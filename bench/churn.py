"""What people and programs do to a folder of photos, at random, so that it stays about as large as it is."""

from __future__ import annotations

import os
import random
import shutil

_FILES = 2_000
_DIRECTORIES = 40
_BURST = 150
_SIZE_MAX = 4_000


class Churn:
    """The user of one folder. ``steps`` counts what was done."""

    def __init__(self, root: str, chance: random.Random) -> None:
        self._root, self._chance = root, chance
        self._made = 0
        self.steps = 0

    def fill(self) -> None:
        """Make the folder as large as it is to stay."""
        for _ in range(_FILES):
            self._add(self._directory())

    def files(self) -> set[str]:
        """The absolute paths of all photos that are there."""
        return {os.path.join(at, name) for at, _, names in os.walk(self._root) for name in names}

    def step(self) -> None:
        """Do one thing."""
        self.steps += 1
        doings = (self._come, self._go, self._edit, self._rename, self._rename_directory, self._swap, self._burst)
        self._chance.choices(doings, (30, 25, 20, 15, 3, 5, 1))[0]()

    def _come(self) -> None:
        self._add(self._directory())

    def _go(self) -> None:
        if path := self._any():
            os.unlink(path)

    def _edit(self) -> None:
        if path := self._any():
            self._write(path)

    def _rename(self) -> None:
        if path := self._any():
            os.rename(path, self._new(self._directory()))

    def _rename_directory(self) -> None:
        path = self._directory()
        target = self._fresh_directory()
        if not target.startswith(f"{path}/"):
            os.rename(path, target)

    def _swap(self) -> None:
        one, other = self._any(), self._any()
        if one and other and one != other:
            aside = self._new(os.path.dirname(one))
            for old, new in ((one, aside), (other, one), (aside, other)):
                os.rename(old, new)

    def _burst(self) -> None:
        """A camera card, or the end of an old folder: whichever brings the number back to what it was."""
        directory = self._fresh_directory()
        if len(self.files()) < _FILES:
            os.makedirs(directory)
            for _ in range(_BURST):
                self._add(directory)
        else:
            shutil.rmtree(self._directory())

    def _add(self, directory: str) -> None:
        self._write(self._new(directory))

    def _write(self, path: str) -> None:
        with open(path, "wb") as file:
            file.write(self._chance.randbytes(self._chance.randrange(1, _SIZE_MAX)))

    def _new(self, directory: str) -> str:
        os.makedirs(directory, exist_ok=True)
        self._made += 1
        return os.path.join(directory, f"IMG_{self._made:06d}.jpg")

    def _any(self) -> str | None:
        """Some photo."""
        directory = self._directory()
        names = sorted(entry.name for entry in os.scandir(directory) if entry.is_file())
        return os.path.join(directory, self._chance.choice(names)) if names else None

    def _directory(self) -> str:
        """Some directory that is there."""
        found = sorted(at for at, _, _ in os.walk(self._root) if at != self._root)
        if len(found) < _DIRECTORIES:
            made = self._fresh_directory()
            os.makedirs(made)
            return made
        return self._chance.choice(found)

    def _fresh_directory(self) -> str:
        """A path at which there is nothing yet, in the top or in one of its directories."""
        self._made += 1
        parents = [
            self._root,
            *sorted(entry.path for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False)),
        ]
        return os.path.join(self._chance.choice(parents), f"trip-{self._made:06d}")
