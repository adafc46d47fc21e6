"""One thread a process: the tests' tensors are tiny, and threads that wait for each other cost more than they give."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402  # after the environment is set

torch.set_num_threads(1)
