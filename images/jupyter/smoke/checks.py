"""JupyterLab lets nobody in without its token; a notebook's kernel computes."""

from __future__ import annotations

import re

import httpx

from lapstrake.smoke.checking import Failed, check
from lapstrake.smoke.context import Context

_TOKEN = re.compile(r"the token is (\S{20,})")


def _url(ctx: Context, path: str) -> str:
    ctx.need_main()
    return f"http://{ctx.guest.host}:{ctx.guest.port(8888)}/jupyter{path}"


@check("jupyter-token")
def jupyter_token(ctx: Context) -> None:
    """A token was made and logged; without it, or with another, nothing is told."""
    status = _url(ctx, "/api/status")
    log = ctx.guest.need("cat", "/tmp/jupyter.log")  # noqa: S108
    found = _TOKEN.search(log)
    if found is None:
        raise Failed("a token in the service's log", "none", "jupyter")
    for token, expected in ((None, 403), ("0", 403), ("wrong", 403), (found[1], 200)):
        headers = {} if token is None else {"Authorization": f"token {token}"}
        code = httpx.get(status, headers=headers, timeout=20, trust_env=False).status_code
        if code != expected:
            raise Failed(f"{expected} with the token {token!r}", f"{code}", "jupyter")


@check("jupyter-kernel")
def jupyter_kernel(ctx: Context) -> None:
    """A notebook runs in the image's own Python."""
    ctx.need_main()
    code = "import sys; print(6 * 7, sys.prefix)"
    notebook = (
        "import nbformat, nbclient, sys;"
        f"n = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell({code!r})]);"
        "nbclient.NotebookClient(n, timeout=60, kernel_name='python3').execute();"
        "sys.stdout.write(n.cells[0].outputs[0].text)"
    )
    said = ctx.guest.need("python3", "-c", notebook).strip()
    if said != "42 /opt/venv":
        raise Failed("42 and /opt/venv from a notebook", said)


@check("tensorboard-logs")
def tensorboard_logs(ctx: Context) -> None:
    """TensorBoard reads the folder of logs that is mounted."""
    ctx.need_main()
    url = f"http://{ctx.guest.host}:{ctx.guest.port(6006)}/monitor/data/environment"

    def attempt() -> str | None:
        try:
            answer = httpx.get(url, timeout=5, trust_env=False)
        except httpx.TransportError:
            return None
        return str(answer.json().get("data_location")) if answer.status_code == 200 else None

    seen = ctx.poll(attempt)
    if seen != "/mnt/logs":
        raise Failed("TensorBoard to read /mnt/logs", f"{seen}", "tensorboard")
