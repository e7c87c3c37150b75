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
    "asset-restored": "The asset is back, missing as it was before.",
    "check-asked": "The dry run is asked for. Agents look first, then this page counts.",
    "removal-asked": "The removal is asked for. Agents look first; what they find stays.",
    "undo-asked": "They are being brought back.",
    "job-cancelled": "The job is cancelled. What it has done stays done.",
    "agent-revoked": "The agent is locked out.",
    "token-revoked": "The token is revoked. Whoever has it is locked out.",
    "webhook-changed": "The web hook is changed.",
    "webhook-paused": "The web hook is paused. What happens meanwhile is told later.",
    "webhook-resumed": "The web hook goes on.",
    "webhook-tested": "A test is sent. Its delivery is below.",
    "webhook-deleted": "The web hook is deleted.",
    "delivery-replayed": "The message is sent again, under its old id.",
    "settings-changed": "The settings are changed. They hold from now on.",
    "settings-same": "Nothing was changed.",
}
