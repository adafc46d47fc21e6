# %% [markdown]
# # How do I grow a network that Lightning trains?
#
# The module and the trainer stay as they are; a callback makes the `Grower` once the optimizer exists, and puts the
# growth into the checkpoints.

# %%
import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from growsearch.integrations.lightning import GrowthCallback

pl.seed_everything(0, verbose=False)
digits = load_digits()
data = TensorDataset(torch.tensor(digits.images).float() / 16, torch.tensor(digits.target))


class Classifier(pl.LightningModule):
    """Ten digits."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))

    def training_step(self, batch, index):
        """Return the loss."""
        return loss_of(self.net, batch)

    def configure_optimizers(self):
        """Return Adam."""
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def loss_of(net, batch):
    """Return the cross-entropy."""
    return nn.functional.cross_entropy(net(batch[0]), batch[1])


growth = GrowthCallback(
    network="net",
    objective=loss_of,
    when={"interval": {"every": 15, "count": 3}},
    how="gradmax",
    budget={"width": 2.0},
    report=None,
)

# %%
module = Classifier()
trainer = pl.Trainer(
    max_epochs=4,
    callbacks=[growth],
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(module, DataLoader(data, batch_size=64, shuffle=True))
for event in growth.events:
    print(f"step {event.step}: {event.sites}, {event.parameters_after:,} parameters")

# %%
with torch.no_grad():
    print(
        f"accuracy on what it has seen: {(module.net(data.tensors[0]).argmax(1) == data.tensors[1]).float().mean():.0%}"
    )
module.net
