"""Which server of a list is used, without any server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pymysql
import pytest
from sqlalchemy.engine import make_url

from sidecar.catalog.engine import check_url
from sidecar.catalog.servers import Address, Servers, named
from sidecar.errors import ConfigError

A, B, C = (Address(name, 3306) for name in "abc")
GOOD = "mysql+pymysql://holdfast@"


class Server:
    """What the driver shows of a server: how it answers the questions of :func:`sidecar.catalog.servers.prepare`."""

    def __init__(self, wsrep_on: str = "OFF", wsrep_ready: str = "OFF", read_only: str = "OFF") -> None:
        self._traits = [("wsrep_on", wsrep_on), ("read_only", read_only)]
        self._ready = wsrep_ready
        self.said: list[str] = []
        self.is_closed = False

    def cursor(self) -> Server:
        return self

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def execute(self, statement: str) -> None:
        self.said.append(statement)

    def fetchall(self) -> list[tuple[str, str]]:
        return self._traits

    def fetchone(self) -> tuple[str, str]:
        return "wsrep_ready", self._ready

    def close(self) -> None:
        self.is_closed = True


class Hosts:
    """Hosts with servers, or with an error where none answers. ``now_s`` is the time."""

    def __init__(self, answers: dict[Address, Server | int]) -> None:
        self.answers = answers
        self.dialled: list[Address] = []
        self.now_s = 0.0
        self.servers = Servers(list(answers), pymysql, lambda: self.now_s)

    def connect(self) -> Any:
        self.dialled.clear()
        return self.servers.connect(self._dial)

    def _dial(self, address: Address) -> Server:
        self.dialled.append(address)
        answer = self.answers[address]
        if isinstance(answer, int):
            raise pymysql.OperationalError(answer, "no")
        return answer


def test_the_first_that_answers_is_used() -> None:
    hosts = Hosts({A: 2003, B: Server(), C: Server()})
    assert hosts.connect() is hosts.answers[B]
    assert hosts.dialled == [A, B]


def test_one_that_did_not_answer_is_tried_last_for_a_while() -> None:
    hosts = Hosts({A: 2003, B: Server()})
    hosts.connect()
    hosts.answers[A] = Server()
    hosts.now_s = 10.0
    assert (hosts.connect(), hosts.dialled) == (hosts.answers[B], [B])
    hosts.now_s = 60.0
    assert (hosts.connect(), hosts.dialled) == (hosts.answers[A], [A])


def test_a_node_that_is_not_part_of_its_cluster_is_passed_over_and_hung_up_on() -> None:
    lost = Server("ON", "OFF")
    hosts = Hosts({A: lost, B: Server("ON", "ON")})
    assert hosts.connect() is hosts.answers[B]
    assert lost.is_closed
    with pytest.raises(pymysql.OperationalError, match="cluster"):
        Hosts({A: Server("ON", "OFF")}).connect()


def test_a_node_waits_for_what_others_have_acknowledged_and_a_single_server_is_not_asked_to() -> None:
    node, single = Server("ON", "ON"), Server()
    for server in (node, single):
        Hosts({A: server}).connect()
    assert "SET SESSION wsrep_sync_wait = 7" in node.said
    assert not any("wsrep_sync_wait" in one for one in single.said)


@pytest.mark.parametrize("order", [[A, B, C], [B, A, C], [B, C, A]])
def test_one_that_is_read_only_is_better_than_none(order: Sequence[Address]) -> None:
    replicas = [Server(read_only="ON"), Server(read_only="ON")]
    kinds: dict[Address, Server | int] = dict(zip(order, [*replicas, Server()], strict=True))
    hosts = Hosts(kinds)
    assert hosts.connect() is hosts.answers[order[2]]
    assert [one.is_closed for one in replicas] == [True, True]
    first = Hosts({A: 2003, B: Server(read_only="ON")})
    assert first.connect() is first.answers[B]


def test_who_is_not_let_in_is_told_so_and_tries_nowhere_else() -> None:
    hosts = Hosts({A: 1045, B: Server()})
    with pytest.raises(pymysql.OperationalError):
        hosts.connect()
    assert hosts.dialled == [A]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("db/holdfast", ["db:3306"]),
        ("db:3307/holdfast", ["db:3307"]),
        ("/holdfast?host=a&host=b:3307", ["a:3306", "b:3307"]),
        ("/holdfast?host=[fe80::1]&host=[fe80::2]:3307", ["fe80::1:3306", "fe80::2:3307"]),
        ("localhost/holdfast?unix_socket=/run/mysqld/mysqld.sock", []),
    ],
)
def test_the_servers_of_a_url(text: str, addresses: list[str]) -> None:
    assert [str(one) for one in named(make_url(GOOD + text))] == addresses


@pytest.mark.parametrize("text", ["db/holdfast?host=a", "/holdfast?host=a:b", "/holdfast?host=a&host=:1"])
def test_servers_that_cannot_be(text: str) -> None:
    with pytest.raises(ConfigError, match="database: "):
        check_url(GOOD + text)
