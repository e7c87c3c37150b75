"""A running `holdfast up`, as a person sees it: a command, lines on a terminal, Ctrl-C."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Self

import pytest

WAIT_S = 60.0


class Console:
    """One run. Lines are taken in the order in which they are printed."""

    def __init__(self, *arguments: str, state: str) -> None:
        self.state = state
        self.seen: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._command = [sys.executable, "-m", "holdfast.up", "up", "--state", state, *arguments]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def expect(self, pattern: str, wait_s: float = WAIT_S) -> re.Match[str]:
        """Wait for a line that matches; the lines before it are passed over."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"no line matches {pattern!r}; seen:\n" + "\n".join(self.seen) + self._logs())
            self.seen.append(line)
            if found := re.search(pattern, line):
                return found

    def interrupt(self) -> int:
        """Ctrl-C; answers with the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; answers with the exit status."""
        status = self._process.wait(WAIT_S)
        while (line := self._lines.get(timeout=WAIT_S)) is not None:
            self.seen.append(line)
        return status

    def children(self) -> dict[str, int]:
        """The running parts: the module each was started with, and its process id."""
        found = {}
        with open(f"/proc/{self._process.pid}/task/{self._process.pid}/children", encoding="ascii") as file:
            pids = [int(pid) for pid in file.read().split()]
        for pid in pids:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                words = file.read().split("\0")
            for name in ("agent.cli", "worker", "serve", "gunicorn"):
                if any(name in word for word in words):
                    found[{"agent.cli": "agent", "serve": "sidecar", "gunicorn": "sidecar"}.get(name, name)] = pid
                    break
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _logs(self) -> str:
        told = []
        for name in ("sidecar", "worker", "agent"):
            path = os.path.join(self.state, "log", f"{name}.log")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    told.append(f"\n--- {name}\n" + "".join(file.readlines()[-15:]))
        return "".join(told)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
