"""What counts as a secret, and that it is masked in every form that it takes."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from lapstrake.redact import is_secret_name, redact, secrets_in


@pytest.mark.parametrize(
    "name",
    [
        *("TOKEN", "GITHUB_TOKEN", "HF_TOKEN", "gh_token", "ACCESSTOKEN", "NPM_TOKEN_2"),
        *("PASSWORD", "DB_PASSWORD", "UV_INDEX_CORP_PASSWORD", "PGPASSWORD", "MYSQL_PASSWD"),
        *("CLIENT_SECRET", "SECRET", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "SIGNING_KEY"),
        *("GOOGLE_CREDENTIALS", "GITHUB_PAT", "KEY_PASSPHRASE", "DJANGO_SECRET_KEY"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("PUBLIC_KEY", "SSH_PUBLIC_KEY", "SSH_PUBKEY", "SSH_KEY", "PATH", "KEYBOARD", "MONKEY"),
        *("TOKENIZERS_PARALLELISM", "PWD", "OLDPWD", "PASSWORD_FILE_MODE", "COMPAT", "SECRETARY"),
    ],
)
def test_names_of_what_may_be_seen(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("form", [str, json.dumps, repr, lambda x: quote(x, safe=""), ascii])
def test_a_secret_is_masked_as_it_stands_and_quoted(form: object) -> None:
    secret = 'p"a\\s/s wörd\x01'
    text = form(secret)  # type: ignore[operator]
    said = redact(f"before {text} after", {"X_PASSWORD": secret})
    assert secret not in said
    assert "***" in said
    assert said.startswith("before ")
    assert said.endswith(" after")
    assert "rd" not in said.removeprefix("before ").removesuffix(" after")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pass@host/x", "http://***@host/x"),
        ("https://token@host", "https://***@host"),
        ("https://me:p@ss@host/y", "https://***@host/y"),
        ("see http://a:b@h, http://c:d@i", "see http://***@h, http://***@i"),
        ("https://host/path@1.0", "https://host/path@1.0"),
        ("https://host/@scope/name", "https://host/@scope/name"),
        ("mail me@example.org", "mail me@example.org"),
        ("docker://host:5000/x@sha256:ab", "docker://host:5000/x@sha256:ab"),
        ("oci:/a/b:base", "oci:/a/b:base"),
    ],
)
def test_credentials_of_urls_without_any_variable(text: str, shown: str) -> None:
    assert redact(text, {}) == shown


def test_the_password_of_a_url_is_a_secret_by_itself() -> None:
    env = {"PIP_INDEX_URL": "https://me:s%40cret1@host/simple", "OTHER": "https://host/x"}
    assert secrets_in(env) == {"s%40cret1", "s@cret1"}
    assert redact("it was s@cret1", env) == "it was ***"


def test_words_and_paths_are_no_secrets() -> None:
    env = {"A_TOKEN": "true", "B_KEY": "/home/me/key.pem", "C_PASSWORD": "", "D_SECRET": "no"}
    assert secrets_in(env) == frozenset()
    assert redact("true no /home/me/key.pem", env) == "true no /home/me/key.pem"


def test_each_line_of_a_secret_and_the_longer_one_first() -> None:
    env = {"A_KEY": "-----BEGIN-----\nMIIabcdef\n-----END-----", "B_TOKEN": "MIIabcdefgh"}
    assert redact("x MIIabcdef y MIIabcdefgh z", env) == "x *** y *** z"
