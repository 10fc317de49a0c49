"""What no single file shows: references between images, cycles, ports, files, collisions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from lapstrake.definition.cuda_check import check_cuda
from lapstrake.definition.fields import image_name
from lapstrake.definition.inherit import data_problems
from lapstrake.definition.models import RunSpec, Service
from lapstrake.definition.repository import FAMILY_FILE, ImageDef, Repository
from lapstrake.definition.source import read_source
from lapstrake.errors import DefinitionError, Problem, UserError

# Ours in every image: SSH's service and port, and the folders of the system layer.
RESERVED_SERVICE = "sshd"
SSH_PORT = 22


def check_repository(repo: Repository, *, unread: bool = False) -> list[Problem]:
    """Every problem of the repository as a whole.

    With `unread`, some file had problems of its own: what refers to a missing image is not said,
    since the image may be in that file.
    """
    problems = [p for i in repo.images.values() for p in _check_image(repo, i)]
    if not unread:
        problems += [p for i in repo.images.values() for p in _check_references(repo, i)]
    if not problems and not unread:
        problems += _check_whole(repo)
        problems += _check_projects(repo)
    return problems


def _check_image(repo: Repository, image: ImageDef) -> Iterator[Problem]:
    yield from _check_name(image)
    yield from _check_services(image)
    yield from _check_files(repo, image)
    yield from _check_project(repo, image)
    spec = image.spec
    if spec.root is not None and spec.extends is not None:
        yield image.problem("an image has either a root or extends another", "extends")
    if spec.root is None and image.extends is None:
        yield image.problem("an image needs a root, or extends another", hint="add `extends:`")
    if spec.apart and spec.runtimes:
        yield image.problem("an image that unites runtimes can't be set apart", "apart")
    if spec.runtimes and image.kind == "runtime":
        yield image.problem("only an image can unite runtimes", "runtimes")
    for index, run in enumerate(spec.run):
        commands = run.commands if isinstance(run, RunSpec) else [run]
        if not all(c.strip() for c in commands):
            yield image.problem("a command is empty", "run", index)


def _check_name(image: ImageDef) -> Iterator[Problem]:
    try:
        image_name(image.name)
    except ValueError as error:
        yield image.problem(str(error), "name", hint="rename its folder, or give it a `name:`")
    if image.name in {"family", "latest"}:
        yield image.problem(f"{image.name!r} can't be an image's name", "name")


def _check_services(image: ImageDef) -> Iterator[Problem]:
    names: set[str] = set()
    for index, service in enumerate(image.spec.services):
        if service.name == RESERVED_SERVICE:
            yield image.problem("the service sshd is Lapstrake's own", "services", index, "name")
        if service.name in names:
            yield image.problem(f"two services named {service.name!r}", "services", index, "name")
        names.add(service.name)
    yield from port_clashes(image.spec.services, lambda i: image.line("services", i), image)


def port_clashes(
    services: list[Service], line: Callable[[int], int], image: ImageDef
) -> Iterator[Problem]:
    """Ports that two services declare, or that SSH has."""
    taken = {SSH_PORT: RESERVED_SERVICE}
    for index, service in enumerate(services):
        for port in service.ports:
            if port.port in taken:
                text = f"port {port.port} is both {taken[port.port]}'s and {service.name}'s"
                yield Problem(image.source.name, line(index), text)
            taken.setdefault(port.port, service.name)


def _check_files(repo: Repository, image: ImageDef) -> Iterator[Problem]:
    for index, file in enumerate(image.spec.files):
        if file.source is None:
            continue
        path = repo.path(image, file.source)
        inside = path.resolve().is_relative_to(repo.root.resolve())
        if not inside:
            yield image.problem(f"{file.source!r} leaves the repository", "files", index, "from")
        elif not path.exists():
            yield image.problem(f"there is no {repo.relative(path)}", "files", index, "from")


def _check_project(repo: Repository, image: ImageDef) -> Iterator[Problem]:
    if image.spec.python.project is None:
        return
    # what most definitions do without
    from lapstrake.projects.find import is_project

    folder = repo.path(image, image.spec.python.project)
    if not folder.resolve().is_relative_to(repo.root.resolve()):
        text = f"{image.spec.python.project!r} leaves the repository"
        yield image.problem(text, "python", "project")
    elif not is_project(folder):
        text = f"{repo.relative(folder)} has no Python project"
        hint = "it needs a pyproject.toml with [build-system] and [project]"
        yield image.problem(text, "python", "project", hint=hint)


def _check_projects(repo: Repository) -> list[Problem]:
    """The projects as a whole: they can be read, and the family's version stamped into them."""
    if not repo.has_projects:
        return []
    from lapstrake.version import Version

    problems: list[Problem] = []
    try:
        Version.parse(repo.family.version)
    except UserError as error:
        line = read_source(repo.root / FAMILY_FILE, FAMILY_FILE).line("version")
        text = f"the projects in images can't have this version: {error.message}"
        problems.append(Problem(FAMILY_FILE, line, text, error.hint))
    try:
        _ = repo.projects
    except DefinitionError as error:
        problems += error.problems
    return problems


