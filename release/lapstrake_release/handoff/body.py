"""What a handoff says, as Markdown. Pure: facts to text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lapstrake.definition.check import SSH_PORT
from lapstrake.definition.models import Service
from lapstrake.errors import UserError
from lapstrake.skopeo import is_loopback
from lapstrake.smoke.report import CheckResult
from lapstrake_release.github.notes import escaped, size
from lapstrake_release.handoff.documents import embedded
from lapstrake_release.handoff.facts import Handed, Handoff
from lapstrake_release.handoff.ingress import manifests, rules
from lapstrake_release.handoff.marker import verdicts_part
from lapstrake_release.verdicts.model import Verdict, said, standing

# GitHub takes so many characters of an issue's text.
MOST = 65_536

# So many of them tell of verdicts, apart from the table of images, of which a row has so many.
_VERDICTS, _ROW = 3_000, 100

_V2_PATHS = ("/v2/health/ready", "/v2/models/NAME/infer")
_SSH_HERE = 2222


def title(handoff: Handoff, about: str) -> str:
    """The title of an issue; `about` is an image's name, or empty for the family."""
    return f"Test {handoff.family} {handoff.version}" + (f": {about}" if about else "")


@dataclass(frozen=True)
class _Detail:
    """What is told of each image: lists of checks and whole manifests, and whole pages."""

    lists: bool
    pages: bool


# The less, the more images fit into one issue.
_DETAILS = (_Detail(True, True), _Detail(False, True), _Detail(False, False))


def body(handoff: Handoff, images: Sequence[Handed], room: int = MOST) -> str:
    """What an issue about these images says, in as much detail as there is room for.

    The room for verdicts is kept, so that those to come fit, and make it no shorter.

    Args:
        room: how many characters it may have.

    Raises:
        UserError: it is too long with the least detail.
    """
    given = verdict_lines([(i.name, i.verdicts) for i in images], handoff.needed)
    kept = max(_VERDICTS + _ROW * len(images), len(given))
    for detail in _DETAILS:
        text = "\n\n".join(_parts(handoff, images, detail, given)) + "\n"
        if len(text) - len(given) + kept <= room:
            return text
    raise UserError(
        f"GitHub takes no issue as long as one about {len(images)} images would be",
        "an issue for each: --per image",
    )


def verdict_lines(verdicts: Iterable[tuple[str, Sequence[Verdict]]], needed: int) -> str:
    """The state of each image, and below it the verdicts, of many the newest that count."""
    lines = ["| Image | State |", "|---|---|"]
    words: list[tuple[Verdict, bool, str]] = []
    for image, given in verdicts:
        lines.append(f"| `{image}` | {escaped(said(given, needed))} |")
        last = set(standing(given))
        for verdict in sorted(given, key=lambda v: v.order):
            counts = verdict in last
            words.append((verdict, counts, _verdict_line(image, verdict, overridden=not counts)))
    return "\n".join([*lines, *(["", *_fitting(words)] if words else [])])


def _fitting(words: Sequence[tuple[Verdict, bool, str]]) -> list[str]:
    """The lines of the verdicts that there is room for, in their order."""
    first = sorted(words, key=lambda w: (w[1], w[0].order), reverse=True)
    left, fit = _VERDICTS, set()
    for _, _, line in first:
        left -= len(line) + 1
        if left < 0:
            break
        fit.add(line)
    lines = [line for _, _, line in words if line in fit]
    more = len(words) - len(lines)
    return [*lines, *([f"- {more} more, which `lapstrake verdict` lists"] if more else [])]


def _verdict_line(image: str, verdict: Verdict, *, overridden: bool) -> str:
    when = verdict.at.strftime("%Y-%m-%d %H:%M UTC")
    note = f": {escaped(verdict.note[:300])}" if verdict.note else ""
    text = f"`{image}` {verdict.outcome}, {escaped(verdict.by)}, {when}{note}"
    return f"- ~~{text}~~" if overridden else f"- {text}"


def _parts(
    handoff: Handoff, images: Sequence[Handed], detail: _Detail, given: str
) -> Iterator[str]:
    family = len(images) > 1
    yield _about(handoff, images)
    if family:
        yield _together(handoff, detail)
    for image in images:
        if family:
            yield f"## {image.name}"
        yield from _image(handoff, image, detail, deeper=family)
    yield "## Checklist"
    yield "\n".join(line for image in images for line in _checklist(image, family=family))
    yield "## Verdicts"
    yield verdicts_part(given)
    yield _how(images)


def _about(handoff: Handoff, images: Sequence[Handed]) -> str:
    what = "these images" if len(images) > 1 else "this image"
    text = f"Please test {what} of {handoff.family} {handoff.version}"
    source = handoff.source
    if source.url and source.commit:
        short = source.commit[:12]
        text += f", built from [{short}]({source.url}/commit/{source.commit})"
    return f"{text}. A verdict is about a digest: the same tag may hold another one later."


def _together(handoff: Handoff, detail: _Detail) -> str:
    """What is so because one issue is about several images."""
    text = "They use the same ports: start one at a time, and remove it afterwards."
    if detail.lists:
        return text
    command = f"lapstrake handoff {handoff.version} --image NAME --dry-run"
    return f"{text} `{command}` prints which checks passed, and the ingress rules for Kubernetes."


