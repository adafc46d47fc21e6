"""The page about what matters is what its results make."""

from __future__ import annotations

from experiments.growth_tables.page import PAGE, PICTURES, page, pictures


def test_the_page_is_made_from_the_results() -> None:
    """Else run python -m experiments.growth_tables.page."""
    assert PAGE.read_text() == page()


def test_the_pictures_are_made_from_the_results() -> None:
    for name, picture in pictures().items():
        assert (PICTURES / name).read_text() == picture
        assert "nan" not in picture
