from __future__ import annotations

from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.fetch.indexes import read_indexes
from lapstrake.fetch.pip_config import read_pip_config


def test_the_variables_of_pip_become_those_of_uv(tmp_path: Path) -> None:
    env = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "https://index.invalid/simple",
        "PIP_EXTRA_INDEX_URL": "https://one.invalid/simple https://two.invalid/simple",
        "PIP_FIND_LINKS": f"{tmp_path} {tmp_path}/nothing https://links.invalid/",
        "PIP_TRUSTED_HOST": "index.invalid",
        "PIP_CERT": "/etc/ssl/own.pem",
        "PIP_PROXY": "http://proxy.invalid:3128",
    }
    found = read_indexes(tmp_path, env)
    assert found.env["UV_DEFAULT_INDEX"] == "https://index.invalid/simple"
    assert found.env["UV_EXTRA_INDEX_URL"] == env["PIP_EXTRA_INDEX_URL"]
    assert found.env["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert found.env["UV_FIND_LINKS"] == f"{tmp_path},https://links.invalid/"
    assert found.env["UV_INSECURE_HOST"] == "index.invalid"
    assert found.env["SSL_CERT_FILE"] == "/etc/ssl/own.pem"
    assert found.env["ALL_PROXY"] == "http://proxy.invalid:3128"
    assert found.insecure == {"index.invalid"}
    assert found.args == ()


def test_the_settings_of_uv_win_one_by_one(tmp_path: Path) -> None:
    env = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "https://pip.invalid/simple",
        "PIP_CERT": "/pip.pem",
        "PIP_NO_INDEX": "1",
        "UV_INDEX_URL": "https://uv.invalid/simple",
    }
    found = read_indexes(tmp_path, env)
    assert "UV_DEFAULT_INDEX" not in found.env
    assert found.env["SSL_CERT_FILE"] == "/pip.pem"
    assert found.args == ()


@pytest.mark.parametrize(("value", "args"), [("1", ("--no-index",)), ("0", ()), ("false", ())])
def test_no_index(tmp_path: Path, value: str, args: tuple[str, ...]) -> None:
    env = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": value}
    assert read_indexes(tmp_path, env).args == args


def test_a_settings_file_of_uv_wins_over_pip(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(
        '[[index]]\nname = "mine"\nurl = "https://mine.invalid/simple"\ndefault = true\n'
    )
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    env = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "https://pip.invalid/simple",
        "UV_INDEX_MINE_USERNAME": "me",
        "UV_INDEX_MINE_PASSWORD": "p@ss/word",
    }
    found = read_indexes(inner, env)
    assert "UV_DEFAULT_INDEX" not in found.env
    assert found.credentials("https://mine.invalid/files/x.whl") == ("me", "p@ss/word")
    assert found.credentials("https://other.invalid/files/x.whl") is None


def test_files_of_pip_and_their_order(tmp_path: Path) -> None:
    own = tmp_path / "own.conf"
    own.write_text("[global]\nindex-url = https://global.invalid\ntrusted-host = a b\n    c\n")
    user = tmp_path / ".config/pip/pip.conf"
    user.parent.mkdir(parents=True)
    user.write_text(
        "[global]\nindex-url = https://user.invalid\nno-index = true\n"
        "[install]\nfind-links =\n    /one\n    /two\n"
    )
    env = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(own), "VIRTUAL_ENV": str(tmp_path)}
    found = read_pip_config(env)
    assert found.index_url == "https://global.invalid"
    assert found.trusted_hosts == ("a", "b", "c")
    assert found.find_links == ("/one", "/two")
    assert found.no_index
    assert read_pip_config({**env, "PIP_INDEX_URL": "https://env.invalid"}).index_url == (
        "https://env.invalid"
    )


def test_a_broken_file_of_pip_is_named(tmp_path: Path) -> None:
    own = tmp_path / "pip.conf"
    own.write_text("index-url = x\n")
    with pytest.raises(UserError, match=r"pip\.conf: File contains no section headers"):
        read_pip_config({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(own)})


def test_logins_of_urls_and_of_netrc(tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine files.invalid login bob password s3cret\n")
    netrc.chmod(0o600)
    env = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_DEFAULT_INDEX": "https://me:a%40b@index.invalid/simple",
    }
    found = read_indexes(tmp_path, env)
    assert found.credentials("https://index.invalid/f.whl") == ("me", "a@b")
    assert found.credentials("https://index.invalid:8443/f.whl") is None
    assert found.credentials("http://index.invalid/f.whl") is None
    assert found.credentials("https://files.invalid/f.whl") == ("bob", "s3cret")
