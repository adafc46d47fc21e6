"""What transformers have in common: blocks of attention and an MLP on a stream of features, and their first weights.

Each block is one child of a network's `blocks` and maps the stream to the stream, so that blocks can be copied and put
in between. Heads are counted from the shapes, so that they can grow.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from growsearch.errors import InputError
from growsearch.networks.base import Network

STD = 0.02
"""Standard deviation of the initial weights."""


class Transformer(Network):
    """Base of the transformers: `depth` blocks on a stream of `embedding` features.

    `width` multiplies what is inside the blocks: the number of heads, which keep their size of `embedding / heads`
    features, and the MLP's hidden width of `mlp_ratio * embedding`.
    """

    kind: ClassVar[str]
    """Its name in files."""

    depth: int = Field(default=4, ge=1, description="blocks")
    embedding: int = Field(default=128, ge=1, description="features of the residual stream")
    heads: int = Field(default=4, ge=1, description="heads of attention at width 1; divides embedding")
    mlp_ratio: float = Field(default=4.0, gt=0, allow_inf_nan=False)

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`: N(0, 0.02), biases 0; what a block adds to the stream is smaller in deep networks.

        Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.3.
        """
        depth = len(network.get_submodule("blocks")._modules)
        for name, module in network.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding | nn.Conv2d):
                adds = name.endswith(("attention.output", "mlp.down"))
                nn.init.normal_(module.weight, std=STD / math.sqrt(2 * depth) if adds else STD)
            if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def head_size(self) -> int:
        """Features of a head. Raises `InputError` where the heads do not divide the embedding."""
        if self.embedding % self.heads:
            raise InputError(
                f"network {self.kind!r}: {self.heads} heads do not divide an embedding of {self.embedding} features: "
                "choose another number of heads"
            )
        return self.embedding // self.heads

    def hidden(self) -> int:
        """Hidden features of an MLP."""
        return self.scaled(max(1, round(self.mlp_ratio * self.embedding)))

    def context(self, input_shape: tuple[int, ...]) -> int:
        """Tokens of a sample. Raises `InputError` where it is no row of tokens."""
        if len(input_shape) != 1:
            found = " x ".join(map(str, input_shape))
            raise InputError(
                f"network {self.kind!r} needs rows of tokens, as of data 'text', but the data's inputs are {found}"
            )
        return input_shape[0]


class Block(nn.Module):
    """What attention and the MLP find in the normalised stream is added to it."""

    def __init__(self, attention_norm: nn.Module, attention: nn.Module, mlp_norm: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attention_norm = attention_norm
        self.attention = attention
        self.mlp_norm = mlp_norm
        self.mlp = mlp

    def forward(self, stream: Tensor) -> Tensor:
        """The stream `[N, positions, width]` after this block."""
        stream = stream + self.attention(self.attention_norm(stream))
        found: Tensor = stream + self.mlp(self.mlp_norm(stream))
        return found


class Attention(nn.Module):
    """Heads that look at all positions or, `causal`, at those up to their own."""

    def __init__(self, width: int, heads: int, head_size: int, dropout: float, bias: bool, causal: bool) -> None:
        super().__init__()
        self.head_size = head_size
        self.causal = causal
        self.query = nn.Linear(width, heads * head_size, bias=bias)
        self.key = nn.Linear(width, heads * head_size, bias=bias)
        self.value = nn.Linear(width, heads * head_size, bias=bias)
        self.output = nn.Linear(heads * head_size, width, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Tensor) -> Tensor:
        """`[N, positions, width]` of the same shape."""
        query, key, value = (split_heads(layer(stream), self.head_size) for layer in (self.query, self.key, self.value))
        found = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        mixed: Tensor = self.dropout(self.output(found.transpose(1, 2).flatten(2)))
        return mixed


def split_heads(features: Tensor, head_size: int) -> Tensor:
    """`[N, positions, heads * head_size]` as `[N, heads, positions, head_size]`."""
    return torch.unflatten(features, -1, (-1, head_size)).transpose(1, 2)


class MLP(nn.Module):
    """Two linear layers with a GELU between them, at every position."""

    def __init__(self, width: int, hidden: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=bias)
        self.activation = nn.GELU()
        self.down = nn.Linear(hidden, width, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Tensor) -> Tensor:
        """`[N, positions, width]` of the same shape."""
        found: Tensor = self.dropout(self.down(self.activation(self.up(stream))))
        return found


def positions_of(tokens: Tensor) -> Tensor:
    """The numbers of the positions, int64 `[positions]`, of `[N, positions, ...]`."""
    return torch.arange(tokens.shape[1], device=tokens.device)
