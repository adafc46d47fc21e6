"""Training: the loop, metrics, compute, checkpoints, and networks saved and loaded."""

from growsearch.training.architecture import Architecture, require_retrainable
from growsearch.training.artifact import load_network
from growsearch.training.compute import forward_flops_per_sample, training_flops_per_sample
from growsearch.training.hooks import TrainingHooks
from growsearch.training.loop import TrainingDiverged, TrainingRun
from growsearch.training.one_run import Interrupted, run_one
from growsearch.training.result import finished_result

__all__ = [
    "Architecture",
    "Interrupted",
    "TrainingDiverged",
    "TrainingHooks",
    "TrainingRun",
    "finished_result",
    "forward_flops_per_sample",
    "load_network",
    "require_retrainable",
    "run_one",
    "training_flops_per_sample",
]
