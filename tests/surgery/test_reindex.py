from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.surgery import AxisEdit, Span, reindex


def expected(tensor: Tensor, edits: list[AxisEdit]) -> Tensor:
    """Entry by entry: old values, values of the one axis that is new, or 0 where several are; times all scales."""
    by_axis = {edit.axis: edit for edit in edits}
    sizes = [len(by_axis[axis].source) if axis in by_axis else size for axis, size in enumerate(tensor.shape)]
    result = torch.zeros(sizes, dtype=tensor.dtype)
    for place in itertools.product(*map(range, sizes)):
        old = [by_axis[axis].source[at] if axis in by_axis else at for axis, at in enumerate(place)]
        new = [axis for axis, at in enumerate(old) if at < 0]
        if not new:
            value = tensor[tuple(old)]
        elif len(new) == 1:
            edit = by_axis[new[0]]
            old[new[0]] = edit.source[: place[new[0]]].count(-1)
            value = edit.fill[tuple(old)] if isinstance(edit.fill, Tensor) else torch.tensor(edit.fill)
        else:
            value = torch.tensor(0.0)
        for axis, edit in by_axis.items():
            value = value * (edit.scale[place[axis]] if edit.scale else 1.0)
        result[place] = value
    return result


@st.composite
def tensor_and_edits(draw) -> tuple[Tensor, list[AxisEdit]]:
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    tensor = torch.randn(shape, generator=generator, dtype=torch.float64)
    edits = []
    for axis in draw(st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=1)):
        source = tuple(draw(st.lists(st.integers(-1, shape[axis] - 1), min_size=1, max_size=6)))
        sizes = [*shape[:axis], source.count(-1), *shape[axis + 1 :]]
        fill = (
            torch.randn(sizes, generator=generator, dtype=torch.float64)
            if draw(st.booleans())
            else draw(st.sampled_from([0.0, 2.0]))
        )
        scale = tuple(2.0**each for each in range(len(source))) if draw(st.booleans()) else None
        edits.append(AxisEdit("w", axis, source, fill, scale))
    return tensor, edits


@settings(max_examples=100, deadline=None, derandomize=True)
@given(tensor_and_edits())
def test_edits_of_several_axes_agree_with_the_definition(case):
    tensor, edits = case
    assert torch.equal(reindex(tensor, edits), expected(tensor, edits))
    assert torch.equal(reindex(tensor, edits[::-1]), expected(tensor, edits))


def test_the_corner_of_two_new_axes_is_zero():
    edits = [AxisEdit("w", 0, (0, 1, -1), torch.full((1, 2), 5.0)), AxisEdit("w", 1, (0, 1, -1), 7.0)]
    assert reindex(torch.ones(2, 2), edits).tolist() == [[1, 1, 7], [1, 1, 7], [5, 5, 0]]


def test_the_corner_of_two_splits_is_a_scaled_copy():
    edits = [AxisEdit("w", 0, (0, 1, 1)), AxisEdit("w", 1, (0, 1, 0), scale=(0.5, 1.0, 0.5))]
    weight = torch.tensor([[2.0, 3.0], [4.0, 5.0]])
    assert reindex(weight, edits).tolist() == [[1, 3, 1], [2, 5, 2], [2, 5, 2]]


def test_two_sites_on_one_axis_are_merged():
    first = AxisEdit("w", 0, (0, 1, -1, 2, 3, 4), torch.tensor([10.0]), spans=(Span(0, 2, 3),))
    second = AxisEdit("w", 0, (0, 1, 3, 2, -1, 3, 4), torch.tensor([20.0]), (1, 1, 0.5, 1, 1, 0.5, 1), (Span(2, 4, 4),))
    weight = torch.arange(5.0)
    for edits in ([first, second], [second, first]):
        assert reindex(weight, edits).tolist() == [0, 1, 10, 1.5, 2, 20, 1.5, 4]


def test_runs_of_two_sites_may_alternate():
    first = AxisEdit("w", 0, (0, -1, 1, 2, -1, 3), torch.tensor([10.0, 11.0]), spans=(Span(0, 1, 2), Span(2, 3, 2)))
    second = AxisEdit("w", 0, (0, 1, -1, 2, 3, -1), 7.0, spans=(Span(1, 2, 2), Span(3, 4, 2)))
    assert reindex(torch.arange(4.0), [first, second]).tolist() == [0, 10, 1, 7, 2, 11, 3, 7]


