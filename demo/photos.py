"""Photos for the demonstration: real JPEGs with EXIF, each different, small enough to make a thousand in a second."""

from __future__ import annotations

import colorsys
import io
import os
from datetime import datetime, timedelta

from PIL import Image

_SIZE = (96, 64)
_CAMERA, _SOFTWARE, _DATE_TIME = 0x0110, 0x0131, 0x0132  # tags of IFD 0
_FIRST = datetime(2019, 6, 1, 9, 0)  # noqa: DTZ001 - EXIF times have no zone


def taken_at(number: int) -> datetime:
    """When a photo claims to have been taken."""
    return _FIRST + timedelta(minutes=7 * number)


def photo(number: int, series: str) -> bytes:
    """One JPEG: a plain colour that changes slowly from photo to photo, and its number in the metadata."""
    red, green, blue = colorsys.hsv_to_rgb(number % 360 / 360, 0.6, 0.8)
    image = Image.new("RGB", _SIZE, (int(red * 255), int(green * 255), int(blue * 255)))
    exif = Image.Exif()
    exif[_CAMERA] = "Demo"
    exif[_SOFTWARE] = f"{series} {number}"
    exif[_DATE_TIME] = taken_at(number).strftime("%Y:%m:%d %H:%M:%S")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def fill(folder: str, count: int, series: str, per_directory: int = 100) -> list[str]:
    """Make ``count`` photos in directories below ``folder``; answers with their paths relative to it."""
    made = []
    for number in range(count):
        directory = f"{series}-{number // per_directory + 1:02d}"
        if number % per_directory == 0:
            os.makedirs(os.path.join(folder, directory))
        path = f"{directory}/IMG_{number + 1:04d}.jpg"
        place = os.path.join(folder, path)
        with open(place, "wb") as file:
            file.write(photo(number, series))
        # As copied from a camera. A file that seems to be written just now would have to settle first.
        os.utime(place, (taken_at(number).timestamp(),) * 2)
        made.append(path)
    return made
