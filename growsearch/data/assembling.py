"""From arrays of a user's own to a data set: what is learned, what is held out, and on which scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from growsearch.data.dataset import DataSet, Split, Validation, channel_statistics, fixed_order, validation_count
from growsearch.data.raw import Array, Raw
from growsearch.errors import DataError
from growsearch.tasks import Classification, Language, Regression, Task

Predict = Literal["classes", "numbers", "tokens"]
SPLITS = ("train", "validation", "test")
_CHANNELS = (1, 3, 4)


def assemble(
    name: str,
    found: Mapping[str, Raw],
    predict: Predict | None = None,
    test: float = 0.2,
    validation: Validation = 0.1,
    standardise: bool = True,
) -> DataSet:
    """Return the data set of `found`, by split: train, and where they are apart, validation and test.

    uint8 inputs of three axes or more are images `[N, height, width]`, `[N, channels, height, width]` or with the
    channels last; where targets are tokens inputs are too; all others are real numbers. Targets are classes (text, or
    integers), real numbers, or tokens (integers of the inputs' shape): `predict` says which, where the types do not.

    Args:
        name: of the data set.
        found: samples, by split.
        predict: what is learned; None: what the types say.
        test: share of the samples for the test, where that is not apart.
        validation: how many of the others are held out (or as a fraction their share), where that is not apart.
        standardise: give inputs that are real numbers, and numbers that are learned, mean 0 and deviation 1 over the
            training samples: by feature (`[N, features]`), channel or output.

    Raises:
        DataError: the arrays do not fit each other, or what is to be learned.
    """
    for split, raw in found.items():
        raw.check(f"data {name!r}, {split}")
    kind = predict or _kind(name, found["train"])
    parts = _divided(name, dict(found), test, validation)
    shapes = {split: list(raw.inputs.shape[1:]) for split, raw in parts.items()}
    if any(shape != shapes["train"] for shape in shapes.values()):
        raise DataError(f"data {name!r}: samples have different shapes by split: {shapes}")
    task, outputs, targets = _targets(name, parts, kind)
    inputs = {split: _inputs(raw.inputs, kind) for split, raw in parts.items()}
    if any(raw.gaps for raw in parts.values()):
        inputs = _filled(name, inputs, parts["train"].columns)
    images = inputs["train"].dtype == torch.uint8
    scaling: dict[str, dict[str, tuple[float, ...]]] = {}
    if standardise:
        inputs = _standardised("inputs", inputs, scaling)
        targets = _standardised("targets", targets, scaling)
    mean, std = channel_statistics(inputs["train"]) if images else ((), ())
    splits = {split: Split(inputs[split], targets[split]) for split in parts}
    return DataSet(
        name=name,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        outputs=outputs,
        task=task,
        mean=mean,
        std=std,
        input_shape=tuple(inputs["train"].shape[1:]),
        input_dtype=torch.int64 if kind == "tokens" else torch.float32,
        scaling=scaling or None,
    )


def _kind(name: str, raw: Raw) -> Predict:
    if raw.targets.dtype.kind == "f":
        return "numbers"
    if raw.targets.ndim > 1 and raw.targets.shape == raw.inputs.shape and raw.inputs.dtype.kind in "iu":
        return "tokens"
    return "classes"


def _divided(name: str, found: dict[str, Raw], test: float, validation: Validation) -> dict[str, Raw]:
    """The splits that there are, and those that are taken from the training samples: the same in every run."""
    train = found["train"]
    order = np.asarray(fixed_order(len(train)))
    tested = 0 if "test" in found else max(1, round(test * len(train)))
    held_out = 0 if "validation" in found else validation_count(validation, len(train) - tested, name)
    if tested + held_out >= len(train):
        raise DataError(f"data {name!r}: {len(train)} samples are too few to hold {tested} out for the test")
    if tested:
        found["test"] = train.taken(order[:tested])
    if held_out:
        found["validation"] = train.taken(order[tested : tested + held_out])
    if tested or held_out:
        found["train"] = train.taken(order[tested + held_out :])
    return {split: found[split] for split in SPLITS if split in found}


def _targets(name: str, parts: Mapping[str, Raw], kind: Predict) -> tuple[Task, int, dict[str, Tensor]]:
    raw = {split: each.targets for split, each in parts.items()}
    if kind == "numbers":
        values = {split: _numbers(name, each) for split, each in raw.items()}
        widths = {split: each.shape[1] for split, each in values.items()}
        if len(set(widths.values())) > 1:
            raise DataError(f"data {name!r}: samples have different numbers of targets by split: {widths}")
        return Regression(), widths["train"], values
    if kind == "tokens":
        return _tokens(name, parts)
    flat = {split: each[:, 0] if each.ndim == 2 and each.shape[1] == 1 else each for split, each in raw.items()}
    if any(each.ndim > 1 or (each.dtype.kind == "f" and (each % 1 != 0).any()) for each in flat.values()):
        raise DataError(
            f"data {name!r}: the targets, {raw['train'].dtype} of shape {list(raw['train'].shape)}, are not one class "
            "a sample: give integers or text [samples], or predict: numbers"
        )
    classes = np.unique(flat["train"])
    unseen = sorted(set(np.unique(np.concatenate(list(flat.values()))).tolist()) - set(classes.tolist()))
    if unseen:
        hint = ", or predict: numbers" if classes.dtype.kind in "iuf" else ""
        raise DataError(
            f"data {name!r}: classes {unseen[:5]} have no training sample: give some, or leave them out{hint}"
        )
    if len(classes) < 2 or 2 * len(classes) > len(flat["train"]):
        raise DataError(
            f"data {name!r}: {len(classes)} classes in {len(flat['train'])} training samples: give two classes or more "
            "and several samples of each, or predict: numbers"
        )
    numbered = {split: torch.from_numpy(np.searchsorted(classes, each)).long() for split, each in flat.items()}
    return Classification(), len(classes), numbered


def _numbers(name: str, targets: Array) -> Tensor:
    if targets.dtype.kind == "U" or targets.ndim > 2:
        raise DataError(
            f"data {name!r}: the targets, {targets.dtype} of shape {list(targets.shape)}, are not numbers [samples] or "
            "[samples, outputs]"
        )
    return torch.from_numpy(targets.astype(np.float32).reshape(len(targets), -1))


def _tokens(name: str, parts: Mapping[str, Raw]) -> tuple[Task, int, dict[str, Tensor]]:
    for split, raw in parts.items():
        whole = raw.inputs.dtype.kind in "iu" and raw.targets.dtype.kind in "iu"
        if not whole or raw.inputs.ndim != 2 or raw.inputs.shape != raw.targets.shape:
            raise DataError(
                f"data {name!r}, {split}: inputs {raw.inputs.dtype} {list(raw.inputs.shape)} and targets "
                f"{raw.targets.dtype} {list(raw.targets.shape)}: tokens are integers, [samples, positions] both"
            )
        if min(raw.inputs.min(), raw.targets.min()) < 0:
            raise DataError(f"data {name!r}, {split}: tokens are counted from 0, and a smaller one was found")
    outputs = 1 + max(int(max(raw.inputs.max(), raw.targets.max())) for raw in parts.values())
    return Language(), outputs, {split: torch.from_numpy(raw.targets.astype(np.int64)) for split, raw in parts.items()}


def _inputs(raw: Array, kind: Predict) -> Tensor:
    if kind == "tokens":
        return torch.from_numpy(raw.astype(np.int64))
    if raw.dtype == np.uint8 and raw.ndim in (3, 4):
        images = torch.from_numpy(np.ascontiguousarray(raw))
        if images.ndim == 3:
            return images.unsqueeze(1)
        last = images.shape[3] in _CHANNELS and images.shape[1] not in _CHANNELS
        return images.permute(0, 3, 1, 2).contiguous() if last else images
    return torch.from_numpy(raw.astype(np.float32))


def _filled(name: str, parts: dict[str, Tensor], columns: Sequence[str]) -> dict[str, Tensor]:
    """Inputs `[samples, columns]` with the mean of the training samples where one is missing."""
    mean = parts["train"].double().nanmean(0)
    if mean.isnan().any():
        lacking = columns[int(mean.isnan().int().argmax())]
        raise DataError(f"data {name!r}: no training sample has a value in column {lacking!r}: leave it out (ignore)")
    return {split: torch.where(each.isnan(), mean.float(), each) for split, each in parts.items()}


def _standardised(
    name: str, parts: dict[str, Tensor], scaling: dict[str, dict[str, tuple[float, ...]]]
) -> dict[str, Tensor]:
    """Real numbers with mean 0 and deviation 1 along axis 1, over the training samples; others as they are."""
    train = parts["train"].double()
    if not parts["train"].is_floating_point():
        return parts
    axes = [axis for axis in range(train.ndim) if axis != 1]
    mean, std = train.mean(axes, keepdim=True), train.std(axes, correction=0, keepdim=True)
    std[std < 1e-12] = 1.0
    scaling[name] = {"mean": tuple(mean.flatten().tolist()), "std": tuple(std.flatten().tolist())}
    return {split: ((each.double() - mean) / std).float() for split, each in parts.items()}
