"""A first file of one's own: written with comments, checked before it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from growsearch.config.space import load_config
from growsearch.errors import GrowsearchError, InputError
from growsearch.registry import nearest
from growsearch.writing import writing

if TYPE_CHECKING:
    from growsearch.data.advice import Advice


@dataclass(frozen=True)
class Answers:
    """What a first file needs to know: the `path` of data that need one, and the `target` column of a table."""

    data: str = "digits"
    path: str | None = None
    target: str | None = None
    network: str | None = None
    how: str | None = None
    seeds: int = 6


@dataclass(frozen=True)
class Start:
    """What goes with a kind of data: the section, whether it needs a path, networks that suit it, and training."""

    data: Mapping[str, Any]
    path: str | None
    networks: Sequence[str]
    training: Mapping[str, Any]


_IMAGES: dict[str, Any] = {
    "epochs": 20,
    "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0005},
    "schedule": {"name": "cosine"},
    "augment": {"pad": 4, "flip": True},
}
_TEXT: dict[str, Any] = {
    "flops": 2.0e12,
    "batch_size": 32,
    "optimizer": {"name": "adamw", "lr": 0.012, "betas": [0.9, 0.95], "weight_decay": 0.1},
    "schedule": {"name": "cosine", "warmup": 0.02, "final": 0.1},
    "clip": 1.0,
    "rows": 20,
}
_ARRAYS: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 64,
    "optimizer": {"name": "adamw", "lr": 0.003},
    "schedule": {"name": "cosine"},
}
_VISION = ("resnet18_cifar", "vgg11", "wrn28", "mobilenet_v1", "small_cnn")
STARTS: dict[str, Start] = {
    "digits": Start(
        {"name": "digits"},
        None,
        ("small_cnn", "mlp"),
        {**_IMAGES, "epochs": 30, "batch_size": 64, "augment": None},
    ),
    "cifar10": Start({"name": "cifar10", "root": "data", "validation": 5000}, None, _VISION, _IMAGES),
    "cifar100": Start({"name": "cifar100", "root": "data", "validation": 5000}, None, _VISION, _IMAGES),
    "arrays": Start({"name": "arrays", "test": 0.2, "validation": 0.1}, "file", ("mlp", "small_cnn"), _ARRAYS),
    "image_folder": Start({"name": "image_folder", "validation": 0.1}, "root", _VISION, _IMAGES),
    "text": Start({"name": "text", "context": 64, "validation": 0.05, "test": 0.05}, "files", ("gpt", "llama"), _TEXT),
}
_NEEDED = {"image_folder": "the folder of the images", "arrays": "an .npz, .pt or .csv file"}
WIDTH = ("gradmax", "random", "split", "zero", "firefly")
DEPTH = ("identity_blocks", "stack")
_NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [64, 64]},
    "small_cnn": {"channels": [16, 32, 64]},
    "gpt": {"embedding": 32, "heads": 2},
    "llama": {"embedding": 32, "heads": 2},
}


def initializers(data: str) -> Sequence[str]:
    """Return the initializers that suit a kind of data, the usual one first: blocks for text, units for images."""
    return DEPTH if data == "text" else WIDTH


def networks_for(answers: Answers) -> Sequence[str]:
    """Return the networks that suit the data, the usual one first: for arrays that are images one of convolutions."""
    networks, path = STARTS[answers.data].networks, Path(answers.path or "").expanduser()
    if answers.data != "arrays" or needs_target(answers) or not path.is_file():
        return networks
    from growsearch.data import outline_data

    with suppress(GrowsearchError):  # which is told when the file is used
        if len(outline_data({"name": "arrays", "file": str(path)}).data.input_shape) == 3:
            return networks[::-1]
    return networks


def needs_target(answers: Answers) -> bool:
    """Return whether the data are a table, of which one column is learned."""
    return answers.data == "arrays" and Path(answers.path or "").suffix.lower() == ".csv"


def advice(answers: Answers) -> Advice:
    """Return what the file says of a table's columns or a folder of images, and why; of other data it says nothing."""
    from growsearch.data.advice import Advice

    if answers.path is None:
        return Advice()
    path = Path(answers.path).expanduser()
    if answers.data == "image_folder":
        from growsearch.data.image_advice import advise as advise_images

        return advise_images(path)
    if answers.target is None or not needs_target(answers):
        return Advice()
    from growsearch.data.table_advice import advise

    return advise(path, answers.target)


