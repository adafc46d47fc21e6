"""A comparison on text, from the file to the report."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

FILE = """
data: {{name: text, files: [{text}], context: 8}}
network: {{name: gpt, depth: 1, embedding: 8, heads: 4, mlp_ratio: 2, width: 0.5}}
training: {{steps: 9, batch_size: 4, optimizer: {{name: adamw, lr: 1e-2}}}}
growth: {{budget: {{width: 1.0}}, when: {{interval: {{every: 3, count: 2}}}}, how: zero}}
policies: {{zero: {{}}, random: {{growth: {{how: random}}}}, split: {{growth: {{how: split}}}}}}
controls: [retrained]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat, and the dog lay on the log. " * 20)
    path = tmp_path / "language.yaml"
    path.write_text(FILE.format(text=text))
    return path


def test_growth_on_text_is_compared_in_bits_per_byte(growsearch: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    done = growsearch("compare", file, "--out", out, "--seeds", "2", "--device", "cpu", "--workers", "1")

    assert done.exit_code == 0, done.stderr
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert not results["failures"]
    assert results["verdict"]["metric"] == "test_bits_per_byte" and not results["verdict"]["higher_is_better"]
    for rows in results["policies"].values():
        assert rows["test_bits_per_byte"] == pytest.approx([loss / math.log(2) for loss in rows["test_loss"]])
        assert all(0 < bits < 16 for bits in rows["test_bits_per_byte"])
        assert rows["growth_events"] == [2, 2]
    assert {tuple(rows["widths"][0].values()) for rows in results["policies"].values()} == {(8, 8, 16)}
    assert "test bits per byte" in done.stdout and "bits per byte" in (out / "report.html").read_text()
    tracks, page = results["trajectories"], (out / "report.html").read_text()
    assert (tracks["metric"], tracks["higher_is_better"]) == ("validation_bits_per_byte", False)
    assert "final validation bits per byte" in page and "validation perplexity" in page
    result = json.loads((out / "zero" / "seed-0" / "result.json").read_text())
    assert result["data_sha256"] and result["test_perplexity"] == pytest.approx(math.exp(result["test_loss"]))
    exported = growsearch("export", out, "--policy", "split", "--seed", "0", "--out", tmp_path / "export")
    assert exported.exit_code == 0, exported.stderr


def test_a_dry_run_shows_the_sites_of_a_network_that_reads_tokens(growsearch: Run, file: Path) -> None:
    done = growsearch("compare", file, "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "blocks.0.attention.query 4, blocks.0.mlp.up 8" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("network=mlp", "the network cannot read data 'text', int64 of shape [2, 8]"),
        ("task=classification", "task classification does not fit data 'text': the targets are torch.int64"),
        ("task=langage", "task.name: unknown task (found langage"),
        ("growth.when={plateau: {patience: 2, metric: validation_accuracy}}", "validation_perplexity"),
    ],
)
def test_what_does_not_fit_text_is_refused_before_anything_runs(
    growsearch: Run, file: Path, tmp_path: Path, change: str, message: str
) -> None:
    done = growsearch("compare", file, "--out", tmp_path / "run", "--device", "cpu", "--set", change)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
