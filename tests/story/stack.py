"""A sidecar and an agent as real processes, and the feed that a photo server would follow."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from agent.local_socket import Request, control_path, send_request
from holdfast import ids

# Everything here happens within a second or two; a machine that is busy with other tests may take longer.
PATIENCE_S = 60.0

Item = dict[str, Any]


class Feed:
    """Follows the change feed from where it stands, and keeps all it has seen."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._cursor: str | None = None
        self._unread: deque[Item] = deque()
        self.items: list[Item] = []

    def read(self, wait_s: float = 0.0) -> list[Item]:
        """The next items; waits for one when there is none."""
        query: dict[str, str | float] = {"limit": 1000, "wait": wait_s}
        if self._cursor is not None:
            query["since"] = self._cursor
        try:
            answer = self._client.get("/changes", params=query, timeout=wait_s + 30.0)
        except httpx2.TransportError:
            time.sleep(0.05)  # the sidecar is being restarted, and there is nothing else to wait on
            return []
        if answer.status_code >= 500:
            time.sleep(0.05)  # likewise its database
            return []
        answer.raise_for_status()
        page = answer.json()
        self._cursor = page["next"]
        self.items.extend(page["items"])
        self._unread.extend(page["items"])
        return list(page["items"])

    @property
    def cursor(self) -> str | None:
        """Where it stands."""
        return self._cursor

    def restart(self) -> None:
        """Forget where it stood, as a photo server does when it is told that its cursor has expired."""
        self._cursor = None
        self._unread.clear()
        self.items.clear()

    def drain(self) -> list[Item]:
        """Everything that is there by now and was not looked at."""
        while self.read():
            pass
        found = list(self._unread)
        self._unread.clear()
        return found

    def until(self, wanted: Callable[[Item], bool], timeout_s: float = PATIENCE_S) -> Item:
        """The first item that is wanted, of those that were not looked at yet."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            while self._unread:
                item = self._unread.popleft()
                if wanted(item):
                    return item
            self.read(wait_s=1.0)
        kinds = [(item["kind"], item["id"]) for item in self.items[-20:]]
        raise AssertionError(f"nothing of the kind came within {timeout_s} s; the last were {kinds}")

    def until_true(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait, reading on, until a condition holds that only changes can make true."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("the condition did not come true")
            self.read(wait_s=0.2)


class Stack:
    """Both parts on one machine, each of them to be killed and started again.

    ``agent_settings`` are more lines of the agent's configuration, ``agent_within`` is a command that starts the agent:
    with fewer rights, or among other mounts.
    """

    agent_settings = ""
    # Tests that count what is told would rather not hear of every file again when it is read.
    reads = "no"
    # How the agent sees changes: by fanotify on real disks, unless a test says otherwise.
    watch = "auto"
    agent_within: tuple[str, ...] = ()

    def __init__(self, home: Path, database: str | None = None) -> None:
        self.home = home
        self._database = database
        self._port = _free_port()
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._sidecar: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._agents: dict[str, subprocess.Popen[bytes]] = {}
        self._log = (home / "processes.log").open("ab")
        self.url = f"http://127.0.0.1:{self._port}"
        self.start_sidecar()
        token = (home / "admin.token").read_text().strip()
        self.client = httpx2.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30.0,
        )
        self.feed = Feed(self.client)

    def start_sidecar(self) -> None:
        """Start it, and wait until it is ready."""
        database = ["--database", self._database] if self._database else []
        listen = ["--listen", f"127.0.0.1:{self._port}"]
        self._sidecar = self._start("sidecar.cli", "serve", "--state", str(self.home), *listen, *database)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._sidecar.poll() is not None:
                break
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{self.url}/readyz").status_code == 200:
                    return
            time.sleep(0.05)  # nothing tells that a port listens, but asking it
        raise AssertionError(f"the sidecar does not start:\n{self.log()}")

    def start_worker(self) -> None:
        """Start the process that works off jobs."""
        database = ["--database", self._database] if self._database else []
        self._worker = self._start("sidecar.cli", "worker", "--state", str(self.home), *database)

    def start_agent(self, roots: Path, name: str = "agent", *, apart: bool = False) -> None:
        """Start it, enrolled; at the first start with a fresh enrolment token. ``apart``: on a host of its own, as far
        as mounts are concerned."""
        state = self.home / name
        config = self.home / f"{name}.toml"
        if not config.exists():
            state.mkdir()
            answer = self.client.post("/tokens", json={"scope": "enrol", "name": f"test {secrets.token_hex(4)}"})
            answer.raise_for_status()
            (self.home / f"{name}.enrolment").write_text(answer.json()["token"])
            config.write_text(
                f'state_dir = "{state}"\nsidecar = "{self.url}"\nname = "{name}"\n'
                f'roots = ["{roots}"]\nenrolment_token_file = "{self.home}/{name}.enrolment"\n'
                f'settle_s = 0.5\nconfirm_delay_s = 0.5\nread_contents = "{self.reads}"\nwatch = "{self.watch}"\n'
                f"{self.agent_settings}"
            )
        command = [sys.executable, "-m", "agent.cli", "run", "--config", str(config)]
        host = ["unshare", "--mount", "--propagation", "private"] if apart else []
        self._agents[name] = self._run(*host, *self.agent_within, *command)

    def on_host_of(self, name: str, *command: str) -> None:
        """Run a command among the mounts that an agent sees."""
        pid = str(self._agents[name].pid)
        subprocess.run(["nsenter", "--target", pid, "--mount", *command], check=True)

    def kill_sidecar(self) -> None:
        """SIGKILL to gunicorn and its workers."""
        _kill_group(self._sidecar)

    def stop_sidecar(self) -> None:
        """Stop it as systemd would."""
        if self._sidecar is None:
            raise AssertionError("bug: no sidecar to stop")
        self._sidecar.terminate()
        self._sidecar.wait(30)

    def restart_sidecar(self, database: str) -> None:
        """Stop it, and start it on another database."""
        self.stop_sidecar()
        self._database = database
        self.start_sidecar()

    def kill_agent(self, name: str = "agent") -> None:
        """SIGKILL to the supervisor; its workers end because it does."""
        self._agents[name].send_signal(signal.SIGKILL)
        self._agents[name].wait()

    def stop_agent(self, name: str = "agent") -> int:
        """Stop it as systemd would; returns its exit status."""
        self._agents[name].terminate()
        return self._agents[name].wait(15)

    def scan(self) -> None:
        """Ask the agent to scan everything, as soon as it can be asked."""
        self.feed.until_true((self.home / "agent" / "agent.sock.control").exists)
        self.agent_cli("scan")

    def scan_to_the_end(self) -> None:
        """Have everything scanned, and wait until what was found is in the catalog: for a scan of each volume that has
        been scanned before and is online, begun only now."""
        # Not by the command, which takes half a second to start: another scan may begin and end within that.
        self.feed.until_true(lambda: self._listens)
        asked_ms = time.time_ns() // 1_000_000
        send_request(self._agent_socket, Request("scan"))
        self.feed.until_true(lambda: self._scanned_since(asked_ms))

    @property
    def _agent_socket(self) -> str:
        return str(self.home / "agent" / "agent.sock")

    @property
    def _listens(self) -> bool:
        """Whether the agent can be asked. One that was killed leaves its socket behind."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(control_path(self._agent_socket)) == 0

    def _scanned_since(self, asked_ms: int) -> bool:
        online = {one["id"] for one in self._volumes() if one["state"] == "online"}
        latest: dict[str, dict[str, str]] = {}  # of each volume, by the directory
        ended: set[str] = set()
        for item in self.feed.items:
            if item["entity"] != "scan":
                continue
            place, scan = item["state"], item["id"]
            if item["kind"] == "scan.finished":
                ended.add(scan)
            ours = latest.setdefault(place["volume_id"], {})
            # The scan before may end only now. The id of a scan says when it began, by the clock of this machine; one
            # that is overtaken by another of the same directory never ends.
            if ids.made_ms(bytes.fromhex(scan.rpartition("_")[2])) >= asked_ms:
                ours[place["directory"]] = max(scan, ours.get(place["directory"], ""))
        return any(latest.values()) and all(
            ours and ended.issuperset(ours.values()) for one, ours in latest.items() if one in online
        )

    def agent_cli(self, *arguments: str, name: str = "agent") -> str:
        """Run a verb of the agent's command line."""
        command = [sys.executable, "-m", "agent.cli", *arguments, "--config", str(self.home / f"{name}.toml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.stderr}")
        return done.stdout

    def agent_id(self, name: str = "agent") -> str:
        """The id of an agent, once it is enrolled."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for one in self.get("/agents")["items"]:
                if one["name"] == name:
                    return str(one["id"])
            time.sleep(0.05)  # enrolment is no change of the feed
        raise AssertionError(f"the agent does not enrol:\n{self.log()}")

    def get(self, path: str, **query: str | int) -> Any:
        """A resource of the API."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """Make a resource."""
        answer = self.client.post(path, json=body)
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json()

    def library(self, *import_paths: Path, name: str = "Photos") -> str:
        """Make a library of these paths."""
        agent = self.agent_id()
        body = {
            "name": name,
            "owner": "anna",
            "import_paths": [{"agent": agent, "path": str(path)} for path in import_paths],
        }
        return str(self.post("/libraries", body)["id"])

    def assets(self, **query: str | int) -> dict[str, Item]:
        """Every asset, by its id."""
        found: dict[str, Item] = {}
        cursor: str | None = None
        while True:
            page = self.get("/assets", limit=1000, **query, **({} if cursor is None else {"cursor": cursor}))
            found |= {item["id"]: item for item in page["items"]}
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def by_status(self, library: str) -> dict[str, int]:
        """How many assets of a library have each status, zeros left out."""
        counts = self.get(f"/libraries/{library}/statistics")["by_status"]
        return {status: count for status, count in counts.items() if count}

    def volume(self, label: str) -> Item:
        """A volume by its label."""
        (found,) = [one for one in self.get("/volumes")["items"] if one["label"] == label]
        return dict(found)

    def until_online(self, label: str) -> None:
        """Wait until a volume is online. Its reports may come before the heartbeat that says so."""
        self.feed.until_true(lambda: any(one["label"] == label and one["state"] == "online" for one in self._volumes()))

    def _volumes(self) -> list[Item]:
        return list(self.get("/volumes")["items"])

    def log(self) -> str:
        """The end of what the processes have printed."""
        return (self.home / "processes.log").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """Stop everything."""
        for process in (*self._agents.values(), self._worker, self._sidecar):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    _kill_group(process)
        self.client.close()
        self._log.close()

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self._run(sys.executable, "-m", module, *arguments)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )


@contextlib.contextmanager
def stack(home: Path, database: str | None = None) -> Iterator[Stack]:
    """A stack that is stopped at the end, whatever happens."""
    running = Stack(home, database)
    try:
        yield running
    except BaseException:
        print(running.log())  # noqa: T201 - pytest shows it with the failure
        raise
    finally:
        running.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kill_group(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        raise AssertionError("bug: no process to kill")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
