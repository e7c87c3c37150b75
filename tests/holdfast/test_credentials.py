"""Secrets that the service manager hands over."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import credentials


def test_a_credential_is_read_from_the_directory_that_systemd_made(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert credentials.text_of("token", environment) == "secret"
    assert credentials.path_of("token", environment) == str(tmp_path / "token")
    assert credentials.text_of("other", environment) is None
    assert credentials.text_of("../token", environment) is None


def test_away_from_systemd_there_are_none() -> None:
    assert credentials.text_of("token", {}) is None


def test_where_they_are_kept_they_are_there_for_those_who_may_read_them(tmp_path: Path) -> None:
    (tmp_path / "database").write_text("mysql+pymysql://u:p@db/h\n")
    assert credentials.kept(str(tmp_path), "database") == "mysql+pymysql://u:p@db/h"
    assert credentials.kept(str(tmp_path), "other") is None


def test_one_that_is_there_and_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "token").symlink_to("token")
    with pytest.raises(OSError, match="symbolic links"):
        credentials.text_of("token", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
