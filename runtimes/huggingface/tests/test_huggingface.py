from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lapstrake_huggingface.model import outputs
from lapstrake_python.testing import answer, load_model
from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

CLASS = "lapstrake_huggingface.HuggingFaceModel"
WORDS = ["[PAD]", "[UNK]", "[MASK]", "a", "hull", "of", "planks"]


def save(folder: Path, cls: type[Any]) -> Path:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=16,
    )
    cls(config).save_pretrained(folder)
    words = Tokenizer(WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))  # noqa: S106
    words.pre_tokenizer = Whitespace()
    words.add_special_tokens(["[MASK]"])
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        mask_token="[MASK]",  # noqa: S106
        model_max_length=16,
    ).save_pretrained(folder)
    return folder


async def loaded(folder: Path, **extra: object) -> MLModel:
    return await load_model(folder, CLASS, "./model", **{"device": "cpu", **extra})


async def test_a_pipeline_answers_as_it_does_by_itself(tmp_path: Path) -> None:
    path = save(tmp_path / "model", BertForSequenceClassification)
    model = await loaded(tmp_path, task="text-classification")
    texts = ["a hull", "planks of a hull"]
    own = pipeline("text-classification", model=str(path), device="cpu")(texts)
    found = await answer(model, text=texts)
    assert found["label"] == [row["label"] for row in own]
    assert found["score"] == pytest.approx([row["score"] for row in own], rel=1e-5)
    about = await model.metadata()
    assert [(t.name, t.datatype, t.shape) for t in about.inputs or []] == [("text", "BYTES", [-1])]
    assert [t.name for t in about.outputs or []] == ["label", "score"]
    await model.unload()
    with pytest.raises(InferenceError, match="is not loaded"):
        await answer(model, text=texts)


async def test_several_candidates_are_one_document_for_each_text(tmp_path: Path) -> None:
    save(tmp_path / "model", BertForMaskedLM)
    model = await loaded(tmp_path, task="fill-mask", arguments={"top_k": 2})
    found = await answer(model, text=["a [MASK]", "[MASK] of planks"])
    documents = [json.loads(text) for text in found["json"]]
    assert [len(d) for d in documents] == [2, 2]
    assert {"score", "token_str"} <= documents[0][0].keys()


async def test_what_the_pipeline_cannot_take_is_the_clients_fault(tmp_path: Path) -> None:
    save(tmp_path / "model", BertForSequenceClassification)
    model = await loaded(tmp_path, task="text-classification")
    with pytest.raises(InferenceError, match="'text': it is FP64, and the model takes BYTES"):
        await answer(model, text=np.array([1.0]))
    with pytest.raises(InferenceError, match="no input 'words'; its inputs are text"):
        await answer(model, words=["a"])


async def test_models_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(MLServerError, match=r"the folder has no config\.json"):
        await loaded(tmp_path, task="text-classification")
    save(tmp_path / "model", BertForSequenceClassification)
    with pytest.raises(MLServerError, match=r"no extra\.task"):
        await loaded(tmp_path)
    with pytest.raises(MLServerError, match=r"can't be loaded from .*no-such-task") as got:
        await loaded(tmp_path, task="no-such-task")
    assert got.value.status_code == 422


def test_answers_with_other_keys_are_documents() -> None:
    assert list(outputs([{"a": 1}, {"a": 2}])) == ["a"]
    assert list(outputs([{"a": 1}, {"b": 2}])) == ["json"]
    assert list(outputs([{"a": [1, 2]}])) == ["json"]
    assert list(outputs([[{"a": np.float32(1)}, {"a": 2}]])) == ["json"]
