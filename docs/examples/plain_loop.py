"""Grow a network in a training loop of your own: mixed precision, accumulation, clipping, a schedule, an average.

python plain_loop.py
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

import growsearch


def train(epochs: int = 4, accumulate: int = 2) -> growsearch.Grower:
    torch.manual_seed(0)
    digits = load_digits()
    images, labels = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(images[:1500], labels[:1500]), batch_size=32, shuffle=True, drop_last=True)

    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 10),
    )  # fmt: skip
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    steps = epochs * len(loader) // accumulate
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    scaler = torch.amp.GradScaler("cpu", enabled=False)  # on a GPU: GradScaler("cuda"), and autocast with float16
    criterion = nn.CrossEntropyLoss()

    grower = growsearch.Grower(
        model, optimizer, images[:2],
        objective=lambda model, batch: criterion(model(batch[0]), batch[1]),
        batches=loader,
        when={"interval": {"every": 15, "count": 4}}, where="singular_value", how="gradmax",
        budget={"width": 2.0},      # every layer up to twice its width
        companions=[average],       # grows too
        total_steps=steps,
    )  # fmt: skip
    for epoch in range(epochs):
        for index, (inputs, targets) in enumerate(loader):
            with torch.autocast("cpu", torch.bfloat16):
                loss = criterion(model(inputs), targets) / accumulate
            scaler.scale(loss).backward()
            if (index + 1) % accumulate or grower.progress.step == steps:
                continue
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            optimizer.zero_grad()
            average.update_parameters(model)
            if event := grower.step():  # behind the optimizer's step
                print(f"step {event.step}: {event.sites}, {event.parameters_after:,} parameters")
        growsearch.save("plain_loop.pt", model, optimizer, grower, schedule=schedule, average=average)
        with torch.no_grad():
            right = (average.eval()(images[1500:]).argmax(1) == labels[1500:]).float().mean()
        print(f"epoch {epoch}: {right:.1%} of the test images")
    return grower


if __name__ == "__main__":
    train()
