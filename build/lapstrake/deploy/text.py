"""YAML as people write it."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from lapstrake.deploy.model import Deployable, Json


class _Dumper(yaml.SafeDumper):
    """Writes a value that stands twice twice: aliases are for machines."""

    def ignore_aliases(self, data: object) -> bool:
        """Whether it is never named."""
        del data
        return True


def documents(values: Iterable[Json]) -> str:
    """Values as the documents of one file; keys stay in their order."""
    return "---\n".join(
        yaml.dump(v, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True) for v in values
    )


def heading(images: Iterable[Deployable], what: str) -> str:
    """The comment that a file begins with."""
    found = list(images)
    names = ", ".join(i.name for i in found)
    return f"# {what} of {found[0].family} {found[0].version}: {names}\n"


def labels(image: Deployable) -> Json:
    """The labels that Kubernetes recommends."""
    return {
        "app.kubernetes.io/name": image.object_name,
        "app.kubernetes.io/part-of": image.family,
        "app.kubernetes.io/version": image.version.replace("+", "_"),
        "app.kubernetes.io/managed-by": "lapstrake",
    }
