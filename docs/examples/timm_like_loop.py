"""Grow a model of timm in the loop of timm's train.py: its optimizer, scheduler, mixup, scaler, average and clipping.

pip install "growsearch[timm]" && python timm_like_loop.py
"""

import timm
import torch
from sklearn.datasets import load_digits
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.models import model_parameters
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, ModelEmaV3, NativeScaler, accuracy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import growsearch


def train(epochs: int = 8, model_name: str = "test_resnet") -> growsearch.Grower:
    torch.manual_seed(0)
    digits = load_digits()
    images = nn.functional.interpolate(torch.tensor(digits.images).float().unsqueeze(1) / 8 - 1, scale_factor=2)
    labels = torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(images[:320], labels[:320]), batch_size=32, shuffle=True, drop_last=True)

    model = timm.create_model(model_name, pretrained=False, in_chans=1, num_classes=10)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=2e-3, weight_decay=0.05)
    updates = len(loader)
    scheduler, epochs = create_scheduler_v2(
        optimizer, sched="cosine", num_epochs=epochs, warmup_epochs=1, step_on_epochs=False, updates_per_epoch=updates
    )
    ema = ModelEmaV3(model, decay=0.9)
    mixup = Mixup(mixup_alpha=0.1, num_classes=10)
    scaler, criterion = NativeScaler("cpu"), SoftTargetCrossEntropy()

    grower = growsearch.Grower(
        model, optimizer, images[:2],
        objective=lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
        batches=loader,                      # without mixup
        when={"interval": {"every": updates // 3, "count": 3}}, where="uniform", how="split",
        budget={"width": 1.5},
        companions=[ema.module],             # the average grows too
        total_steps=epochs * updates,
    )  # fmt: skip
    for epoch in range(epochs):
        losses = AverageMeter()
        model.train()
        for index, (inputs, targets) in enumerate(loader):
            inputs, targets = mixup(inputs, targets)
            loss = criterion(model(inputs), targets)
            scaler(loss, optimizer, clip_grad=1.0, parameters=model_parameters(model))
            optimizer.zero_grad()
            ema.update(model)
            if event := grower.step():  # behind the scaler's, and so the optimizer's step
                print(f"step {event.step}: {len(event.sites)} layers, {event.parameters_after:,} parameters")
            losses.update(loss.item(), inputs.size(0))
            scheduler.step_update(num_updates=epoch * updates + index + 1, metric=losses.avg)
        with torch.no_grad():
            top, _ = accuracy(ema.module.eval()(images[1500:]), labels[1500:], topk=(1, 5))
        print(f"epoch {epoch}: loss {losses.avg:.3f}, the average is right on {top:.1f} % of the test images")
        scheduler.step(epoch + 1, losses.avg)
        growsearch.save("timm_like_loop.pt", model, optimizer, grower, scheduler=scheduler, ema=ema)
    return grower


if __name__ == "__main__":
    train()
