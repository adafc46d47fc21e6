"""Write the images that the CIFAR-10 table is made with: 4,000 for training, 2,000 for validation, 2,000 for the test,
halved to 16x16 pixels by the mean of 2x2.

python -m experiments.growth_tables.cifar10_subset FOLDER cifar10_jpeg.npz

FOLDER has train/CLASS/IMAGE and test/CLASS/IMAGE. The images are the first of a fixed random order.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from growsearch.data import load_data

TRAIN, VALIDATION, TEST = 4000, 2000, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    data = load_data({"name": "image_folder", "root": str(options.folder), "validation": 5000}, 0)
    assert data.validation is not None
    parts = {"train": (data.train, TRAIN), "validation": (data.validation, VALIDATION), "test": (data.test, TEST)}
    arrays = {}
    for name, (split, count) in parts.items():
        halved = avg_pool2d(split.inputs[:count].float(), 2).round().to(torch.uint8)
        arrays[f"{name}_inputs"] = halved.numpy()
        arrays[f"{name}_targets"] = split.targets[:count].numpy()
    np.savez(options.file, **arrays)


if __name__ == "__main__":
    main()
