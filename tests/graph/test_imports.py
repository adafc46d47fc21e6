from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, growsearch.graph
print(*sys.modules)
import growsearch.drawing.terminal
print(*sys.modules)
"""


def test_a_graph_loads_nothing_that_draws_until_it_is_drawn() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    graph, drawn = (set(line.split()) for line in result.stdout.splitlines())

    assert not {"rich", "growsearch.drawing"} & graph
    assert {"rich", "growsearch.drawing"} <= drawn
