"""A policy whose sizes gradient descent chooses, beside others."""

from __future__ import annotations

from pathlib import Path

from growsearch.comparison import compare
from growsearch.config.run_config import normalized


def test_it_is_compared_on_digits_with_policies_that_grow_in_events(tmp_path: Path) -> None:
    config = normalized(
        {
            "data": {"name": "digits"},
            "network": {"name": "small_cnn", "channels": [4, 4, 6]},
            "training": {
                "steps": 60,
                "batch_size": 32,
                "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
                "precision": "float32",
            },
            "growth": {"budget": {"width": 2.0}, "when": {"interval": {"every": 20}}, "how": "zero"},
            "policies": {
                "small": {"growth": {"when": "never"}},
                "events": {},
                "soft": {"growth": {"soft": "size_gate"}},
                "masked": {"growth": {"soft": {"controller_mask": {"target": 2}}}},
            },
        }
    )

    results = compare(config, tmp_path, "cpu", workers=1)

    assert results["failures"] == []
    found = results["policies"]
    for grown in ("soft", "masked"):
        assert found[grown]["parameters"][0] > found["small"]["parameters"][0]
        assert found[grown]["growth_events"][0] >= 2
