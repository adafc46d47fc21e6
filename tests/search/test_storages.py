"""Studies in a journal, in PostgreSQL, and behind a proxy; and storages that cannot be reached."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from growsearch.errors import InputError
from growsearch.search import patience, search
from growsearch.search import storage as storages
from growsearch.search.join import join
from growsearch.search.patience import StorageLost, make_patient
from growsearch.search.run import open_folder
from growsearch.search.storage import open_storage, serve_proxy, shown
from growsearch.search.study import Reference
from tests.search.conftest import MakeSpace
from tests.search.stub import record, train

LIMITED = [
    *("search.constraints=[{parameters: {max: 500}}]", "search.baselines=false"),
    *("search.sampler=tpe", "search.pruner=median"),
]


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (4e6, 4e6))


def test_a_search_runs_prunes_goes_on_and_is_joined_in_every_storage(
    space: MakeSpace, storage: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"

    first = search(space(*LIMITED, "search.budget.trials=6"), folder, "cpu", 1, storage=storage, train=train)
    again = search(space(*LIMITED, "search.budget.trials=16"), folder, "cpu", 1, train=train)

    assert again["trials"][:6] == first["trials"]
    assert {trial["state"] for trial in again["trials"]} == {"complete", "pruned"}
    complete = [trial for trial in again["trials"] if trial["state"] == "complete"]
    assert all(set(trial["constraints"]) == {"parameters.max"} for trial in complete)
    trained = [line["lr"] for line in record(folder, "finished")]
    assert len(trained) == len(set(trained))
    assert join(Reference(storage, "space"), "cpu") == 16
    with pytest.raises(InputError, match=r"there is no study 'other' \(allowed space\)"):
        join(Reference(storage, "other"), "cpu")


def test_a_worker_that_does_not_see_the_run_folder_says_so(space: MakeSpace, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    search(space("search.budget.trials=3"), tmp_path / "run", "cpu", 1, storage=journal, train=train)

    with pytest.raises(InputError, match="is not there: mount it on this machine, or say where it is with --out"):
        join(Reference(journal, "space", tmp_path / "elsewhere"), "cpu")


def test_two_searches_of_one_name_in_a_storage_are_told_apart(space: MakeSpace, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    search(space("search.budget.trials=3"), tmp_path / "one", "cpu", 1, storage=journal, train=train)

    with pytest.raises(InputError, match=r"has a study 'space' already, whose run folder is .*one: go on with it"):
        search(space("search.budget.trials=3"), tmp_path / "two", "cpu", 1, storage=journal, train=train)
    assert not (tmp_path / "two").exists()

    search(space("search.budget.trials=4"), tmp_path / "two", "cpu", 1, storage=journal, name="second", train=train)
    assert [len(open_folder(tmp_path / one).trials()) for one in ("one", "two")] == [3, 4]


def test_connections_that_the_database_closes_are_made_again(space: MakeSpace, postgres: str, tmp_path: Path) -> None:
    import psycopg

    def cut_off(*arguments: Any) -> dict[str, Any]:
        with psycopg.connect(postgres, autocommit=True) as one:
            one.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return train(*arguments)

    results = search(space("search.budget.trials=5"), tmp_path / "run", "cpu", 1, storage=postgres, train=cut_off)

    assert [trial["state"] for trial in results["trials"]] == ["complete"] * 5


def test_a_password_is_neither_written_nor_printed(space: MakeSpace, postgres: str, tmp_path: Path) -> None:
    secret = postgres.replace("growsearch@", "growsearch:secret@")

    search(space("search.budget.trials=3"), tmp_path / "run", "cpu", 1, storage=secret, train=train)

    assert shown(secret) == postgres
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in texts if b"secret" in text]
    assert len(open_folder(tmp_path / "run").trials()) == 3


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://here/db", "unknown scheme 'mysql' .allowed: the path of a journal file, postgresql://"),
        ("postgresql://me:secret@localhost:1/db", "storage postgresql://me@localhost:1/db: cannot be opened: "),
        ("postgresql://localhost:port/db", "cannot be opened: "),
        ("grpc://localhost:1", "no proxy answers there .start one: growsearch proxy"),
        ("grpc://localhost:port", "Port could not be cast"),
        ("no/such/folder/journal", "there is no folder no/such/folder"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_one_clear_message(
    url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storages, "_GREETING", 0.2)

    with pytest.raises(InputError, match=message) as caught:
        open_storage(url)

    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["garbage\n", '{"op_code": 0}\n[1]\n'])
def test_a_file_that_is_no_journal_is_refused_and_stays_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    path.write_text(text)

    with pytest.raises(InputError, match="it is no journal of a study"):
        open_storage(str(path))

    assert path.read_text() == text


@pytest.mark.parametrize(("url", "package"), [("postgresql://h/d", "psycopg"), ("grpc://h:1", "grpc")])
def test_a_missing_package_is_named_with_its_extra(url: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(InputError, match=r'pip install "growsearch\[(postgres|proxy)\]"'):
        open_storage(url)


def test_a_proxy_needs_a_database_and_a_free_port(postgres: str, proxy: str) -> None:
    with pytest.raises(InputError, match="a proxy stands before a database"):
        serve_proxy("study.journal", "localhost", 13000, lambda: None)
    with pytest.raises(InputError, match="cannot be listened on: another program does"):
        serve_proxy(postgres, "localhost", int(proxy.rpartition(":")[2]), lambda: None)


class Flaky(InMemoryStorage):
    """Cannot be reached for so many calls."""

    def __init__(self, failures: int, error: Exception) -> None:
        super().__init__()
        self.failures, self.error, self.calls = failures, error, 0

    def get_all_studies(self) -> Any:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return super().get_all_studies()


AWAY = sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("connection refused"))


def test_a_storage_that_comes_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST", 0.001)
    flaky = Flaky(3, AWAY)

    assert make_patient(flaky, "db").get_all_studies() == []
    assert flaky.calls == 4


def test_a_storage_that_stays_away_is_given_up_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.01)

    with pytest.raises(StorageLost, match="storage db: cannot be reached: .*connection refused.*: run the same again"):
        make_patient(Flaky(10**9, AWAY), "db").get_all_studies()


def test_an_error_that_is_no_lost_connection_is_not_repeated() -> None:
    flaky = Flaky(1, ValueError("refused"))

    with pytest.raises(ValueError, match="refused"):
        make_patient(flaky, "db").get_all_studies()
    assert flaky.calls == 1


def test_a_trial_whose_storage_is_lost_is_not_failed(space: MakeSpace, tmp_path: Path) -> None:
    def lose(*_: Any) -> dict[str, Any]:
        raise StorageLost("storage db: cannot be reached")

    with pytest.raises(StorageLost):
        search(space("search.budget.trials=3"), tmp_path / "run", "cpu", 1, train=lose)

    assert not open_folder(tmp_path / "run").trials((TrialState.FAIL,))
