from __future__ import annotations

import json

import torch
from torch import nn

from growsearch.graph import to_json, trace


def test_the_json_is_plain_data() -> None:
    graph = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.ones(2, 4))

    data = json.loads(json.dumps(to_json(graph)))

    assert {node["id"] for node in data["graph"]["nodes"]} == set(graph.networkx)
    assert (data["sites"][0]["name"], data["sites"][0]["width"]) == ("0", 8)
    assert (data["parameters"], data["flops"]) == (graph.parameters, graph.flops)
