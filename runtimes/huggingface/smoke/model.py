"""Makes a tiny BERT for the smoke test, and notes what transformers itself answers.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

NAME = "smoke-huggingface"
TASK = "text-classification"
UNKNOWN, PADDING = {"unk_token": "[UNK]"}, {"pad_token": "[PAD]"}
WORDS = ["[PAD]", "[UNK]", "a", "hull", "of", "overlapping", "planks", "is", "clinker", "built"]


def tiny(folder: Path) -> None:
    """A model with random weights, always the same, and a tokenizer of ten words."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        id2label={0: "boat", 1: "ship"},
        label2id={"boat": 0, "ship": 1},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    words = Tokenizer(WordLevel({w: n for n, w in enumerate(WORDS)}, **UNKNOWN))
    words.pre_tokenizer = Whitespace()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=words,
        **UNKNOWN,
        **PADDING,
        model_max_length=32,
    )
    wrapped.save_pretrained(folder)


def main(out: Path) -> None:
    """Write OUT/smoke-huggingface/: the model, its settings, a request and the answer to it."""
    folder = out / NAME
    (folder / "model").mkdir(parents=True)
    tiny(folder / "model")
    texts = ["a hull of planks", "overlapping", "is it clinker built"]
    path = str(folder / "model")
    own = pipeline(TASK, model=path, tokenizer=path, device="cpu")(texts)
    settings = {
        "name": NAME,
        "implementation": "lapstrake_huggingface.HuggingFaceModel",
        "parameters": {"uri": "./model", "extra": {"task": TASK}},
    }
    request = {"inputs": [{"name": "text", "shape": [3], "datatype": "BYTES", "data": texts}]}
    outputs = [{"name": key, "data": [row[key] for row in own]} for key in ("label", "score")]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
