"""What a page says of what was just done. The address names the sentence, so that nobody can put words into it."""

from __future__ import annotations

NOTICES: dict[str, str] = {
    "logged-out": "You are logged out.",
    "welcome": "Welcome. Your account is made, and you are logged in.",
    "password-changed": "Your password is changed. Everywhere else you are logged out.",
    "session-ended": "That log-in is ended.",
    "library-created": "The library is made. Its photos appear as they are found.",
    "library-changed": "The library is changed.",
    "library-deleted": "The library is deleted. No file was touched.",
    "scan-asked": "A scan is asked for.",
    "scan-cancelled": "The scan is cancelled. What it has found stays found.",
    "hold-approved": "Approved: the loss or change of this set shows from now on.",
    "hold-dismissed": "Dismissed: the files of this set stay as they were.",
    "volume-rechecked": "The volume will be looked at again, as soon as its storage is there.",
}
