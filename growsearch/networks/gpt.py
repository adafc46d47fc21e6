"""Transformers that predict the next token."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from growsearch.errors import InputError
from growsearch.networks.base import Network

_STD = 0.02  # of the initial weights


class GPT(Network):
    """Blocks of causal attention and an MLP, with layer normalisation before each, on a stream of `embedding` features.

    `width` multiplies what is inside the blocks: the number of heads, which keep their size of `embedding / heads`
    features, and the MLP's hidden width of `mlp_ratio * embedding`. `tied`: the output layer has the weights of the
    token embedding. Positions are learned, for as many tokens as the data's context has.
    """

    summary: ClassVar[str] = "transformer for text: pre-norm, GELU, learned positions; its heads and MLPs can grow"
    source: ClassVar[str] = "Radford et al., Language Models are Unsupervised Multitask Learners (GPT-2), 2019"

    depth: int = Field(default=4, ge=1, description="blocks")
    embedding: int = Field(default=128, ge=1, description="features of the residual stream")
    heads: int = Field(default=4, ge=1, description="heads of attention at width 1; divides embedding")
    mlp_ratio: float = Field(default=4.0, gt=0, allow_inf_nan=False)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    bias: bool = True
    tied: bool = True

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`: token ids below `outputs`, int64 `[N, context]`, to `[N, context, outputs]`.

        Raises `InputError` where a sample is no row of tokens, or the heads do not divide the embedding.
        """
        if len(input_shape) != 1:
            found = " x ".join(map(str, input_shape))
            raise InputError(
                f"network 'gpt' needs rows of tokens, as of data 'text', but the data's inputs are {found}"
            )
        if self.embedding % self.heads:
            raise InputError(
                f"network 'gpt': {self.heads} heads do not divide an embedding of {self.embedding} features: choose "
                "another number of heads"
            )
        hidden = self.scaled(max(1, round(self.mlp_ratio * self.embedding)))
        head_size = self.embedding // self.heads
        blocks = [
            Block(self.embedding, self.scaled(self.heads), head_size, hidden, self.dropout, self.bias)
            for _ in range(self.depth)
        ]
        network = Decoder(outputs, input_shape[0], self.embedding, blocks, self.dropout, self.bias)
        if self.tied:
            network.head.weight = network.tokens.weight
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`: N(0, 0.02), biases 0; what a block adds to the stream is smaller in deep networks.

        Source: Radford et al. 2019, section 2.3.
        """
        for name, module in network.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                adds = name.endswith(("attention.output", "mlp.down"))
                nn.init.normal_(module.weight, std=_STD / math.sqrt(2 * self.depth) if adds else _STD)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


class Decoder(nn.Module):
    """Embeddings of tokens and positions, blocks, and logits of the next token."""

    def __init__(
        self, vocabulary: int, context: int, width: int, blocks: list[Block], dropout: float, bias: bool
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, bias=bias)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `[N, positions, vocabulary]` for token ids `[N, positions]`."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        stream = self.dropout(self.tokens(tokens) + self.positions(positions))
        for block in self.blocks:
            stream = block(stream)
        logits: Tensor = self.head(self.norm(stream))
        return logits


class Block(nn.Module):
    """What attention and the MLP find in the normalised stream is added to it."""

    def __init__(self, width: int, heads: int, head_size: int, hidden: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, bias=bias)
        self.attention = Attention(width, heads, head_size, dropout, bias)
        self.mlp_norm = nn.LayerNorm(width, bias=bias)
        self.mlp = MLP(width, hidden, dropout, bias)

    def forward(self, stream: Tensor) -> Tensor:
        """The stream `[N, positions, width]` after this block."""
        stream = stream + self.attention(self.attention_norm(stream))
        found: Tensor = stream + self.mlp(self.mlp_norm(stream))
        return found


class Attention(nn.Module):
    """Heads that look at the positions up to their own."""

    def __init__(self, width: int, heads: int, head_size: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.head_size = head_size
        self.query = nn.Linear(width, heads * head_size, bias=bias)
        self.key = nn.Linear(width, heads * head_size, bias=bias)
        self.value = nn.Linear(width, heads * head_size, bias=bias)
        self.output = nn.Linear(heads * head_size, width, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Tensor) -> Tensor:
        """`[N, positions, width]` of the same shape."""
        heads = [layer(stream).unflatten(-1, (-1, self.head_size)) for layer in (self.query, self.key, self.value)]
        query, key, value = (each.transpose(1, 2) for each in heads)  # [N, heads, positions, head_size]
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed: Tensor = self.dropout(self.output(found.transpose(1, 2).flatten(2)))
        return mixed


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
