"""Small networks with a residual stream, in the forms in which transformers have one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]


class OwnRms(nn.Module):
    """As Llama's: computed by hand, with the eps under a name of its own."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        scaled = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * scaled


class OffsetRms(OwnRms):
    """As Gemma's: it multiplies by 1 plus the weight."""

    def forward(self, x: Tensor) -> Tensor:
        scaled = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return (1 + self.weight) * scaled


class AlmostRms(OwnRms):
    """The root of the mean square, with the eps outside of it: no RMS normalisation."""

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x / (x.pow(2).mean(-1, keepdim=True).sqrt() + self.variance_epsilon)


class OwnLayerNorm(nn.LayerNorm):
    """A subclass that calls torch's function itself."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class Stream(nn.Module):
    """Embeddings with positions and a class token, and blocks of an MLP with what its options say.

    Args:
        norm: makes a normalisation of a width.
        dropout: rate, on what is written.
        scaled: whether a parameter scales what a block adds.
        post: whether the norms follow the additions.
        tied: whether the head has the embedding's weight.
        raw: whether the head reads the stream without a normalisation.
        bias: of the layers.
        product: whether the head is written as a product with its weight.
    """

    def __init__(
        self,
        norm: Norm = nn.LayerNorm,
        dropout: float = 0.0,
        scaled: bool = False,
        post: bool = False,
        tied: bool = False,
        raw: bool = False,
        bias: bool = True,
        product: bool = False,
    ) -> None:
        super().__init__()
        width, hidden = 8, 12
        self.post, self.product = post, product
        self.tokens = nn.Embedding(11, width)
        self.positions = nn.Parameter(torch.zeros(1, 5, width))
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.up = nn.ModuleList(nn.Linear(width, hidden, bias=bias) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(hidden, width, bias=bias) for _ in range(2))
        self.norms = nn.ModuleList(norm(width) for _ in range(2))
        self.scales = nn.ParameterList(torch.ones(width) for _ in range(2 if scaled else 0))
        self.norm = nn.Identity() if raw else norm(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, 11, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.cat([self.cls.expand(len(tokens), -1, -1), self.tokens(tokens)], 1) + self.positions
        for index, (norm, up, down) in enumerate(zip(self.norms, self.up, self.down, strict=True)):
            added = down(F.gelu(up(x if self.post else norm(x))))
            if self.scales:
                added = added * self.scales[index]
            x = x + self.dropout(added)
            x = norm(x) if self.post else x
        x = self.norm(x)
        return x @ self.head.weight.T if self.product else self.head(x)


def tokens() -> Tensor:
    return torch.randint(0, 11, (3, 4), generator=torch.Generator().manual_seed(0))


def built(dtype: torch.dtype = torch.float64, **options: object) -> Stream:
    """A stream with random values in every parameter."""
    torch.manual_seed(0)
    model = Stream(**options)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape))
    return model.to(dtype)
