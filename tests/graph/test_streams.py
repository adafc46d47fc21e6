"""Which sites under layer or RMS normalisation are exact, and why the others are not."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console
from torch import nn

from growsearch.drawing.terminal import site_table
from growsearch.graph import Site, trace
from growsearch.graph.own_norms import OwnRmsNorm, own_rms_norm
from tests.streams import AlmostRms, OffsetRms, OwnLayerNorm, OwnRms, Stream, tokens


def site_of(**options: object) -> Site:
    return trace(Stream(**options), tokens()).sites["tokens"]  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm, OwnLayerNorm, OwnRms, OffsetRms])
def test_a_stream_between_norms_is_exact_and_says_what_moves_along(norm: type[nn.Module]) -> None:
    site = site_of(norm=norm)

    assert (site.kind, site.reason, site.plain) == ("exact", "", False)
    assert site.stream is not None
    assert site.stream.centred == issubclass(norm, nn.LayerNorm)
    assert {use.module for use in site.stream.norms} == {"norms.0", "norms.1", "norm"}
    assert {use.offset for use in site.stream.norms} == {1.0 if norm is OffsetRms else 0.0}
    layers = [f"down.{index}.{name}" for index in (0, 1) for name in ("weight", "bias")]
    assert {writer.tensor for writer in site.stream.writers} == {"tokens.weight", "positions", "cls", *layers}
    assert site.stream.raw == ()


def test_a_tied_head_writes_and_reads() -> None:
    stream = site_of(tied=True).stream
    assert stream is not None and ("tokens.weight", 1) in {(w.tensor, w.axis) for w in stream.writers}


@pytest.mark.parametrize("tied", [False, True])
def test_a_head_that_is_written_as_a_product_is_the_same(tied: bool) -> None:
    """The weight's transpose is a way to read it, not a value that is added to the stream."""
    assert site_of(tied=tied, product=True).stream == site_of(tied=tied).stream


def test_what_reads_the_stream_without_a_norm_is_named() -> None:
    stream = site_of(raw=True).stream
    assert stream is not None and stream.raw == (("head.weight", 1),)
    rms = site_of(raw=True, norm=nn.RMSNorm).stream
    assert rms is not None and rms.raw == ()  # its new channels are 0


def test_a_scale_of_each_channel_belongs_to_the_writers_before_it() -> None:
    stream = site_of(scaled=True).stream
    assert stream is not None
    scales = {writer.tensor: writer.scales for writer in stream.writers}
    assert scales["down.1.weight"] == scales["down.1.bias"] == ("scales.1",)
    assert scales["tokens.weight"] == scales["cls"] == ()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dropout": 0.1}, "'dropout' drops single channels in training"),
        ({"post": True}, "adds to what a layer normalisation has passed already"),
        ({"raw": True, "tied": True}, "'head' reads it without a normalisation, with a weight that also writes"),
        ({"norm": lambda width: nn.LayerNorm(width, elementwise_affine=False)}, "has no weight for each channel"),
        ({"norm": lambda width: nn.LayerNorm(width) if width < 0 else _Literal(width)}, "is 1e-05 in the model's code"),
    ],
)
def test_elsewhere_it_stays_mixing_with_the_reason(options: dict[str, object], reason: str) -> None:
    site = site_of(**options)
    assert site.kind == "mixing" and reason in site.reason


class _Literal(nn.Module):
    """As nanoGPT's: the eps is a number in the code."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


@pytest.mark.parametrize("options", [{"dropout": 0.1}, {"post": True}, {"dropout": 0.1, "post": True}])
def test_rms_normalisation_allows_dropout_and_post_norm(options: dict[str, object]) -> None:
    assert site_of(norm=OwnRms, **options).stream is not None


def test_layer_and_rms_normalisation_of_one_stream_contradict_each_other() -> None:
    norms = iter([nn.LayerNorm, nn.RMSNorm, nn.LayerNorm])
    site = site_of(norm=lambda width: next(norms)(width))
    assert site.kind == "mixing" and "normalisation of the other kind" in site.reason


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (OwnRms(6), OwnRmsNorm("weight", "variance_epsilon", 0.0)),
        (OffsetRms(6), OwnRmsNorm("weight", "variance_epsilon", 1.0)),
        (AlmostRms(6), None),
        (nn.RMSNorm(6), None),
        (nn.PReLU(6), None),
        (nn.Linear(6, 6), None),
    ],
)
def test_an_own_rms_normalisation_is_known_by_what_it_computes(module: nn.Module, found: OwnRmsNorm | None) -> None:
    before = {name: value.clone() for name, value in module.state_dict().items()}
    drawn = torch.get_rng_state()

    assert own_rms_norm(module) == found

    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert getattr(module, "variance_epsilon", 1e-6) == 1e-6


def test_policies_take_a_stream_only_by_its_full_name() -> None:
    site = site_of()
    assert [site.takes_part(patterns) for patterns in (None, ["*"], ["tok*"], ["tokens"])] == [False] * 3 + [True]


def test_every_layer_that_keeps_its_width_as_a_number_follows_the_stream() -> None:
    """As GPT-2's Conv1D does: many numbers of one name, more sets of them than are tried one by one."""

    class Counted(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.nf, self.nx = outputs, inputs
            self.weight = nn.Parameter(torch.randn(inputs, outputs))
            self.bias = nn.Parameter(torch.zeros(outputs))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
            return out.view(x.size()[:-1] + (self.nf,))

    model = Stream()
    model.up = nn.ModuleList(Counted(8, 12) for _ in range(5))
    model.down = nn.ModuleList(Counted(12, 8) for _ in range(5))
    model.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(5))

    site = trace(model, tokens()).sites["tokens"]

    assert site.stream is not None and site.kind == "exact"
    assert {(use.module, use.name) for use in site.attributes} == {(f"down.{i}", "nf") for i in range(5)}


def test_inspect_tells_what_moves_along() -> None:
    console = Console(width=200, file=io.StringIO())
    console.print(site_table(trace(Stream(), tokens())))
    assert "exact: stream, 3 norms and 7 tensors that write to it move along" in console.file.getvalue()
