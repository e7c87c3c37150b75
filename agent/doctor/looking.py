"""Looking at paths that storage may block: each in a child process of its own, given up at a deadline.

Run as a program: ``python -m agent.doctor.looking PATH [UID [reading]]``, or ``… PATH beneath``; it prints a
:class:`~agent.doctor.evidence.Look`. A child that sleeps in the kernel cannot even be killed; it is signalled and left
to itself.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

import msgspec

from agent.doctor.evidence import Look
from agent.linux import beneath, kernel, rights

# A disk that spins up takes a few seconds; who asks a doctor waits that long, and no longer.
DEADLINE_S = 5.0
# Enough to show that a folder is not empty, and what is in it.
NAMES_MAX = 4
# However many volumes there are, a few children at a time.
_AT_A_TIME = 16
_BENEATH = "beneath"
_READING = "reading"
_abandoned: list[subprocess.Popen[bytes]] = []


def look(
    places: Sequence[str], user: int | None, *, reads_everything: bool = False, deadline_s: float = DEADLINE_S
) -> dict[str, Look]:
    """What is at these host paths, seen with the rights of this user (None: whoever asks), and with the capability to
    read everything, if the agent has it. Takes at most ``deadline_s`` for each sixteen of them."""
    how = [] if user is None else [str(user), *([_READING] if reads_everything else [])]
    return _look(places, how, deadline_s)


def look_beneath(mount_points: Sequence[str], deadline_s: float = DEADLINE_S) -> dict[str, Look]:
    """What lies in the folders that these are mounted on; nothing for whoever may not know (it takes CAP_SYS_ADMIN)."""
    if os.geteuid() != 0:
        return {}
    return _look(mount_points, [_BENEATH], deadline_s)


def _look(places: Sequence[str], how: Sequence[str], deadline_s: float) -> dict[str, Look]:
    found: dict[str, Look] = {}
    wanted = list(dict.fromkeys(places))
    for start in range(0, len(wanted), _AT_A_TIME):
        found |= _look_together(wanted[start : start + _AT_A_TIME], how, deadline_s)
    return found


def _look_together(places: Sequence[str], how: Sequence[str], deadline_s: float) -> dict[str, Look]:
    found: dict[str, Look] = {}
    children = {place: _start(place, how) for place in places}
    with selectors.DefaultSelector() as selector:
        for place, child in children.items():
            if child.stdout is not None:
                selector.register(child.stdout, selectors.EVENT_READ, place)
        until = time.monotonic() + deadline_s
        while len(found) < len(places) and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                found[key.data] = _answer(children[key.data])
    for place, child in children.items():
        if place not in found:
            child.kill()
            _abandoned.append(child)  # and not waited for: it dies when the kernel lets it
            found[place] = Look(hung=True)
        if child.stdout is not None:
            child.stdout.close()
    return found


def _answer(child: subprocess.Popen[bytes]) -> Look:
    said = b"" if child.stdout is None else child.stdout.read()
    child.wait()
    try:
        return msgspec.json.decode(said, type=Look)
    except msgspec.DecodeError:
        return Look(hung=True)  # it died without an answer, which says as much as none


def _start(place: str, how: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__, place, *how],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _look_here(opened: AbstractContextManager[int]) -> Look:
    names: list[str] = []
    try:
        with opened as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                names.append(os.fsencode(entry.name).decode("utf-8", "replace"))
                if len(names) == NAMES_MAX:
                    break
    except OSError as error:
        return Look(errno=error.errno or 0)
    return Look(entries=sorted(names))


if __name__ == "__main__":
    if sys.argv[2:] == [_BENEATH]:
        told = _look_here(beneath.directory(sys.argv[1]))
    else:
        if len(sys.argv) > 2:
            rights.become(int(sys.argv[2]), keeps_reading=sys.argv[3:] == [_READING])
        told = _look_here(kernel.directory(sys.argv[1]))
    sys.stdout.buffer.write(msgspec.json.encode(told))
