from __future__ import annotations

import subprocess
import sys

LOADED = "import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}}, *sys.modules)"


def loaded_with(module: str) -> set[str]:
    code = LOADED.format(module=module)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_a_graph_loads_nothing_that_draws() -> None:
    assert not {"rich", "growsearch.drawing"} & loaded_with("growsearch.graph")


def test_what_draws_is_seen_where_it_is_loaded() -> None:
    assert {"rich", "growsearch.drawing"} <= loaded_with("growsearch.drawing.terminal")
