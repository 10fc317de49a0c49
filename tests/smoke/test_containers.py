"""What boots an image, in real containers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from image_maker import Maker, service

from lapstrake import process
from lapstrake.dist import read_build
from lapstrake.layers.kinds import FileEntry
from lapstrake.plan.model import ImagePlan
from lapstrake.smoke.engine import Engine, Start
from lapstrake.smoke.execute import execute
from support.late import late_engine

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.network]

LISTENING = "Server listening on 0.0.0.0 port 22."
SLEEPER = service(command=["sleep", "600"], ports=[], health=None)


@dataclass
class Box:
    """A container, as a test handles it."""

    container: Any

    @property
    def logs(self) -> str:
        return str(self.container.logs().decode())

    def sh(self, script: str) -> str:
        said = execute(self.container.client, self.container.id, ["sh", "-c", script])
        return (said.out + said.err).decode()

    def until(self, attempt: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not attempt():
            assert time.monotonic() < end, self.logs
            time.sleep(0.05)

    def await_running(self, *services: str) -> None:
        """Wait until supervisor has these running, and says so in its log."""
        self.until(lambda: all(f"success: {s} entered RUNNING" in self.logs for s in services))

    def end(self) -> int:
        """Wait for its end by itself; its exit code."""
        return int(self.container.wait(timeout=60)["StatusCode"])

    def stop(self) -> int:
        """Stop it as `docker stop` does; its exit code."""
        self.container.stop(timeout=10)
        return self.end()


Starter = Callable[..., Box]


@pytest.fixture
def start(maker: Maker) -> Iterator[Starter]:
    """`start(image, command…, env={}, user=…)` starts a container, removed at the end."""
    with Engine() as engine:

        def starter(image: ImagePlan, *command: str, **options: Any) -> Box:
            dist = maker.dist(image)
            built = read_build(dist)
            with engine.source(dist, built) as source:
                image_id = source.load(built.images[0])
            container = engine.client.containers.create(
                image_id, command=list(command), labels={"lapstrake.test": "x"}, **options
            )
            engine._remember(container)
            container.start()
            return Box(container)

        yield starter
        engine.close(images=True)


def make_key(folder: Path, name: str) -> str:
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name])
    return (folder / f"{name}.pub").read_text().strip()


def test_a_command_is_run_instead_of_the_services(maker: Maker, start: Starter) -> None:
    box = start(
        maker.image([SLEEPER]), "sh", "-c", 'echo "$A|$0"; exit 6', "x y", environment={"A": "it's"}
    )
    assert box.end() == 6
    assert box.logs == "it's|x y\n"


def test_no_key_no_ssh_server(maker: Maker, start: Starter) -> None:
    box = start(maker.image([SLEEPER]))
    box.await_running("web")
    assert "sshd" not in box.sh("cat /proc/[0-9]*/comm")
    assert "ssh_host" not in box.sh("ls /etc/ssh")


def test_keys_of_all_variables_join_those_in_the_image(
    maker: Maker, start: Starter, tmp_path: Path
) -> None:
    one, two, mounted = (make_key(tmp_path, n) for n in ("one", "two", "mounted"))
    kept = FileEntry.of("/root/.ssh/authorized_keys", mounted.encode(), 0o600)
    private = (tmp_path / "one").read_text()
    box = start(
        maker.image(files=[kept]),
        environment={"PUBLIC_KEY": f"nonsense\n{one}", "SSH_PUBKEY": two, "SSH_KEY": private},
    )
    box.await_running("sshd")
    found = box.sh("cat /root/.ssh/authorized_keys; stat -c %a /root/.ssh/authorized_keys")
    assert found.splitlines() == [mounted, one, two, "600"]
    assert "boot: PUBLIC_KEY, line 1: no public key" in box.logs
    assert "boot: SSH_KEY holds a private key and was refused" in box.logs
    assert not any(line in box.logs for line in private.splitlines())
    assert box.sh("stat -c %a /run/lapstrake/environ").strip() == "600"


def test_host_keys_are_made_at_first_boot_and_stay(
    maker: Maker, start: Starter, tmp_path: Path
) -> None:
    box = start(maker.image(), environment={"SSH_PUBLIC_KEY": make_key(tmp_path, "id")})
    box.until(lambda: LISTENING in box.logs)
    first = box.sh("cat /etc/ssh/ssh_host_*_key.pub")
    assert sorted(line.split()[0] for line in first.splitlines()) == [
        "ecdsa-sha2-nistp256",
        "ssh-ed25519",
        "ssh-rsa",
    ]
    box.container.restart(timeout=10)
    box.until(lambda: box.logs.count(LISTENING) == 2)
    assert box.sh("cat /etc/ssh/ssh_host_*_key.pub") == first
    assert box.sh("wc -l < /root/.ssh/authorized_keys").strip() == "1"


def test_the_older_folder_of_supervisor_files_is_read_too(maker: Maker, start: Starter) -> None:
    text = b"[program:old]\ncommand=sleep 600\nstdout_logfile=NONE\n"
    box = start(maker.image(files=[FileEntry.of("/etc/supervisord/old.ini", text)]))
    box.await_running("old")


def test_a_service_of_another_user(maker: Maker, start: Starter) -> None:
    script = 'echo "$(id -un) $HOME $USER"; exec sleep 600'
    box = start(maker.image([service(name="odd", command=["sh", "-c", script], user="nobody")]))
    box.await_running("odd")
    box.until(lambda: "nobody /tmp nobody\n" in box.logs)
    assert box.sh("stat -c %U /tmp/odd.log; cat /tmp/odd.log") == "nobody\nnobody /tmp nobody\n"


GOODBYE = "trap 'echo good; echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.mark.parametrize("user", ["0:0", "12345:0"])
def test_last_lines_are_not_lost(maker: Maker, start: Starter, user: str) -> None:
    image = maker.image([service(command=["sh", "-c", GOODBYE], ports=[], health=None)])
    box = start(image, user=user)
    box.until(lambda: "ready\n" in box.logs)
    assert box.stop() == 0
    assert "good\nbye\n" in box.logs


@pytest.mark.parametrize(
    "options",
    [
        {"user": "12345:0"},
        {"user": "12345:0", "read_only": True},
        {"read_only": True},
        {"user": "12345:0", "cap_drop": ["ALL"], "environment": {"HOME": ""}},
    ],
    ids=["another user", "and nothing to write", "root, but nothing to write", "no home"],
)
def test_the_main_service_runs_alone(maker: Maker, start: Starter, options: dict[str, Any]) -> None:
    script = 'echo "running as $(id -u):$(id -g) in ${HOME:?} $ITS_OWN"; exit 5'
    box = start(maker.image([service(command=["sh", "-c", script])]), **options)
    assert box.end() == 5
    user = options.get("user", "0:0")
    home = "/tmp" if "user" in options else "/root"
    own = """it's "both"\nand % ; a line"""
    assert f"running as {user} in {home} {own}\n" in box.logs
    assert "supervisord" not in box.logs