def _image(handoff: Handoff, image: Handed, detail: _Detail, *, deeper: bool) -> Iterator[str]:
    head = "###" if deeper else "##"
    yield _facts(image)
    yield f"{head} Get it"
    yield _access(image)
    if image.image.services:
        yield f"{head} Services"
        yield _services(image.image.services)
        yield from _ingress(handoff, image, head, detail)
    yield f"{head} Verify"
    depth = len(head)
    page = f"[`{image.documents.page}`]({handoff.source.link(image.documents.page)})"
    yield embedded(image.documents, handoff.source, depth) if detail.pages else f"See {page}."
    yield from _files(handoff, image)
    yield f"{head} Checked already"
    yield _checks(image, detail)


def _facts(image: Handed) -> str:
    owners = " ".join(f"@{o}" for o in image.owners)
    rows = [
        ("Digest", f"`{image.digest}`"),
        ("Size", f"{size(image.image.size)}, {len(image.image.layers)} layers"),
        ("Python", image.image.python or ""),
        ("Owners", owners),
    ]
    lines = [f"| `{image.name}` | {escaped(image.image.description)} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in rows if text)])


def _access(image: Handed) -> str:
    hosts = dict.fromkeys(p.repository.host for p in image.places)
    lines = [f"docker login {h}  # where it is private" for h in hosts if not is_loopback(h)]
    pulls = "\n".join([*lines, *(f"docker pull {p.pinned}" for p in image.places)])
    ports = [p.port for s in image.image.services for p in s.ports]
    words = [f"-p {_SSH_HERE}:{SSH_PORT}", *(f"-p {n}:{n}" for n in sorted(set(ports)))]
    run = (
        f"docker run -d --name {image.name} {' '.join(words)} \\\n"
        f'  -e PUBLIC_KEY="$(cat ~/.ssh/id_ed25519.pub)" \\\n'
        f"  {image.places[0].pinned}"
    )
    ssh = f"ssh -p {_SSH_HERE} root@localhost"
    end = f"docker logs {image.name}\ndocker rm -f {image.name}  # in the end"
    text = f"```sh\n{pulls}\n{run}\n{ssh}\n{end}\n```"
    if image.image.cuda is None:
        return text
    return f"{text}\n\nOn a machine with an NVIDIA GPU, start it with `--gpus all`."


def _services(services: tuple[Service, ...]) -> str:
    lines = ["| Service | Port | Speaks | Path |", "|---|---|---|---|"]
    for service in services:
        for port in service.ports:
            paths = ", ".join(f"`{p}`" for p in _paths(service, port.port))
            named = f"{port.port} ({port.name})" if port.name else str(port.port)
            lines.append(f"| `{service.name}` | {named} | {port.protocol} | {paths} |")
        if not service.ports:
            lines.append(f"| `{service.name}` | | | |")
    return "\n".join(lines)


def _paths(service: Service, port: int) -> Iterator[str]:
    if service.health is None or service.health.port != port:
        return
    yield service.health.path
    if service.protocol == "v2":
        yield from (p for p in _V2_PATHS if p != service.health.path)


def _ingress(handoff: Handoff, image: Handed, head: str, detail: _Detail) -> Iterator[str]:
    services = image.image.services
    found = rules(image.name, handoff.version, services, handoff.domain)
    if not found:
        return
    yield f"{head} Ingress"
    lines = ["| Host | To port | Speaks |", "|---|---|---|"]
    lines += [f"| `{r.host}` | {r.port} | {r.protocol} |" for r in found]
    yield "\n".join(lines)
    if detail.lists:
        text = manifests(image.name, handoff.version, found)
        yield _folded("For Kubernetes", f"```yaml\n{text}```")
    yield f"SSH (port {SSH_PORT}) goes through no ingress: `kubectl port-forward`, or a NodePort."


def _files(handoff: Handoff, image: Handed) -> Iterator[str]:
    if image.documents.demo:
        links = [f"- [`{p}`]({handoff.source.link(p)})" for p in image.documents.demo]
        yield "\n".join(["The demo's files:", "", *links])
    if image.parts:
        links = [f"- {n}: [`{p}`]({handoff.source.link(p)})" for n, p in image.parts.items()]
        yield "\n".join(["What is in it has pages of its own:", "", *links])


def _checks(image: Handed, detail: _Detail) -> str:
    passed = [c for c in image.smoke.checks if c.verdict == "passed"]
    skipped = [c for c in image.smoke.checks if c.verdict == "skipped"]
    rows = [f"- {c.name}{_why(c)}" for c in passed]
    rows += [f"- not for this image: {c.name}{_why(c)}" for c in skipped]
    text = f"{len(passed)} checks of this digest passed in real containers; none failed."
    if not detail.lists:
        return text
    listed = "\n".join(rows)
    return f"{text}\n\n{_folded('Which', listed)}"


def _why(check: CheckResult) -> str:
    return f" ({escaped(check.why)})" if check.why else ""


def _checklist(image: Handed, *, family: bool) -> Iterator[str]:
    begin = f"- [ ] `{image.name}`: " if family else "- [ ] "
    yield f"{begin}pulled by its digest"
    yield f"{begin}it starts, and its services answer"
    yield f"{begin}SSH lets me in with my key"
    yield f"{begin}every step under Verify does what it says"
    if image.documents.demo:
        yield f"{begin}the demo works, also with data of my own"


def _how(images: Sequence[Handed]) -> str:
    name = images[0].name
    many = len(images) > 1
    example = f" {name}" if many else ""
    lines = [
        f"/lapstrake pass{example} what you looked at",
        f"/lapstrake fail{example} what is wrong, and how to see it",
    ]
    more = " Name the image, or several with commas, or `all`." if many else ""
    return (
        "A line such as these in a comment is a verdict. Your later one overrides your "
        f"earlier one; to change it, write a new comment.{more}\n\n```\n"
        + "\n".join(lines)
        + "\n```"
    )


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"
