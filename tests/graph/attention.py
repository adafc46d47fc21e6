"""Attention in the forms in which models write it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FusedAttention(nn.Module):
    """One projection for queries, keys and values, as vision transformers have it."""

    def __init__(self, width: int, num_heads: int, *, by_hand: bool) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.by_hand = num_heads, width // num_heads, by_hand
        self.scale = self.head_dim**-0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        if self.by_hand:
            x = ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1) @ v
        else:
            x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).flatten(2))


class SplitAttention(nn.Module):
    """One projection split into three, with the width of all heads kept as a number."""

    def __init__(self, width: int, n_head: int) -> None:
        super().__init__()
        self.n_head, self.split_size = n_head, width
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        parts = self.c_attn(x).split(self.split_size, dim=2)
        q, k, v = (part.view(batch, tokens, self.n_head, -1).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(batch, tokens, self.split_size))


class GroupedAttention(nn.Module):
    """Two heads of queries for each of keys and values, with rotary positions."""

    def __init__(self, width: int, heads: int, groups: int, head_dim: int, *, repeat: bool) -> None:
        super().__init__()
        self.num_heads, self.num_key_value_heads, self.head_dim, self.repeat = heads, groups, head_dim, repeat
        self.q_proj = nn.Linear(width, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(width, groups * head_dim, bias=False)
        self.v_proj = nn.Linear(width, groups * head_dim, bias=False)
        self.o_proj = nn.Linear(heads * head_dim, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, tokens, self.num_key_value_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, tokens, self.num_key_value_heads, self.head_dim).transpose(1, 2)
        q, k = self.rotate(q), self.rotate(k)
        if self.repeat:
            k, v = self.repeated(k), self.repeated(v)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=not self.repeat)
        return self.o_proj(y.transpose(1, 2).reshape(batch, tokens, -1))

    def rotate(self, x: Tensor) -> Tensor:
        half = self.head_dim // 2
        angle = torch.arange(x.shape[-2]).to(x)[:, None] / 10.0 ** torch.arange(half).to(x)
        cos, sin = torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()
        return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin

    def repeated(self, x: Tensor) -> Tensor:
        batch, groups, tokens, width = x.shape
        times = self.num_heads // groups
        return x[:, :, None].expand(batch, groups, times, tokens, width).reshape(batch, groups * times, tokens, width)


class Transformer(nn.Module):
    """Two blocks of attention and an MLP on a stream of 12 features."""

    def __init__(self, *attention: nn.Module) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(5, 12), nn.Linear(12, 3)
        self.attention = nn.ModuleList(attention)
        self.norms = nn.ModuleList(nn.LayerNorm(12) for _ in attention)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for norm, attention in zip(self.norms, self.attention, strict=True):
            x = x + attention(norm(x))
        return self.head(x.mean(1))
