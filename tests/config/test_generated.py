"""Files made from the schema: valid, or one clear message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, seed, settings

from growsearch.config import load_space
from growsearch.errors import InputError
from tests.config.generated import files

EXAMPLES = 25  # quick; `experiments.reliability.mutated_files` tries more


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated") / "file.yaml"


@seed(0)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(plain=files())
def test_every_file_of_the_schema_is_valid_or_refused_with_a_message(path: Path, plain: Any) -> None:
    path.write_text(yaml.safe_dump(plain, allow_unicode=True))
    try:
        load_space(path).first()
    except InputError as error:
        assert str(error).startswith(str(path)), error
