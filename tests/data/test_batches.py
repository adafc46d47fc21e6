from __future__ import annotations

from io import BytesIO

import pytest
import torch
from torch import Tensor

from growsearch.data import Augment, Batches, DataSet, Split, evaluation_batches
from growsearch.errors import InputError
from growsearch.tasks import Classification, Regression


def images(samples: int = 50, height: int = 8, width: int = 6) -> DataSet:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (samples, 3, height, width), dtype=torch.uint8, generator=generator)
    split = Split(inputs, torch.arange(samples))
    mean, std = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
    return DataSet("noise", split, None, split, samples, Classification(), mean, std, (3, height, width))


def vectors(samples: int = 20) -> DataSet:
    split = Split(torch.randn(samples, 4, generator=torch.Generator().manual_seed(0)), torch.arange(samples).float())
    return DataSet("vectors", split, None, split, 1, Regression(), (), (), (4,))


def normalised(data: DataSet, inputs: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.std))
    return (inputs.float() / 255 - mean) / std


def test_an_epoch_has_every_sample_once_in_another_order_each_time() -> None:
    data = images()
    batches = Batches(data.train, 16, data)
    epochs = [[targets for _, targets in batches] for _ in range(2)]
    assert len(batches) == 4 and [len(targets) for targets in epochs[0]] == [16, 16, 16, 2]
    first, second = (torch.cat(epoch) for epoch in epochs)
    assert torch.equal(first.sort().values, torch.arange(50)) and torch.equal(second.sort().values, torch.arange(50))
    assert not torch.equal(first, second) and not torch.equal(first, torch.arange(50))


def test_order_follows_the_seed_and_nothing_else() -> None:
    data = images()
    orders = []
    for seed, disturbance in ((1, 0), (1, 7), (2, 0)):
        torch.manual_seed(disturbance)
        orders.append(torch.cat([targets for _, targets in Batches(data.train, 16, data, seed=seed)]))
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_images_are_normalised_channels_last_with_their_targets() -> None:
    data = images()
    inputs, targets = next(iter(Batches(data.train, 16, data)))
    assert inputs.dtype == torch.float32 and inputs.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(inputs, normalised(data, data.train.inputs[targets]))


def test_float_inputs_pass_as_they_are() -> None:
    data = vectors()
    inputs, targets = next(iter(Batches(data.train, 5, data)))
    assert torch.equal(inputs, data.train.inputs[targets.long()])


def test_a_full_batch_is_the_split_as_it_lies_without_a_copy() -> None:
    data = vectors()
    batches = Batches(data.train, 0, data)
    assert len(batches) == 1
    for _ in range(2):
        ((inputs, targets),) = batches
        assert inputs.data_ptr() == data.train.inputs.data_ptr() and torch.equal(targets, data.train.targets)


def manual_crop(image: Tensor, pad: int, top: int, left: int, mirrored: bool) -> Tensor:
    height, width = image.shape[-2:]
    canvas = torch.zeros(3, height + 2 * pad, width + 2 * pad, dtype=torch.uint8)
    canvas[:, pad : pad + height, pad : pad + width] = image
    crop = canvas[:, top : top + height, left : left + width]
    return crop.flip(-1) if mirrored else crop


def test_a_crop_equals_the_crop_by_hand() -> None:
    data = images(samples=30)
    augment = Augment(pad=2, flip=True)
    choices = augment.draw(30, torch.Generator().manual_seed(0))
    augmented = augment.apply(data.train.inputs, choices)
    for index, (top, left, mirrored) in enumerate(choices.tolist()):
        assert torch.equal(augmented[index], manual_crop(data.train.inputs[index], 2, top, left, bool(mirrored)))


def test_every_offset_is_drawn_and_half_of_the_images_are_mirrored() -> None:
    choices = Augment(pad=2, flip=True).draw(10_000, torch.Generator().manual_seed(0))
    for column in (0, 1):
        assert choices[:, column].unique().tolist() == [0, 1, 2, 3, 4]
    assert abs(float(choices[:, 2].float().mean()) - 0.5) < 0.02  # four standard errors
    assert not Augment(pad=2).draw(100, torch.Generator()).select(1, 2).any()


def test_augmented_batches_hold_crops_of_their_samples() -> None:
    data = images()
    inputs, targets = next(iter(Batches(data.train, 16, data, augment=Augment(pad=1, flip=True))))
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    for image, target in zip(inputs, targets, strict=True):
        source = data.train.inputs[target]
        crops = [manual_crop(source, 1, t, l, m) for t in range(3) for l in range(3) for m in (False, True)]  # noqa: E741
        assert any(torch.allclose(image, normalised(data, crop[None])[0], atol=1e-5) for crop in crops)


def test_augmentation_of_vectors_is_refused() -> None:
    data = vectors()
    with pytest.raises(InputError, match="'vectors' has none"):
        Batches(data.train, 5, data, augment=Augment(pad=1))


@pytest.mark.parametrize("consumed", [0, 1, 3, 4, 5, 9])
def test_a_restored_state_goes_on_bit_for_bit(consumed: int) -> None:
    data = images()

    def stream(batches: Batches, number: int) -> list[tuple[Tensor, Tensor]]:
        taken: list[tuple[Tensor, Tensor]] = []
        while len(taken) < number:
            for batch in batches:
                taken.append(batch)
                if len(taken) == number:
                    break
        return taken

    running = Batches(data.train, 16, data, augment=Augment(pad=2, flip=True), seed=3)
    stream(running, consumed)
    file = BytesIO()
    torch.save(running.state_dict(), file)
    file.seek(0)
    resumed = Batches(data.train, 16, data, augment=Augment(pad=2, flip=True), seed=99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for expected, found in zip(stream(running, 10), stream(resumed, 10), strict=True):
        assert torch.equal(expected[0], found[0]) and torch.equal(expected[1], found[1])


def test_a_saved_state_does_not_change_while_batches_are_drawn() -> None:
    data = images()
    batches = Batches(data.train, 16, data)
    state = batches.state_dict()
    expected = [targets for _, targets in batches]
    list(batches)
    batches.load_state_dict(state)
    for first, second in zip(expected, [targets for _, targets in batches], strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("batch_size", [0, 16])
def test_evaluation_sees_every_sample_in_order_and_unchanged(batch_size: int) -> None:
    data = images()
    batches = list(evaluation_batches(data.test, data, "cpu", batch_size))
    assert len(batches) == (4 if batch_size else 1)
    torch.testing.assert_close(torch.cat([inputs for inputs, _ in batches]), normalised(data, data.test.inputs))
    assert torch.equal(torch.cat([targets for _, targets in batches]), data.test.targets)
