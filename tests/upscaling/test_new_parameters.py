from __future__ import annotations

from torch import nn

from growsearch.surgery import AxisEdit
from growsearch.surgery.edits import BlockInsertion, Span
from growsearch.upscaling.new_parameters import after, all_old, count_new, described


def test_what_is_added_along_two_axes_and_in_two_growths_is_named_where_it_lies_at_the_end() -> None:
    old = all_old(nn.Linear(3, 2))
    first = [AxisEdit("weight", 0, (0, -1, 1)), AxisEdit("bias", 0, (0, -1, 1)), AxisEdit("weight", 1, (0, 1, 2, -1))]

    once = after(old, first)
    twice = after(once, [AxisEdit("weight", 0, (-1, 0, 1, 2))])

    assert described(old) == {} and count_new(old) == 0
    assert described(once) == {"weight": {"0": [[1, 2]], "1": [[3, 4]]}, "bias": {"0": [[1, 2]]}}
    assert count_new(once) == (3 * 4 - 2 * 3) + 1
    assert described(twice)["weight"] == {"0": [[0, 1], [2, 3]], "1": [[3, 4]]}


def test_the_copy_of_a_unit_is_new_and_the_unit_is_not() -> None:
    copied = after(all_old(nn.Linear(3, 2)), [AxisEdit("bias", 0, (0, 1, 0), scale=(0.5, 1.0, 0.5))])
    assert described(copied) == {"bias": {"0": [[2, 3]]}}


def test_edits_of_two_sites_on_one_axis_are_followed_by_their_parts() -> None:
    edits = [
        AxisEdit("bias", 0, (0, 1, -1, 2, 3), spans=(Span(0, 2, 3),)),
        AxisEdit("bias", 0, (0, 1, 2, 3, -1, -1), spans=(Span(2, 4, 4),)),
    ]
    assert described(after(all_old(nn.Linear(1, 4)), edits)) == {"bias": {"0": [[2, 3], [5, 7]]}}


def test_copies_of_blocks_are_new_and_what_was_new_in_a_block_moves_with_it() -> None:
    model = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(4)))
    insertion = BlockInsertion("", "", 0, 3, ((0, 0), (1, 0), (1, 1)))

    deeper = after(after(all_old(model), [AxisEdit("2.weight", 0, (0, 1, -1))]), [insertion])

    assert list(described(deeper)) == ["1.weight", "3.weight", "4.weight", "5.weight"]
    assert described(deeper)["5.weight"] == {"0": [[2, 3]]} and described(deeper)["4.weight"] == "all"
    assert "6.weight" in deeper and len(deeper) == 7


def test_buffers_are_no_parameters() -> None:
    grown = after(all_old(nn.BatchNorm1d(2)), [AxisEdit("running_mean", 0, (0, 1, -1))])
    assert described(grown) == {}
