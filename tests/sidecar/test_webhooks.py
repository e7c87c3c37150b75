"""Web hooks: messages to a real receiver, checked with the package that receivers check them with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from holdfast.volumes import Reason
from sidecar import delivery
from sidecar.catalog import webhooks
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import delivery as delivery_table
from sidecar.catalog.tables import webhook as webhook_table
from sidecar.catalog.webhooks import Due
from sidecar.courier import WAITING_MAX, Attempt, Courier
from sidecar.delivery import Happening, Verdict
from tests.receiver import Receiver
from tests.receiver import receiver as receiver  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.world import Agent, Item, Problem, World, listed

DAY_S = 86_400
PATIENCE_S = 30.0


@pytest.fixture
def courier(world: World) -> Iterator[Courier]:
    made = Courier(world.engine)
    yield made
    made.close()


def hook(world: World, receiver: Receiver, *kinds: str) -> Item:
    made: Item = world.post("/webhooks", {"url": receiver.url, "kinds": list(kinds)})
    return made


def deliveries(world: World, made: Item) -> list[Item]:
    items: list[Item] = world.get(f"/webhooks/{made['id']}/deliveries")["items"]
    return items


def run(courier: Courier, attempts: int) -> None:
    """Step until so many attempts have come to an end."""
    until = time.monotonic() + PATIENCE_S
    ended = 0
    while ended < attempts:
        assert time.monotonic() < until
        ended += courier.step()
        time.sleep(0.005)  # a thread posts; its end is seen by the next step


def make_due(world: World) -> None:
    """Let the time of every retry have come."""
    with world.engine.begin() as connection:
        connection.execute(sa.update(delivery_table).values(next_at=1))


class TestTelling:
    def test_what_happens_is_told_and_signed_so_that_receivers_believe_it(
        self, world: World, receiver: Receiver, courier: Courier
    ) -> None:
        agent = Agent(world)
        world.library(agent)
        made = hook(world, receiver, "asset.*")
        agent.send(listed("", "a.jpg", "b.jpg"))
        run(courier, 1)
        ((headers, body),) = receiver.received
        said = Webhook(made["secret"]).verify(body, headers)
        assert said["type"] == "asset.added"
        assert said["data"]["count"] == 2
        assert sorted(said["data"]["ids"]) == sorted(one["id"] for one in world.assets())
        found, _ = world.changes(said["data"]["since"])
        assert {one["id"] for one in found} >= set(said["data"]["ids"]), "the feed, from there, has all of it"
        (one,) = deliveries(world, made)
        assert (one["state"], one["last_status"], one["id"]) == ("delivered", 204, headers["webhook-id"])

    def test_a_volume_of_many_photos_that_goes_away_is_one_message(
        self, world: World, receiver: Receiver, courier: Courier
    ) -> None:
        agent = Agent(world)
        world.library(agent)
        agent.send(listed("", *(f"{number}.jpg" for number in range(500))))
        made = hook(world, receiver)
        agent.becomes(Reason.NOT_MOUNTED, None)
        run(courier, 1)
        ((_, body),) = receiver.received
        assert b'"type":"volume.offline"' in body
        assert len(deliveries(world, made)) == 1

    def test_a_burst_is_few_messages_with_bounded_content(
        self, world: World, receiver: Receiver, courier: Courier
    ) -> None:
        agent = Agent(world)
        world.library(agent)
        made = hook(world, receiver, "asset.added")
        agent.send(listed("", *(f"{number}.jpg" for number in range(800))))
        run(courier, 1)
        ((headers, body),) = receiver.received
        said = Webhook(made["secret"]).verify(body, headers)
        assert said["data"]["count"] == 800
        assert len(said["data"]["ids"]) == delivery.IDS_MAX
        assert len(body) < 20_000

    def test_what_was_before_and_what_is_not_wanted_is_not_told(
        self, world: World, receiver: Receiver, courier: Courier
    ) -> None:
        agent = Agent(world)
        world.library(agent)
        agent.send(listed("", "before.jpg"))
        made = hook(world, receiver, "volume.offline", "scan.*")
        agent.send(listed("", "after.jpg"))
        courier.step()
        assert deliveries(world, made) == []

    def test_a_test_message_arrives(self, world: World, receiver: Receiver, courier: Courier) -> None:
        made = hook(world, receiver, "scan.*")
        sent = world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        ((headers, body),) = receiver.received
        assert headers["webhook-id"] == sent["id"]
        assert Webhook(made["secret"]).verify(body, headers)["type"] == "webhook.test"


class TestTrouble:
    @pytest.mark.parametrize("status", [500, 404, 301, 429])
    def test_what_was_not_taken_is_sent_again_under_the_same_id(
        self, world: World, receiver: Receiver, courier: Courier, status: int
    ) -> None:
        receiver.status, receiver.headers = status, {"location": "http://localhost:1/elsewhere"}
        made = hook(world, receiver)
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        (one,) = deliveries(world, made)
        assert (one["state"], one["attempts"], one["last_status"]) == ("pending", 1, status)
        assert one["last_error"].endswith(".")
        assert world.get(f"/webhooks/{made['id']}")["failing_since"] is not None
        receiver.status = 200
        make_due(world)
        run(courier, 1)
        first, second = receiver.received
        assert first[0]["webhook-id"] == second[0]["webhook-id"]
        assert first[1] == second[1]
        assert deliveries(world, made)[0]["state"] == "delivered"
        assert world.get(f"/webhooks/{made['id']}")["failing_since"] is None

    def test_a_receiver_may_ask_for_more_time(self, world: World, receiver: Receiver, courier: Courier) -> None:
        receiver.status, receiver.headers = 503, {"retry-after": "3600"}
        made = hook(world, receiver)
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        (one,) = deliveries(world, made)
        apart = datetime.fromisoformat(one["next_attempt_at"]) - datetime.fromisoformat(one["last_attempt_at"])
        assert apart.total_seconds() >= 3600

    @pytest.mark.parametrize("wish", ["\u00b2", "-1", "9" * 400, "soon", "Thu, 01 Jan 9999999 00:00:00 GMT", "1e9"])
    def test_a_wish_that_makes_no_sense_is_none(
        self, world: World, receiver: Receiver, courier: Courier, wish: str
    ) -> None:
        receiver.status, receiver.headers = 503, {"retry-after": wish}
        made = hook(world, receiver)
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        (one,) = deliveries(world, made)
        apart = datetime.fromisoformat(one["next_attempt_at"]) - datetime.fromisoformat(one["last_attempt_at"])
        assert 5 <= apart.total_seconds() <= 86_400

    def test_an_answer_without_end_ends_with_its_status(
        self, world: World, receiver: Receiver, courier: Courier
    ) -> None:
        receiver.endless = True
        made = hook(world, receiver)
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        assert deliveries(world, made)[0]["state"] == "delivered"
        receiver.endless = False

    def test_a_fault_of_ours_holds_up_no_other(self, world: World, receiver: Receiver) -> None:
        def send(one: Due, message_id: str, at_s: int) -> Attempt:
            if one.url != receiver.url:
                raise RuntimeError("a fault")
            return Attempt(200)

        courier = Courier(world.engine, send)
        broken = world.post("/webhooks", {"url": "http://127.0.0.1:1/"})
        good = hook(world, receiver)
        for made in (broken, good):
            world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 2)
        courier.close()
        assert deliveries(world, good)[0]["state"] == "delivered"
        assert "fault of the program" in deliveries(world, broken)[0]["last_error"]

    def test_gone_is_gone(self, world: World, receiver: Receiver, courier: Courier) -> None:
        receiver.status = 410
        made = hook(world, receiver)
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        after = world.get(f"/webhooks/{made['id']}")
        assert (after["enabled"], deliveries(world, made)[0]["state"]) == (False, "failed")
        assert "410" in after["reason"]

    def test_one_that_has_failed_for_days_is_disabled_and_taken_up_again_where_it_stood(
        self, world: World, receiver: Receiver, courier: Courier
    ) -> None:
        agent = Agent(world)
        world.library(agent)
        receiver.status = 500
        made = hook(world, receiver, "asset.added")
        agent.send(listed("", "a.jpg"))
        run(courier, 1)
        with world.engine.begin() as connection:
            connection.execute(sa.update(webhook_table).values(failing_since=1))
        make_due(world)
        run(courier, 1)
        after = world.get(f"/webhooks/{made['id']}")
        assert not after["enabled"]
        assert "5 days" in after["reason"]
        agent.send(listed("", "b.jpg"))
        make_due(world)
        courier.step()
        assert len(receiver.received) == 2, "nothing is sent while it is disabled"
        receiver.status = 200
        world.patch(f"/webhooks/{made['id']}", {"enabled": True})
        run(courier, 2)
        assert [Webhook(made["secret"]).verify(body, headers)["data"]["count"] for headers, body in receiver.received][
            -2:
        ] == [1, 1], "what waited, and what happened meanwhile"

    def test_nobody_there_is_told_in_words(self, world: World, courier: Courier) -> None:
        made = world.post("/webhooks", {"url": "http://127.0.0.1:1/"})
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        assert "cannot be reached" in deliveries(world, made)[0]["last_error"]

    def test_a_dead_receiver_does_not_hold_up_another(self, world: World, receiver: Receiver) -> None:
        dead = threading.Event()
        living: list[bytes] = []

        def send(one: webhooks.Due, message_id: str, at_s: int) -> Attempt:
            if one.url.endswith("/dead"):
                dead.wait(PATIENCE_S)
                return Attempt(None, "No answer.")
            living.append(one.body)
            return Attempt(200)

        courier = Courier(world.engine, send)
        for name in ("dead", "living"):
            made = world.post("/webhooks", {"url": f"http://receiver/{name}"})
            world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        assert len(living) == 1
        dead.set()
        courier.close()

    def test_what_waits_is_bounded_and_nothing_is_lost(
        self, world: World, receiver: Receiver, courier: Courier
    ) -> None:
        agent = Agent(world)
        world.library(agent)
        receiver.status = 500
        made = hook(world, receiver, "asset.added")
        for number in range(WAITING_MAX + 15):
            agent.send(listed("", f"{number}.jpg"))
            courier.step()
        assert len(deliveries(world, made)) <= WAITING_MAX
        receiver.status = 200
        told = 0
        until = time.monotonic() + PATIENCE_S
        receiver.received.clear()
        while told < WAITING_MAX + 15:
            assert time.monotonic() < until
            make_due(world)
            courier.step()
            verified = [Webhook(made["secret"]).verify(body, headers) for headers, body in receiver.received]
            told = sum(one["data"]["count"] for one in verified)


class TestSecretsAndReplays:
    def test_for_a_day_both_secrets_are_good(self, world: World, receiver: Receiver, courier: Courier) -> None:
        made = hook(world, receiver)
        fresh = world.post(f"/webhooks/{made['id']}/rotate", {})
        assert fresh["secret"] != made["secret"]
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        ((headers, body),) = receiver.received
        for secret in (made["secret"], fresh["secret"]):
            assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
        later = transact(world.engine, lambda c: webhooks.page(c, b"", 1)[0])
        assert len(webhooks.secrets_of(later.secrets, int(time.time() + 2 * DAY_S) * 1_000_000)) == 1

    def test_secrets_are_shown_once(self, world: World, receiver: Receiver) -> None:
        made = hook(world, receiver)
        assert "secret" not in world.get(f"/webhooks/{made['id']}")
        assert "secret" not in world.get("/webhooks")["items"][0]

    def test_a_delivery_is_sent_again_on_demand(self, world: World, receiver: Receiver, courier: Courier) -> None:
        made = hook(world, receiver)
        sent = world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        answer = world.admin.post(f"/webhooks/{made['id']}/deliveries/{sent['id']}/replay")
        assert answer.status_code == 202
        run(courier, 1)
        assert [headers["webhook-id"] for headers, _ in receiver.received] == [sent["id"]] * 2
        other = hook(world, receiver)
        assert world.admin.post(f"/webhooks/{other['id']}/deliveries/{sent['id']}/replay").status_code == 404

    def test_deleted_with_all_that_waits(self, world: World, receiver: Receiver, courier: Courier) -> None:
        made = hook(world, receiver)
        world.post(f"/webhooks/{made['id']}/test", {})
        assert world.admin.delete(f"/webhooks/{made['id']}").status_code == 204
        courier.step()
        assert receiver.received == []
        assert world.admin.get(f"/webhooks/{made['id']}").status_code == 404


class TestInput:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://photos/",
            "photos.home/hook",
            "http://",
            "http://user:pass@photos/",
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::1]/",
            "http://[fd00:ec2::254]/latest",
            "http://100.100.100.200/latest",
            "http://168.63.129.16/",
            "file:///etc/passwd",
            "gopher://photos/",
            "//photos/",
            "http://0.0.0.0/",
            "http://224.0.0.1/",
            "http://photos/#part",
            "http://photos:99999/",
            "x" * 3000,
        ],
    )
    def test_urls_that_nothing_is_sent_to(self, world: World, url: str) -> None:
        with pytest.raises(Problem) as refused:
            world.post("/webhooks", {"url": url})
        assert refused.value.code == "invalid-body"
        assert refused.value.body["errors"][0]["pointer"] == "/url"
        assert refused.value.body["errors"][0]["message"].endswith(".")

    @pytest.mark.parametrize("url", ["http://192.168.1.7:2283/api/hook", "https://photos.home/", "http://[::1]:80/"])
    def test_receivers_at_home_are_good(self, world: World, url: str) -> None:
        assert world.post("/webhooks", {"url": url})["url"] == url

    @pytest.mark.parametrize("kind", ["photo.added", "asset.added.twice", "*", "asset."])
    def test_kinds_that_there_are_not(self, world: World, kind: str) -> None:
        with pytest.raises(Problem) as refused:
            world.post("/webhooks", {"url": "http://photos/", "kinds": ["volume.*", kind]})
        assert refused.value.body["errors"][0]["pointer"] == "/kinds/1"

    def test_a_name_that_leads_to_a_link_local_address_is_not_followed(
        self, world: World, courier: Courier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("169.254.169.254", 80))])
        made = world.post("/webhooks", {"url": "http://innocent.example/"})
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        assert "Link-local" in deliveries(world, made)[0]["last_error"]

    @pytest.mark.parametrize("host", ["2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518"])
    def test_an_address_in_disguise_is_seen_through(self, world: World, courier: Courier, host: str) -> None:
        made = world.post("/webhooks", {"url": f"http://{host}/latest"})
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        (told,) = deliveries(world, made)
        assert told["last_status"] is None
        refusals = ("Link-local", "is not known", "Invalid IPv4")
        assert any(one in told["last_error"] for one in refusals)

    def test_a_name_that_no_resolver_takes_is_a_failure_like_any(self, world: World, courier: Courier) -> None:
        made = world.post("/webhooks", {"url": f"http://{'a' * 70}.home/"})
        world.post(f"/webhooks/{made['id']}/test", {})
        run(courier, 1)
        assert "is not known" in deliveries(world, made)[0]["last_error"]

    def test_if_match_is_heeded(self, world: World, receiver: Receiver) -> None:
        made = hook(world, receiver)
        path = f"/webhooks/{made['id']}"
        answer = world.admin.patch(path, json={"description": "phone"}, headers={"If-Match": '"99"'})
        assert answer.status_code == 412
        tag = world.admin.get(path).headers["ETag"]
        answer = world.admin.patch(path, json={"description": "phone"}, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["description"]) == (200, "phone")
        assert answer.headers["ETag"] != tag


class TestDecisions:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [(200, "delivered"), (299, "delivered"), (301, "later"), (400, "later"), (410, "gone"), (None, "later")],
    )
    def test_verdicts(self, status: int | None, expected: str) -> None:
        assert delivery.verdict(status) is Verdict(expected)

    def test_the_schedule_ends_and_spreads(self) -> None:
        waits = [delivery.next_attempt_s(attempts, 0.0) for attempts in range(1, len(delivery.SCHEDULE_S) + 2)]
        assert waits == [*delivery.SCHEDULE_S, None]
        assert delivery.next_attempt_s(1, 0.99) != delivery.next_attempt_s(1, 0.0)
        assert delivery.next_attempt_s(1, 0.0, 1e9) == delivery.SCHEDULE_S[-1], "no receiver may ask for ever"

    def test_messages_are_one_a_kind_in_the_order_of_what_happened(self) -> None:
        happened = [Happening("volume.offline", "v"), Happening("asset.added", "a"), Happening("asset.added", "b")]
        at = datetime(2026, 1, 1, tzinfo=UTC)
        said = delivery.messages(happened, [], "c", at)
        assert [(one.type, one.data.ids, one.data.count) for one in said] == [
            ("volume.offline", ["v"], 1),
            ("asset.added", ["a", "b"], 2),
        ]
        assert [one.type for one in delivery.messages(happened, ["volume.*"], "c", at)] == ["volume.offline"]


def test_readers_may_not_see_web_hooks(world: World) -> None:
    reader: httpx2.Client = world.client(world.token("reader"))
    assert reader.get("/webhooks").status_code == 403
