"""What a finished run leaves in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from growsearch.errors import TraceError
from growsearch.graph import NetworkGraph, trace
from growsearch.runs.layout import CHECKPOINT
from growsearch.runs.records import RunResult
from growsearch.runs.store import write_result
from growsearch.surgery import active_parameters
from growsearch.training.artifact import NetworkDescription, insertions_of, save_network
from growsearch.training.checkpoint import remove_checkpoint
from growsearch.training.compute import forward_flops_per_sample
from growsearch.training.setup import Setup

if TYPE_CHECKING:
    from growsearch.training.loop import TrainingRun


def write_finished(run: TrainingRun, read: Mapping[str, float]) -> RunResult:
    """Write the network and the result of a run that has trained to its end, and remove its checkpoint.

    `read` are the metrics that it is known by.
    """
    setup, counters = run.setup, run.counters
    widths = run.widths or _traced_widths(setup)
    architecture = run.architecture()
    save_network(
        run.folder,
        setup.model,
        NetworkDescription(
            network=setup.config.network,
            input_shape=setup.data.input_shape,
            input_dtype=str(setup.data.input_dtype).removeprefix("torch."),
            outputs=setup.data.outputs,
            normalisation=setup.data.normalisation,
            insertions=insertions_of(architecture),
            attributes=architecture["attributes"],
            sizes=architecture["sizes"],
            widths=widths,
            parameters=run.parameters,
            active_parameters=active_parameters(setup.model),
        ),
    )
    result = RunResult(
        config=run.fingerprint,
        seed=setup.seed,
        samples=setup.data.samples,
        data_sha256=setup.data.sha256,
        metric=setup.data.task.ranked_by,
        steps=counters.step,
        train_loss=counters.train_loss,
        metrics={"test_loss": None, "test_accuracy": None, **read},
        parameters=run.parameters,
        active_parameters=active_parameters(setup.model),
        flops=forward_flops_per_sample(setup.model, setup.data.example()),
        training_flops=counters.training_flops,
        growth_flops=counters.growth_flops,
        seconds=counters.seconds,
        growth_seconds=counters.growth_seconds,
        growth_events=counters.growth_events,
        widths=widths,
        budget_full=setup.grower.full if setup.grower is not None else None,
        device=str(setup.device) if setup.world.size == 1 else setup.device.type,
        devices=setup.world.size,
        threads=run.threads,
        precision=str(setup.dtype).removeprefix("torch."),
        cuda_graph=run.replayed > 0,
    )
    result = write_result(run.folder, result)
    remove_checkpoint(run.folder / CHECKPOINT)
    return result


def _traced_widths(setup: Setup) -> dict[str, int]:
    """Widths of a network that did not grow; none where it cannot be traced, which it need not."""
    try:
        return widths_of(trace(setup.model, setup.statistics.first(2)[0]))
    except TraceError:
        return {}


def widths_of(graph: NetworkGraph) -> dict[str, int]:
    """Return the width of every site that may change."""
    return {name: site.width for name, site in graph.sites.items() if site.kind != "frozen"}
