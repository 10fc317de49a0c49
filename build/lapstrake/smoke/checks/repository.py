"""Several models in one server, loaded and unloaded over the V2 protocol's repository API."""

from __future__ import annotations

import json

import httpx

from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.checks.v2 import expected_answers, infer, rest, speaks_rest
from lapstrake.smoke.context import Context
from lapstrake.smoke.trained import MODELS, Expected

# What the second model's name ends with: the same model once more, in a folder of its own.
_SECOND = "-again"

_UNKNOWN = (404, 405, 501)
_SETTINGS = "model-settings.json"


@check("v2-repository", when=speaks_rest, why="no service speaks the V2 protocol over HTTP")
def v2_repository(ctx: Context) -> None:
    """A second model is loaded beside the first, both answer, and each goes without the other."""
    with rest(ctx) as client:
        if client.post("repository/index", json={}).status_code in _UNKNOWN:
            raise Skipped("the server has no repository API, which V2 leaves to servers")
        first, expected = next(iter(expected_answers(ctx)))
        second = first + _SECOND
        _copy(ctx, first, second)
        try:
            _load(client, second)
            _both_listed(client, first, second)
            for model in (first, second):
                infer(client, model, expected)
            _without(ctx, client, first, second, expected)
            _without(ctx, client, second, first, expected)
            _unload(ctx, client, second)
        finally:
            ctx.guest.exec("rm", "-rf", f"{MODELS}/{second}")


def _copy(ctx: Context, first: str, second: str) -> None:
    """The model's folder once more. Its settings, where they have a name, get the new one."""
    ctx.guest.need("cp", "-a", f"{MODELS}/{first}", f"{MODELS}/{second}")
    path = f"{MODELS}/{second}/{_SETTINGS}"
    said = ctx.guest.exec("cat", path)
    if said.code == 0:
        settings = {**json.loads(said.text), "name": second}
        ctx.guest.need("sh", "-c", 'printf %s "$1" >"$2"', "sh", json.dumps(settings), path)


def _without(ctx: Context, client: httpx.Client, gone: str, left: str, expected: Expected) -> None:
    """Unload one: it answers no more, and the other does. Then load it again."""
    _unload(ctx, client, gone)
    answer = client.post(f"models/{gone}/infer", json=expected.request.model_dump())
    if not 400 <= answer.status_code < 500:
        raise Failed(f"{gone}, which is unloaded, to refuse", f"{answer.status_code}")
    infer(client, left, expected)
    _load(client, gone)
    infer(client, gone, expected)


def _both_listed(client: httpx.Client, *models: str) -> None:
    answer = client.post("repository/index", json={})
    listed = {m["name"]: m.get("state") for m in answer.json()} if answer.is_success else {}
    for model in models:
        if listed.get(model) != "READY":
            seen = f"{answer.status_code}: {answer.text[:300]}"
            raise Failed(f"the repository's index to have {model} READY", seen)


def _load(client: httpx.Client, model: str) -> None:
    answer = client.post(f"repository/models/{model}/load")
    ready = client.get(f"models/{model}/ready")
    if not answer.is_success or ready.status_code != 200:
        seen = f"{answer.status_code}: {answer.text[:300]}; ready: {ready.status_code}"
        raise Failed(f"{model} to be loaded", seen)


def _unload(ctx: Context, client: httpx.Client, model: str) -> None:
    """Some servers answer before they have unloaded it."""
    answer = client.post(f"repository/models/{model}/unload")

    def gone() -> bool | None:
        return True if client.get(f"models/{model}/ready").status_code != 200 else None

    if not answer.is_success or ctx.poll(gone, min(ctx.patience, 10)) is None:
        seen = f"{answer.status_code}: {answer.text[:300]}"
        raise Failed(f"{model} to be unloaded", seen)
