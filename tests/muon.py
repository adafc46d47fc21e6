"""Muon, which torch has from 2.9 on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

HAS_MUON = hasattr(torch.optim, "Muon")
needs_muon = pytest.mark.skipif(not HAS_MUON, reason="this torch has no Muon")


def without_muon(named: dict[str, Any]) -> dict[str, Any]:
    """What of `named` there is in this torch."""
    return {name: one for name, one in named.items() if HAS_MUON or name != "muon"}
