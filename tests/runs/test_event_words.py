from __future__ import annotations

from dataclasses import replace

from growsearch.runs.event_words import change_words, event_words
from tests.runs.examples import GROWN


def test_an_event_says_what_it_did_to_the_network() -> None:
    line = replace(GROWN, sites={"conv3": 12, "conv4": 1}, removed={"conv1": 3}, regrown=0, pruned=1200)
    line = replace(line, parameters_before=482, parameters_after=1560, active_before=None, active_after=None)

    assert event_words(line) == (
        "+12 units in conv3, +1 in conv4, 3 units removed, 1,200 connections pruned (482 to 1,560 parameters)"
    )
    assert event_words(replace(line, active_before=400, active_after=900)).endswith("(400 to 900 active parameters)")


def test_blocks_and_layers_are_named_as_such() -> None:
    kinds = {"blocks": "blocks", "conv1": "layers", "conv2": "layers"}
    assert change_words({"blocks": 2}, {}, kinds=kinds) == "+2 blocks at blocks"
    assert change_words({"blocks": 1}, {}, kinds=kinds) == "+1 block at blocks"
    words = change_words({"fc1": 3, "conv1": 1, "conv2": 1}, {}, kinds=kinds)
    assert words == "+3 units in fc1, +1 layer at conv1, +1 at conv2"


def test_an_event_that_was_rolled_back_says_why() -> None:
    assert event_words(replace(GROWN, refused="it would change the outputs")) == (
        "growth refused: it would change the outputs"
    )


def test_of_many_sites_the_first_are_named() -> None:
    assert change_words(dict.fromkeys("abcdef", 1), {}) == "+1 unit in a, +1 in b, +1 in c, +1 in d, more in 2 others"
