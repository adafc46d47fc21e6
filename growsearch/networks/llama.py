"""Transformers that predict the next token, with rotary positions and grouped heads."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from growsearch.errors import InputError
from growsearch.networks.transformer import Block, Transformer, positions_of, split_heads


class Llama(Transformer):
    """Blocks of causal attention with rotary positions and a gated MLP, with RMS normalisation before each; no biases.

    `key_value_heads` serve `heads / key_value_heads` heads of queries each: such a group is a unit of growth, and
    `width` multiplies the number of groups and the MLP's hidden width. `tied`: the output layer has the weights of the
    token embedding.
    """

    summary: ClassVar[str] = "transformer for text: RMS norm, rotary positions, SwiGLU, grouped heads; heads, MLPs grow"
    source: ClassVar[str] = (
        "Touvron et al., LLaMA, arXiv 2302.13971, 2023; grouped heads: Ainslie et al., GQA, EMNLP 2023; rotary "
        "positions: Su et al., RoFormer, Neurocomputing 568, 2024; SwiGLU: Shazeer, arXiv 2002.05202, 2020"
    )
    kind: ClassVar[str] = "llama"
    reads_tokens: ClassVar[bool] = True

    mlp_ratio: float = Field(default=8 / 3, gt=0, allow_inf_nan=False)
    key_value_heads: int | None = Field(
        default=None, ge=1, description="heads of keys and values at width 1; divides heads; null: as many as heads"
    )
    tied: bool = False

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`: token ids below `outputs`, int64 `[N, context]`, to `[N, context, outputs]`.

        Raises `InputError` where a sample is no row of tokens, the heads do not divide the embedding into an even
        number of features, or the heads of keys and values do not divide the heads.
        """
        self.context(input_shape)
        head_size = self.head_size()
        if head_size % 2:
            raise InputError(
                f"network 'llama': rotary positions turn pairs of features, but a head has {head_size}: choose heads "
                "that divide the embedding into an even number"
            )
        groups = self.heads if self.key_value_heads is None else self.key_value_heads
        if self.heads % groups:
            raise InputError(
                f"network 'llama': {groups} heads of keys and values do not divide {self.heads} heads: choose a "
                "key_value_heads that does"
            )
        scaled = self.scaled(groups)
        blocks = [
            Block(
                nn.RMSNorm(self.embedding),
                RotaryAttention(self.embedding, scaled * (self.heads // groups), scaled, head_size),
                nn.RMSNorm(self.embedding),
                GatedMLP(self.embedding, self.hidden()),
            )
            for _ in range(self.depth)
        ]
        network = RotaryDecoder(outputs, self.embedding, blocks)
        if self.tied:
            network.head.weight = network.tokens.weight
        self.initialise(network)
        return network


class RotaryDecoder(nn.Module):
    """Embeddings of tokens, blocks, and logits of the next token; the blocks know the positions."""

    def __init__(self, vocabulary: int, width: int, blocks: list[Block]) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `[N, positions, vocabulary]` for token ids `[N, positions]`."""
        stream = self.tokens(tokens)
        for block in self.blocks:
            stream = block(stream)
        logits: Tensor = self.head(self.norm(stream))
        return logits


class RotaryAttention(nn.Module):
    """Causal attention; each head of keys and values serves several heads of queries, one after the other."""

    def __init__(self, width: int, heads: int, key_value_heads: int, head_size: int) -> None:
        super().__init__()
        self.head_size = head_size
        self.query = nn.Linear(width, heads * head_size, bias=False)
        self.key = nn.Linear(width, key_value_heads * head_size, bias=False)
        self.value = nn.Linear(width, key_value_heads * head_size, bias=False)
        self.output = nn.Linear(heads * head_size, width, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        """`[N, positions, width]` of the same shape."""
        query, key, value = (split_heads(layer(stream), self.head_size) for layer in (self.query, self.key, self.value))
        cos, sin = angles(positions_of(stream), self.head_size)
        query, key = turned(query, cos, sin), turned(key, cos, sin)
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        mixed: Tensor = self.output(found.transpose(1, 2).flatten(2))
        return mixed


class GatedMLP(nn.Module):
    """SwiGLU: hidden features multiplied by a SiLU of as many others, at every position."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        """`[N, positions, width]` of the same shape."""
        found: Tensor = self.down(F.silu(self.gate(stream)) * self.up(stream))
        return found


def angles(positions: Tensor, head_size: int, base: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Cosine and sine, `[positions, head_size / 2]` each, of the angle by which a position turns each pair of features.

    Pair `i` is turned by `position * base ** (-2 i / head_size)`. Source: Su et al., RoFormer, equation 15.
    """
    pairs = torch.arange(0, head_size, 2, device=positions.device, dtype=torch.float32)
    turns = positions[:, None] * base ** (-pairs / head_size)
    return turns.cos(), turns.sin()


def turned(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Heads `[N, heads, positions, head_size]`, each pair of features (i, i + head_size / 2) turned by its angle.

    Source: Su et al., RoFormer, equation 34, with the pairs as in the released LLaMA weights for `transformers`.
    """
    first, second = heads.chunk(2, -1)
    cos, sin = cos.to(heads.dtype), sin.to(heads.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
