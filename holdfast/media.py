"""Which files are photos and videos, by extension.

The lists are those that photo servers accept (Immich 3.x), so that an agent never reports what no server would
take, and never leaves out what one would.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum


class Kind(StrEnum):
    """What a photo server would do with a file."""

    IMAGE = "image"
    VIDEO = "video"
    SIDECAR = "sidecar"  # an .xmp file that describes the photo beside it


_IMAGES = "avif bmp gif jpeg jpg png webp heic heif hif insp jp2 jpe jxl mpo svg tif tiff"
_RAW = (
    "3fr ari arw cap cin cr2 cr3 crw dcr dng erf fff iiq k25 kdc mrw nef nrw orf ori pef psd raf raw rw2 rwl "
    "sr2 srf srw x3f"
)
_VIDEOS = "3gp 3gpp avi flv insv m2t m2ts m4v mkv mov mp4 mpe mpeg mpg mts mxf ts vob webm wmv"

_KINDS: dict[str, Kind] = (
    dict.fromkeys(f"{_IMAGES} {_RAW}".split(), Kind.IMAGE)
    | dict.fromkeys(_VIDEOS.split(), Kind.VIDEO)
    | {"xmp": Kind.SIDECAR}
)

# Another one means that other files are wanted than before.
FINGERPRINT = hashlib.sha256(" ".join(sorted(_KINDS)).encode()).hexdigest()[:16]


def kind(name: str) -> Kind | None:
    """The kind of a file by its name, or None when no photo server wants it.

    A name that is nothing but an extension (``.jpg``) is a hidden file without one.
    """
    # Asked for every name on a disk. Extensions are nearly always in lower case, and folding costs more than asking.
    dot = name.rfind(".")
    if dot < 1:
        return None
    extension = name[dot + 1 :]
    return _KINDS.get(extension) or _KINDS.get(extension.lower())
