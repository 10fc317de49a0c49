"""Images that are broken on purpose: the right check fails, and says the right thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from image_maker import Maker, service

from lapstrake.definition.deploying import DataSpec
from lapstrake.dist import Deploying, Token
from lapstrake.guest.system import DATA_JSON, FETCH, SystemSpec, system_entries
from lapstrake.layers.kinds import FileEntry

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.network]

CONF = "/etc/supervisor/conf.d/web.conf"


def test_a_sound_image_passes_every_check_that_applies(maker: Maker) -> None:
    tested = maker.smoke(maker.image([service()]))
    assert [(c.name, c.expected, c.seen) for c in tested.failed] == []
    skipped = {c.name for c in tested.checks if c.verdict == "skipped"}
    of_others = {name for name in skipped if name.startswith(("v2-", "cuda-"))}
    assert skipped - of_others == {
        "metrics",
        "models-train",
        "pip-check",
        "imports",
        "data-is-fetched",
    }
    assert all(c.why for c in tested.checks if c.verdict == "skipped")
    assert (maker.folder / "dist/smoke.json").exists()


def test_a_service_without_health_and_ports_has_to_run(maker: Maker) -> None:
    names = ["services-answer", "runs-as-any-user"]
    sound = service(command=["sleep", "600"], ports=[], health=None)
    assert [c.verdict for c in maker.smoke(maker.image([sound]), names).checks] == ["passed"] * 2
    ends = service(command=["false"], ports=[], health=None)
    answer, alone = maker.smoke(maker.image([ends]), names).checks
    assert (answer.expected, answer.seen) == (
        "web to run",
        "exited: web (exit status 1; not expected)",
    )
    assert alone.seen == "the container ended with 1"


def test_what_lies_in_the_layers(maker: Maker) -> None:
    image = maker.image(
        files=[
            FileEntry.of("/etc/ssh/ssh_host_ed25519_key", b"key", 0o600),
            FileEntry.of("/etc/shadow", b"root:$6$salt$hash:1::::::\nsshd:!:1::::::\n", 0o640),
        ],
        budget=1_000_000,
    )
    keys, hashes, size = maker.smoke(image, ["no-host-keys", "no-password-hashes", "size"]).checks
    assert keys.seen == "/etc/ssh/ssh_host_ed25519_key in the layer 'extra'"
    assert hashes.seen == "a password hash of root in /etc/shadow of the layer 'extra'"
    assert size.expected == "at most 1.0 MB"
    assert "of which" in size.seen


def test_an_account_without_a_password(maker: Maker) -> None:
    image = maker.image(files=[FileEntry.of("/etc/shadow", b"games::1::::::\n", 0o640)])
    found = maker.check(image, "no-password-hashes")
    assert found.seen == "an empty password of games in /etc/shadow of the layer 'extra'"


def test_a_port_that_nobody_declared(maker: Maker) -> None:
    code = "import http.server as h, threading as t\n"
    code += "one = h.HTTPServer(('127.0.0.1', 9999), h.SimpleHTTPRequestHandler)\n"
    code += "t.Thread(target=one.serve_forever).start()\n"
    code += "h.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()\n"
    found = maker.check(maker.image([service(command=["python3", "-c", code])]), "ports")
    assert found.verdict == "failed"
    assert found.expected == "listeners on 0.0.0.0 at 22, 8000 and no others"
    assert "127.0.0.1:9999" in found.seen


def test_a_service_that_listens_on_loopback_alone(maker: Maker) -> None:
    command = ["python3", "-m", "http.server", "8000", "--bind", "127.0.0.1"]
    broken = service(command=command, main=False)
    names = ["services-answer", "ports"]
    answer, ports = maker.smoke(maker.image([broken]), names, patience=8).checks
    assert answer.expected == "web to answer GET :8000/ with 200"
    assert answer.seen.endswith("after 8 s")
    assert "127.0.0.1:8000" in ports.seen


def test_a_service_that_dies_shows_its_last_words(maker: Maker) -> None:
    command = ["sh", "-c", "echo no model found >&2; exit 3"]
    image = maker.image([service(command=command)])
    answer, ports = maker.smoke(image, ["services-answer", "ports"]).checks
    assert answer.seen == "exited: web (exit status 3; not expected)"
    assert set(answer.log) == {"no model found"}
    assert (ports.verdict, ports.why) == ("skipped", "web doesn't answer")


def test_a_service_that_dies_slowly(maker: Maker) -> None:
    command = ["sh", "-c", "echo loading; sleep 2; echo no memory; exit 1"]
    found = maker.check(maker.image([service(command=command)]), "services-answer")
    assert found.seen == "exited: web (exit status 1; not expected)"
    assert "no memory" in found.log


def test_passwords_that_are_allowed(maker: Maker) -> None:
    config = FileEntry.of("/etc/ssh/sshd_config.d/0.conf", b"PasswordAuthentication yes\n")
    found = maker.check(maker.image(files=[config]), "ssh-without-key")
    assert found.verdict == "failed"
    assert found.seen == "also publickey,password"


def test_an_ssh_server_that_does_not_start(maker: Maker) -> None:
    config = FileEntry.of("/etc/ssh/sshd_config.d/0.conf", b"NoSuchOption yes\n")
    names = ["ssh-with-key", "ssh-login-environment"]
    login, session = maker.smoke(maker.image(files=[config]), names).checks
    assert login.expected == "an SSH server on port 22"
    assert login.seen == "exited: sshd (exit status 255; not expected)"
    assert any("NoSuchOption" in line for line in login.log)
    assert (session.verdict, session.why) == ("skipped", "the SSH server doesn't answer")


def test_sessions_that_lose_the_environment(maker: Maker) -> None:
    program = b'#!/bin/sh\nexec bash -c "${SSH_ORIGINAL_COMMAND:-exec bash -l}"\n'
    image = maker.image(files=[FileEntry.of("/usr/lib/lapstrake/session", program, 0o755)])
    names = [f"ssh-{kind}-environment" for kind in ("command", "login", "interactive")]
    for found in maker.smoke(image, names).checks:
        assert found.verdict == "failed", found.name
        assert found.seen in {"no such variable", repr("")}


def test_login_shells_that_reset_the_path(maker: Maker) -> None:
    image = maker.image(files=[FileEntry.of("/etc/profile.d/lapstrake.sh", b"PATH=/bin\n")])
    names = ["ssh-command-environment", "ssh-login-environment"]
    command, login = maker.smoke(image, names).checks
    assert command.verdict == "passed"
    assert login.expected.startswith("PATH=")
    assert login.seen == "'/bin'"


def test_a_service_outside_our_wrapper(maker: Maker) -> None:
    text = "[program:web]\ncommand=python3 -m http.server 8000\nautorestart=false\n"
    image = maker.image([service()], [FileEntry.of(CONF, text.encode())])
    names = ["service-logs", "service-environment", "killed-service-returns"]
    logs, environ, killed = maker.smoke(image, names, patience=8).checks
    assert (logs.expected, logs.seen) == ("a log at /tmp/web.log", "no such file")
    assert environ.expected.startswith("ITS_OWN=")
    assert environ.seen == "no such variable"
    assert killed.expected == "web to run again after kill -9"


def test_a_service_that_needs_root(maker: Maker) -> None:
    command = ["sh", "-c", "mkdir /data && exec python3 -m http.server 8000"]
    found = maker.check(maker.image([service(command=command)]), "runs-as-any-user")
    assert found.expected == "web to answer GET :8000/ with 200, as 12345:0"
    assert found.seen == "the container ended with 1"
    assert any("Permission denied" in line for line in found.log)


def test_a_service_that_writes_into_the_image(maker: Maker) -> None:
    command = ["sh", "-c", "touch /var/tmp/here && exec python3 -m http.server 8000"]
    names = ["runs-as-any-user", "runs-locked-down"]
    anyone, locked = maker.smoke(maker.image([service(command=command)]), names).checks
    assert (anyone.verdict, anyone.seen) == ("passed", "")
    assert locked.expected == "web to answer GET :8000/ with 200, in a read-only image"
    assert locked.seen == "the container ended with 1"
    assert any("Read-only file system" in line for line in locked.log)


def test_a_folder_that_a_read_only_image_may_write_to(maker: Maker) -> None:
    command = ["sh", "-c", "touch /var/tmp/here && exec python3 -m http.server 8000"]
    image = maker.image([service(command=command)], deploying=Deploying(volumes=("/var/tmp",)))
    assert maker.check(image, "runs-locked-down").verdict == "passed"


def test_data_that_lie_in_the_image(maker: Maker) -> None:
    data = (DataSpec(url="https://example.org/x", sha256="a" * 64, path="/data/x"),)
    ours = [e for e in system_entries(SystemSpec((), b"", data)) if e.path in (FETCH, DATA_JSON)]
    about = Deploying(volumes=("/data",), data=data)
    sound = maker.image(files=ours, deploying=about)
    assert maker.check(sound, "data-is-fetched").verdict == "passed"
    baked = [*ours, FileEntry.of("/data/x", b"data")]
    found = maker.check(maker.image(files=baked, deploying=about), "data-is-fetched")
    assert found.seen == "['other    /data/x']"


def test_a_container_that_ignores_the_signal_to_stop(maker: Maker) -> None:
    stubborn = "trap '' TERM; while :; do sleep 1; done"
    text = f'[program:web]\ncommand=sh -c "{stubborn}"\nstopwaitsecs=60\n'
    plain = service(ports=[], health=None)
    image = maker.image([plain], [FileEntry.of(CONF, text.encode())])
    _, found = maker.smoke(image, ["services-answer", "stops-in-time"]).checks
    assert found.expected == "the container to end within 10 s of SIGTERM"
    assert found.seen == "it had to be killed"


def test_a_tag_that_lies(maker: Maker) -> None:
    tokens = (*maker.base.tokens[:-1], Token(name="debian", version="11", by="os"))
    found = maker.check(maker.image(tokens=tokens), "tag-is-true")
    assert found.expected == "debian11 in the tag to be true"
    assert found.seen.startswith("debian1")
    assert found.seen.endswith("in the container")


def test_an_image_that_cannot_start(maker: Maker) -> None:
    good = maker.image([service()])
    image = replace(good, config=replace(good.config, entrypoint=("/nope",)))
    found = {c.name: c for c in maker.smoke(image).checks}
    assert "/nope" in found["container-starts"].seen
    assert found["image-config"].seen == "['/nope']"
    assert found["no-host-keys"].verdict == "passed"
    assert found["ssh-with-key"].why == "the container doesn't start"


def test_a_model_that_does_not_train(maker: Maker, tmp_path: Path) -> None:
    folder = tmp_path / "repo/smoke"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text("import sys\nsys.exit('no data to train on')\n")
    image = maker.image(smoke=(("base", "smoke"),))
    found = maker.check(image, "models-train", tmp_path / "repo")
    assert found.seen == "model.py ended with 1"
    assert found.log[-1] == "no data to train on"
