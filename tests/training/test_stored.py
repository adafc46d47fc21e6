"""What older versions saved still loads, or is refused with what to do.

When a format changes, raise its number (`FORMAT` in `training/saving.py`, `VERSION` in `training/checkpoint.py`), run
`python -m tests.stored.make`, and keep what is in `tests/stored`: the tests below go over all of it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import growsearch
from growsearch.config import RunConfig
from growsearch.errors import GrowsearchError
from growsearch.training import TrainingRun
from growsearch.training.checkpoint import VERSION, load_checkpoint
from tests.stored import make

SAVED = sorted(make.HERE.glob("growsearch-*"))
RUNS = sorted(make.HERE.glob("run-*"))
ADVICE = "python -m tests.stored.make writes it: commit it, and leave the older ones as they are"


def test_each_format_of_today_has_a_stored_file() -> None:
    assert make.SAVED in SAVED, f"no file of format {make.FORMAT!r} is stored; {ADVICE}"
    assert make.RUN in RUNS, f"no checkpoint of version {VERSION} is stored; {ADVICE}"


@pytest.mark.parametrize("folder", SAVED, ids=lambda folder: folder.name)
def test_a_saved_network_loads_and_trains_and_grows_on(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text())
    model = make.seed_network()
    optimizer, grower = make.training(model)

    growsearch.load(folder / "grown.pt", model, optimizer, grower)

    assert torch.allclose(model(make.inputs()), torch.tensor(expected["outputs"]), atol=1e-5)
    assert (grower.progress.step, grower.graph.sites["0"].width) == (expected["step"], expected["width"])
    make.train(model, optimizer, grower, 3)
    assert grower.progress.events == [3, 6, 9] and grower.graph.sites["0"].width > expected["width"]


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_checkpoint_of_a_run_goes_on_or_is_refused_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    if folder != make.RUN:
        with pytest.raises(GrowsearchError, match="delete .* to run it again"):
            load_checkpoint(run / "checkpoint.pt", torch.device("cpu"))
        return
    training = TrainingRun(RunConfig.model_validate(make.CONFIG), 0, run, "cpu", lambda event: None)
    assert training.counters.step == make.STOPPED
    training.train()
    result = training.finish()
    training.close()

    assert result.growth_events == 2 and result.parameters > 55  # as many as at the checkpoint


def test_a_network_of_a_finished_run_loads() -> None:
    expected = json.loads((make.NETWORK / "expected.json").read_text())
    found = growsearch.load(make.NETWORK)(make.inputs())
    assert torch.allclose(found, torch.tensor(expected["outputs"]), atol=1e-5)
