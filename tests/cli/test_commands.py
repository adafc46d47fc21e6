"""What the commands print and write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from growsearch.registry import STRATEGY_GROUPS, names
from tests.cli.conftest import Run
from tests.config.conftest import PLAIN
from tests.config.test_ranges import OPEN

POLICIES = PLAIN + "policies: {still: {growth: {when: never}}, grown: {}}\nseeds: 2\n"
QUICK = ("--set", "training.epochs=1", "--device", "cpu", "--workers", "1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(POLICIES)
    return path


def test_validate_lists_policies_and_ranges(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text(OPEN + "policies: {a: {}}\n")

    result = growsearch("validate", path, "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "file": str(path),
        "valid": True,
        "data": ["digits: 1,097 training, 300 validation and 400 test samples of 1x8x8, 10 outputs (classification)"],
        "policies": ["a"],
        "ranges": ["training.optimizer.lr", "growth.when"],
        "warnings": [],
        "not_checked": ["all but the first value of every range"],
    }
    written = growsearch("validate", path).stdout
    assert "policies: a" in written and "data: digits: 1,097 training" in written


def test_strategies_describes_every_strategy_found_by_entry_point(growsearch: Run) -> None:
    result = growsearch("strategies", "--json")

    described = json.loads(result.stdout)
    assert [(one["group"], one["name"]) for one in described] == [(g, n) for g in STRATEGY_GROUPS for n in names(g)]
    assert all(one["summary"] and one["source"] for one in described)
    assert all(one["preserves"] for one in described if one["group"] == "how")
    assert all(parameter["description"] for one in described for parameter in one["parameters"])


def test_strategies_shows_one_in_full(growsearch: Run) -> None:
    result = growsearch("strategies", "gradmax")

    assert result.exit_code == 0
    for words in ("gradmax: initializer (how)", "source: Evci", "needs: gradient_matrix", "scale", "above 0"):
        assert words in result.stdout


def test_a_name_in_several_groups_is_shown_for_each_or_chosen_by_group(growsearch: Run) -> None:
    both = json.loads(growsearch("strategies", "random", "--json").stdout)
    one = json.loads(growsearch("strategies", "how.random", "--json").stdout)

    assert [strategy["group"] for strategy in both] == ["where", "how"]
    assert one == both[1:]


def test_schema_goes_to_standard_output_or_into_a_file(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "growsearch.schema.json"

    printed = growsearch("schema").stdout
    growsearch("schema", "--out", path)

    assert json.loads(printed) == json.loads(path.read_text())


def test_inspect_shows_sites_and_writes_a_drawing(growsearch: Run, file: Path, tmp_path: Path) -> None:
    drawing = tmp_path / "graph.svg"

    result = growsearch("inspect", file, "--svg", drawing)

    assert result.exit_code == 0, result.stderr
    assert "parameters" in result.stdout
    assert "<svg" in drawing.read_text()


@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_a_network_that_reads_text_is_inspected_by_its_name(growsearch: Run, name: str) -> None:
    network = f"{{name: {name}, embedding: 8, depth: 1, heads: 2}}"

    result = growsearch("inspect", "--network", network, "--input", "6", "--outputs", "11", "--json")

    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)["sites"]) == 3  # the stream, heads and an MLP


def test_inspect_gives_json(growsearch: Run) -> None:
    result = growsearch("inspect", "--network", "{name: mlp, hidden: [3]}", "--input", "5", "--outputs", "2", "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)


def test_dry_run_shows_the_policies_and_runs_nothing(growsearch: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    result = growsearch("compare", file, "--dry-run", "--json", "--out", out)

    plan = json.loads(result.stdout)
    # 64 inputs, 8 * 0.5 hidden units, 10 outputs, biases: 64 * 4 + 4 + 4 * 10 + 10
    assert plan["policies"]["grown"]["parameters"] == 310
    # at width 1.0 there are 8 hidden units: 64 * 8 + 8 + 8 * 10 + 10
    assert plan["policies"]["grown"]["budget_parameters"] == 610
    assert plan["policies"]["still"]["growth"] == "never"
    assert not out.exists()
    assert growsearch("compare", file, "--dry-run").exit_code == 0


def test_compare_prints_a_table_and_writes_the_run_folder(growsearch: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    result = growsearch("compare", file, *QUICK, "--out", out)

    assert result.exit_code == 0, result.stderr
    for words in ("still", "grown", "test accuracy", "training FLOPs", "±", f"report: {out / 'report.html'}"):
        assert words in result.stdout
    for name in ("config.yaml", "environment.json", "results.json", "report.html", "grown/seed-1/growth.jsonl"):
        assert (out / name).exists(), name


def test_compare_gives_one_json_document_and_keeps_finished_runs(growsearch: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    first = json.loads(growsearch("compare", file, *QUICK, "--out", out, "--json").stdout)
    again = growsearch("resume", out, "--device", "cpu", "--json")

    assert set(first["policies"]) == {"still", "grown"}
    assert len(first["policies"]["grown"]["test_accuracy"]) == 2
    assert json.loads(again.stdout) == first
    assert "4 of 4 runs are finished already" in again.stderr


def test_run_trains_one_policy_and_shows_its_growth(growsearch: Run, file: Path, tmp_path: Path) -> None:
    result = growsearch("run", file, "--policy", "grown", "--seeds", "1", *QUICK, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.stderr
    assert "step 5: +" in result.stderr
    assert "test accuracy" in result.stderr
    assert [each.name for each in (tmp_path / "out").iterdir() if (each / "seed-0").is_dir()] == ["grown"]


def test_quiet_prints_nothing(growsearch: Run, file: Path, tmp_path: Path) -> None:
    result = growsearch("run", file, "--policy", "still", "--seeds", "1", *QUICK, "--quiet", "--out", tmp_path / "out")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_inspect_shows_one_site_with_all_that_changes_with_it(growsearch: Run) -> None:
    network = ("--network", "{name: mlp, hidden: [3, 4]}", "--input", "5", "--outputs", "2")

    shown = growsearch("inspect", *network, "--site", "*2*").stdout

    assert "site 2, 4 wide" in shown and "4.weight" in shown and "site 0" not in shown
    wrong = growsearch("inspect", *network, "--site", "3")
    assert wrong.exit_code == 2 and "--site 3: none of 0, 2" in wrong.stderr


def test_inspect_shows_what_a_run_made_of_its_network(growsearch: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    growsearch("run", file, "--policy", "grown", "--seeds", "1", *QUICK, "--quiet", "--out", out)

    shown = growsearch("inspect", out)
    found = json.loads(growsearch("inspect", out, "--json").stdout)

    assert shown.exit_code == 0, shown.stderr
    assert "before the first growth, and now" in shown.stdout
    before, after = next(iter(found["changed_parameters"].values())).values()
    assert before[0] < after[0] and before[1:] == after[1:]
    assert growsearch("inspect", out, "--set", "seeds=1").exit_code == 2
