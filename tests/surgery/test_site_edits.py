from __future__ import annotations

import pytest
import torch

from growsearch.errors import GrowthRefused
from growsearch.surgery import Span, site_edits


def test_new_units_become_new_positions_in_every_run(make_site):
    site = make_site(2, ("cat.weight", 1, "in", 9, (1, 1), (4, 2)))
    (edit,) = site_edits(site, (0, 1, -1))
    assert edit.source == (0, 1, 2, -1, 3, 4, 5, 6, 7, -1, -1, 8)
    assert edit.spans == (Span(1, 3, 3), Span(4, 8, 6))
    assert edit.added == 3


def test_units_can_be_removed_and_reordered(make_site):
    site = make_site(3, ("w", 0, "out", 6, (0, 2)))
    assert site_edits(site, (2, 0))[0].source == (4, 5, 0, 1)


def test_roles_decide_what_new_positions_hold(make_site):
    roles = ("out", "in", "bias", "scale", "shift", "mean", "variance", "depthwise", "free")
    site = make_site(2, *((role, 0, role, 2, (0, 1)) for role in roles))
    fills = {edit.tensor: edit.fill for edit in site_edits(site, (0, 1, -1))}
    assert fills == {role: 1.0 if role in ("scale", "variance") else 0.0 for role in roles}


def test_copies_share_the_outgoing_weight(make_site):
    site = make_site(2, ("p", 0, "out", 2, (0, 1)), ("q", 1, "in", 4, (0, 2)))
    producer, consumer = site_edits(site, (0, 1, 0, 0, -1))
    assert producer.source == (0, 1, 0, 0, -1)
    assert producer.scale is None
    assert consumer.scale == pytest.approx([1 / 3, 1 / 3, 1, 1, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1, 1])


@pytest.mark.parametrize("scale", [(0.25, 1.0, 0.75), (1.0, 0.25, 0.25, 1.0, 1.0, 0.75, 0.75, 1.0)])
def test_a_scale_is_given_per_unit_or_per_position(make_site, scale):
    site = make_site(2, ("q", 1, "in", 6, (1, 2)))
    (edit,) = site_edits(site, (0, 1, 0), scales={("q", 1): scale})
    assert edit.scale == (1.0, 0.25, 0.25, 1.0, 1.0, 0.75, 0.75, 1.0)


def test_a_given_fill_is_handed_on(make_site):
    fill = torch.ones(1, 3)
    (edit,) = site_edits(make_site(2, ("p", 0, "out", 2, (0, 1))), (0, 1, -1), {("p", 0): fill})
    assert edit.fill is fill


def test_wrong_requests_are_refused(make_site):
    site = make_site(2, ("p", 0, "out", 2, (0, 1)))
    with pytest.raises(GrowthRefused, match="frozen: no rule for sort"):
        site_edits(make_site(2, kind="frozen", reason="no rule for sort"), (0, 1, -1))
    with pytest.raises(GrowthRefused, match="units 0 to 1, found 2"):
        site_edits(site, (0, 1, 2))
    with pytest.raises(GrowthRefused, match="would keep no unit"):
        site_edits(site, ())
    with pytest.raises(GrowthRefused, match="no axis"):
        site_edits(site, (0, 1, -1), {("p", 1): 0.0})
    with pytest.raises(GrowthRefused, match="has 2 numbers: give 3"):
        site_edits(site, (0, 1, 0), scales={("p", 0): (1.0, 1.0)})
