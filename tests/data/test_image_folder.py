from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from growsearch.data import DataSet
from growsearch.data.image_folder import ImageFolder
from growsearch.errors import DataError


def draw(path: Path, value: int, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value, 2 * value % 256, 255 - value) if mode == "RGB" else value).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "birds"
    for number in range(10):
        draw(folder / "train" / "crow" / f"{number}.png", number)
        draw(folder / "train" / "owl" / "nested" / f"{number}.png", 100 + number)
    for number in range(3):
        draw(folder / "test" / "crow" / f"{number}.png", 50 + number)
        draw(folder / "test" / "owl" / f"{number}.png", 150 + number)
    return folder


def load(root: Path, **parameters: object) -> DataSet:
    return ImageFolder.model_validate({"root": root, **parameters}).load(0)


def reds(images: torch.Tensor) -> list[int]:
    return sorted(images[:, 0, 0, 0].tolist())


def test_images_are_read_with_the_class_of_their_folder(root: Path) -> None:
    data = load(root)
    assert (data.name, data.outputs, data.input_shape) == ("birds", 2, (3, 4, 6))
    assert reds(data.train.inputs) == [*range(10), *range(100, 110)]
    assert reds(data.test.inputs) == [50, 51, 52, 150, 151, 152]
    assert torch.equal(data.train.targets, (data.train.inputs[:, 0, 0, 0] >= 100).long())
    torch.testing.assert_close(data.train.inputs[:, 2], 255 - data.train.inputs[:, 0])


def test_the_array_beside_the_folder_is_read_the_second_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(root)
    arrays = sorted((root.parent / "birds.cache").iterdir())
    assert [path.suffix for path in arrays] == [".npy", ".npy"]  # nothing unfinished is left
    monkeypatch.setattr("growsearch.data.decoding.Decoding.read", None)
    second = load(root)
    assert torch.equal(first.train.inputs, second.train.inputs)


def test_a_changed_file_is_decoded_again(root: Path) -> None:
    cache = root.parent / "elsewhere"
    load(root, cache=cache)
    draw(root / "train" / "crow" / "0.png", 77)
    os.utime(root / "train" / "crow" / "0.png", ns=(1, 1))
    assert 77 in reds(load(root, cache=cache).train.inputs)


def test_writing_to_a_split_does_not_reach_the_cache(root: Path) -> None:
    load(root).train.inputs.zero_()
    assert reds(load(root).train.inputs) == [*range(10), *range(100, 110)]


def test_validation_images_are_held_out_of_training_and_always_the_same(root: Path) -> None:
    source = ImageFolder(root=root, validation=5)
    first, second = source.load(0), source.load(1)
    assert first.validation is not None and second.validation is not None
    assert len(first.validation) == 5
    assert reds(first.validation.inputs) == reds(second.validation.inputs)
    assert sorted(reds(first.train.inputs) + reds(first.validation.inputs)) == [*range(10), *range(100, 110)]
    share = ImageFolder(root=root, validation=0.25).load(0)
    assert share.validation is not None and len(share.validation) == 5


def test_a_val_folder_is_the_test_split_or_beside_test_the_validation_split(root: Path) -> None:
    (root / "test").rename(root / "val")
    assert reds(load(root).test.inputs) == [50, 51, 52, 150, 151, 152]
    for name in ("crow", "owl"):
        draw(root / "test" / name / "0.png", 9)
    both = load(root)
    assert both.validation is not None
    assert reds(both.validation.inputs) == [50, 51, 52, 150, 151, 152] and reds(both.test.inputs) == [9, 9]


def test_jpeg_and_other_formats_and_grey_images_are_read(root: Path) -> None:
    draw(root / "train" / "crow" / "x.jpg", 200)
    draw(root / "train" / "crow" / "x.bmp", 201)
    draw(root / "train" / "crow" / "x.JPEG", 202, mode="L")
    found = reds(load(root).train.inputs)
    assert len(found) == 23 and 201 in found
    assert load(root, grayscale=True).input_shape == (1, 4, 6)


def test_images_of_different_size_are_refused_or_made_one_size(root: Path) -> None:
    draw(root / "train" / "owl" / "large.png", 200, size=(40, 20))
    with pytest.raises(DataError, match=r"images differ in size.*20 x 40 pixels|images differ in size.*4 x 6 pixels"):
        load(root)
    data = load(root, size=4)
    assert data.input_shape == (3, 4, 4)
    assert 200 in reds(data.train.inputs)


@pytest.mark.parametrize("name", ["bad.jpg", "bad.png", "bad.bmp"])
def test_a_damaged_image_is_named_and_leaves_no_cache(root: Path, name: str) -> None:
    draw(root / "train" / "owl" / name, 200, size=(64, 64))
    whole = (root / "train" / "owl" / name).read_bytes()
    (root / "train" / "owl" / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=f"cannot decode the image .*{name}.*replace or remove it"):
        load(root, size=4 if name.endswith("bmp") else None)
    assert not any(path.suffix == ".npy" and "train" in path.name for path in (root.parent / "birds.cache").glob("*"))
    assert not list(root.parent.glob("birds.cache/*.partial"))


def test_a_missing_folder_is_named_with_what_is_needed(root: Path) -> None:
    with pytest.raises(DataError, match=r"no-such does not exist: needed are train/CLASS/IMAGE"):
        load(root.parent / "no-such")
    (root / "test").rename(root / "tset")
    with pytest.raises(DataError, match=r"birds holds train, tset: needed are .*test/CLASS/IMAGE"):
        load(root)


