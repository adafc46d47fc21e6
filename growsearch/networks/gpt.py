"""Transformers that predict the next token."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from growsearch.networks.transformer import MLP, Attention, Block, Transformer, positions_of


class GPT(Transformer):
    """Blocks of causal attention and an MLP, with layer normalisation before each, on a stream of `embedding` features.

    `tied`: the output layer has the weights of the token embedding. Positions are learned, for as many tokens as the
    data's context has.
    """

    summary: ClassVar[str] = "transformer for text: pre-norm, GELU, learned positions; its heads and MLPs can grow"
    source: ClassVar[str] = "Radford et al., Language Models are Unsupervised Multitask Learners (GPT-2), 2019"
    kind: ClassVar[str] = "gpt"
    reads_tokens: ClassVar[bool] = True

    dropout: float = Field(default=0.0, ge=0, lt=1)
    bias: bool = True
    tied: bool = True

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`: token ids below `outputs`, int64 `[N, context]`, to `[N, context, outputs]`.

        Raises `InputError` where a sample is no row of tokens, or the heads do not divide the embedding.
        """
        context = self.context(input_shape)
        head_size = self.head_size()
        blocks = [
            Block(
                nn.LayerNorm(self.embedding, bias=self.bias),
                Attention(self.embedding, self.scaled(self.heads), head_size, self.dropout, self.bias, causal=True),
                nn.LayerNorm(self.embedding, bias=self.bias),
                MLP(self.embedding, self.hidden(), self.dropout, self.bias),
            )
            for _ in range(self.depth)
        ]
        network = Decoder(outputs, context, self.embedding, blocks, self.dropout, self.bias)
        if self.tied:
            network.head.weight = network.tokens.weight
        self.initialise(network)
        return network


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
        stream = self.dropout(self.tokens(tokens) + self.positions(positions_of(tokens)))
        for block in self.blocks:
            stream = block(stream)
        logits: Tensor = self.head(self.norm(stream))
        return logits
