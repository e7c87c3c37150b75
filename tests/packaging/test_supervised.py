"""What systemd does for the agent on a machine with the installed packages: a watchdog, and another start."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.packaging.installed import AGENT, Installed
from tests.packaging.machine import Machine
from tests.packaging.usb import PHOTOS, Usb

pytestmark = [pytest.mark.timeout(1800), pytest.mark.installation, pytest.mark.root]


@pytest.mark.parametrize(
    ("signal", "result"),
    [("STOP", "watchdog"), ("KILL", "signal")],
    ids=["one that stands still", "one that was killed"],
)
def test_a_supervisor_is_started_again_and_misses_nothing(
    installed: Installed, computer: Machine, usb: Callable[[], Usb], signal: str, result: str
) -> None:
    place, disk = f"/srv/{result}", usb()
    disk.fill("ext4", result)
    installed.make_library(place)
    disk.mount(place)
    assets = installed.taken_up(place, PHOTOS)
    shown = f"systemctl show --property=InvocationID,NRestarts,MainPID {AGENT}"
    before = computer.script(shown)

    everybody = f"cat /sys/fs/cgroup/system.slice/{AGENT}/cgroup.procs"
    processes = set(computer.script(everybody).split())
    assert len(processes) > 1
    computer.script(f"systemctl kill --kill-whom=main --signal={signal} {AGENT}")
    computer.until(f"journalctl --quiet --boot --unit={AGENT} --grep=\"Failed with result '{result}'\"")
    computer.until(f"systemctl is-active {AGENT}; {shown}", lambda said: before not in said)
    # Nobody is left over from before.
    assert not processes & set(computer.script(everybody).split())

    # It goes on where it was: with what is new, and the same as ever of the rest.
    computer.script(f"echo new > {place}/new.jpg")
    installed.assets(place, lambda found: len(found) == PHOTOS + 1)
    installed.check_back(place, assets)
