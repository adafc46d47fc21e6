"""Grow a network in a Lightning Trainer, which saves and resumes it.

pip install "growsearch[lightning]" && python lightning_callback.py
"""

import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from growsearch.integrations.lightning import GrowthCallback


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 10)
        )

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return objective(self.net, batch)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean(), prog_bar=True)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def objective(net: nn.Module, batch: list[Tensor]) -> Tensor:
    return nn.functional.cross_entropy(net(batch[0]), batch[1])


def growth() -> GrowthCallback:
    return GrowthCallback(
        network="net",  # the part of the module that grows
        objective=objective,
        when={"interval": {"every": 20, "count": 4}}, where="singular_value", how="gradmax",
        budget={"width": 2.0},
    )  # fmt: skip


def train(folder: str = "lightning_callback") -> tuple[GrowthCallback, GrowthCallback]:
    pl.seed_everything(0)
    digits = load_digits()
    data = TensorDataset(torch.tensor(digits.images).float() / 16, torch.tensor(digits.target))
    fit, held_out = random_split(data, [1497, 300])
    loaders = DataLoader(fit, batch_size=64, shuffle=True), DataLoader(held_out, batch_size=300)
    settings = {
        "default_root_dir": folder,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }

    first = growth()
    kept = pl.callbacks.ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1, enable_version_counter=False)
    average = pl.callbacks.EMAWeightAveraging(decay=0.9)
    pl.Trainer(max_epochs=5, callbacks=[first, average, kept], gradient_clip_val=1.0, **settings).fit(
        Classifier(), *loaders
    )
    for event in first.events:
        print(f"step {event.step}: {event.sites}, {event.parameters_after:,} parameters")

    # As after an interruption: a new, small module, made as large as the checkpoint before it goes on.
    second = growth()
    average = pl.callbacks.EMAWeightAveraging(decay=0.9)
    trainer = pl.Trainer(
        max_epochs=5, callbacks=[second, average], enable_checkpointing=False, gradient_clip_val=1.0, **settings
    )
    trainer.fit(Classifier(), *loaders, ckpt_path=f"{folder}/epoch=1.ckpt")
    print(f"resumed: {len(second.events)} further events, accuracy {trainer.callback_metrics['accuracy']:.1%}")
    return first, second


if __name__ == "__main__":
    train()
