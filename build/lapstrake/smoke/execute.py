"""A command in a running container, and all that it says.

The SDK's own `exec_run` reads the connection past the buffer that the answer's headers came
through. Where the engine sends headers and output in one piece, which is what a busy machine sees,
the output is in that buffer, and lost. So the answer is read here as what it is: a body.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.client import DockerClient

_FRAME = struct.Struct(">BxxxL")
_ERRORS = 2


@dataclass(frozen=True)
class Said:
    """What a command in the container said, and its exit code."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Its standard output."""
        return self.out.decode(errors="replace")

    @property
    def last(self) -> str:
        """Its last words: of its errors, else of its output."""
        lines = (self.err or self.out).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"nothing (exit {self.code})"


def execute(client: DockerClient, container: str, command: Sequence[str], user: str = "") -> Said:
    """Run a command to its end, in the container with this id; `APIError` where that has ended."""
    from docker.errors import create_api_error_from_http_exception
    from requests import HTTPError

    api = client.api
    made = api.exec_create(container, list(command), user=user)["Id"]
    url = f"{api.base_url}/v{api.api_version}/exec/{made}/start"
    answer = api.post(url, json={"Detach": False, "Tty": False}, timeout=None)
    try:
        answer.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)  # which raises it
    about = api.exec_inspect(made)
    while about["Running"]:  # the output has ended, which may be told a moment before the end
        time.sleep(0.01)
        about = api.exec_inspect(made)
    out, err = demultiplexed(answer.content)
    return Said(int(about["ExitCode"]), out, err)


def demultiplexed(body: bytes) -> tuple[bytes, bytes]:
    """Output and errors, out of frames: a byte for the stream, 3 of nothing, 4 for the length."""
    streams = {False: bytearray(), True: bytearray()}
    at = 0
    while at + _FRAME.size <= len(body):
        stream, length = _FRAME.unpack_from(body, at)
        at += _FRAME.size
        streams[stream == _ERRORS] += body[at : at + length]
        at += length
    return bytes(streams[False]), bytes(streams[True])
