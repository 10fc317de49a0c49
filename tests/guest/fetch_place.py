"""A volume for lapstrake-fetch, and servers that it fetches from."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.tiny import Answer, Request, Served

CONTENT = random.Random(1).randbytes(3_000_000)  # noqa: S311


@dataclass
class Place:
    """A volume, and the list of what belongs there."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "volume/model.bin"

    @property
    def left(self) -> list[str]:
        """What else lies in the volume."""
        return sorted(p.name for p in self.file.parent.iterdir() if p != self.file)

    def listing(self, *files: tuple[str, bytes, Path]) -> list[str]:
        """The arguments that name a list of (address, content, path)."""
        entries = [
            {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "path": str(path)}
            for url, content, path in files
        ]
        path = self.folder / "data.json"
        path.write_text(json.dumps(entries))
        return ["--data", str(path)]

    def one(self, served: Served, content: bytes = CONTENT) -> list[str]:
        """The arguments for the one file."""
        return self.listing((f"{served.url}/model.bin?signature=geheim", content, self.file))

    def part(self, data: bytes, content: bytes = CONTENT) -> Path:
        """Leave a part behind, as a start that was ended does."""
        self.file.parent.mkdir(exist_ok=True)
        path = self.file.with_name(f".model.bin.{hashlib.sha256(content).hexdigest()[:12]}.part")
        path.write_bytes(data)
        return path


def ranges(content: bytes = CONTENT, most: int | None = None, **headers: str) -> Answer:
    """Answers as a good server does; with `most`, cuts each after so many bytes."""

    def answer(request: Request) -> None:
        start = request.first_byte()
        if start >= len(content):
            request.reply(416, headers={"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[start:]
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        sent = body if most is None else body[:most]
        cut = len(body) if len(sent) < len(body) else None
        request.reply(206 if start else 200, sent, headers=dict(headers), announce=cut)

    return answer


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the program said, without its name."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("lapstrake-fetch: ") for line in lines)
    return [line.removeprefix("lapstrake-fetch: ") for line in lines]
