"""``holdfast-agent run``."""

from __future__ import annotations

import os
import signal
from types import FrameType

import click
import structlog

from agent import config as configuration_file
from agent import registry
from agent.cli.common import config_option, lock_state, usable_configuration
from agent.config import AgentConfig
from agent.enrolment import EnrolmentFailed, enrol_once
from agent.linux import kernel
from agent.linux.clock import SystemClock
from agent.linux.devices import KernelDevices
from agent.linux.mountinfo import MountTable
from agent.linux.systemd import Service, notify
from agent.logs import configure
from agent.registry import Registry, RegistryUnusable
from agent.session import Session
from agent.supervisor import Supervisor
from agent.uplink import HttpUplink
from holdfast import console
from holdfast.console import end
from holdfast.exits import Exit

_log = structlog.get_logger("agent")


@click.command(
    epilog=console.examples(
        ("systemctl start holdfast-agent", "how it is started mostly"),
        "holdfast-agent run --config ./agent.toml",
    )
)
@config_option
def run(config_path: str) -> None:
    """Run the agent in the foreground, until SIGTERM.

    SIGHUP reads the roots in the configuration again. It logs to standard error.
    """
    configure()
    config = usable_configuration(config_path)
    os.makedirs(os.path.join(config.state_dir, "journals"), mode=0o700, exist_ok=True)
    lock = lock_state(config)
    book, token = _prepare(config)
    clock = SystemClock()
    supervisor = Supervisor(
        config,
        book,
        MountTable(),
        clock,
        lambda on_assignment: Session(
            HttpUplink(config.sidecar, token, allow_plain_http=config.allow_plain_http, trust=config.trust),
            clock,
            on_assignment,
            lambda renewed: registry.write_private(config.token_path, renewed.encode()),
        ),
        kernel.boot_id(),
        KernelDevices(),
    )
    _handle_signals(supervisor, config_path)
    _log.info("agent.started", name=config.display_name, agent=book.agent, sidecar=config.sidecar)
    supervisor.run(Service())
    _log.info("agent.stopped")
    os.close(lock)


def _prepare(config: AgentConfig) -> tuple[Registry, str]:
    """The registry and the token; enrols with the sidecar when there is no token yet."""
    try:
        book = registry.load(os.path.join(config.state_dir, "registry.json"))
        return book, enrol_once(config, book)
    except (RegistryUnusable, EnrolmentFailed) as error:
        end(str(error), Exit.CONFIG)


def _handle_signals(supervisor: Supervisor, config_path: str) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        notify("STOPPING=1")
        supervisor.inbox.stop()

    def reload(_signal: int, _frame: FrameType | None) -> None:
        supervisor.inbox.reload(lambda: configuration_file.load(config_path))

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
