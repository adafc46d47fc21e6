"""Splits in which every class has the same share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def stratified_split(targets: Indices, held_out: int, seed: int = 0) -> tuple[Indices, Indices]:
    """Return the positions `[N - held_out]` and `[held_out]` of the two parts, each in a random order.

    They are those of scikit-learn's `train_test_split(..., stratify=targets, random_state=seed)`. `targets`: `[N]`, the
    numbers of classes.
    """
    random = np.random.RandomState(seed)
    counts = np.bincount(targets)  # np.unique imports numpy's masked arrays
    counts = counts[counts > 0]
    of_class = np.split(np.argsort(targets, kind="stable"), np.cumsum(counts)[:-1])
    kept = _shares(counts, len(targets) - held_out, random)
    taken = _shares(counts - kept, held_out, random)
    first, second = [], []
    for positions, keep, take in zip(of_class, kept, taken, strict=True):
        shuffled = positions[random.permutation(len(positions))]
        first.append(shuffled[:keep])
        second.append(shuffled[keep : keep + take])
    return random.permutation(np.concatenate(first)), random.permutation(np.concatenate(second))


def _shares(counts: Indices, draws: int, random: np.random.RandomState) -> Indices:
    """How many of `draws` fall on each class: in proportion to `counts`, rounded by the largest remainders."""
    exact = counts / counts.sum() * draws
    whole = np.floor(exact)
    remainders = exact - whole
    missing = int(draws - whole.sum())
    for value in sorted(set(remainders.tolist()), reverse=True):
        if not missing:
            break
        (tied,) = np.where(remainders == value)
        chosen = random.choice(tied, size=min(len(tied), missing), replace=False)
        whole[chosen] += 1
        missing -= len(chosen)
    found: Indices = whole.astype(np.int64)
    return found
