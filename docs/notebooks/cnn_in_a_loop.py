# %% [markdown]
# # How do I grow a CNN in my own loop?
#
# A model, an optimizer and a loop as they are; growing adds the `Grower` and `grower.step()`.

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import growsearch

torch.manual_seed(0)
digits = load_digits()
images, labels = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)
loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
model = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64, 8),
    nn.ReLU(),
    nn.Linear(8, 10),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
grower = growsearch.Grower(
    model,
    optimizer,
    images[:2],
    objective=lambda model, batch: criterion(model(batch[0]), batch[1]),
    batches=loader,
    when={"interval": {"every": 10, "count": 4}},
    where="uniform",
    how="gradmax",
    budget={"width": 2.0},
    report=None,
)

# %%
for _ in range(2):
    for inputs, targets in loader:
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if event := grower.step():
            print(f"step {event.step}: {event.sites}, {event.parameters_after:,} parameters, loss {loss.item():.2f}")

# %%
print(model)
assert model[0].out_channels == 8
