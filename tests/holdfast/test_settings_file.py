"""Configurations with mistakes: each setting of both parts, with the line and the reason of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

import agent.cli
import sidecar.cli
from agent.config import AgentConfig
from holdfast import settings_file
from holdfast.settings_file import ConfigReport, Unusable
from sidecar.config import Config

TEXT = "this must be text in quotes, and is a whole number"
SECONDS = "must be more than 0 seconds"
# Of every setting: a value that cannot be, and what is said about it.
AGENT = [
    ("state_dir", "3", TEXT),
    ("sidecar", '"ftp://photos.example"', "'ftp://photos.example' is not an http or https URL"),
    ("sidecar", '"http://photos.example"', "plain http to photos.example would show the agent's token to everybody"),
    ("sidecar", '"https://user@photos.example"', "a sidecar's URL has no user"),
    ("name", "true", "this must be text in quotes, and is true or false"),
    ("roots", '"/mnt"', "this must be a list, and is text in quotes"),
    ("roots", '["/mnt", 3]', "entry 2: this must be text in quotes, and is a whole number"),
    ("roots", '["mnt"]', "'mnt' is not a path that starts with /, without . or .. in it"),
    ("plain_directories", '["/a/../b"]', "'/a/../b' is not a path that starts with /, without . or .. in it"),
    ("managed_directories", "{}", "this must be a list, and is a table"),
    ("status_socket", "[]", "this must be text in quotes, and is a list"),
    ("token_file", "1.5", "this must be text in quotes, and is a number"),
    ("enrolment_token_file", "3", TEXT),
    ("allow_plain_http", '"yes"', "this must be true or false, and is text in quotes"),
    ("ca_file", "3", TEXT),
    ("pin_sha256", '"x"', "this must be a list, and is text in quotes"),
    ("settle_s", "0", SECONDS),
    ("confirm_delay_s", "-1", SECONDS),
    ("rescan_s", '"daily"', "this must be a number, and is text in quotes"),
    ("read_contents", '"maybe"', "'maybe' is none of auto, yes, no"),
    ("watch", '"dnotify"', "'dnotify' is none of auto, fanotify, inotify, no"),
    ("patience_s", "0.0", SECONDS),
    ("probe_deadline_s", "nan", SECONDS),
    ("probe_deadline_s", "inf", SECONDS),
]
SIDECAR = [
    ("state_dir", "3", TEXT),
    ("database", '"oracle://x"', "'oracle' is not supported; use sqlite or mysql+pymysql"),
    ("database", '"sqlite://"', "SQLite needs a file"),
    ("database", '"mysql+pymysql://host"', "the URL must name a database"),
    ("listen", '"8080"', "'8080' is neither HOST:PORT nor unix:PATH"),
    ("listen", '"host:0"', "'host:0' is neither HOST:PORT nor unix:PATH"),
    ("listen", '"unix:"', "'unix:' is neither HOST:PORT nor unix:PATH"),
    ("workers", "0", "must be at least 1"),
    ("threads", '"many"', "this must be a whole number, and is text in quotes"),
    ("threads", "1", "must be at least 2"),
    ("trusted_proxies", '["nobody"]', "'nobody' is"),
    ("silent_after_s", "nan", "must be at least 1"),
    ("metrics_open", '"yes"', "this must be true or false, and is text in quotes"),
    ("trusted_proxies", '["everybody"]', "'everybody' is neither an address, nor a network"),
    ("public_url", '"photos.example"', "'photos.example' is not the http or https address of a host"),
    ("proxy_user_header", '"Remote User"', "'Remote User' is not the name of a header"),
    ("proxy_user_header", '"Remote-User"', "name the proxies that may send it in trusted_proxies"),
    ("proxy_user_role", '"root"', "'root' is none of reader, operator, admin"),
]
COMMANDS = {"agent": agent.cli.main, "sidecar": sidecar.cli.main}
CASES = [("agent", *case) for case in AGENT] + [("sidecar", *case) for case in SIDECAR]


def check(part: str, file: Path, *options: str, **environment: str) -> Result:
    return CliRunner().invoke(COMMANDS[part], ["check-config", "--config", str(file), *options], env=environment)


def report(part: str, file: Path, *options: str, **environment: str) -> ConfigReport:
    done = check(part, file, "--json", *options, **environment)
    assert done.stderr == ""
    told = msgspec.json.decode(done.stdout, type=ConfigReport)
    assert done.exit_code == (0 if told.valid else 78)
    return told


def test_every_setting_has_a_case() -> None:
    assert {case[0] for case in AGENT} == set(AgentConfig.__struct_fields__)
    assert {case[0] for case in SIDECAR} == set(Config.__struct_fields__)


@pytest.mark.parametrize(("part", "key", "value", "reason"), CASES)
def test_a_value_that_cannot_work_is_named_with_line_and_reason(
    tmp_path: Path, part: str, key: str, value: str, reason: str
) -> None:
    file = tmp_path / f"{part}.toml"
    file.write_text(f"# A comment about {key} = 1\n\n{key} = {value}\n")
    done = check(part, file)
    assert done.exit_code == 78
    assert f"{file}:3: {key}: " in done.stderr
    assert reason in done.stderr
    (problem,) = report(part, file).problems
    assert (problem.source, problem.line, problem.key) == (str(file), 3, key)
    assert problem.reason in done.stderr


@pytest.mark.parametrize("part", COMMANDS)
def test_all_mistakes_are_told_at_once(tmp_path: Path, part: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text('state_dri = "/var"\nstate_dir = 1\nfrobnicate = "x"\n')
    told = report(part, file)
    assert [one.line for one in told.problems] == [1, 2, 3]
    assert told.problems[0].reason == "this key is not known; did you mean 'state_dir'?"
    assert told.problems[2].reason.startswith("this key is not known; there are state_dir, ")
    assert len(check(part, file).stderr.splitlines()) == 3


@pytest.mark.parametrize("part", COMMANDS)
@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"state_dir\n", 1, "this is not TOML: expected '=' after a key in a key/value pair"),
        (b'\nname = "open', 2, "this is not TOML: unterminated string"),
        (b"workers = 1\nworkers = 2\n", 2, "this is not TOML: cannot overwrite a value"),
        (b'name = "\xff"\n', None, "this is not text in UTF-8"),
    ],
)
def test_what_is_no_toml_is_named_with_its_line(
    tmp_path: Path, part: str, content: bytes, line: int | None, reason: str
) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    (problem,) = report(part, file).problems
    assert (problem.line, problem.key, problem.reason) == (line, "", reason)


@pytest.mark.parametrize("part", COMMANDS)
def test_a_file_that_is_not_there_and_an_empty_one(tmp_path: Path, part: str) -> None:
    file = tmp_path / "x.toml"
    assert report(part, file).problems[0].sentence == f"{file}: No such file or directory"
    file.touch()
    told = report(part, file)
    assert told.valid
    assert told.settings is not None
    assert check(part, file).exit_code == 0
    assert list(tmp_path.iterdir()) == [file], "nothing was made"


def test_a_line_inside_of_a_text_is_none_that_begins_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('name = """\nroots = 1\n"""\n\n"roots" = [\n  1,\n]\n[watch]\nx = 1\n')
    with pytest.raises(Unusable) as error:
        settings_file.convert(AgentConfig, *settings_file.read(str(file)), lambda _: ())
    assert [(one.key, one.line) for one in error.value.problems] == [("roots", 5), ("watch", 8)]


class TestSources:
    def test_a_variable_and_an_option_are_named_instead_of_a_line(self, tmp_path: Path) -> None:
        file = tmp_path / "sidecar.toml"
        file.write_text("threads = 4\n")
        told = report("sidecar", file, "--database", "oracle://x", HOLDFAST_SIDECAR_THREADS="many")
        assert sorted(one.sentence for one in told.problems) == [
            "--database: database: 'oracle' is not supported; use sqlite or mysql+pymysql",
            "HOLDFAST_SIDECAR_THREADS: threads: this must be a whole number, and is text in quotes",
        ]

    def test_a_password_is_not_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "sidecar.toml"
        file.write_text('database = "mysql+pymysql://holdfast:secret@db/holdfast"\n')
        done = check("sidecar", file, "--json")
        assert json.loads(done.stdout)["settings"]["database"] == "mysql+pymysql://holdfast:***@db/holdfast"
