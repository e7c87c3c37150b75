"""Starting, watching and stopping real processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from holdfast.up import restarts
from holdfast.up.processes import Crew, Exit, Part

WAIT_S = 20.0


@pytest.fixture
def crew() -> Iterator[Crew]:
    one = Crew()
    yield one
    one.stop()


def python(name: str, code: str, folder: str) -> Part:
    return Part(name, [sys.executable, "-c", code], os.path.join(folder, f"{name}.log"))


def wait_for_line(log: str, line: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if os.path.exists(log):
            with open(log, encoding="utf-8") as file:
                if line in file.read():
                    return
        time.sleep(0.01)
    pytest.fail(f"{line!r} never came")


def tend_until_told(crew: Crew) -> tuple[Exit, restarts.Again | restarts.GiveUp]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if told := crew.tend():
            return told[0]
        time.sleep(0.01)
    pytest.fail("no part ended")


def test_a_part_that_ends_is_told_once_with_its_last_words(crew: Crew, tmp_path: os.PathLike[str]) -> None:
    code = "import sys; print('fine so far'); sys.exit('the disk is full')"
    crew.add(python("part", code, os.fspath(tmp_path)))
    exit_, decision = tend_until_told(crew)
    assert (exit_.name, exit_.status, exit_.how) == ("part", 1, "ended with status 1")
    assert sorted(exit_.last_lines) == ["fine so far", "the disk is full"]
    assert isinstance(decision, restarts.Again)
    assert crew.tend() == []


def test_last_words_are_of_this_run_only(crew: Crew, tmp_path: os.PathLike[str]) -> None:
    for word in ("first", "second"):
        crew.add(python("part", f"print({word!r})", os.fspath(tmp_path)))
        assert tend_until_told(crew)[0].last_lines == [word]
        crew.stop()


def test_a_part_that_was_killed_is_told_as_killed(crew: Crew, tmp_path: os.PathLike[str]) -> None:
    part = python("part", "import signal; print('up', flush=True); signal.pause()", os.fspath(tmp_path))
    crew.add(part)
    wait_for_line(part.log, "up")
    assert part.pid is not None
    os.kill(part.pid, signal.SIGKILL)
    assert tend_until_told(crew)[0].how == "was killed by SIGKILL"


def test_a_part_that_died_is_started_again_when_it_is_due(tmp_path: os.PathLike[str]) -> None:
    now = [0.0]
    crew = Crew(clock=lambda: now[0])
    crew.add(python("part", "print('ran')", os.fspath(tmp_path)))
    _, decision = tend_until_told(crew)
    assert isinstance(decision, restarts.Again)
    now[0] = decision.wait_s - 0.01
    assert crew.tend() == []
    with open(os.path.join(tmp_path, "part.log"), encoding="utf-8") as log:
        assert log.read() == "ran\n"
    now[0] = decision.wait_s
    assert tend_until_told(crew)[0].last_lines == ["ran"]
    crew.stop()


def test_parts_are_stopped_last_started_first(crew: Crew, tmp_path: os.PathLike[str]) -> None:
    ended = os.path.join(tmp_path, "ended")
    code = (
        "import signal, sys\n"
        "def end(*_):\n"
        f"    open({ended!r}, 'a').write(sys.argv[1] + ' ')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    for name in ("sidecar", "agent"):
        part = Part(name, [sys.executable, "-c", code, name], os.path.join(tmp_path, f"{name}.log"))
        crew.add(part)
        wait_for_line(part.log, "ready")
    assert crew.stop() == []
    with open(ended, encoding="utf-8") as file:
        assert file.read() == "agent sidecar "


def test_a_part_that_will_not_stop_is_killed_with_its_children(crew: Crew, tmp_path: os.PathLike[str]) -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if child := os.fork(): print(child, flush=True)\n"
        "while True: signal.pause()\n"
    )
    part = python("deaf", code, os.fspath(tmp_path))
    crew.add(part)
    wait_for_line(part.log, "\n")
    with open(part.log, encoding="utf-8") as log:
        child = os.pidfd_open(int(log.read()))
    assert crew.stop(wait_s=0.3) == ["deaf"]
    assert part.pid is None
    try:
        assert select.select([child], [], [], WAIT_S)[0], "its child is still there"
    finally:
        os.close(child)


def test_parts_end_with_the_process_that_started_them(tmp_path: os.PathLike[str]) -> None:
    log = os.path.join(tmp_path, "part.log")
    code = f"""
import os, signal, sys
from holdfast.up.processes import Part
pause = "import signal, os; print(os.getpid(), flush=True); signal.pause()"
Part("part", [sys.executable, "-c", pause], {log!r}).start()
print("started", flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        wait_for_line(log, "\n")
        with open(log, encoding="utf-8") as file:
            pid = int(file.read())
        ending = os.pidfd_open(pid)
        parent.kill()
    try:
        assert select.select([ending], [], [], WAIT_S)[0], "the part outlived its parent"
    finally:
        os.close(ending)


def test_a_log_that_has_grown_large_is_put_aside(crew: Crew, tmp_path: os.PathLike[str]) -> None:
    log = os.path.join(tmp_path, "part.log")
    with open(log, "wb") as file:
        file.truncate(9 * 1024 * 1024)
    crew.add(python("part", "print('new')", os.fspath(tmp_path)))
    tend_until_told(crew)
    with open(log, encoding="utf-8") as file:
        assert file.read() == "new\n"
    assert os.path.getsize(f"{log}.old") == 9 * 1024 * 1024