def starter(answers: Answers) -> str:
    """Return the text of a file that compares growing with both fixed sizes; raises `InputError` for unknown names."""
    start = STARTS[_known("data", answers.data, list(STARTS))]
    network = _known("network", answers.network or networks_for(answers)[0], start.networks)
    how = _known("how", answers.how or initializers(answers.data)[0], initializers(answers.data))
    if answers.path is not None and start.path is None:
        others = ", ".join(name for name, start in STARTS.items() if start.path is not None)
        raise InputError(
            f"data {answers.data!r} has no path (found {answers.path}): say what is there, --data {others}"
        )
    if answers.path is None and answers.data in _NEEDED:
        raise InputError(f"data {answers.data!r} needs {_NEEDED[answers.data]}: --path")
    data: dict[str, Any] = dict(start.data)
    if start.path and answers.path:
        data[start.path] = [answers.path] if start.path == "files" else answers.path
    if needs_target(answers) and answers.target is None:
        raise InputError(f"{answers.path} is a table: --target COLUMN names the column that is learned")
    if answers.target is not None and not needs_target(answers):
        raise InputError(
            f"the column that is learned, --target, belongs to a .csv table of data 'arrays' (found {answers.target})"
        )
    data |= {"target": answers.target} if answers.target is not None else {}
    data |= advice(answers).settings
    small, growth, big = _sizes(network, how)
    training = {key: value for key, value in start.training.items() if value is not None}
    length = ""
    if answers.data == "text" and answers.path is not None:
        from growsearch.config.text_training import text_training

        largest = {"name": network, **_NETWORKS.get(network, {}), **small, **big}
        if (found := text_training(Path(answers.path), data, largest, training)) is not None:
            training |= found.changes
            length = _LENGTH.format(passes=f"{found.passes:.2g}")
    return _TEXT_OF_FILE.format(
        data=_section("data", data),
        network=_section("network", {"name": network, **_NETWORKS.get(network, {}), **small}),
        training=length + _block("training", training),
        growth=_block("growth", growth),
        big=_flow({"network": big, "growth": {"when": "never"}}),
        controls=_CONTROLS if "epochs" in start.training else "",
        seeds=answers.seeds,
    )


def write_starter(path: Path, answers: Answers) -> Path:
    """Write such a file where there is none, and check it. Raises `InputError`; then nothing is left behind."""
    text = starter(answers)
    if path.exists():
        raise InputError(f"{path}: is there already: name another file")
    try:
        with writing(path):
            path.write_text(text, encoding="utf-8")
        load_config(path)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return path


def _sizes(network: str, how: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The seed's size, how it grows, and the final size."""
    when = {"flops": {"shares": [0.5]}} if how in DEPTH else {"flops": {"shares": [0.1, 0.2, 0.3, 0.4]}}
    if how in DEPTH:
        return {"depth": 2}, {"budget": {"depth": 2}, "when": when, "how": how}, {"depth": 4}
    growth = {"budget": {"width": 1.0}, "when": when, "where": "uniform", "how": how}
    return {"width": 0.25}, growth, {"width": 1.0}


def _known(what: str, name: str, allowed: Sequence[str]) -> str:
    if name not in allowed:
        raise InputError(f"{what} {name!r}: allowed here are {', '.join(allowed)}{nearest(name, allowed)}")
    return name


def _section(name: str, section: Mapping[str, Any]) -> str:
    return f"{name}: {_flow(section)}"


def _block(name: str, section: Mapping[str, Any]) -> str:
    return "\n".join([f"{name}:", *(f"  {_section(key, value)}" for key, value in section.items())])


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000, allow_unicode=True)
        .removesuffix("...\n")
        .strip()
    )


_LENGTH = """\
# By these FLOPs, the same for all policies, the final size sees the text about {passes} times, the seed more often.
"""
_CONTROLS = """\
# Both sizes once more, each for as many FLOPs as the grown network took: epochs of a larger network cost more.
controls: [equal_compute, small_equal_compute]
"""
_TEXT_OF_FILE = """\
# Is it worth growing this network? Written by `growsearch init`.
#
#     growsearch validate THIS_FILE        says what is wrong with it, in seconds
#     growsearch compare THIS_FILE         trains every policy with every seed, and writes a report
#
# What each strategy does, with its parameters: growsearch strategies

{data}

# The seed: what growing begins with.
{network}

{training}

# When it grows, by how much, and how new parts start.
{growth}

# Every policy is what stands above with its own changes. Two of them do not grow: the seed's size and the final one.
policies:
  small: {{growth: {{when: never}}}}
  big: {big}
  grown: {{}}
{controls}seeds: {seeds} # the same for all policies; fewer than six tell hardly anything apart
reference: big
"""
