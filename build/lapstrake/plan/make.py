"""From definition and lock to a plan. Reads the repository's files, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from graphlib import TopologicalSorter

from packaging.requirements import Requirement

from lapstrake.definition.check import inherited_services
from lapstrake.definition.inherit import inherited_data, inherited_serves, inherited_volumes
from lapstrake.definition.models import Service
from lapstrake.definition.repository import Repository
from lapstrake.dist import BuiltCuda, Deploying
from lapstrake.errors import UserError
from lapstrake.guest.system import ENTRYPOINT, SystemSpec, system_entries
from lapstrake.layers.fixed import PREFIX
from lapstrake.layers.kinds import Files
from lapstrake.lock.model import Deb, Lock, Wheel
from lapstrake.plan.archives import own_archives
from lapstrake.plan.cuda import PATH as CUDA_PATH
from lapstrake.plan.cuda import built_cuda, environment
from lapstrake.plan.cuda import labels as cuda_labels
from lapstrake.plan.model import Config, ImagePlan, Plan
from lapstrake.plan.sbom import sbom
from lapstrake.plan.stack import Stacks
from lapstrake.plan.tags import SUITES, descriptive_tag, release_tag, tokens

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make_plan(repo: Repository, lock: Lock, names: Sequence[str] = ()) -> Plan:
    """The plan of the images `names`, or of all but the optional ones.

    Raises:
        UserError: an unknown name, a malformed SOURCE_DATE_EPOCH, an image that can't be laid
            out (over its budget, two images with one descriptive tag).
    """
    for name in names:
        repo.image(name)
    epoch = source_date_epoch(lock.epoch)
    archives = own_archives(repo, lock)
    own = {a.wheel.name: a.wheel for a in archives}
    stacks = Stacks(repo, lock.model_copy(update={"epoch": epoch}), own)
    chosen = set(names) or repo.default
    images = tuple(_image(repo, stacks, n, epoch) for n in _ordered(repo) if n in chosen)
    _distinct_tags(images)
    return Plan(
        family=repo.family.name,
        version=repo.family.version,
        platform=repo.family.platform,
        epoch=epoch,
        images=images,
        archives=archives,
    )


def source_date_epoch(default: int) -> int:
    """SOURCE_DATE_EPOCH where it is set, else `default`: seconds since 1970."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return default
    # the upper bound is what an unsigned 32-bit number of seconds reaches, in the year 2106
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 2**32:
        raise UserError(
            f"SOURCE_DATE_EPOCH is {text!r}, no number of seconds since 1970",
            "set it to such as `git log -1 --format=%ct`, or unset it",
        )
    return int(text)


def _ordered(repo: Repository) -> list[str]:
    """All names, each after what it extends and what it unites, else by name."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, image in repo.images.items():
        sorter.add(name, *repo.united(name), *([image.extends] if image.extends else []))
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def _image(repo: Repository, stacks: Stacks, name: str, epoch: int) -> ImagePlan:
    image = repo.images[name]
    services = tuple(inherited_services(repo, name))
    wheels, debs = stacks.wheels(name), stacks.debs(name)
    found = stacks.resolution(name)
    python = found.python if found and wheels else None
    cuda = built_cuda(repo.cuda(name), wheels)
    parts = tokens(repo, name, wheels, debs, python, cuda)
    descriptive = descriptive_tag(parts)
    tags = (release_tag(repo, name, repo.family.version), *([descriptive] if descriptive else []))
    annotations = _annotations(repo, name, epoch)
    suite = repo.ancestry(name)[0].spec.root
    distro = SUITES.get((suite.suite or "") if suite else "", "linux").rstrip("0123456789.")
    deploying = _deploying(repo, name, debs)
    bill = sbom(debs, map(stacks.without_sum, wheels), distro)
    spec = SystemSpec(services=services, sbom=bill, data=deploying.data)
    system = Files("system: boot, services, SSH", system_entries(spec))
    return ImagePlan(
        name=name,
        description=image.spec.description,
        extends=image.extends,
        layers=(*stacks.stack(name), system),
        config=_config(repo, name, services, annotations, _own(python, cuda, wheels)),
        annotations=annotations,
        tags=tags,
        tokens=parts,
        services=services,
        python=python,
        requirements=_requirements(repo, name),
        budget=image.spec.size,
        smoke=_smoke(repo, name),
        deploying=deploying,
        cuda=cuda,
    )


@dataclass(frozen=True)
class _Own:
    """What an image's config says before its definition does."""

    env: dict[str, str]
    labels: dict[str, str]
    yields: frozenset[str] = frozenset()


