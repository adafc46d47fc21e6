from __future__ import annotations

import pytest

from growsearch.errors import InputError
from growsearch.upscaling.wishes import Wish, Wishes, parse_size, reached


@pytest.mark.parametrize(("text", "wish"), [("24", 24), ("1.5", 1.5), ("2.0", 2.0), ("2x", 2.0), (" 1.5x", 1.5)])
def test_a_whole_number_is_a_size_and_others_are_multiples(text: str, wish: Wish) -> None:
    found = parse_size(text, "--depth")
    assert (found, type(found)) == (wish, type(wish))


@pytest.mark.parametrize("text", ["", "x", "many", "-2", "-1.5", "0.0", "inf", "nan", "1e999", "2xx", "24 heads"])
def test_anything_else_is_told_what_is_allowed(text: str) -> None:
    with pytest.raises(InputError, match="--depth .*: not a size .allowed: a whole number such as 24, or a multiple"):
        parse_size(text, "--depth")


@pytest.mark.parametrize(
    ("now", "wish", "size"), [(12, 1.5, 18), (12, 18, 18), (10, 1.1, 11), (4, 1.0, 4), (30, 1.0333333333, 31)]
)
def test_sizes_are_reached(now: int, wish: Wish, size: int) -> None:
    assert reached(now, wish, "mlp") == size


@pytest.mark.parametrize(
    ("wish", "size"), [(1.5, 12), (1.2, 8), (10, 12), (9, 8), (1.0, 8), (7, 8), (14, 16), (2.1, 16)]
)
def test_sizes_become_the_nearest_multiple_that_there_is_room_for(wish: Wish, size: int) -> None:
    assert reached(7, wish, "mlp", 4) == size


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (1.5, "mlp: 1.5 times 7 is 10.5, which cannot be reached: choose 10 or 11"),
        (1.1, "mlp: 1.1 times 7 is 7.7, which cannot be reached: choose 8"),
        (0.9, "mlp: 0.9 times 7 is 6.3, which cannot be reached: choose 7"),
        (6, "mlp: there are 7 already, and upscaling only adds: choose more than 7, not 6"),
        (0, "mlp: 0 is no size"),
        (-1.5, "mlp: -1.5 is no size"),
        (True, "mlp: True is no size"),
    ],
)
def test_what_cannot_be_reached_is_told_what_can(wish: Wish, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reached(7, wish, "mlp")


def test_wishes_are_those_that_are_given() -> None:
    assert Wishes(mlp=1.5, heads=8).given == {"heads": 8, "mlp": 1.5}
    assert Wishes(round_to=8).given == {}
