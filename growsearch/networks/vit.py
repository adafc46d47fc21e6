"""Vision transformers."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from growsearch.errors import InputError
from growsearch.networks.base import image_shape
from growsearch.networks.transformer import MLP, STD, Attention, Block, Transformer, positions_of


class ViT(Transformer):
    """Square patches of an image as tokens; blocks as of `gpt`, but every position sees all; then a linear classifier.

    `pool`: the classifier reads a learned token in front of the patches (`class`), or the mean of all patches.
    Positions are learned.
    """

    summary: ClassVar[str] = (
        "vision transformer: patches, pre-norm, GELU, learned positions; its heads and MLPs can grow"
    )
    source: ClassVar[str] = "Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021"
    kind: ClassVar[str] = "vit"

    patch: int | None = Field(
        default=None, ge=1, description="pixels of a patch's side; null: an eighth of the image's (4 of 32), at least 2"
    )
    pool: Literal["class", "mean"] = "class"
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`: images.

        Raises `InputError` where a sample is no image, or cannot be cut into whole patches.
        """
        channels, *size = image_shape("vit", input_shape)
        patch = max(2, min(size) // 8) if self.patch is None else self.patch
        if size[0] % patch or size[1] % patch:
            raise InputError(
                f"network 'vit': patches of {patch} x {patch} do not cover images of {size[0]} x {size[1]}: choose a "
                "patch that divides both"
            )
        head_size = self.head_size()
        blocks = [
            Block(
                nn.LayerNorm(self.embedding),
                Attention(self.embedding, self.scaled(self.heads), head_size, self.dropout, bias=True, causal=False),
                nn.LayerNorm(self.embedding),
                MLP(self.embedding, self.hidden(), self.dropout, bias=True),
            )
            for _ in range(self.depth)
        ]
        patches = nn.Conv2d(channels, self.embedding, patch, stride=patch)
        count = (size[0] // patch) * (size[1] // patch)
        network: Classifier
        if self.pool == "class":
            network = TokenClassifier(patches, count + 1, blocks, outputs, self.dropout)
        else:
            network = MeanClassifier(patches, count, blocks, outputs, self.dropout)
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Transformer.initialise`; the class token is drawn likewise."""
        super().initialise(network)
        if isinstance(network, TokenClassifier):
            nn.init.normal_(network.token, std=STD)


class Classifier(nn.Module):
    """Embeddings of patches and positions, blocks, and scores of the classes; subclasses pool."""

    def __init__(self, patches: nn.Conv2d, positions: int, blocks: list[Block], outputs: int, dropout: float) -> None:
        super().__init__()
        width = patches.out_channels
        self.patches = patches
        self.positions = nn.Embedding(positions, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def encoded(self, tokens: Tensor) -> Tensor:
        """The normalised stream `[N, positions, width]` after all blocks, for tokens of the same shape."""
        stream = self.dropout(tokens + self.positions(positions_of(tokens)))
        for block in self.blocks:
            stream = block(stream)
        found: Tensor = self.norm(stream)
        return found


class MeanClassifier(Classifier):
    """Classifies the mean of all patches."""

    def forward(self, images: Tensor) -> Tensor:
        """Scores `[N, outputs]` of images `[N, channels, height, width]`."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        scores: Tensor = self.head(self.encoded(tokens).mean(1))
        return scores


class TokenClassifier(Classifier):
    """Classifies what a learned token, in front of the patches, has found."""

    def __init__(self, patches: nn.Conv2d, positions: int, blocks: list[Block], outputs: int, dropout: float) -> None:
        super().__init__(patches, positions, blocks, outputs, dropout)
        self.token = nn.Parameter(torch.zeros(1, 1, patches.out_channels))

    def forward(self, images: Tensor) -> Tensor:
        """Scores `[N, outputs]` of images `[N, channels, height, width]`."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), -1, -1), patches], 1)
        scores: Tensor = self.head(self.encoded(tokens)[:, 0])
        return scores
