"""Does a call as an ordinary user: `as_user.py FILE` runs the pickled call in FILE."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError


@dataclass(frozen=True)
class User:
    """An ordinary user, and a folder that belongs to it."""

    name: str
    folder: Path

    def can_read_us(self) -> bool:
        """Whether this user may run the Python and the code of these tests."""
        return self._run(["-c", "import lapstrake.engines.local.run"]).code == 0

    def call(self, function: str, *args: object, env: dict[str, str] | None = None) -> object:
        """What `module:function` returns for this user, or raises as `UserError`."""
        file = self.folder / "call"
        file.write_bytes(pickle.dumps((function, args)))
        result = self._run([os.fspath(Path(__file__)), os.fspath(file)], env)
        assert result.code == 0, result.stderr
        answer = pickle.loads(bytes.fromhex(result.stdout))  # noqa: S301 - our own
        if isinstance(answer, dict) and "error" in answer:
            raise UserError(*answer["error"])
        return answer

    def _run(self, args: list[str], env: dict[str, str] | None = None) -> process.Result:
        setpriv = ["setpriv", "--reuid", self.name, "--regid", self.name, "--init-groups"]
        more = {"HOME": os.fspath(self.folder)} | (env or {})
        return process.run(
            [*setpriv, sys.executable, *args], env=os.environ | more, cwd=self.folder, check=False
        )


def main() -> None:
    function, args = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - our own
    module, _, name = function.partition(":")
    os.umask(0o077)
    try:
        answer = getattr(importlib.import_module(module), name)(*args)
    except UserError as error:
        answer = {"error": (error.message, error.hint, error.details)}
    sys.stdout.write(pickle.dumps(answer).hex())


if __name__ == "__main__":
    main()
