"""What all runtimes of ours have in common: a request that is wrong is refused with a sentence.

Runtimes that extend this one are checked as well, and images that unite them.
"""

from __future__ import annotations

import json
from typing import Any

import httpx

from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.checks.v2 import rest, speaks_rest
from lapstrake.smoke.context import Context
from lapstrake.smoke.trained import MODELS


@check("wrong-requests", when=speaks_rest, why="no service speaks the V2 protocol over HTTP")
def wrong_requests(ctx: Context) -> None:
    """Inputs with another name, with too few values, or missing: 400, and what is wrong."""
    with rest(ctx) as client:
        models = [m for m in ctx.trained.expected if _is_ours(ctx, m)]
        if not models:
            raise Skipped("no model is served by a runtime of ours")
        for model in models:
            request = ctx.trained.expected[model].request.model_dump()
            first, *others = request["inputs"]
            _refused(client, model, [{**first, "name": "unheard-of"}, *others], "unheard-of")
            _refused(client, model, [{**first, "data": first["data"][:1]}, *others], first["name"])
            _refused(client, model, others, first["name"])


def _is_ours(ctx: Context, model: str) -> bool:
    settings = json.loads(ctx.guest.need("cat", f"{MODELS}/{model}/model-settings.json"))
    return str(settings["implementation"]).startswith("lapstrake_")


def _refused(client: httpx.Client, model: str, inputs: list[dict[str, Any]], word: str) -> None:
    answer = client.post(f"models/{model}/infer", json={"inputs": inputs})
    text = answer.json().get("error", "") if answer.status_code == 400 else ""
    if word not in text:
        seen = f"{answer.status_code}: {answer.text[:300]}"
        raise Failed(f"{model} to refuse with 400 and a sentence about {word!r}", seen)
