"""Grow a GPT in depth, in a loop as nanoGPT's: decay groups, a rate set by hand, accumulation, clipping, bfloat16.

python nanogpt_like.py
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import growsearch
from growsearch.data.text import python_help

BLOCK, BATCH, STEPS, ACCUMULATE, RATE, WARMUP = 32, 16, 90, 2, 3e-3, 10


class Block(nn.Module):
    def __init__(self, width: int = 48, heads: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ln_2, self.fc, self.out = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.ln_1(x)).chunk(3, 2))
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.out(F.gelu(self.fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self, blocks: int = 1, width: int = 48) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(256, width), nn.Embedding(BLOCK, width)
        self.h = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, 256, bias=False)
        self.lm_head.weight = self.wte.weight  # tied: stays so

    def forward(self, tokens: Tensor) -> Tensor:
        return self.lm_head(self.ln_f(self.h(self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1])))))


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())


def train() -> growsearch.Grower:
    torch.manual_seed(0)
    data = torch.tensor(list(python_help().encode()))

    def get_batch() -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(data) - BLOCK, (BATCH,)).tolist()
        windows = torch.stack([data[i : i + BLOCK + 1] for i in starts])
        return windows[:, :-1], windows[:, 1:]

    model = GPT()
    matrices, vectors = ([p for p in model.parameters() if (p.ndim > 1) is big] for big in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    grower = growsearch.Grower(
        model, optimizer, get_batch()[0][:2], objective=loss_of, batches=[get_batch() for _ in range(2)],
        when={"schedule": {"steps": [30, 60]}}, where="uniform", how="identity_blocks", budget={"depth": 3.0},
        total_steps=STEPS,
    )  # fmt: skip
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min((step + 1) / WARMUP, 0.1 + 0.45 * (1 + math.cos(math.pi * step / STEPS)))
        for _ in range(ACCUMULATE):
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, get_batch())
            (loss / ACCUMULATE).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if event := grower.step():
            print(f"step {event.step}: {event.sites}, {event.parameters_after:,} parameters")
        if step % 15 == 14:
            print(f"step {step + 1}: loss {loss.item():.3f}, {len(model.h)} block(s)")
    return grower


if __name__ == "__main__":
    train()
