"""The system layer: what it holds, and that it depends on nothing but its spec."""

from __future__ import annotations

import ast
import configparser
import json
import shlex
import sys
from pathlib import Path

import pytest

from lapstrake.definition.deploying import DataSpec
from lapstrake.definition.models import Service
from lapstrake.guest import system
from lapstrake.guest.system import SystemSpec, service_config, system_entries

NASTY = """it's "both" ; %d %% $HOME # = ,\nsecond line"""

MAIN = Service.model_validate(
    {"name": "web", "command": ["serve", NASTY], "main": True, "ports": [80], "env": {"A": NASTY}}
)
OTHER = Service.model_validate({"name": "clock", "command": "tick --tock", "user": "nobody"})


def entries_of(*services: Service) -> dict[str, bytes]:
    spec = SystemSpec(services, b"{}")
    return {e.path: e.data or b"" for e in system_entries(spec)}


def test_the_same_spec_gives_the_same_entries_sorted_and_without_folders() -> None:
    one = system_entries(SystemSpec((MAIN, OTHER), b"{}"))
    other = system_entries(SystemSpec((OTHER, MAIN), b"{}"))
    assert one == other
    assert [e.path for e in one] == sorted(e.path for e in one)
    assert {e.type for e in one} == {"file"}


def test_programs_are_executable_and_nothing_else_is() -> None:
    modes = {e.path: e.mode for e in system_entries(SystemSpec((MAIN,), b""))}
    executable = {path for path, mode in modes.items() if mode == 0o755}
    assert executable == {f"/usr/lib/lapstrake/{p}" for p in ("boot", "service", "session", "sshd")}
    assert {m for p, m in modes.items() if p not in executable} == {0o644}


def test_image_json_holds_every_value_as_it_is() -> None:
    found = json.loads(entries_of(MAIN, OTHER)["/etc/lapstrake/image.json"])
    assert found["main"] == "web"
    web = next(s for s in found["services"] if s["name"] == "web")
    assert (web["command"], web["env"]) == (["serve", NASTY], {"A": NASTY})


def test_only_an_image_with_data_has_the_command_that_fetches_them() -> None:
    files = [
        DataSpec(url="https://example.org/b", sha256="b" * 64, path="/data/b"),
        DataSpec(url="https://example.org/a", sha256="sha256:" + "A" * 64, path="/data/a"),
    ]
    found = {e.path: e for e in system_entries(SystemSpec((MAIN,), b"{}", tuple(files)))}
    added = found.keys() - entries_of(MAIN).keys()
    assert added == {"/usr/local/bin/lapstrake-fetch", "/etc/lapstrake/data.json"}
    assert found["/usr/local/bin/lapstrake-fetch"].mode == 0o755
    listed = json.loads(found["/etc/lapstrake/data.json"].data or b"")
    assert [f["path"] for f in listed] == ["/data/a", "/data/b"]
    assert listed[0] == {"url": "https://example.org/a", "sha256": "a" * 64, "path": "/data/a"}


def test_an_image_without_a_main_service_says_so() -> None:
    assert json.loads(entries_of(OTHER)["/etc/lapstrake/image.json"])["main"] is None


def test_supervisor_reads_a_service_with_nasty_values() -> None:
    # as supervisor 4 reads its files
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(service_config(MAIN))
    assert parser.sections() == ["program:web"]
    section = parser["program:web"]
    assert shlex.split(section["command"]) == ["/usr/lib/lapstrake/service", "web"]
    assert "%" not in service_config(MAIN).split("[program:web]")[1]
    for key in ("autorestart", "stopasgroup", "killasgroup"):
        assert section.getboolean(key)


def test_supervisor_includes_all_three_places() -> None:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(entries_of()["/etc/supervisor/supervisord.conf"].decode())
    assert parser["include"]["files"].split() == [
        "/etc/supervisor/conf.d/*.conf",
        "/etc/supervisord/*.ini",
        "/run/lapstrake/supervisor/*.conf",
    ]
    assert parser["unix_http_server"]["chmod"] == "0700"


@pytest.mark.parametrize("name", ["boot", "session", "service", "fetch"])
def test_programs_are_python_3_9_with_its_standard_library_alone(name: str) -> None:
    source = (Path(system.__file__).parent / f"{name}.py").read_text()
    assert source.startswith("#!/usr/bin/python3 -IS\n")
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {n.name for x in ast.walk(tree) if isinstance(x, ast.Import) for n in x.names}
    imported |= {str(x.module) for x in ast.walk(tree) if isinstance(x, ast.ImportFrom)}
    assert {i.split(".")[0] for i in imported} <= sys.stdlib_module_names