def test_neighbouring_removals_are_merged():
    first = AxisEdit("w", 0, (0, 2, 3), spans=(Span(0, 2, 1),))
    second = AxisEdit("w", 0, (0, 1, 3), spans=(Span(2, 4, 1),))
    assert reindex(torch.arange(4.0), [first, second]).tolist() == [0, 3]


def test_two_sites_on_one_axis_and_a_third_on_the_other():
    first = AxisEdit("w", 1, (0, -1, 1), torch.full((2, 1), 10.0), spans=(Span(0, 1, 2),))
    second = AxisEdit("w", 1, (0, 1, -1), 20.0, spans=(Span(1, 2, 2),))
    third = AxisEdit("w", 0, (0, 1, 0, -1), 5.0)
    result = reindex(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), [first, third, second])
    assert result.tolist() == [[1, 10, 2, 20], [3, 10, 4, 20], [1, 10, 2, 20], [5, 0, 5, 0]]


def test_a_parameter_stays_what_it_is():
    weight = nn.Parameter(torch.randn(2, 3, dtype=torch.bfloat16), requires_grad=False)
    weight.no_decay = True
    grown = reindex(weight, [AxisEdit("w", 0, (0, 1, -1), torch.ones(1, 3, dtype=torch.float64))])
    assert type(grown) is nn.Parameter
    assert (grown.dtype, grown.requires_grad, grown.no_decay) == (torch.bfloat16, False, True)
    assert torch.equal(grown[:2], weight)
    assert weight.shape == (2, 3)


def test_gradient_hooks_stay_and_their_handles_still_remove_them():
    weight, seen = nn.Parameter(torch.ones(2)), []
    first = weight.register_hook(lambda gradient: seen.append("gradient"))
    second = weight.register_post_accumulate_grad_hook(lambda parameter: seen.append(tuple(parameter.shape)))
    grown = reindex(weight, [AxisEdit("w", 0, (0, 1, -1))])
    grown.sum().backward()
    assert seen == ["gradient", (3,)]
    first.remove()
    second.remove()
    grown.sum().backward()
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("shape", "axis"),
    # A width of 1 is missing on axis 1: its strides do not tell the formats apart.
    [((4, 3, 3, 3), 0), ((4, 3, 3, 3), 1), ((4, 1, 3, 3), 0), ((4, 4, 1, 1), 1), ((4, 2, 3, 3, 3), 1)],
)
def test_channels_last_stays(shape, axis):
    wanted = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    weight = torch.randn(shape).to(memory_format=wanted)
    edit = AxisEdit("w", axis, (*range(shape[axis]), -1))
    assert reindex(weight, [edit]).is_contiguous(memory_format=wanted)
    assert reindex(weight.contiguous(), [edit]).is_contiguous()


def test_integer_buffers_can_be_widened():
    assert reindex(torch.tensor([3, 4]), [AxisEdit("b", 0, (1, -1, 0), 7)]).tolist() == [4, 7, 3]


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([AxisEdit("w", 2, (0,))], "axis from 0 to 1"),
        ([AxisEdit("w", 0, (0, 5))], "old position 5 does not exist"),
        ([AxisEdit("w", 0, ())], "leave at least one"),
        ([AxisEdit("w", 0, (0, 1), scale=(1.0,))], "1 scales for 2 positions"),
        ([AxisEdit("w", 0, (0, 1, -1), torch.ones(3))], r"must have \(1, 3\)"),
        ([AxisEdit("w", 0, (0, 1, -1)), AxisEdit("w", 0, (0, 1, -1))], "give its spans"),
        ([AxisEdit("w", 0, (0, 1, -1), spans=(Span(0, 2, 3),))] * 2, "same part of axis 0"),
        ([AxisEdit("w", 0, (1, 0), spans=(Span(1, 2, 1),))], "does not agree with the spans"),
        ([AxisEdit("w", 0, (0, 1, -1), spans=(Span(0, 2, 2),))], "the spans give 2 positions"),
    ],
)
def test_edits_that_do_not_fit_are_refused(edits, message):
    with pytest.raises(GrowthRefused, match=message):
        reindex(torch.ones(2, 3), edits)
