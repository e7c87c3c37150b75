"""What an errno says about storage. Pure."""

from __future__ import annotations

import errno
from enum import Enum

from agent.ports import Trouble
from holdfast.gate import Check
from holdfast.volumes import Reason


class Meaning(Enum):
    """What an errno says about storage."""

    VANISHED = "vanished"  # not there by this name; only a listing of the parent can tell more
    CROSSED = "crossed"  # another mount begins here
    UNREADABLE = "unreadable"  # there, and closed to us
    LATER = "later"  # the machine is short of something, or the directory will not rest
    DOUBT = "doubt"  # the storage itself is in trouble


_MEANINGS = {
    errno.ENOENT: Meaning.VANISHED,
    errno.ENOTDIR: Meaning.VANISHED,
    errno.ELOOP: Meaning.VANISHED,
    errno.EXDEV: Meaning.CROSSED,
    errno.EACCES: Meaning.UNREADABLE,
    errno.EPERM: Meaning.UNREADABLE,
    errno.ENAMETOOLONG: Meaning.UNREADABLE,
    errno.EAGAIN: Meaning.LATER,
    errno.EINTR: Meaning.LATER,
    errno.ECANCELED: Meaning.LATER,  # we were asked to let go of the volume
    errno.ENOMEM: Meaning.LATER,
    errno.EMFILE: Meaning.LATER,
    errno.ENFILE: Meaning.LATER,
}


def meaning(trouble: Trouble) -> Meaning:
    """What to make of a failed call. Every errno that is not named means doubt about the storage."""
    return _MEANINGS.get(trouble.errno, Meaning.DOUBT)


def doubt_reason(trouble: Trouble) -> Reason:
    """The reason for the state of a volume whose storage answers with this errno. At the commit gate ``where`` is
    the check that failed."""
    if (trouble.where, trouble.errno) == (Check.MARKER, errno.ENOENT):
        return Reason.MARKER_MISSING
    return _REASONS.get(trouble.errno, Reason.IO_ERROR)


def forbids_only_absences(trouble: Trouble) -> bool:
    """Whether what closed the commit gate says nothing against what is *there*. A file system that was shut down is
    no such case."""
    return trouble.where in _CONCERNS and trouble.errno != errno.ESHUTDOWN


_CONCERNS = frozenset({Check.SUPER_BLOCK, Check.ERRORS, Check.MARKER})
_REASONS = {
    errno.ENOTCONN: Reason.DISCONNECTED,
    errno.ECONNABORTED: Reason.DISCONNECTED,
    errno.ECONNRESET: Reason.DISCONNECTED,
    errno.EPIPE: Reason.DISCONNECTED,
    errno.ESTALE: Reason.STALE,
    errno.EREMOTEIO: Reason.STALE,
    errno.ETIMEDOUT: Reason.HUNG,
    errno.ETIME: Reason.HUNG,
    errno.EHOSTDOWN: Reason.HUNG,
    errno.EHOSTUNREACH: Reason.HUNG,
    errno.ENETDOWN: Reason.HUNG,
    errno.ENETUNREACH: Reason.HUNG,
    errno.ECONNREFUSED: Reason.HUNG,
    errno.ENODEV: Reason.NO_DEVICE,
    errno.ENXIO: Reason.NO_DEVICE,
    errno.ENOMEDIUM: Reason.NO_DEVICE,
    errno.ENOENT: Reason.NOT_MOUNTED,
    errno.EXDEV: Reason.COVERED,
    errno.EROFS: Reason.READ_ONLY_ERROR,
    errno.ESHUTDOWN: Reason.SHUT_DOWN,
    errno.EACCES: Reason.NO_PERMISSION,
    errno.EPERM: Reason.NO_PERMISSION,
    # What a share answers whose credentials have run out.
    errno.ENOKEY: Reason.NO_PERMISSION,
    errno.EKEYEXPIRED: Reason.NO_PERMISSION,
    errno.EKEYREVOKED: Reason.NO_PERMISSION,
    errno.EKEYREJECTED: Reason.NO_PERMISSION,
}
