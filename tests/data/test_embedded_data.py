from __future__ import annotations

import torch
from torch.nn import functional as F

from growsearch.data.digits import Digits
from growsearch.data.teacher_student import TeacherStudent
from growsearch.tasks import Regression


def test_digits_are_split_into_three_disjoint_parts_of_known_size() -> None:
    data = Digits().load(0)
    assert data.validation is not None
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == [1097, 300, 400]
    together = torch.cat([split.inputs for split in splits])
    assert together.shape == (1797, *data.input_shape) and together.dtype == torch.uint8
    # Every image of the whole set is there as often as in the set (all are different), so no two splits share one.
    assert len(together.flatten(1).unique(dim=0)) == 1797
    assert int(together.max()) == 255


def test_digits_are_stratified_and_the_same_for_every_seed() -> None:
    first, second = Digits().load(0), Digits().load(1)
    assert torch.equal(first.train.inputs, second.train.inputs)
    shares = [split.targets.bincount() / len(split) for split in (first.train, first.test)]
    torch.testing.assert_close(shares[0], shares[1], atol=0.005, rtol=0)


def test_digits_statistics_are_those_of_the_training_images() -> None:
    data = Digits().load(0)
    scaled = data.train.inputs.double() / 255
    torch.testing.assert_close(torch.tensor(data.mean).double(), scaled.mean().view(1))
    torch.testing.assert_close(torch.tensor(data.std).double(), scaled.std(correction=0).view(1))


def test_the_teacher_and_its_inputs_follow_the_seed() -> None:
    source = TeacherStudent(inputs=4, hidden=3, outputs=2, samples=50)
    first, again, other = source.load(1), source.load(1), source.load(2)
    assert torch.equal(first.train.inputs, again.train.inputs) and torch.equal(first.train.targets, again.train.targets)
    assert not torch.equal(first.train.inputs, other.train.inputs)
    assert first.train.inputs.shape == (50, 4) and first.train.targets.shape == (50, 2)
    assert first.validation is None and first.test is first.train and first.task == Regression()


def test_the_targets_are_those_of_a_relu_network_of_the_teachers_size() -> None:
    data = TeacherStudent(inputs=6, hidden=5, outputs=4).load(3)
    generator = torch.Generator().manual_seed(3)
    first = torch.empty(5, 6).uniform_(-1, 1, generator=generator)
    second = torch.empty(4, 5).uniform_(-1, 1, generator=generator)
    outputs = F.linear(F.relu(F.linear(data.train.inputs, first)), second)
    assert float(F.mse_loss(outputs, data.train.targets)) < 1e-12


def test_inputs_and_weights_are_spread_as_in_the_reference() -> None:
    data = TeacherStudent(samples=20_000).load(0)
    torch.testing.assert_close(data.train.inputs.std(), torch.tensor(1.0), atol=0.01, rtol=0)
    # E[y^2] = hidden * Var(v) * E[relu(w x)^2] = 10 * 1/3 * (10 * 1/3 / 2) = 5.6, over teachers
    powers = [TeacherStudent(samples=200).load(seed).train.targets.square().mean() for seed in range(200)]
    torch.testing.assert_close(torch.stack(powers).mean(), torch.tensor(10 / 3 * 10 / 6), atol=0.4, rtol=0)
