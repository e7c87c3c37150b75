"""Bringing the parts up, one after the other, until each answers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from holdfast.exits import Exit
from holdfast.status import AgentStatus
from holdfast.up.agent_socket import read_status
from holdfast.up.catalog import Catalog, CatalogError
from holdfast.up.checks import Listen
from holdfast.up.home import Home, agent_toml
from holdfast.up.processes import Crew, Part
from holdfast.up.refusals import Refusal, Refused

START_WAIT_S = 60.0  # a migration of a large catalog on a slow disk takes its time
POLL_S = 0.05

_Answer = TypeVar("_Answer")


class Launch:
    """Starts the parts into a crew.

    ``pause`` is called while waiting, with seconds; it notices what must end the wait (a part that died, Ctrl-C)
    and raises.
    """

    def __init__(self, home: Home, crew: Crew, listen: Listen, pause: Callable[[float], None]) -> None:
        self._home = home
        self._crew = crew
        self._listen = listen
        self._pause = pause

    def sidecar(self, database: str) -> str:
        """Start the sidecar and its worker; answers with the admin token when the catalog is ready."""
        # By the environment, which only this user can read: a command line is for everybody to see, and the URL of
        # a database may hold its password.
        environment = {"HOLDFAST_SIDECAR_DATABASE": database}
        place = ["--state", self._home.directory]
        serve = ["serve", "--listen", str(self._listen), *place]
        self._crew.add(self._part("sidecar", "sidecar.cli", serve, environment))
        with Catalog(self._listen.url) as catalog:
            self._wait_for("sidecar", lambda: catalog.is_ready() or None)
        token = self._wait_for("sidecar", lambda: self._home.read(self._home.admin_token))
        self._crew.add(self._part("worker", "sidecar.cli", ["worker", *place], environment))
        return token

    def agent(
        self, catalog: Catalog, name: str, roots: Sequence[str], plain: Sequence[str], **settings: str
    ) -> AgentStatus:
        """Start the agent, with these settings (:func:`agent_toml`); answers with its status once it is enrolled and
        connected."""
        if not self._home.is_enrolled:
            self._home.write(self._home.enrolment_token, catalog.enrolment_token(name) + "\n")
        config = agent_toml(self._home, self._listen.url, name, roots, plain, **settings)
        self._home.write(self._home.agent_config, config)
        self._crew.add(self._part("agent", "agent.cli", ["run", "--config", self._home.agent_config]))
        return self._wait_for("agent", self._connected)

    def setup_link(self, database: str) -> str | None:
        """Where the first account for the pages is made; None when there is an account. The link works once."""
        verb = ["users", "setup-link", "--if-none", "--state", self._home.directory]
        environment = {"HOLDFAST_SIDECAR_DATABASE": database, "HOLDFAST_SIDECAR_LISTEN": str(self._listen)}
        done = subprocess.run(
            [sys.executable, "-m", "sidecar.cli", *verb],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
            timeout=START_WAIT_S,
        )
        # Whoever has an account does without; the sidecar's own log says what was wrong.
        return done.stdout.strip() or None

    def _connected(self) -> AgentStatus | None:
        status = read_status(self._home.agent_socket)
        return status if status and status.agent and status.sidecar == "connected" else None

    def _part(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Part:
        return Part(name, [sys.executable, "-m", module, *arguments], self._home.log(name), environment)

    def _wait_for(self, name: str, look: Callable[[], _Answer | None]) -> _Answer:
        deadline = time.monotonic() + START_WAIT_S
        while (answer := look()) is None:
            if time.monotonic() > deadline:
                sentence = f"The {name} did not become ready within {START_WAIT_S:.0f} s; see {self._home.log(name)}."
                raise Refused(Refusal(Exit.SOFTWARE, sentence))
            self._pause(POLL_S)
        return answer


def ensure_libraries(catalog: Catalog, wanted: Sequence[tuple[str, str]], owner: str, agent: str) -> list[str]:
    """Make these libraries (name, folder); answers with their names."""
    for name, path in wanted:
        try:
            catalog.create_library(name, owner, agent, path)
        except CatalogError as error:
            sentence = f"A library for {path} could not be made: {error}"
            raise Refused(Refusal(Exit.NO_INPUT, sentence)) from error
    return [name for name, _ in wanted]
