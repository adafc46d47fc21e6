"""Who may begin on a cluster, and who is not to any more: without Ray, which only carries the calls."""

from __future__ import annotations

from growsearch.execution.cluster.guest import Began, Mailbox
from growsearch.search.cluster import Flag


def test_an_attempt_is_withdrawn_or_begins_but_never_both() -> None:
    mailbox = Mailbox()

    assert mailbox.withdraw(1) and not mailbox.begin(1, "node")
    assert mailbox.begin(2, "node") and not mailbox.withdraw(2)

    assert mailbox.take() == [Began(2, "node")] and mailbox.take() == []


def test_workers_that_had_begun_are_waited_for_and_no_others_begin() -> None:
    flag = Flag()
    assert flag.enter(1) and not flag.is_up()

    assert flag.raise_() == {1}

    assert flag.is_up() and not flag.enter(2)
    assert flag.raise_() == {1}
