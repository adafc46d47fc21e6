"""Random crops and flips of a batch of images, on the device where the batch is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augment:
    """`pad` black pixels on every side before a random crop of the old size; `flip` mirrors every second image."""

    pad: int = 0
    flip: bool = False

    def draw(self, samples: int, generator: torch.Generator) -> Tensor:
        """Choices `[samples, 3]`: the crop's top and left, from 0 to 2 * pad, and whether to mirror."""
        corners = torch.randint(0, 2 * self.pad + 1, (samples, 2), generator=generator)
        mirrored = torch.randint(0, 2, (samples, 1), generator=generator) * int(self.flip)
        return torch.cat([corners, mirrored], dim=1)

    def apply(self, images: Tensor, choices: Tensor) -> Tensor:
        """Images `[N, channels, height, width]`, cropped and mirrored by `choices` `[N, 3]` in one gather."""
        samples, channels, height, width = images.shape
        padded = F.pad(images, (self.pad,) * 4)
        top, left, mirrored = choices.unbind(dim=1)
        rows = torch.arange(height, device=images.device) + top[:, None]
        columns = torch.arange(width, device=images.device).expand(samples, -1)
        columns = torch.where(mirrored[:, None] == 1, columns.flip(1), columns) + left[:, None]
        pixels = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]
        index = pixels.view(samples, 1, -1).expand(-1, channels, -1)
        return padded.view(samples, channels, -1).gather(2, index).view(samples, channels, height, width)