def _check_references(repo: Repository, image: ImageDef) -> Iterator[Problem]:
    have = ", ".join(repo.images)
    if image.extends is not None and image.extends not in repo.images:
        text = f"there is no image {image.extends!r} to extend"
        yield image.problem(text, "extends", hint=f"there are {have}")
    elif circle := _circle(repo, image):
        chain = " → ".join(circle)
        yield image.problem(f"{_edge(image, circle[1])} goes in a circle: {chain}", "extends")
    elif word := _extends_alone(repo, image):
        text = f"{image.extends!r} is {word}; what extends it must be so too"
        yield image.problem(text, "extends")
    if image.spec.runtimes == "all":
        return
    for index, name in enumerate(image.spec.runtimes):
        other = repo.images.get(name)
        if other is None or other.kind != "runtime":
            yield image.problem(f"there is no runtime {name!r}", "runtimes", index)
        elif other.spec.apart or other.spec.optional:
            word = "set apart" if other.spec.apart else "optional"
            text = f"{name!r} is {word}, so it can't be united with others"
            yield image.problem(text, "runtimes", index)


def _extends_alone(repo: Repository, image: ImageDef) -> str:
    """What the image below is that this one isn't; empty where there is nothing."""
    parent = repo.images[image.extends] if image.extends else None
    if parent is not None and parent.spec.apart and not image.spec.apart:
        return "set apart"
    optional = parent is not None and parent.spec.optional and not image.spec.optional
    return "optional" if optional else ""


def _edges(repo: Repository, image: ImageDef) -> list[str]:
    """The names of the images that must be known before `image` can be."""
    spec = image.spec
    names = [image.extends] if image.extends else []
    if spec.runtimes == "all":
        names += repo.joinable
    else:
        names += spec.runtimes
    return [n for n in (*names, *(c.image for c in spec.copy_)) if n in repo.images]


def _edge(image: ImageDef, name: str) -> str:
    """What an image calls its reference to `name`."""
    if image.extends == name:
        return "extends"
    return "copy" if name in {c.image for c in image.spec.copy_} else "runtimes"


def _circle(repo: Repository, image: ImageDef) -> list[str]:
    """The names along a way from `image` back to itself; empty where there is none."""
    stack = [[image.name]]
    seen: set[str] = set()
    while stack:
        path = stack.pop()
        for name in _edges(repo, repo.images[path[-1]]):
            if name == image.name:
                return [*path, name]
            if name not in seen:
                seen.add(name)
                stack.append([*path, name])
    return []


def _check_whole(repo: Repository) -> list[Problem]:
    """What only sound references allow to be judged: the services of whole images."""
    problems: list[Problem] = []
    for image in repo.images.values():
        problems += check_cuda(repo, image)
        if _runtime_not_on(repo, image):
            bad = ", ".join(_runtime_not_on(repo, image))
            text = f"unites {bad}, which shares no image below with it"
            problems.append(image.problem(text, "runtimes"))
            continue
        problems += data_problems(repo, image)
        services = inherited_services(repo, image.name)
        problems += port_clashes(services, functools.partial(_same_line, image), image)
        mains = [s.name for s in services if s.main]
        if len(mains) > 1:
            text = f"two main services: {', '.join(mains)}"
            problems.append(image.problem(text, "services"))
    return problems


def _same_line(image: ImageDef, _: int) -> int:
    """For services that may be written in other files: where this image lists its own."""
    return image.line("services")


def _runtime_not_on(repo: Repository, image: ImageDef) -> list[str]:
    """Runtimes that an image unites but whose layers don't begin where its own do."""
    if not image.spec.runtimes:
        return []
    first = repo.ancestry(image.name)[0].name
    return [n for n in repo.united(image.name) if repo.ancestry(n)[0].name != first]


def inherited_services(repo: Repository, name: str) -> list[Service]:
    """The services of a whole image: those below it, replaced by name; sorted by name."""
    services: dict[str, Service] = {}
    united = [repo.images[n] for n in repo.united(name)]
    for part in (*repo.ancestry(name)[:-1], *united, repo.images[name]):
        services.update((s.name, s) for s in part.spec.services)
    return [services[n] for n in sorted(services)]
