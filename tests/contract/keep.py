"""Keep what this version says and stores, for the tests of all later ones: ``python -m tests.contract.keep``.

To be run once when a version is released. It makes, below the directory of the version,

    conversation/  what a real agent has told: its enrolment, heartbeats and reports, in their order
    sqlite.sql, mariadb.sql  a small catalog, one statement a line
    catalog.backup  the same, as ``holdfast-sidecar backup`` writes it

What is there is never changed: that older agents and older catalogs still work is what it is kept for.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pymysql.converters
import sqlalchemy as sa
from werkzeug.serving import make_server

from holdfast import __version__
from sidecar import catalog
from sidecar.api import create_app
from sidecar.backup import making
from sidecar.catalog.engine import connect
from tests.mariadb import MariaDB
from tests.sidecar.watched import fill, lose
from tests.sidecar.world import Agent, World, listed

HERE = Path(__file__).parent
PATIENCE_S = 60.0


def main() -> None:
    place = HERE / "kept" / __version__
    if place.exists():
        sys.exit(f"{place} is there already, and is not to be changed.")
    with tempfile.TemporaryDirectory() as scratch:
        converse(Path(scratch), place / "conversation")
        keep_catalogs(Path(scratch), place)
    sys.stdout.write(f"Kept in {place}.\n")


class Recorder:
    """A WSGI application around the sidecar's, that remembers what agents say."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.said: list[tuple[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        if not path.startswith("/api/v1/agent/") or environ["REQUEST_METHOD"] == "GET":
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        plain = gzip.decompress(body) if environ.get("HTTP_CONTENT_ENCODING") == "gzip" else body
        kind = next(word for word in ("enrol", "heartbeat", "report") if word in path)
        environ["wsgi.input"] = io.BytesIO(body)
        answer = list(self._app(environ, start_response))
        self.said.append((kind, json.loads(plain)))
        return answer


def converse(scratch: Path, place: Path) -> None:
    """Let a real agent tell of a folder in which something happens."""
    photos = scratch / "photos"
    (photos / "trip").mkdir(parents=True)
    for number in range(6):
        (photos / "trip" / f"{number}.jpg").write_bytes(b"\xff\xd8 photo %d" % number)
    (photos / "trip" / "0.xmp").write_text("<x/>")
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"\xff\xd8 latin")
    engine = connect(f"sqlite:///{scratch}/conversation.sqlite3")
    catalog.migrate(engine)
    recorder = Recorder(create_app(engine))
    server = make_server("127.0.0.1", 0, recorder, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with World(engine) as world:
        (scratch / "token").write_text(world.token("enrol"))
        config = scratch / "agent.toml"
        config.write_text(
            f'state_dir = "{scratch}/agent"\nsidecar = "http://127.0.0.1:{server.port}"\nname = "nas"\n'
            f'roots = ["{photos}"]\nplain_directories = ["{photos}"]\nenrolment_token_file = "{scratch}/token"\n'
            "settle_s = 0.3\nconfirm_delay_s = 0.3\n"
        )
        agent = subprocess.Popen([sys.executable, "-m", "agent.cli", "run", "--config", str(config)])
        try:
            until(lambda: bool(world.get("/agents")["items"]))
            (one,) = world.get("/agents")["items"]
            paths = [{"agent": one["id"], "path": str(photos)}]
            world.post("/libraries", {"owner": "anna", "import_paths": paths, "exclusion_patterns": ["**/raw/**"]})
            until(lambda: len(world.assets()) == 7)
            (photos / "trip" / "1.jpg").rename(photos / "trip" / "one.jpg")
            (photos / "trip" / "2.jpg").unlink()
            (photos / "new").mkdir()
            (photos / "new" / "a\nb.jpg").write_bytes(b"\xff\xd8 new")
            (photos / ".holdfastignore").write_text("*.tmp.jpg\n")
            until(lambda: statuses(world) == {"present": 7, "missing": 1})
            shutil.rmtree(photos / "new")
            until(lambda: statuses(world) == {"present": 6, "missing": 2})
            expected = {asset["path"].removeprefix(f"{photos}/"): asset["status"] for asset in world.assets()}
        finally:
            agent.terminate()
            agent.wait()
            server.shutdown()
            engine.dispose()
    place.mkdir(parents=True)
    number = 0
    seen: list[Any] = []
    for kind, body in recorder.said:
        if kind == "heartbeat" and body in seen:
            continue
        seen.append(body)
        text = json.dumps(body, indent=1, ensure_ascii=True).replace(str(photos)[1:], "mnt/photos")
        (place / f"{number:03}-{kind}.json").write_text(text + "\n")
        number += 1
    (place / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


def statuses(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for asset in world.assets():
        found[asset["status"]] = found.get(asset["status"], 0) + 1
    return found


def keep_catalogs(scratch: Path, place: Path) -> None:
    server = MariaDB()
    try:
        for name, url in (("sqlite", f"sqlite:///{scratch}/catalog.sqlite3"), ("mariadb", server.fresh_database())):
            engine = connect(url)
            catalog.migrate(engine)
            with World(engine) as world:
                live(world)
            (place / f"{name}.sql").write_text("\n".join(statements(engine)) + "\n", encoding="utf-8")
            if name == "sqlite":
                with (place / "catalog.backup").open("wb") as file:
                    making.write(engine, file)
            engine.dispose()
    finally:
        server.close()


def live(world: World) -> None:
    """A bit of everything."""
    agent = Agent(world)
    agent.heartbeat()
    library = world.library(agent, exclusion_patterns=["**/raw/**"])
    agent.send(listed("", "a.jpg", "b.jpg", "b.xmp", "c.jpg"))
    lose(agent, "", ["b.jpg"])
    world.patch("/settings", {"guard_files": 20, "guard_percent": 10})
    lose(agent, "trip", fill(agent, "trip", 60)[:40])
    world.post("/webhooks", {"url": "https://photos.example/hook"})
    world.post(f"/libraries/{library['id']}/scan", {})
    upload = world.post("/libraries", {"owner": "anna", "kind": "upload"})
    photo = {"path": "/data/a.jpg", "size": 1, "modified_at": "2026-05-01T10:00:00Z"}
    world.post(f"/libraries/{upload['id']}/assets", photo | {"content_checksum": f"sha1:{'A' * 27}="})


def statements(engine: sa.Engine) -> list[str]:
    """Statements that make the database anew, each a line."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            return [one_line(text) for text in raw.iterdump() if text not in ("BEGIN TRANSACTION;", "COMMIT;")]
    found = ["SET SESSION foreign_key_checks = 0"]
    with engine.connect() as connection:
        for name in sorted(sa.inspect(connection).get_table_names()):
            found.append(one_line(connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1]))
            for row in connection.exec_driver_sql(f"SELECT * FROM `{name}`"):
                values = ", ".join(literal(value) for value in row)
                found.append(f"INSERT INTO `{name}` VALUES ({values})")
    return found


def literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value) if isinstance(value, int) else f"'{pymysql.converters.escape_string(str(value))}'"


def one_line(text: str) -> str:
    """Of the definition of a table; a value has no newline here."""
    return " ".join(text.split("\n"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come true")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
