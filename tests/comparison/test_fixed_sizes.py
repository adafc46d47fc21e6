from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growsearch.comparison import compare
from growsearch.comparison.controls import planned_controls
from growsearch.comparison.fixed_sizes import FixedSizes, fixed_sizes
from growsearch.config import RunConfig
from growsearch.config.run_config import normalized
from growsearch.errors import InputError

Make = Callable[..., RunConfig]


def growing(network: dict[str, Any], budget: dict[str, Any], how: str = "zero") -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"name": "digits"},
            "network": network,
            "training": {"steps": 2, "optimizer": {"name": "sgd", "lr": 0.1}},
            "growth": {"when": {"interval": {"every": 1, "count": 1}}, "how": {how: {}}, "budget": budget},
        }
    )


@pytest.mark.parametrize(
    ("seed", "budget", "between", "final"),
    [
        (1, {"depth": 8}, (2.0, 4.0), 8.0),
        (2, {"depth": 4}, (4.0,), 8.0),
        (3, {"blocks": 12}, (6.0,), 12.0),
        (2, {"blocks": 3}, (), 3.0),
        (4, {"blocks": 6}, (5.0,), 6.0),  # no power of 2 between: the middle, sqrt(24) = 4.9
    ],
)
def test_depths_are_the_powers_of_two_between(
    seed: int, budget: dict[str, float], between: tuple[float, ...], final: float
) -> None:
    config = growing({"name": "gpt", "depth": seed}, budget)

    assert fixed_sizes("deep", config) == FixedSizes("depth", float(seed), between, final)


def test_the_width_between_is_the_geometric_middle() -> None:
    config = growing({"name": "mlp", "hidden": [16], "width": 0.25}, {"width": 2.0})

    assert fixed_sizes("wide", config) == FixedSizes("width", 0.25, (0.707,), 2.0)  # sqrt(0.25 * 2) = 0.7071


def test_sizes_that_the_file_names_are_the_values_of_the_parameter() -> None:
    config = growing({"name": "gpt", "depth": 1}, {"depth": 4})

    assert fixed_sizes("deep", config, [1, 3, 4, 8]).between == (3.0, 8.0)
    assert fixed_sizes("deep", config, [3]).network(3.0) == {"depth": 3}
    with pytest.raises(InputError, match=r"sizes of deep are values of network.depth, whole numbers \(found 1.5\)"):
        fixed_sizes("deep", config, [1.5])


@pytest.mark.parametrize(
    ("budget", "how", "why"),
    [({"units": 4}, "zero", "its budget is of units"), ({"width": 2.0}, "identity", "its budget is of width")],
)
def test_a_final_size_without_a_name_needs_sizes_between(budget: dict[str, float], how: str, why: str) -> None:
    config = growing({"name": "mlp", "hidden": [4], "width": 1.0}, budget, how)

    with pytest.raises(InputError, match=rf"which width odd ends is not known beforehand \({why}.*sizes: \[2\]"):
        fixed_sizes("odd", config)
    assert fixed_sizes("odd", config, [1.5]) == FixedSizes("width", 1.0, (1.5,), None)


def test_a_network_without_such_a_parameter_is_refused() -> None:
    deep = growing({"name": "mlp", "hidden": [4]}, {"depth": 2})

    with pytest.raises(InputError, match="the network of odd has no parameter 'depth'.*small_equal_compute"):
        fixed_sizes("odd", deep)
    with pytest.raises(InputError, match="no parameter 'width'"):
        fixed_sizes("odd", growing({"name": "torchvision:resnet18"}, {"width": 2.0}))


def test_the_envelope_is_planned_once_and_shares_what_other_controls_train(comparison: Make) -> None:
    plain = {**comparison().to_dict(), "network": {"name": "mlp", "hidden": [4]}, "policies": {"zero": {}}}
    wide = normalized({**plain, "growth": {**plain["growth"], "budget": {"width": 4.0}}, "controls": ["envelope"]})
    units = normalized({**plain, "controls": ["equal_compute", {"envelope": {"sizes": [2]}}]})

    def planned(config: RunConfig) -> list[tuple[str, str, bool]]:
        found = planned_controls(config.policy_configs(), config.control_kinds, config.envelope_sizes)
        return [(one.name, one.kind, one.final) for one in found]

    seeds = ("zero's seed network at its compute", "small_equal_compute", False)
    assert planned(wide) == [
        seeds,
        ("width 2 at zero's compute", "envelope", False),
        ("width 4 at zero's compute", "envelope", True),
    ]
    assert planned(units) == [
        ("zero, retrained at its compute", "equal_compute", False),
        seeds,
        ("width 2 at zero's compute", "envelope", False),
    ]
    assert normalized(units.to_dict()).controls == units.controls


def test_where_growth_will_end_elsewhere_the_grown_architecture_is_the_final_size(comparison: Make) -> None:
    # Only the first of two layers may grow: at width 2 the named network has 8 and 8 units, the grown one 8 and 4.
    plain = {**comparison().to_dict(), "network": {"name": "mlp", "hidden": [4, 4]}, "policies": {"zero": {}}}
    growth = {**plain["growth"], "budget": {"width": 2.0}, "sites": ["0"]}
    config = normalized({**plain, "growth": growth, "controls": ["envelope"]})

    found = planned_controls(config.policy_configs(), config.control_kinds)

    assert [(one.name, one.kind, one.final) for one in found] == [
        ("zero's seed network at its compute", "small_equal_compute", False),
        ("width 1.41 at zero's compute", "envelope", False),
        ("width 2 at zero's compute", "envelope", False),
        ("zero, retrained at its compute", "equal_compute", False),
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"envelope": {"size": [2]}}, "unknown key 'size'"),
        ({"envelope": {"sizes": [0]}}, r"controls.0.envelope.sizes"),
        ({"retrained": {}}, "controls.0: unknown control"),
    ],
)
def test_options_that_do_not_fit_are_refused(comparison: Make, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        normalized({**comparison().to_dict(), "controls": [entry]})


def test_fixed_sizes_train_for_the_grown_runs_flops(comparison: Make, tmp_path: Path) -> None:
    plain = {**comparison().to_dict(), "policies": {"zero": {}}, "controls": ["envelope"], "seeds": 1}
    config = normalized({**plain, "growth": {**plain["growth"], "budget": {"width": 2.0}}})

    results = compare(config, tmp_path, "cpu", workers=1)

    [used] = results["policies"]["zero"]["training_flops"]
    sizes = {name: one["widths"][0] for name, one in results["controls"].items()}
    assert sizes == {
        "zero's seed network at its compute": {"0": 3},
        "width 1.41 at zero's compute": {"0": 4},
        "width 2 at zero's compute": {"0": 6},
    }
    assert results["controls"]["width 2 at zero's compute"]["size"] == {"width": 2.0}
    for one in results["controls"].values():
        [flops] = one["training_flops"]
        assert used - 50 * 240 < flops <= used  # a step of the largest costs 50 * 204
    assert results["verdict"]["controls"]["found"]["zero"]["big"] == "width 2 at zero's compute"
