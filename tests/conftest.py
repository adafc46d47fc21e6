"""One thread a process: the tests' tensors are tiny, and threads that wait for each other cost more than they give.

Many tests start processes. Where Python is told to keep no compiled modules, each of them would compile torch anew, for
several seconds: they are kept in `.pytest_cache` then.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "compiled")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import torch  # noqa: E402  # after the environment is set

torch.set_num_threads(1)
