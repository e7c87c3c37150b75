"""What people do, as the audit log of the pages calls it. Pure."""

from __future__ import annotations

# Name of an endpoint or verb -> what was done, in words that go on with who did it.
DEEDS: dict[str, str] = {
    "add_upload": "told of an upload",
    "approve_hold": "approved a hold",
    "cancel_job": "cancelled a job",
    "change_asset": "changed an asset",
    "change_password": "changed a password",
    "change_library": "changed a library",
    "change_role": "gave somebody another role",
    "change_settings": "changed settings",
    "change_webhook": "changed a web hook",
    "create_account": "made an account with a link",
    "create_library": "made a library",
    "create_setup_link": "made a link for an account",
    "create_token": "made a token",
    "create_webhook": "made a web hook",
    "delete_account": "deleted an account",
    "delete_library": "deleted a library",
    "delete_owner": "deleted all libraries of an owner",
    "delete_upload": "deleted an upload",
    "delete_webhook": "deleted a web hook",
    "dismiss_hold": "dismissed a hold",
    "enrol_agent": "enrolled an agent",
    "log_in": "logged in",
    "recheck_volume": "had a volume looked at again",
    "remove_missing": "removed what is missing",
    "renew_token": "got another token",
    "replay_delivery": "had a message sent again",
    "restore_asset": "brought an asset back",
    "restored": "said that the catalog was restored",
    "revoke_agent": "locked an agent out",
    "revoke_token": "revoked a token",
    "rotate_secret": "gave a web hook another secret",
    "rotate_token": "gave a token another secret",
    "scan_library": "asked for a scan",
    "send_test": "sent a test to a web hook",
    "undo_job": "undid a removal",
}


def told(action: str, body: str) -> str:
    """What was done; an action that has no words here is its own. ``body`` is what was sent."""
    if action == "remove_missing" and '"dry_run":true' in body:
        return "looked what a removal would do"
    return DEEDS.get(action, action.replace("_", " "))
