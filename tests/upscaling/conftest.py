"""Checkpoints of tiny networks of `transformers`, made once; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

BASE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
}
TEXT: dict[str, Any] = {
    **BASE,
    "vocab_size": 50,
    "max_position_embeddings": 32,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
GROUPED: dict[str, Any] = {**TEXT, "num_key_value_heads": 2}
GPT: dict[str, Any] = {"vocab_size": 50, "n_positions": 32, "n_embd": 16, "n_layer": 2, "n_head": 4}
GPT |= {"bos_token_id": 0, "eos_token_id": 1}
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT),
    "llama": ("LlamaForCausalLM", "LlamaConfig", {**GROUPED, "attention_dropout": 0.1}),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", {**GROUPED, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {**GROUPED, "head_dim": 4}),
    "bert": ("BertForMaskedLM", "BertConfig", TEXT),
    "vit": ("ViTForImageClassification", "ViTConfig", {**BASE, "image_size": 8, "patch_size": 2, "num_channels": 1}),
}

Make = Callable[..., Path]


def drawn(kind: str, **fields: Any) -> Any:
    """A network with every parameter drawn at random: fresh ones have biases of 0 and norms of 1."""
    transformers = pytest.importorskip("transformers")
    model, config, values = KINDS[kind]
    torch.manual_seed(0)
    network: nn.Module = getattr(transformers, model)(getattr(transformers, config)(**{**values, **fields}))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    return network


@pytest.fixture
def checkpoint(tmp_path: Path) -> Make:
    """Write the checkpoint of a kind into a folder of that name, with a file that is no weights."""

    def make(kind: str, dtype: torch.dtype = torch.float32, shards: str = "1GB", **fields: Any) -> Path:
        folder = tmp_path / kind
        network = drawn(kind, **fields).to(dtype)
        from growsearch.upscaling.checkpoint import quiet_transformers

        with quiet_transformers():
            network.save_pretrained(folder, max_shard_size=shards)
        (folder / "tokenizer.json").write_text('{"any": "thing"}')
        return folder

    return make
