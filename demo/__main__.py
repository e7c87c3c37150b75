"""``python -m demo``: play the story in a private mount namespace, then leave nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from types import FrameType

from demo.disks import disk, enter_private_mounts
from demo.stage import Stage, StepFailed
from demo.story import Story
from demo.telling import Telling
from holdfast.up.catalog import CatalogError
from holdfast.up.refusals import Refused


def main() -> int:
    """Answers with the exit status: 0 when every check held."""
    if os.geteuid() != 0:
        sys.stderr.write("The demonstration mounts disks of its own and needs root: sudo make demo\n")
        return 77
    enter_private_mounts()
    signal.signal(signal.SIGTERM, _interrupt)
    telling = Telling()
    start = time.monotonic()
    telling.title("Holdfast: a disk that is away is not a disk whose photos are gone")
    try:
        with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
            _play(telling, folder)
    except BrokenPipeError:
        # Nobody reads any more, as with `| head`; Python must not try to flush into the pipe once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (StepFailed, CatalogError, Refused, OSError) as error:
        telling.failed(str(error))
        return 1
    except KeyboardInterrupt:
        telling.note("Stopped; everything was cleaned up.")
        return 130
    telling.end(time.monotonic() - start)
    return 0


def _play(telling: Telling, folder: str) -> None:
    places = os.path.join(folder, "mnt")
    os.mkdir(places)
    with (
        disk(folder, "USB") as usb,
        disk(folder, "OTHER") as other,
        Stage(os.path.join(folder, "state"), [places]) as stage,
    ):
        Story(telling, stage, places, usb, other).play()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
