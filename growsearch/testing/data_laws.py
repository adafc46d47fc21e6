"""What every data set has to keep."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from growsearch.data import DataSet, DataSource, Split


class DataSourceLaws:
    """Subclass it and set `source` to a data set as a file would name it."""

    source: ClassVar[DataSource]
    overlaps: ClassVar[bool] = False
    """Whether splits share samples on purpose, as where the training loss is what is studied."""

    @pytest.fixture
    def data(self) -> DataSource:
        """The data set under test; override it to try several."""
        return self.source

    def test_it_is_loaded_the_same_every_time(self, data: DataSource) -> None:
        """Also what is held out for validation."""
        one, again = data.load(0), data.load(0)

        for first, second in zip(_splits(one), _splits(again), strict=True):
            assert torch.equal(first.inputs, second.inputs) and torch.equal(first.targets, second.targets)

    def test_its_splits_fit_what_it_says(self, data: DataSource) -> None:
        """Shapes, types and ranges; nothing is empty, nothing is nan."""
        loaded = data.load(0)

        for split in _splits(loaded):
            assert len(split.inputs) == len(split.targets) > 0
            assert tuple(split.inputs.shape[1:]) == loaded.input_shape
            assert split.inputs.dtype == torch.uint8 or bool(torch.isfinite(split.inputs.float()).all())
            assert loaded.task.mismatch(split.inputs[:2], split.targets[:2]) is None
            if not split.targets.is_floating_point():
                assert split.targets.dtype == torch.int64
                assert int(split.targets.min()) >= 0 and int(split.targets.max()) < loaded.outputs

    def test_what_a_check_sees_is_what_a_run_gets(self, data: DataSource) -> None:
        """`outline` and `load` agree on numbers and shapes."""
        seen, loaded = data.outline().data, data.load(0)

        assert (seen.input_shape, seen.outputs, seen.task) == (loaded.input_shape, loaded.outputs, loaded.task)
        assert seen.samples == loaded.samples

    def test_no_sample_is_in_two_splits(self, data: DataSource) -> None:
        """Test and validation samples are none of the training ones, as far as their inputs tell."""
        if self.overlaps:
            pytest.skip("its splits share samples on purpose")
        train, *others = [{_key(row) for row in split.inputs} for split in _splits(data.load(0))]

        assert all(len(train & other) <= 0.01 * len(other) for other in others)


def _splits(data: DataSet) -> list[Split]:
    return [split for split in (data.train, data.validation, data.test) if split is not None]


def _key(row: torch.Tensor) -> bytes:
    return row.contiguous().numpy().tobytes()
