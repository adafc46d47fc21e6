from __future__ import annotations

from growsearch.drawing.canvas import Canvas, Sizes, shortened
from growsearch.drawing.layout import layered

SIZES = Sizes(width=100, height=40, gap_x=20, gap_y=10, margin=5, head=7)


def test_boxes_and_lanes_are_where_the_sizes_put_them() -> None:
    canvas = Canvas(layered({"in": (), "layer": ("in",), "add": ("layer", "in")}), SIZES)

    assert canvas.width == 5 + 20 + 100 + 20 + 5
    assert canvas.height == 5 + 7 + 3 * 40 + 2 * 10 + 5
    assert canvas.corner("layer") == (25, 5 + 7 + 40 + 10)
    down, to_add, past = canvas.paths()
    assert down == '<path d="M75 52C75 57 75 57 75 62"/>'  # bottom of a box to the top of the next
    assert to_add == '<path d="M75 102C75 107 75 107 75 112"/>'
    assert past == '<path d="M75 52C75 59 135 52 135 62V102C135 112 75 105 75 112"/>'  # 10 right of the box


def test_a_drawing_is_never_narrower_than_its_key() -> None:
    assert Canvas(layered({"in": ()}), Sizes(100, 40, 20, 10, 5, least_width=500)).width == 500


def test_a_text_that_is_too_long_keeps_its_end() -> None:
    assert shortened("layer1.0.conv", 8) == "….0.conv"
    assert shortened("conv", 4) == "conv"
