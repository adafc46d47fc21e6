"""Share of growth steps in the training FLOPs of every growing policy of a file, by one run of each with seed 0.

uv run python experiments/growth_flops/run_file.py FILE
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from growsearch.config import load_config
from growsearch.training import run_one


def main(file: str) -> None:
    for policy, config in load_config(file).policy_configs().items():
        if not config.growth.grows:
            continue
        with tempfile.TemporaryDirectory() as folder:
            result = run_one(config, 0, Path(folder), "cpu")
        growing, steps = result.growth_flops, result.training_flops - result.growth_flops
        print(
            f"{policy}: {growing} of growth steps beside {steps} of training steps, {growing / steps:+.1%}", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1])