def test_an_empty_class_is_named(root: Path) -> None:
    (root / "train" / "wren").mkdir()
    with pytest.raises(DataError, match=r"train/wren has no images: allowed are \.bmp"):
        load(root)


def test_a_test_class_without_training_images_is_named(root: Path) -> None:
    draw(root / "test" / "wren" / "0.png", 1)
    with pytest.raises(DataError, match="without training images: wren"):
        load(root)


def test_a_train_folder_without_classes_is_refused(root: Path) -> None:
    (root / "train").rename(root / "old")
    (root / "train").mkdir()
    with pytest.raises(DataError, match="train has no class folders"):
        load(root)


@pytest.mark.parametrize("validation", [20, 0.001, 0.99])
def test_a_validation_that_leaves_nothing_is_refused(root: Path, validation: float) -> None:
    with pytest.raises(DataError, match="of 20 training samples"):
        load(root, validation=validation)


def test_only_the_formats_that_are_listed_are_opened_whatever_a_file_is_called(root: Path) -> None:
    """An EPS would be handed to another program."""
    disguised = root / "train" / "crow" / "0.png"
    disguised.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EndComments\nshowpage\n")
    with pytest.raises(DataError, match=r"cannot decode the image .*0\.png: it is none of BMP, GIF, JPEG"):
        load(root)


def test_an_image_of_too_many_pixels_is_named_before_it_is_unpacked(root: Path) -> None:
    path = root / "train" / "crow" / "0.png"
    Image.new("1", (10_000, 9_000)).save(path)  # 11 kB
    with pytest.raises(DataError, match=r"0\.png has more than 89,478,485 pixels"):
        load(root)


def test_what_is_no_regular_file_is_named(root: Path) -> None:
    os.mkfifo(root / "train" / "crow" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png is no regular file"):
        load(root)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere.png", r"link\.png is a broken link to .*nowhere\.png"),
        ("../../../outside.png", r"link\.png is a link to .*outside\.png, outside of .*train: copy"),
        (
            "../../test/crow/0.png",
            r"link\.png is a link to .*test.*, outside of .*train: .* unless another split has it",
        ),
    ],
)
def test_a_link_that_is_broken_or_leads_elsewhere_is_named(root: Path, target: str, message: str) -> None:
    draw(root.parent / "outside.png", 1)
    (root / "train" / "crow" / "link.png").symlink_to(target)
    with pytest.raises(DataError, match=message):
        load(root)


def test_a_link_within_a_split_is_an_image(root: Path) -> None:
    (root / "train" / "crow" / "link.png").symlink_to("0.png")
    assert reds(load(root).train.inputs)[:2] == [0, 0]


@pytest.mark.parametrize("place", ["train/crow/again", "train/third"])
def test_a_link_to_a_folder_is_named(root: Path, place: str) -> None:
    """It could hold itself, or the images of another split."""
    (root / place).symlink_to(root / "train" / "owl", target_is_directory=True)
    with pytest.raises(DataError, match=rf"{place} is a link to a folder"):
        load(root)


def test_two_splits_that_are_one_folder_by_a_link_are_refused(root: Path) -> None:
    (root / "val").symlink_to(root / "test", target_is_directory=True)
    with pytest.raises(DataError, match="images of one split must not be in another"):
        load(root)


@pytest.mark.parametrize("layout", ["train", "flat"])
def test_a_share_of_every_class_is_held_out_where_nothing_is_for_the_test(root: Path, layout: str) -> None:
    shutil.rmtree(root / "test")
    data = load(root if layout == "train" else root / "train", test=0.3, validation=4)

    assert data.samples == {"training": 10, "validation": 4, "test": 6}
    assert data.test.targets.bincount().tolist() == [3, 3] and data.validation is not None
    images = [split.inputs for split in (data.train, data.validation, data.test)]
    assert reds(torch.cat(images)) == [*range(10), *range(100, 110)]  # each image once
    assert torch.equal(data.test.targets, (data.test.inputs[:, 0, 0, 0] >= 100).long())


def test_what_is_held_out_for_the_test_is_always_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(root / "test")
    first, other = load(root, test=0.3), load(root, test=0.2)
    monkeypatch.setattr("growsearch.data.decoding.Decoding.read", None)  # all from the arrays beside the folder
    again = load(root, test=0.3)

    assert len(other.test) == 4
    for one, two in ((first.train, again.train), (first.test, again.test)):
        assert torch.equal(one.inputs, two.inputs) and torch.equal(one.targets, two.targets)


def test_beside_a_held_out_share_val_is_the_validation_split(root: Path) -> None:
    (root / "test").rename(root / "val")
    data = load(root, test=0.3)

    assert data.samples == {"training": 14, "validation": 6, "test": 6}
    assert data.validation is not None and reds(data.validation.inputs) == [50, 51, 52, 150, 151, 152]


def test_a_check_knows_what_will_be_held_out(root: Path) -> None:
    shutil.rmtree(root / "test")
    source = ImageFolder(root=root, test=0.3, validation=4)

    assert source.outline().data.samples == source.load(0).samples


def test_a_share_for_the_test_that_cannot_be_held_out_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="birds/test is there, so no share is held out"):
        load(root, test=0.3)
    (root / "test").rename(root / "val")
    (root / "train").rename(root / "training")
    with pytest.raises(DataError, match="holds training, val: needed are"):
        load(root, test=0.3)
    draw(root / "training" / "wren" / "only.png", 3)
    with pytest.raises(DataError, match="wren has too few images to hold 0.9 of them out"):
        load(root / "training", test=0.9)
