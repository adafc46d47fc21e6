"""Link the first images of every class into a folder of their own: a subset that anybody makes the same.

uv run python experiments/where_how_when/subset.py [--data .data/cifar10] [--out .data/cifar10-subset]
"""

from __future__ import annotations

import argparse
from pathlib import Path

COUNTS = {"train": 300, "test": 300}  # of every class; 50 of the 300 are held out for validation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".data/cifar10"))
    parser.add_argument("--out", type=Path, default=Path(".data/cifar10-subset"))
    options = parser.parse_args()
    for split, count in COUNTS.items():
        for folder in sorted(path for path in (options.data / split).iterdir() if path.is_dir()):
            target = options.out / split / folder.name
            target.mkdir(parents=True, exist_ok=True)
            for image in sorted(folder.iterdir())[:count]:
                link = target / image.name
                if not link.exists():
                    link.symlink_to(image.resolve())


if __name__ == "__main__":
    main()
