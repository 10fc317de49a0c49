"""The client against Debian's docker-registry, and against servers that misbehave."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from token_server import Tokens, serve_with_tokens

from lapstrake.errors import UserError
from lapstrake.process import Stopped
from lapstrake.registry.client import MANIFEST, Damaged, RegistryClient, sha256_of
from lapstrake.registry.repository import Repository
from support.registry import free_port, serve_registry
from support.relay import relay
from support.tiny import Answer, Request, serve

LARGE = bytes(range(256)) * 20_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No logins but those that a test stores."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "LAPSTRAKE_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def client(host: str, path: str = "fam/cache") -> RegistryClient:
    return RegistryClient(Repository.parse(f"{host}/{path}"), pause=0.01)


def received(registry: RegistryClient, data: bytes) -> bytes:
    file = io.BytesIO()
    registry.download(sha256_of(data), len(data), file)
    return file.getvalue()


def manifest(config: bytes, *layers: bytes) -> bytes:
    def descriptor(kind: str, data: bytes) -> dict[str, object]:
        return {"mediaType": kind, "digest": sha256_of(data), "size": len(data)}

    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/x", config),
            "layers": [descriptor("application/y", x) for x in layers],
        }
    ).encode()


def log_in(home: Path, host: str, login: str = "me:secret") -> None:
    folder = home / ".docker"
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(login.encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_what_is_sent_comes_back(address: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    ticks: list[int] = []
    with client(address, "back") as registry:
        assert registry.manifest("t") is None
        assert registry.upload(sha256_of(LARGE), tmp_path / "large", ticks.append)
        assert registry.upload(sha256_of(b"{}"), b"{}")
        assert not registry.upload(sha256_of(b"{}"), b"{}")
        data = manifest(b"{}", LARGE)
        registry.put_manifest("t", data)
        assert registry.manifest("t") == registry.manifest(sha256_of(data)) == data
        assert received(registry, LARGE) == LARGE
    assert sum(ticks) == len(LARGE)


def test_a_blob_is_taken_from_a_neighbour(address: str) -> None:
    with client(address, "one") as one, client(address, "two") as two:
        assert one.upload(sha256_of(b"shared"), b"shared")
        assert not two.has_blob(sha256_of(b"shared"))
        assert not two.upload(sha256_of(b"shared"), b"shared", source="one")
        assert received(two, b"shared") == b"shared"
        # who hasn't got it is no error
        assert two.upload(sha256_of(b"other"), b"other", source="nobody")


def test_the_registry_checks_what_it_gets(address: str, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"changed")
    with client(address) as registry, pytest.raises(UserError, match="isn't what its name says"):
        registry.upload(sha256_of(b"original"), path)


def test_a_login(tmp_path: Path, home: Path) -> None:
    with serve_registry(tmp_path / "registry", ("me", "secret")) as host:
        with client(host) as registry, pytest.raises(UserError, match="wants a login") as error:
            registry.manifest("t")
        assert error.value.hint == f"run `skopeo login {host}`"
        log_in(home, host, "me:wrong")
        with client(host) as registry, pytest.raises(UserError, match="refuses the login"):
            registry.upload(sha256_of(LARGE), LARGE)
        log_in(home, host)
        with client(host) as registry:
            assert registry.upload(sha256_of(LARGE), LARGE)
            assert received(registry, LARGE) == LARGE


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tokens]:
    with serve_with_tokens(tmp_path_factory.mktemp("t") / "tokens", "me", "secret") as found:
        yield found


def test_tokens(tokens: Tokens, home: Path) -> None:
    tokens.scopes.clear()
    with client(tokens.host, "tok/a") as registry:
        assert registry.manifest("t") is None
        # nobody without a login may push
        with pytest.raises(UserError, match="wants a login"):
            registry.upload(sha256_of(b"x"), b"x")
    log_in(home, tokens.host)
    with client(tokens.host, "tok/a") as registry:
        assert registry.upload(sha256_of(LARGE), LARGE)
        tokens.scopes.clear()
        assert received(registry, LARGE) == LARGE
    # who may push may pull: no other token was asked for
    assert tokens.scopes == []


def test_a_token_that_has_run_out_is_renewed(tokens: Tokens, home: Path) -> None:
    log_in(home, tokens.host)
    with client(tokens.host, "tok/b") as registry:
        tokens.seconds = -120
        with pytest.raises(UserError, match="refuses the login"):
            registry.manifest("t")
        tokens.seconds = 300
        assert registry.manifest("t") is None


def test_one_token_for_all_who_ask_at_once(tokens: Tokens) -> None:
    tokens.scopes.clear()
    with client(tokens.host, "tok/c") as registry:
        threads = [threading.Thread(target=registry.manifest, args=("t",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert tokens.scopes == ["repository:tok/c:pull"]


def test_a_wrong_password_gets_no_token(tokens: Tokens, home: Path) -> None:
    log_in(home, tokens.host, "me:wrong")
    with client(tokens.host) as registry, pytest.raises(UserError, match="refuses the login"):
        registry.manifest("t")


def test_no_login_is_sent_without_tls(home: Path) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://tokens.example/t",service="x"'}
    with serve(lambda request: request.reply(401, headers=challenge)) as server:
        log_in(home, f"127.0.0.1:{server.port}")
        with (
            client(f"127.0.0.1:{server.port}") as registry,
            pytest.raises(
                UserError, match=r"sends logins to http://tokens\.example/t, without TLS"
            ),
        ):
            registry.manifest("t")


def test_no_login_follows_a_redirect(home: Path) -> None:
    given: list[str | None] = []

    def elsewhere(request: Request) -> None:
        given.append(request.headers.get("Authorization"))
        if len(given) == 1:
            # whoever asks for a login there gets none either
            request.reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            return
        request.reply(200, LARGE)

    def registry_answer(request: Request) -> None:
        if request.headers.get("Authorization") is None:
            request.reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            return
        request.reply(307, headers={"Location": f"{storage.url}/blob"})

    with serve(elsewhere) as storage, serve(registry_answer) as server:
        log_in(home, f"127.0.0.1:{server.port}")
        with client(f"127.0.0.1:{server.port}") as registry:
            with pytest.raises(UserError, match="refuses the login"):
                received(registry, LARGE)
            assert received(registry, LARGE) == LARGE
    assert given == [None, None]


def test_nothing_answers() -> None:
    host = f"127.0.0.1:{free_port()}"
    with client(host) as registry, pytest.raises(UserError, match=f"nothing answers at {host}"):
        registry.manifest("t")


def test_a_registry_that_takes_no_writes(tmp_path: Path) -> None:
    with (
        serve_registry(tmp_path / "registry", read_only=True) as host,
        client(host) as registry,
        pytest.raises(UserError, match="takes no writes"),
    ):
        registry.upload(sha256_of(b"x"), b"x")


@pytest.mark.parametrize("code", [429, 503])
def test_what_passes_is_tried_again(code: int) -> None:
    def busy(request: Request) -> None:
        if len(request.seen) < 3:
            request.reply(code, headers={"Retry-After": "0"})
        else:
            request.reply(200, LARGE)

    with serve(busy) as server, client(f"127.0.0.1:{server.port}") as registry:
        assert received(registry, LARGE) == LARGE


@pytest.mark.parametrize("code", [429, 503])
def test_what_does_not_pass_is_said(code: int) -> None:
    body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'
    with serve(lambda request: request.reply(code, body)) as server:
        host = f"127.0.0.1:{server.port}"
        expected = f"{host} doesn't serve: HTTP {code} TOOMANYREQUESTS: slow down"
        with client(host) as registry, pytest.raises(UserError, match=expected):
            registry.manifest("t")
        assert len(server.seen) == 4


def truncating(request: Request) -> None:
    start = request.first_byte()
    part = LARGE[start : start + 2_000_000]
    request.reply(206 if start else 200, part, announce=len(LARGE) - start)


def without_ranges(request: Request) -> None:
    whole = len(request.seen) > 1
    request.reply(200, LARGE if whole else LARGE[:2_000_000], announce=len(LARGE))


def closing_early(request: Request) -> None:
    """Says nothing of the length, and ends too soon."""
    start = request.first_byte()
    request.send_response(206 if start else 200)
    request.end_headers()
    request.wfile.write(LARGE[start : start + 2_000_000])
    request.close_connection = True


@pytest.mark.parametrize("answer", [truncating, without_ranges, closing_early])
def test_a_download_goes_on_where_it_was(answer: Answer) -> None:
    with serve(answer) as server, client(f"127.0.0.1:{server.port}") as registry:
        assert received(registry, LARGE) == LARGE
        asked = [x for _, _, x in server.seen]
    assert asked[:2] == [None, "bytes=2000000-"]


@pytest.mark.parametrize("body", [LARGE[:-1] + b"!", LARGE + b"!"], ids=["other", "longer"])
def test_other_bytes_are_refused(body: bytes) -> None:
    with (
        serve(lambda request: request.reply(200, body)) as server,
        client(f"127.0.0.1:{server.port}") as registry,
        pytest.raises(Damaged),
    ):
        received(registry, LARGE)


def test_a_manifest_has_to_be_what_its_digest_says() -> None:
    with (
        serve(lambda request: request.reply(200, b"{}")) as server,
        client(f"127.0.0.1:{server.port}") as registry,
    ):
        assert registry.manifest("t") == b"{}"
        with pytest.raises(Damaged, match="another manifest"):
            registry.manifest(sha256_of(b"[]"))


def test_an_endless_manifest_is_not_read_to_its_end() -> None:
    with (
        serve(lambda request: request.reply(200, bytes(5 << 20))) as server,
        client(f"127.0.0.1:{server.port}") as registry,
        pytest.raises(Damaged, match="too large"),
    ):
        registry.manifest("t")


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_connection_that_is_lost(address: str, way: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    if way == "down":
        with client(address, "lost/down") as registry:
            registry.upload(sha256_of(LARGE), LARGE)
    with (
        relay(address, "up" if way == "up" else "down", 1_000_000, cut=True) as between,
        client(between.host, f"lost/{way}") as registry,
    ):
        if way == "up":
            registry.upload(sha256_of(LARGE), tmp_path / "large")
        assert received(registry, LARGE) == LARGE
        assert between.reached.is_set()


def test_who_waits_can_be_ended() -> None:
    asked = threading.Event()

    def busy(request: Request) -> None:
        request.reply(503, headers={"Retry-After": "3600"})
        asked.set()

    with serve(busy) as server, client(f"127.0.0.1:{server.port}") as registry:
        caught: list[BaseException] = []

        def ask() -> None:
            try:
                registry.manifest("t")
            except UserError as error:
                caught.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        asked.wait()
        registry.end()
        thread.join()
    assert isinstance(caught[0], Stopped)


def test_a_link_that_another_push_rewrites_passes() -> None:
    body = b'{"errors": [{"code": "DIGEST_INVALID", "message": "provided digest did not match"}]}'

    def answer(request: Request) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        if len(request.seen) < 3:
            request.reply(400, body)
        else:
            request.reply(201)

    with serve(answer) as server, client(f"127.0.0.1:{server.port}") as registry:
        registry.put_manifest("t", b"{}")
        assert len(server.seen) == 3


def test_an_upload_that_is_refused_for_its_login_is_sent_again(home: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    taken: list[bytes] = []
    ticks: list[int] = []

    def answer(request: Request) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if request.command == "HEAD":
            request.reply(404)
        elif request.command == "POST":
            request.reply(202, headers={"Location": "/upload/1?state=a%2Fb"})
        elif request.headers.get("Authorization") is None:
            # as where a token has run out
            request.reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        else:
            taken.append(body)
            request.reply(201)

    with serve(answer) as server:
        log_in(home, f"127.0.0.1:{server.port}")
        with client(f"127.0.0.1:{server.port}") as registry:
            registry.upload(sha256_of(LARGE), tmp_path / "large", ticks.append)
        assert server.seen[-1][1] == f"/upload/1?state=a%2Fb&digest={sha256_of(LARGE)}"
    assert taken == [LARGE]
    assert sum(ticks) == len(LARGE)
