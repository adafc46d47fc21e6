"""Windows of a stream of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from growsearch.data.dataset import Split


@dataclass(frozen=True, eq=False)
class Windows(Split):
    """Windows `[N, context]` of a stream, one behind the other; the targets are the tokens that follow.

    Every epoch of training begins at another of the first `context` tokens, so that no window comes twice, and takes
    its windows in random order: every token is seen once an epoch, up to those at the stream's ends.
    """

    tokens: Tensor
    context: int

    def to(self, device: torch.device | str) -> Windows:
        """See `Split.to`."""
        return _cut(self.tokens.to(device), self.context, 0, len(self))

    def epoch(self, generator: torch.Generator) -> tuple[Split, Tensor]:
        """See `Split.epoch`."""
        first = int(torch.randint(0, self.context, (), generator=generator))
        return _cut(self.tokens, self.context, first, len(self)), torch.randperm(len(self), generator=generator)


def training_windows(tokens: Tensor, context: int) -> Windows:
    """Return as many windows of int64 `tokens` as there are wherever the first begins; none where too few tokens."""
    return _cut(tokens, context, 0, max(0, (len(tokens) - context) // context))


def consecutive_windows(tokens: Tensor, context: int) -> Split:
    """Return the windows of int64 `tokens` from the first one on; a rest that fills none is left out."""
    windows = _cut(tokens, context, 0, max(0, (len(tokens) - 1) // context))
    return Split(windows.inputs, windows.targets)


def _cut(tokens: Tensor, context: int, first: int, count: int) -> Windows:
    length = count * context
    inputs, targets = (tokens[start : start + length].view(count, context) for start in (first, first + 1))
    return Windows(inputs, targets, tokens, context)
