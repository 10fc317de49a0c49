"""The pages are checked as what they are: links lead somewhere, and what they show works."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from lapstrake.cli.main import cli
from lapstrake.cli.reference import commands_page
from lapstrake.definition.load import load
from lapstrake.definition.matrix import Cell, Matrix, cells
from lapstrake.definition.models import Family, Image
from lapstrake.definition.reference import reference
from lapstrake.definition.source import parse_source
from lapstrake.scaffold import new_repository, new_runtime

TOP = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(TOP).as_posix() for path in (*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"))
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
MODELS: dict[str, type[BaseModel]] = {
    "lapstrake.yaml": Family,
    "image.yaml": Image,
    "runtime.yaml": Image,
}


def prose(page: str) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", (TOP / page).read_text(encoding="utf-8"))


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(prose(page)):
        words = LINK.sub(lambda m: m[0][1 : m[0].index("]")], heading).lower().replace(" ", "-")
        anchor = "".join(c for c in words if c.isalnum() or c in "-_")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Every code block of a language, with its page."""
    for page in PAGES:
        for found, text in FENCE.findall((TOP / page).read_text(encoding="utf-8")):
            if found == language:
                yield page, text


def shell_lines(program: str) -> list[tuple[str, str]]:
    """Every line of a shell block that begins with a program, with its page."""
    return sorted(
        {
            (page, line.partition(" #")[0].strip())
            for page, text in blocks("sh")
            for line in text.splitlines()
            if line.split()[:1] == [program]
        }
    )


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (TOP / page).parent / path if path else TOP / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(file.resolve().relative_to(TOP).as_posix()), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[str] = set()
    waiting = ["README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page not in PAGES:
            continue
        reached.add(page)
        for target in LINK.findall(prose(page)):
            if "://" not in target and not target.startswith("#"):
                file = ((TOP / page).parent / target.partition("#")[0]).resolve()
                waiting.append(file.relative_to(TOP).as_posix())
    assert reached == set(PAGES)


@pytest.mark.parametrize(("page", "line"), shell_lines("lapstrake"))
def test_commands_exist_with_their_options(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    context: click.Context = click.Context(cli, info_name="lapstrake")
    command: click.Command = cli
    while isinstance(command, click.Group):
        # `release 1.2.0` leaves a word out
        words = getattr(command, "spelled_out", list)(words)
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"{page}: {line}: there is no {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    command.make_context(command.name or "", words, parent=context.parent).close()


@pytest.mark.parametrize(("page", "line"), shell_lines("make"))
def test_make_targets_exist(page: str, line: str) -> None:
    words = shlex.split(line)
    done = subprocess.run(
        ["make", "--dry-run", *words[1:]], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{page}: {line}: {done.stderr}"


@pytest.mark.parametrize(("page", "text"), [pytest.param(*b, id=b[0]) for b in blocks("yaml")])
def test_yaml_is_valid(page: str, text: str) -> None:
    found = re.match(r"# (?:\S+/)?(\S+\.yaml)\n", text)
    assert found is not None, f"{page}: a YAML block begins with the name of its file"
    source = parse_source(text, page)
    assert not source.problems
    given = source.value.get("matrix")
    each = [Cell("", False, source)]
    if given is not None:  # its images are what the file says
        each = list(cells(source, Matrix.model_validate(given)))
    for cell in each:
        assert not cell.source.problems
        MODELS[found[1]].model_validate(cell.source.value)


def test_the_quick_start_shows_what_new_writes(tmp_path: Path) -> None:
    new_repository(tmp_path, "models")
    new_runtime(load(tmp_path), "churn")
    folder = tmp_path / "runtimes/churn"
    text = (TOP / "docs/quickstart.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(\S+\.\w+)` \|", text, re.MULTILINE)
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(shown) == written
    example = next(t for _, t in blocks("yaml") if t.startswith("# runtimes/churn/runtime.yaml"))
    (folder / "runtime.yaml").write_text(example)
    assert load(tmp_path).image("churn").extends == "slim"


def test_the_yaml_reference_is_what_the_models_say() -> None:
    page = (TOP / "docs/reference.md").read_text(encoding="utf-8")
    assert page == reference(), "run `make docs`"


def test_the_commands_page_is_what_the_commands_say() -> None:
    page = (TOP / "docs/cli.md").read_text(encoding="utf-8")
    assert page == commands_page(), "run `make docs`"
