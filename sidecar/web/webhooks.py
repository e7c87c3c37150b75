"""Web hooks: who is told what, and what became of every message."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from flask import Response, url_for

from holdfast import ids
from sidecar.api import shapes
from sidecar.api import webhooks as api_webhooks
from sidecar.api.auth import Scope
from sidecar.catalog.feed import SHOWN
from sidecar.delivery import URL_CHARS_MAX
from sidecar.errors import Refused
from sidecar.web.pages import Answer, Pages, Visit, errors_by_field

pages = Pages("webhooks")

_ALL = {"limit": 1000}
_DELIVERIES_SHOWN = 30
# The kinds of the feed that can be chosen, and what they tell of.
KINDS: tuple[tuple[str, str], ...] = (
    ("asset.*", "photos: new, changed, moved, missing, back, removed"),
    ("volume.*", "storage that comes and goes"),
    ("library.*", "libraries that are made, changed and deleted"),
    ("hold.*", "holds that wait for somebody, and what became of them"),
    ("agent.*", "agents that fall silent and come back"),
    ("scan.*", "scans that begin and end"),
    ("gap.*", "changes that an agent may have overlooked"),
)
_REFUSED = ("invalid-body", "precondition-failed")


class Filled(NamedTuple):
    """The form of a web hook as it was filled in. ``others`` are kinds that have no box, with blanks between."""

    url: str = ""
    description: str = ""
    chosen: tuple[str, ...] = ()
    others: str = ""
    revision: str = ""

    def body(self) -> dict[str, Any]:
        """What the API is to be sent."""
        kinds = [*self.chosen, *self.others.split()]
        return {"url": self.url, "description": self.description, "kinds": kinds}


@pages.shows("/webhooks", role=Scope.OPERATOR)
def list_webhooks(visit: Visit) -> str:
    """All web hooks."""
    return visit.render("webhooks/list.html", items=visit.ask(api_webhooks.list_webhooks, query=_ALL).items)


@pages.shows("/webhooks/new", role=Scope.OPERATOR)
def ask_for_webhook(visit: Visit) -> str:
    """The form for a web hook."""
    return _form(visit, None, Filled(), {})


@pages.takes("/webhooks/new")
def make_webhook(visit: Visit) -> Answer:
    """Make a web hook, and show its secret this once."""
    filled = _read(visit)
    try:
        made: shapes.NewWebhook = visit.ask(api_webhooks.create_webhook, body=filled.body())
    except Refused as refused:
        if refused.code not in _REFUSED:
            raise
        return Response(_form(visit, None, filled, _errors(refused)), 422, mimetype="text/html")
    return visit.render("webhooks/secret.html", webhook=made, is_new=True)


@pages.shows("/webhooks/<webhook>", role=Scope.OPERATOR)
def show_webhook(visit: Visit, webhook: bytes) -> str:
    """One web hook with its last deliveries."""
    cursor = visit.arguments.get("cursor")
    query = {"limit": _DELIVERIES_SHOWN} | ({"cursor": cursor} if cursor else {})
    found = visit.ask(api_webhooks.list_deliveries, webhook=webhook, query=query)
    one: shapes.Webhook = visit.ask(api_webhooks.get_webhook, webhook=webhook)
    here = _url(webhook)
    return visit.render(
        "webhooks/show.html",
        webhook=one,
        deliveries=found.items,
        said={
            each.id: msgspec.json.format(msgspec.json.encode(each.payload), indent=2).decode() for each in found.items
        },
        is_waiting=any(each.state == "pending" for each in found.items),
        next_url=f"{here}?cursor={found.next_cursor}" if found.next_cursor else None,
        first_url=here if cursor else None,
    )


@pages.shows("/webhooks/<webhook>/edit", role=Scope.OPERATOR)
def ask_for_webhook_change(visit: Visit, webhook: bytes) -> str:
    """The form of a web hook."""
    one: shapes.Webhook = visit.ask(api_webhooks.get_webhook, webhook=webhook)
    boxes = tuple(kind for kind, _ in KINDS if kind in one.kinds)
    others = " ".join(kind for kind in one.kinds if kind not in boxes)
    return _form(visit, one, Filled(one.url, one.description, boxes, others, str(one.revision)), {})


@pages.takes("/webhooks/<webhook>/edit")
def change_webhook(visit: Visit, webhook: bytes) -> Answer:
    """Change a web hook."""
    filled = _read(visit)
    headers = {"If-Match": f'"{filled.revision}"'}
    try:
        visit.ask(api_webhooks.change_webhook, webhook=webhook, body=filled.body(), headers=headers)
    except Refused as refused:
        if refused.code not in _REFUSED:
            raise
        one: shapes.Webhook = visit.ask(api_webhooks.get_webhook, webhook=webhook)
        return Response(_form(visit, one, filled, _errors(refused)), 422, mimetype="text/html")
    return visit.go(_url(webhook), "webhook-changed")


@pages.takes("/webhooks/<webhook>/pause")
def pause_webhook(visit: Visit, webhook: bytes) -> Answer:
    """Send nothing more, for the time being."""
    visit.ask(api_webhooks.change_webhook, webhook=webhook, body={"enabled": False})
    return visit.go(_url(webhook), "webhook-paused")


@pages.takes("/webhooks/<webhook>/resume")
def resume_webhook(visit: Visit, webhook: bytes) -> Answer:
    """Go on, with what happened meanwhile."""
    visit.ask(api_webhooks.change_webhook, webhook=webhook, body={"enabled": True})
    return visit.go(_url(webhook), "webhook-resumed")


@pages.takes("/webhooks/<webhook>/test")
def try_webhook(visit: Visit, webhook: bytes) -> Answer:
    """Send a message to see whether it arrives."""
    visit.ask(api_webhooks.send_test, webhook=webhook)
    return visit.go(_url(webhook), "webhook-tested")


@pages.takes("/webhooks/<webhook>/deliveries/<delivery>/replay")
def replay_delivery(visit: Visit, webhook: bytes, delivery: bytes) -> Answer:
    """Send a message again."""
    visit.ask(api_webhooks.replay_delivery, webhook=webhook, delivery=delivery)
    return visit.go(_url(webhook), "delivery-replayed")


@pages.shows("/webhooks/<webhook>/rotate", role=Scope.OPERATOR)
def ask_webhook_rotation(visit: Visit, webhook: bytes) -> str:
    """What another secret means, and whether it is wanted."""
    return visit.render("webhooks/rotate.html", webhook=visit.ask(api_webhooks.get_webhook, webhook=webhook))


@pages.takes("/webhooks/<webhook>/rotate")
def rotate_webhook(visit: Visit, webhook: bytes) -> str:
    """Make another secret, and show it this once."""
    made: shapes.NewWebhook = visit.ask(api_webhooks.rotate_secret, webhook=webhook)
    return visit.render("webhooks/secret.html", webhook=made, is_new=False)


@pages.shows("/webhooks/<webhook>/delete", role=Scope.OPERATOR)
def ask_webhook_deletion(visit: Visit, webhook: bytes) -> str:
    """What a deletion would do, and whether it is meant."""
    return visit.render("webhooks/delete.html", webhook=visit.ask(api_webhooks.get_webhook, webhook=webhook))


@pages.takes("/webhooks/<webhook>/delete")
def delete_webhook(visit: Visit, webhook: bytes) -> Answer:
    """Delete a web hook."""
    visit.ask(api_webhooks.delete_webhook, webhook=webhook)
    return visit.go(url_for("webhooks_pages.list_webhooks"), "webhook-deleted")


def _read(visit: Visit) -> Filled:
    form = visit.form
    chosen = tuple(kind for kind, _ in KINDS if kind in form.getlist("kinds"))
    url, description, others = (form.get(name, "").strip() for name in ("url", "description", "others"))
    return Filled(url, description, chosen, others, form.get("revision", ""))


def _errors(refused: Refused) -> dict[str, str]:
    """What is wrong, by field; what is wrong with a kind stands at the field that it was typed into."""
    found = errors_by_field(refused)
    of_kinds = list(dict.fromkeys(text for pointer, text in found.items() if pointer.startswith("/kinds")))
    named = {"/url": found.get("/url", ""), "/description": found.get("/description", "")}
    errors = {name: text for name, text in named.items() if text} | ({"others": " ".join(of_kinds)} if of_kinds else {})
    return errors or {"": found.get("", refused.detail)}


def _form(visit: Visit, webhook: shapes.Webhook | None, filled: Filled, errors: dict[str, str]) -> str:
    return visit.render(
        "webhooks/form.html",
        webhook=webhook,
        filled=filled,
        errors=errors,
        kinds=KINDS,
        entities=sorted(SHOWN),
        url_chars_max=URL_CHARS_MAX,
    )


def _url(webhook: bytes) -> str:
    return url_for("webhooks_pages.show_webhook", webhook=ids.to_text("webhook", webhook))
