"""What is new against an earlier build."""

from __future__ import annotations

from lapstrake.inspect.contents import PackageChange
from lapstrake_release.page import words
from lapstrake_release.page.facts import Changes, ImageChange
from lapstrake_release.page.markup import Html, html, link, table, tag
from lapstrake_release.scan.compare import Risk, Risks

# So many vulnerabilities of an image are listed, the worst ones, and so many packages of each.
_RISKS, _PACKAGES = 40, 4


def changes(found: Changes) -> Html:
    """A sentence, then each image that is another one now."""
    changed = [c for c in found.images if not c.equal]
    equal = [c.name for c in found.images if c.equal]
    return html(
        tag("p", _intro(found, changed), class_="lead"),
        [_image(c, found.scans) for c in changed],
        _names("New", found.added),
        _names("Gone", found.removed),
        _names("The same", tuple(equal)),
    )


def _intro(found: Changes, changed: list[ImageChange]) -> str:
    new = {x.digest: x.size for c in changed for x in c.layers if not x.gone}
    if not (changed or found.added or found.removed):
        return f"Nothing: every image is what it was in {found.against}."
    parts = [
        f"{words.number(len(changed), 'image')} changed" if changed else "",
        f"{len(found.added)} new" if found.added else "",
        f"{len(found.removed)} gone" if found.removed else "",
    ]
    sent = (
        f" Who has {found.against} pulls {words.size(sum(new.values()))} in "
        f"{words.number(len(new), 'new layer')} for all that changed."
        if changed
        else ""
    )
    return f"Against {found.against}: {words.listed([p for p in parts if p])}.{sent}"


def _names(label: str, names: tuple[str, ...]) -> Html:
    return tag("p", tag("b", f"{label}: "), words.listed(names)) if names else html()


def _image(change: ImageChange, scans: bool) -> Html:
    count = len(change.packages or ())
    what = words.said(
        f"{words.number(count, 'package')} changed" if count else "",
        f"{words.change(change.size - change.size_before)}",
        f"{words.size(change.fetched)} to pull",
        _counted(change.risks),
    )
    summary = tag(
        "summary", tag("span", change.name, class_="name"), tag("span", what, class_="about")
    )
    return tag(
        "details",
        summary,
        tag(
            "p",
            words.digest(change.digest_before),
            " → ",
            words.digest(change.digest),
            class_="about",
        ),
        _packages(change),
        _risks(change) if scans else None,
        _layers(change),
        class_="change",
    )


def _packages(change: ImageChange) -> Html:
    if change.packages is None:
        return tag("p", "One of the two has no bill of materials, so that packages can't be told.")
    if not change.packages:
        return tag("p", "The same packages in the same versions.")
    heads = [(t, "") for t in ("Package", "System", "Before", "Now")]
    rows = [_package(p) for p in change.packages]
    return table(f"Packages of {change.name} that differ", heads, tag("tbody", rows))


def _package(change: PackageChange) -> Html:
    kind = "came" if not change.before else "went" if not change.after else "moved"
    none = tag("span", "none", class_="about")
    return tag(
        "tr",
        tag("th", change.package.name, scope="row"),
        tag("td", change.package.system),
        tag("td", tag("code", change.before) if change.before else none),
        tag("td", tag("code", change.after) if change.after else none),
        class_=kind,
    )


def _counted(risks: Risks | None) -> str:
    """`2 vulnerabilities new, 1 gone`; empty where none came or went."""
    if risks is None or not (risks.new or risks.gone):
        return ""
    one, many = "vulnerability", "vulnerabilities"
    if not risks.new:
        return f"{words.number(len(risks.gone), one, many)} gone"
    gone = f", {len(risks.gone):,} gone" if risks.gone else ""
    return f"{words.number(len(risks.new), one, many)} new{gone}"


def _risks(change: ImageChange) -> Html:
    """What came and went by the last scans of both, and which scans these were."""
    risks = change.risks
    if risks is None:
        return tag("p", "Vulnerabilities can't be compared: not both were scanned.")
    looks = [html(f"{x.scanner}, ", words.moment(x.at)) for x in (risks.before, risks.now)]
    scans = tag("p", "Scans: ", looks[0], " → ", looks[1], class_="about")
    if not (risks.new or risks.gone):
        return html(tag("p", "No known vulnerability came or went."), scans)
    unseen = tag("span", "Change", class_="unseen")
    heads = [(t, "") for t in ("Vulnerability", unseen, "Severity", "Packages")]
    rows = tag("tbody", _rows(risks.new, "new"), _rows(risks.gone, "gone"))
    caption = f"Vulnerabilities of {change.name} that differ"
    return html(tag("h3", "Vulnerabilities"), table(caption, heads, rows, class_="risks"), scans)


def _rows(risks: tuple[Risk, ...], state: str) -> Html:
    """The worst of them, and how many others there are."""
    rows = [
        tag(
            "tr",
            tag("th", link(r.url, r.id), scope="row"),
            tag("td", state),
            tag("td", r.severity),
            tag("td", _few(r.packages)),
            class_=state,
        )
        for r in risks[:_RISKS]
    ]
    more = len(risks) - _RISKS
    if more > 0:
        rows.append(tag("tr", tag("td", f"and {more:,} more {state}", colspan=4), class_=state))
    return html(rows)


def _few(names: tuple[str, ...]) -> str:
    more = len(names) - _PACKAGES
    return ", ".join(names[:_PACKAGES]) + (f" and {more} more" if more > 0 else "")


def _layers(change: ImageChange) -> Html:
    rows = [
        tag(
            "li",
            tag("span", "−" if x.gone else "+", class_="sign", aria_hidden="true"),  # noqa: RUF001
            tag("span", "gone: " if x.gone else "new: ", class_="unseen"),
            f"{x.title or x.digest}, {words.size(x.size)}",
            class_="went" if x.gone else "came",
        )
        for x in change.layers
    ]
    return html(tag("h3", "Layers"), tag("ul", rows, class_="plain")) if rows else html()
