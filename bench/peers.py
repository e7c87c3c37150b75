"""What Debian has that does a part of the same: programs that list a tree, and one that watches it. Each is measured in
the same run; one that is not installed is said not to be."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from demo.disks import disk
from demo.photos import fill, photo
from demo.stage import StepFailed

_FACTS = "%s %T@ %i\n"
_WAIT_S = 30.0
# Names alone are not enough to compare with what is known; what fd does not tell itself, stat(1) is asked for.
LISTERS = {
    "find": ["find", "{root}", "-printf", _FACTS],
    "bfs": ["bfs", "{root}", "-printf", _FACTS],
    "fd": ["fdfind", "-u", "-t", "f", ".", "{root}", "-X", "stat", "-c", "%s %.9Y %i"],
}
_PROGRAMS = ("find", "bfs", "fdfind", "watchman")


def listings(name: str, root: str, rounds: int) -> list[float]:
    """How long a program takes to tell size, time and inode of every file, with everything cached; nothing where it is
    not installed."""
    command = [part.format(root=root) for part in LISTERS[name]]
    took: list[float] = []
    if shutil.which(command[0]) is None:
        return took
    for number in range(rounds + 1):
        start = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        if number:  # the first round filled the cache
            took.append(time.monotonic() - start)
    return took


def watchman_hears(photos: int, closes: int) -> list[float]:
    """How long after the close of a new file a subscriber of watchman has its name; nothing where it is not installed.
    The disk holds as many photos as the one on which the agent is measured."""
    if shutil.which("watchman") is None:
        return []
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder, disk(folder, "WATCHMAN") as drive:
        place = os.path.join(folder, "mnt")
        drive.mount(place)
        fill(place, photos, "trip")
        with _Watchman(folder) as server, server.subscription(place) as heard:
            return [_close(os.path.join(place, f"new-{number}.jpg"), number, heard) for number in range(closes)]


def versions(programs: Sequence[str] = _PROGRAMS) -> str:
    """Those that are installed, with their versions."""
    return ", ".join(f"{one} {_version(one)}" for one in programs if shutil.which(one) is not None)


def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d[\d.]*", said)
    return found[0] if found else "of an unknown version"


def _close(path: str, number: int, heard: Iterator[set[str]]) -> float:
    content = photo(number, "new")
    with open(path, "wb") as file:
        file.write(content)
    closed = time.monotonic()
    while os.path.basename(path) not in next(heard):
        pass
    return time.monotonic() - closed


class _Watchman:
    """A server of our own, that knows nothing of others and is gone at the end."""

    def __init__(self, folder: str) -> None:
        self._socket = os.path.join(folder, "watchman.sock")
        files: Sequence[str] = [f"--{name}={folder}/watchman.{name}" for name in ("logfile", "statefile", "pidfile")]
        self._command = ["watchman", "--foreground", f"--sockname={self._socket}", *files]

    def __enter__(self) -> _Watchman:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + _WAIT_S
        while not os.path.exists(self._socket):
            if self._process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise StepFailed("watchman does not start")
            time.sleep(0.01)  # it tells nobody that it listens
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def subscription(self, place: str) -> Iterator[Iterator[set[str]]]:
        """The names that have changed below this place, as they are told."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_WAIT_S)
            line.connect(self._socket)
            with line.makefile("rwb") as stream:
                told = _told(stream)
                for request in (["watch", place], ["subscribe", place, "bench", {"fields": ["name"]}]):
                    stream.write(json.dumps(request).encode() + b"\n")
                    stream.flush()
                    answer = next(told)
                    if "error" in answer:
                        raise StepFailed(f"watchman: {answer['error']}")
                yield (set(one["files"]) for one in told if "files" in one)


def _told(stream: Any) -> Iterator[dict[str, Any]]:
    for line in stream:
        yield json.loads(line)