def test_without_supervisor_the_main_service_runs_alone(maker: Maker, start: Starter) -> None:
    gone = FileEntry.of("/usr/bin/supervisord", b"")  # it can't be run
    box = start(maker.image([service(command=["echo", "alone"])], [gone]))
    assert box.end() == 0
    assert "boot: the image has no supervisor" in box.logs
    assert "alone\n" in box.logs


def test_another_user_and_no_main_service(maker: Maker, start: Starter) -> None:
    box = start(maker.image(), user="12345:0")
    assert box.end() == 1
    assert box.logs.startswith("boot: the image has no main service")


def test_the_engine_is_left_as_it_was(maker: Maker, start: Starter) -> None:
    box = start(maker.image([SLEEPER]))
    before = {c.id for c in box.container.client.containers.list(all=True, ignore_removed=True)}
    with Engine() as engine:
        image_id = box.container.image.id
        assert engine.run(image_id, ["sh", "-c", "echo hi; exit 3"], "12345:0") == (3, "hi\n")
        second = engine.start(image_id, Start(command=("sleep", "600"))).get_container_id()
        assert second in {c.id for c in engine.client.containers.list(ignore_removed=True)}
    after = {c.id for c in box.container.client.containers.list(all=True, ignore_removed=True)}
    assert second not in after
    assert box.container.id in before & after


def test_what_a_command_says_is_read_however_late_it_comes(maker: Maker, start: Starter) -> None:
    box = start(maker.image([SLEEPER]))
    with late_engine() as address, closing(docker.DockerClient(base_url=address)) as client:
        script = "echo planks; echo ribs >&2; exit 3"
        said = execute(client, box.container.id, ["sh", "-c", script])
        assert (said.code, said.out, said.err) == (3, b"planks\n", b"ribs\n")
        assert execute(client, box.container.id, ["id", "-un"], "games").text == "games\n"
        assert execute(client, box.container.id, ["true"]).last == "nothing (exit 0)"
        many = execute(client, box.container.id, ["seq", "100000"])
        assert many.text.split() == [str(n) for n in range(1, 100_001)]
        box.stop()
        with pytest.raises(docker.errors.APIError):
            execute(client, box.container.id, ["true"])
