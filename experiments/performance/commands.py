"""How long commands take to start, beside the import of torch."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from .measures import Pair, Row, command

_RUN = """
data: {name: digits}
network: {name: small_cnn, channels: [16, 32, 64]}
training: {steps: 60, batch_size: 64, optimizer: {name: sgd, lr: 0.05}, precision: float32}
"""
_OPTIMIZER = """
import torch
weight = torch.nn.Parameter(torch.zeros(2))
optimizer = torch.optim.SGD([weight], 0.1)
weight.sum().backward()
optimizer.step()
"""
_PROGRAM = ("-m", "growsearch")


def _torch() -> tuple[float, float]:
    return command("-c", "import torch")


def _help() -> Pair:
    wall, processor = command(*_PROGRAM, "--help")
    return {"value": processor, "wall": wall}


def _validate() -> Pair:
    torch, ours = _torch(), command(*_PROGRAM, "validate", "quickstart")
    return {"value": ours[1] - torch[1], "wall": ours[0] - torch[0], "torch": torch[1], "ours": ours[1]}


def _run() -> Pair:
    torch, optimizer = _torch(), command("-c", _OPTIMIZER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file.yaml").write_text(_RUN)
        run = ("run", "file.yaml", "--out", "out", "--device", "cpu", "--workers", "1", "--quiet")
        ours = command(*_PROGRAM, *run, folder=folder)
        [policy] = json.loads((folder / "out" / "results.json").read_text())["policies"].values()
        training = float(policy["seconds"][0])
    return {
        "value": ours[1] - optimizer[1] - training,
        "wall": ours[0] - optimizer[0] - training,
        "over_torch": ours[1] - torch[1] - training,
        "optimizer": optimizer[1],
        "training": training,
    }


_A_RUN = "a run as a command without its training, over a script of one optimizer step"
ROWS = (
    Row("help", "`growsearch --help`", "s", 0.4, _help, warmed=True),
    Row("validate", "`growsearch validate quickstart`, over `import torch`", "s", 0.4, _validate, warmed=True),
    Row("run", _A_RUN, "s", 1.5, _run, warmed=True),
)
