"""What became of channels, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lapstrake.report import console
from lapstrake_release.channels import tags
from lapstrake_release.channels.moved import Moved
from lapstrake_release.channels.record import Line, Move

_REPAIRED = {
    "completed": "an interrupted move was completed first",
    "undone": "an interrupted move was undone first",
}


def show_moved(found: Sequence[Moved]) -> None:
    """What a promotion or a rollback did, one repository after the other."""
    for moved in found:
        move = moved.move
        if moved.repaired:
            console.note(f"note: {moved.repository}: {_REPAIRED[moved.repaired]}")
        for tag in moved.restored:
            console.note(f"note: {moved.repository}:{tag} had been moved by something else")
        console.say(f"{moved.repository}: {_sentence(moved)}")
        console.table(
            ["TAG", "DIGEST"],
            [[tags.moving(move.channel, i.suffix), i.digest] for i in move.images],
        )


def _sentence(moved: Moved) -> str:
    line, channel = moved.move.line, moved.move.channel
    if moved.state == "same":
        return f"{channel} holds {line.version} already, by move {line.number}"
    before = moved.before.line.version if moved.before else ""
    again = f" as by move {line.origin}" if line.kind == "rollback" else ""
    was = f", before {before}" if before else ""
    sent = f", {console.bytes_text(moved.copied)} sent" if moved.copied else ""
    return f"{channel} holds {line.version}{again}{was} (move {line.number}{sent})"


def moved_json(moved: Moved) -> dict[str, Any]:
    """The same as JSON."""
    before = moved.before
    return {
        "registry": str(moved.repository),
        "channel": moved.move.channel,
        "state": moved.state,
        "before": before.line.version if before else "",
        "repaired": moved.repaired,
        "restored": list(moved.restored),
        "bytes_sent": moved.copied,
        **move_json(moved.move),
    }


def move_json(move: Move) -> dict[str, Any]:
    """One move with its images."""
    line = line_json(move.line)
    line["move"] = line.pop("state")
    return line | {
        "images": [
            {
                "image": i.name,
                "tag": tags.moving(move.channel, i.suffix),
                "numbered": tags.numbered(move.channel, move.number, i.suffix),
                "digest": i.digest,
                "was": i.was,
            }
            for i in move.images
        ],
        "record": move.digest,
        "previous": move.previous,
    }


def line_json(line: Line) -> dict[str, Any]:
    """One line of a history, with every key."""
    return dict(vars(line)) | {"verdicts": list(line.verdicts), "needs": list(line.needs)}
