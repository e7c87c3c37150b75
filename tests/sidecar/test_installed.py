"""The sidecar that is installed: the command line means its catalog, and leaves it to its user."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar import config
from sidecar.cli import main
from sidecar.errors import ConfigError

URL = "mysql+pymysql://holdfast:secret@db/holdfast"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where its configuration and its credentials are."""
    monkeypatch.setattr(config, "INSTALLED_FILE", str(tmp_path / "sidecar.toml"))
    monkeypatch.setattr(config, "INSTALLED_CREDENTIALS", str(tmp_path))
    (tmp_path / "sidecar.toml").write_text(f'state_dir = "{tmp_path}/state"\nworkers = 7\n')
    return tmp_path


def test_without_a_word_it_is_the_catalog_of_the_service(installed: Path) -> None:
    assert config.load(None, {}, {}).state_dir == str(installed / "state")
    (installed / "database").write_text(f"{URL}\n")
    assert config.load(None, {}, {}).database == URL
    assert config.load(str(installed / "sidecar.toml"), {}, {}).database == URL


def test_what_systemd_hands_over_comes_before_what_is_kept(installed: Path, tmp_path: Path) -> None:
    (installed / "database").write_text(f"{URL}\n")
    handed = tmp_path / "handed"
    handed.mkdir()
    (handed / "sidecar_database").write_text("sqlite:////handed\n")
    assert config.load(None, {"CREDENTIALS_DIRECTORY": str(handed)}, {}).database == "sqlite:////handed"


def test_whoever_names_a_catalog_means_that_one(installed: Path, tmp_path: Path) -> None:
    (installed / "database").write_text(f"{URL}\n")
    own = f"sqlite:///{tmp_path}/own/catalog.sqlite3"
    assert config.load(None, {}, {"state_dir": f"{tmp_path}/own"}) == config.Config(
        state_dir=f"{tmp_path}/own", database=own
    )
    assert config.load(None, {"HOLDFAST_SIDECAR_STATE_DIR": f"{tmp_path}/own"}, {}).database == own
    assert config.load(None, {}, {"database": own}).database == own
    other = tmp_path / "other.toml"
    other.write_text(f'state_dir = "{tmp_path}/own"\n')
    assert config.load(str(other), {}, {}).database == own


def test_where_nothing_is_installed_there_are_the_defaults(installed: Path) -> None:
    (installed / "sidecar.toml").unlink()
    (installed / "database").write_text(f"{URL}\n")
    assert config.load(None, {}, {}).database == "sqlite:////var/lib/holdfast/sidecar/catalog.sqlite3"


@pytest.mark.root
def test_a_secret_that_may_not_be_read_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may read everything, so somebody else asks; in a place of their own, since pytest's is closed to them.
    with tempfile.TemporaryDirectory(prefix="holdfast-") as place:
        os.chmod(place, 0o755)
        monkeypatch.setattr(config, "INSTALLED_FILE", f"{place}/sidecar.toml")
        monkeypatch.setattr(config, "INSTALLED_CREDENTIALS", place)
        for name, mode in (("sidecar.toml", 0o644), ("database", 0o600)):
            Path(place, name).touch()
            os.chmod(Path(place, name), mode)  # whatever the umask here: verbs that ran before have set one
        os.seteuid(65534)
        try:
            with pytest.raises(ConfigError, match=r"this may not be read\. Ask as root\."):
                config.load(None, {}, {})
        finally:
            os.seteuid(0)


@pytest.mark.root
def test_a_catalog_that_root_makes_belongs_to_the_user_of_the_service(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    assert CliRunner().invoke(main, ["migrate", "--state", str(state)]).exit_code == 0
    assert CliRunner().invoke(main, ["tokens", "list", "--state", str(state)]).exit_code == 0
    assert {path.stat().st_uid for path in state.iterdir()} == {nobody.pw_uid}