def _own(python: str | None, cuda: BuiltCuda | None, wheels: Iterable[Wheel]) -> _Own:
    path = [f"{PREFIX}/bin"] if python else []
    env = {"VIRTUAL_ENV": PREFIX} if python else {}
    if cuda is None:
        return _Own(env | {"PATH": ":".join([*path, _SYSTEM_PATH])}, {})
    about = environment(cuda)
    env |= about | {"PATH": ":".join([*path, *CUDA_PATH, _SYSTEM_PATH])}
    # an image that has CUDA knows its release, and which drivers are enough for it
    yields = frozenset(about) if cuda.source == "root" else frozenset[str]()
    return _Own(env, cuda_labels(cuda, wheels), yields)


def _deploying(repo: Repository, name: str, debs: Iterable[Deb]) -> Deploying:
    return Deploying(
        volumes=inherited_volumes(repo, name),
        data=inherited_data(repo, name),
        serves=inherited_serves(repo, name),
        ssh=any(d.name == "openssh-server" for d in debs),
    )


def _config(
    repo: Repository,
    name: str,
    services: Iterable[Service],
    annotations: tuple[tuple[str, str], ...],
    own: _Own,
) -> Config:
    chain = repo.ancestry(name)
    env = dict(own.env)
    everything = (*chain[:-1], *(repo.images[n] for n in repo.united(name)), chain[-1])
    labels = dict(annotations) | own.labels
    volumes: set[str] = set()
    yields = set(own.yields)
    workdir = "/"
    for part in everything:
        env |= part.spec.env
        yields -= part.spec.env.keys()
        labels |= part.spec.labels
        volumes |= set(part.spec.volumes)
        workdir = part.spec.workdir or workdir
    return Config(
        env=tuple(sorted(env.items())),
        entrypoint=ENTRYPOINT,
        workdir=workdir,
        volumes=tuple(sorted(volumes)),
        ports=tuple(sorted({p.port for s in services for p in s.ports})),
        labels=tuple(sorted(labels.items())),
        yields=tuple(sorted(yields)),
    )


def _annotations(repo: Repository, name: str, epoch: int) -> tuple[tuple[str, str], ...]:
    """OCI's predefined annotation keys, those that have a value."""
    family = repo.family
    image = repo.images[name]
    known = {
        "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": image.spec.description or family.description,
        "licenses": family.licenses,
        "source": family.source,
        "title": f"{family.name}-{name}",
        "vendor": family.vendor,
        "version": family.version,
    }
    return tuple((f"org.opencontainers.image.{k}", v) for k, v in sorted(known.items()) if v)


def _requirements(repo: Repository, name: str) -> tuple[str, ...]:
    parts = [*repo.ancestry(name), *(repo.images[n] for n in repo.united(name))]
    names = {Requirement(r).name for p in parts for r in p.spec.python.requirements}
    names |= {project.name for p in parts if (project := repo.project(p))}
    return tuple(sorted(re.sub(r"[-_.]+", "-", n).lower() for n in names))


def _smoke(repo: Repository, name: str) -> tuple[tuple[str, str], ...]:
    parts = {*(p.name for p in repo.ancestry(name)), *repo.united(name)}
    folders = ((n, repo.images[n].folder / "smoke") for n in sorted(parts))
    return tuple((n, repo.relative(f)) for n, f in folders if f.is_dir())


def _distinct_tags(images: Iterable[ImagePlan]) -> None:
    owner: dict[str, str] = {}
    for image in images:
        for tag in image.tags:
            if tag in owner:
                raise UserError(
                    f"{owner[tag]} and {image.name} would both be tagged {tag}",
                    "give one of them another `tag: {service: …}`",
                )
            owner[tag] = image.name
