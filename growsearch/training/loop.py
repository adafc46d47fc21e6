"""The training loop of one run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from growsearch.config import RunConfig
from growsearch.data import Split, evaluation_batches
from growsearch.errors import GrowsearchError
from growsearch.graph.remembered import remembered_sizes
from growsearch.growth import Grower, GrowthEvent, SoftGrower
from growsearch.runs.events import Grew, Progress, Recovered, RowDone, RunStarted, StepDone, TrainingStopped
from growsearch.runs.layout import CHECKPOINT, GROWTH, METRICS, RECOVERIES
from growsearch.runs.records import GrowthLine, MetricsRow, RunResult
from growsearch.surgery import apply_masks
from growsearch.training.architecture import Architecture
from growsearch.training.checkpoint import load_checkpoint, rng_state, save_checkpoint
from growsearch.training.compute import training_flops_per_sample
from growsearch.training.counters import Counters
from growsearch.training.evaluation import evaluate, evaluation_samples
from growsearch.training.finishing import widths_of, write_finished
from growsearch.training.gradients import Gradients
from growsearch.training.hooks import TrainingHooks
from growsearch.training.length import steps_within
from growsearch.training.optimizers import parameter_order, set_learning_rate
from growsearch.training.recovery import Recoveries
from growsearch.training.result import fingerprint
from growsearch.training.run_logs import RunLogs
from growsearch.training.setup import FLOPS_PARTS, set_up
from growsearch.training.threads import threads
from growsearch.training.world import ALONE, World

CHECKPOINT_SECONDS = 30.0
PROGRESS_SECONDS = 0.5


class TrainingDiverged(GrowsearchError):
    """The training loss is not finite any more."""


class TrainingRun:
    """A run in the making: train, possibly in parts, then finish."""

    def __init__(
        self,
        config: RunConfig,
        seed: int,
        folder: Path,
        device: str,
        progress: Progress,
        architecture: Architecture | None = None,
        hooks: TrainingHooks | None = None,
        checkpoints: bool = True,
        world: World = ALONE,
    ) -> None:
        """Begin, or go on from the folder's checkpoint.

        Args:
            config: what is trained.
            seed: of everything random.
            folder: where its files are.
            device: `auto`, `cpu` or `cuda`, or that of this process.
            progress: is told what happens.
            architecture: the network to begin with, in place of the configuration's.
            hooks: are called at the turning points.
            checkpoints: whether training writes them, now and then.
            world: the processes that train it together; the first one writes all files.
        """
        self.folder = folder
        self._progress = progress
        self._hooks = hooks or TrainingHooks()
        self._checkpoint_seconds = CHECKPOINT_SECONDS if checkpoints else math.inf
        self.fingerprint = fingerprint(config, seed, architecture)
        """What tells its configuration, seed and beginning from others."""
        saved = world.first(lambda: load_checkpoint(folder / CHECKPOINT, torch.device("cpu")))
        if saved is not None and saved["config"] != self.fingerprint:
            saved = None
        self.threads = _threads(saved, world)
        """CPU threads that the run was begun with, of each process, on which its bits depend."""
        with threads(self.threads):
            self.setup = setup = set_up(config, seed, device, saved, architecture, world=world)
        self._gradients = Gradients(setup)
        self.counters = Counters(**saved["counters"]) if saved else Counters()
        self._loss_sum = (
            saved["loss_sum"].to(setup.device) if saved else torch.zeros((), dtype=torch.float64, device=setup.device)
        )
        self._logs = RunLogs(folder, saved["lines"] if saved else {}, world)
        self._recoveries = Recoveries(setup.device, saved.get("recoveries") if saved else None)
        self._flops_before = self.counters.training_flops
        self._measure_network()
        self._set_length()

    def train(self, until: int | None = None) -> None:
        """Train up to step `until`, or to the end."""
        try:
            self._train(until)
        except Exception:
            self._progress(TrainingStopped(self.counters.training_flops))
            raise

    def _train(self, until: int | None) -> None:
        import torch._dynamo  # noqa: F401  # optimizers do at their first step: that takes seconds, and is no training

        setup, counters = self.setup, self.counters
        last = math.inf if until is None else until
        self._progress(RunStarted(counters.step, setup.total_steps, self._parameters))
        before = counters.seconds
        started = time.perf_counter()
        next_checkpoint = started + self._checkpoint_seconds
        next_progress = started
        while counters.step < min(last, setup.total_steps):
            for inputs, targets in setup.batches:
                self._step(inputs, targets)
                now = time.perf_counter()
                counters.seconds = before + now - started
                if self.row_due:
                    self.write_row()
                    counters.seconds = before + time.perf_counter() - started
                if now >= next_progress:
                    next_progress = now + PROGRESS_SECONDS
                    self._progress(StepDone(counters.step, setup.total_steps))
                if setup.world.agreed(now >= next_checkpoint):
                    self.save()
                    next_checkpoint = time.perf_counter() + self._checkpoint_seconds
                if counters.step >= min(last, setup.total_steps):
                    break

    def _step(self, inputs: Tensor, targets: Tensor) -> None:
        """One optimizer step, and a growth step when it is due."""
        setup, counters = self.setup, self.counters
        self._flops_before = counters.training_flops
        set_learning_rate(setup.optimizer, setup.schedule(self._place()))
        loss = self._gradients(inputs, targets)
        if setup.config.training.clip is not None:
            torch.nn.utils.clip_grad_norm_(setup.model.parameters(), setup.config.training.clip)
        setup.optimizer.step()
        if setup.masked:
            apply_masks(setup.model, setup.optimizer)
        setup.optimizer.zero_grad(set_to_none=True)
        samples = setup.batches.samples
        self._loss_sum.add_(loss, alpha=samples)
        if setup.grower is not None:
            self._recoveries.step(loss)
        counters.step += 1
        counters.samples_since_row += samples
        counters.training_flops += self._flops_per_sample * samples
        self._meter()
        self.grow()
        self._set_length()

    def _place(self) -> float:
        """Where in its learning-rate schedule the run is: steps, or, where its FLOPs end it, parts of these."""
        limit = self.setup.flops_limit
        return self.counters.step if limit is None else FLOPS_PARTS * self.counters.training_flops / limit

    def _meter(self) -> None:
        """Let the scheduler know the FLOPs, where they end the run."""
        setup = self.setup
        if setup.flops_limit is not None and setup.grower is not None:
            setup.grower.progress.meter(self.counters.training_flops, setup.flops_limit)

    def _set_length(self) -> None:
        """Count the steps again that the FLOPs left will buy; growth has made them dearer, and has cost some itself."""
        setup, counters = self.setup, self.counters
        if setup.flops_limit is None or setup.grower is None:
            return
        left, samples = setup.flops_limit - counters.training_flops, len(setup.data.train)
        position = int(setup.batches.state_dict()["position"])
        size = setup.config.training.batch_size
        setup.total_steps = counters.step + steps_within(left, self._flops_per_sample, samples, size, position)
        setup.grower.progress.total_steps = setup.total_steps

    def grow(self) -> None:
        """Grow where that is due, as after every optimizer step."""
        if self.setup.growing is not None:
            self._hooks.before_growth(self)
            self._change(self.setup.growing, self.setup.growing.step)

    def _change(self, growing: Grower | SoftGrower, change: Callable[[], GrowthEvent | None]) -> None:
        """Change the network's size, and count what that costs."""
        counters = self.counters
        seconds, flops = growing.seconds, growing.flops
        event = change()
        # What the scheduler measures without growing counts too.
        counters.growth_seconds += growing.seconds - seconds
        counters.growth_flops += growing.flops - flops
        counters.training_flops += growing.flops - flops
        if event is None:
            return
        if event.refused is None:
            self._gradients.forget()
        line = GrowthLine.of_event(event, self.widths, self._recoveries.grew(event))
        self._logs.append(GROWTH, line.plain())
        counters.growth_events += event.refused is None
        self._measure_network()
        self._progress(Grew(line))
        self._hooks.after_growth(self, line)

    def _measure_network(self) -> None:
        """Refresh what depends on the architecture."""
        setup = self.setup
        self._parameters = sum(parameter.numel() for parameter in setup.model.parameters())
        with setup.soft.detached() if setup.soft is not None else nullcontext():
            self._flops_per_sample = training_flops_per_sample(setup.model, setup.data.example())
        self.widths = widths_of(setup.growing.graph) if setup.growing is not None else {}
        """Those of the sites, where the network grows."""

    @property
    def parameters(self) -> int:
        """The network's parameters, as it is now."""
        return self._parameters

    @property
    def row_due(self) -> bool:
        """Whether a row of metrics belongs behind this step; never where `setup.rows_every` is 0."""
        setup, counters = self.setup, self.counters
        every, rows = setup.rows_every, setup.config.training.rows
        if not every or counters.step == setup.total_steps:
            return every > 0
        if setup.flops_limit is None or rows is None:
            return counters.step % every == 0
        part = setup.flops_limit / rows
        return counters.training_flops // part > self._flops_before // part

    def take_train_loss(self) -> float:
        """Return the mean training loss since the last time; raises `TrainingDiverged` where it is not finite."""
        counters = self.counters
        loss = self._loss_sum.item() / max(1, counters.samples_since_row)
        self._require_finite(loss, "training")
        self.forget_train_loss()
        return loss

    def forget_train_loss(self) -> None:
        """Begin the mean of the training loss anew."""
        self._loss_sum.zero_()
        self.counters.samples_since_row = 0

    def validate(self) -> dict[str, float]:
        """Return what the task measures on the validation split, as `validation_loss` and so on; empty without one."""
        return self._evaluate(self.setup.validation, "validation")

    def write_row(self) -> None:
        """Append a row of metrics, and let the scheduler know."""
        setup, counters = self.setup, self.counters
        counters.train_loss = self.take_train_loss()
        self._log_recoveries()
        metrics = self.validate()
        if setup.grower is not None:
            setup.grower.report(train_loss=counters.train_loss, **metrics)
        row = MetricsRow(
            step=counters.step,
            epoch=counters.step / setup.steps_per_epoch,
            train_loss=counters.train_loss,
            metrics=metrics,
            lr=setup.optimizer.param_groups[0]["lr"],
            parameters=self._parameters,
            training_flops=counters.training_flops,
            growth_flops=counters.growth_flops,
            seconds=counters.seconds,
            sizes=setup.soft.sizes if setup.soft is not None else None,
        )
        self._logs.append(METRICS, row.plain())
        self._progress(RowDone(row, setup.total_steps))
        self._hooks.on_row(self, row)

    def _log_recoveries(self) -> None:
        """Write down whose loss is back by now."""
        for recovery in self._recoveries.take():
            self._logs.append(RECOVERIES, recovery.plain())
            self._progress(Recovered(recovery))

    def _evaluate(self, split: Split | None, name: str) -> dict[str, float]:
        """The task's metrics, such as `NAME_loss`; nothing where there is no such split."""
        if split is None:
            return {}
        setup = self.setup
        own = setup.world.share.of(0, len(split))
        part = Split(split.inputs[own], split.targets[own])
        batches = evaluation_batches(part, setup.data, setup.device, evaluation_samples(setup.data))
        found = evaluate(setup.model, batches, setup.data.task, setup.context, setup.world)
        self._require_finite(found["loss"], name)
        return {f"{name}_{key}": value for key, value in found.items()}

    def _require_finite(self, loss: float | None, name: str) -> None:
        if loss is None or not math.isfinite(loss):
            raise TrainingDiverged(
                f"training diverged: the {name} loss is {loss} at step {self.counters.step}; lower the learning rate"
            )

    def save(self) -> None:
        """Write a checkpoint; the logs are forced to disk first, because it counts on their lengths."""
        state = self.state()
        if state is not None:
            self._logs.sync()
            save_checkpoint(self.folder / CHECKPOINT, state)

    def state(self) -> dict[str, Any] | None:
        """All that a checkpoint holds, tensors and plain data; None but in the first of several processes."""
        setup = self.setup
        rng, *others = setup.world.everywhere(rng_state(setup.device))
        if not setup.world.leads:
            return None
        return {
            "config": self.fingerprint,
            "threads": self.threads,
            "devices": setup.world.size,
            "counters": asdict(self.counters),
            "loss_sum": self._loss_sum,
            "lines": self._logs.sizes,
            "recoveries": self._recoveries.state_dict(),
            "model": setup.model.state_dict(),
            "architecture": self.architecture(),
            "optimizer": setup.optimizer.state_dict(),
            "parameter_order": parameter_order(setup.optimizer, setup.model, setup.learned),
            "batches": setup.batches.state_dict(),
            "statistics_passes": setup.statistics.passes,
            "grower": setup.grower.state_dict() if setup.grower is not None else None,
            "soft": setup.soft.state_dict() if setup.soft is not None else None,
            "rng": rng,
            "rng_of_others": others,
        }

    def architecture(self) -> dict[str, Any]:
        """What is needed beside the tensors to rebuild the network from its seed."""
        origin = self.setup.grower or self.setup.architecture
        if origin is not None:
            return origin.architecture()
        return {"insertions": [], "attributes": {}, "sizes": remembered_sizes(self.setup.model)}

    @property
    def replayed(self) -> int:
        """Batches that were replayed from a recording."""
        return self._gradients.replayed

    def finish(self, test: bool = True) -> RunResult:
        """Read the test set, the only time; save the network and the result, and remove the checkpoint.

        Without `test` the validation split is read in its place: what is tuned must not see the test set. A network
        with `soft` sizes is made compact before: what is read with, saved and counted is the plain network.
        """
        setup = self.setup
        self._log_recoveries()
        if setup.soft is not None:
            self._change(setup.soft, setup.soft.compact)
        read = self._evaluate(setup.data.test, "test") if test else self._evaluate(setup.validation, "validation")
        return setup.world.first(lambda: write_finished(self, read))

    def close(self) -> None:
        """Close the logs."""
        self._logs.close()


def _threads(saved: dict[str, Any] | None, world: World) -> int:
    """As many as the run was begun with; with another number of processes there is nothing to repeat."""
    own = torch.get_num_threads()
    if saved is None or saved.get("devices", 1) != world.size:
        return own
    return int(saved.get("threads", own))
