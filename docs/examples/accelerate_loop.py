"""Grow a network in a loop with Hugging Face's Accelerator, which saves and resumes it.

pip install "growsearch[accelerate]" && python accelerate_loop.py
"""

import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from growsearch.integrations.accelerate import AcceleratedGrower


class Training:
    """A small network and all that trains it, as for a new run."""

    def __init__(self, epochs: int = 5) -> None:
        torch.manual_seed(0)
        digits = load_digits()
        data = TensorDataset(torch.tensor(digits.images).float().flatten(1) / 16, torch.tensor(digits.target))
        network = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 10))
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * 29)
        self.accelerator = Accelerator(gradient_accumulation_steps=2)
        self.model, self.optimizer, self.loader, self.schedule = self.accelerator.prepare(
            network, optimizer, DataLoader(data, batch_size=64, shuffle=True), schedule
        )
        self.grower = AcceleratedGrower(
            self.accelerator, self.model, self.optimizer, self.loader,
            objective=lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
            when={"interval": {"every": 15, "count": 4}}, where="singular_value", how="gradmax",
            budget={"width": 2.0},
        )  # fmt: skip

    def epoch(self) -> None:
        for inputs, targets in self.loader:
            with self.accelerator.accumulate(self.model):
                self.accelerator.backward(nn.functional.cross_entropy(self.model(inputs), targets))
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                self.schedule.step()
                self.optimizer.zero_grad()
                if event := self.grower.step():  # behind the optimizer's step: it counts those that were made
                    print(f"step {event.step}: {event.sites}, {event.parameters_after:,} parameters")


def train(folder: str = "accelerate_loop") -> tuple[Training, Training]:
    first = Training()
    for epoch in range(5):
        first.epoch()
        if epoch == 1:
            first.accelerator.save_state(folder)

    second = Training()  # as after an interruption: a new, small network, made as large as the saved one
    second.accelerator.load_state(folder)
    print(f"resumed at step {second.grower.grower.progress.step}: {second.model[0]}")
    for _ in range(2, 5):
        second.epoch()
    return first, second


if __name__ == "__main__":
    train()
