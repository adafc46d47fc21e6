"""Read files with mistakes in them, and count those that end in anything but a configuration or one clear message.

    python -m experiments.reliability.mutated_files [--files 2000] [--generated 300]

`--files` are shipped ones with values or characters changed, as in `tests/config/test_mutations.py`, from other seeds;
`--generated` ones are made from the JSON Schema, as in `tests/config/test_generated.py`. Writes `mutated_files.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings

from growsearch.config import load_space
from growsearch.errors import InputError
from tests.config.generated import files
from tests.config.test_mutations import texts

FIRST = 10**6  # seed: none of the suite's


def outcome(text: str, path: Path) -> str:
    """What becomes of a file: valid, refused with its name, or uncaught, with the error."""
    path.write_text(text)
    try:
        load_space(path).first()
    except InputError as error:
        return "refused" if str(error).startswith(str(path)) else f"uncaught: refused without its name: {error}"
    except Exception as error:
        return f"uncaught: {type(error).__name__}: {error}"
    return "valid"


def changed(count: int) -> Iterator[str]:
    """Shipped files, changed."""
    for number in range(count // 2):
        yield from texts(FIRST + number)


def generated(count: int) -> list[str]:
    """Files of the schema, some of whose values it does not allow."""
    found: list[str] = []

    @seed(FIRST)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(plain=files())
    def collect(plain: object) -> None:
        found.append(yaml.safe_dump(plain, allow_unicode=True))

    collect()
    return found


def main() -> None:
    """Count, and keep what was uncaught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--generated", type=int, default=300)
    options = parser.parse_args()
    record = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.yaml"
        for name, made in (("changed", changed(options.files)), ("generated", generated(options.generated))):
            told = [outcome(text, path) for text in made]
            counts = Counter(one.partition(":")[0] for one in told)
            uncaught = sorted({one for one in told if one.startswith("uncaught")})
            record[name] = {
                "files": len(told),
                **{one: counts[one] for one in ("valid", "refused", "uncaught")},
                "which": uncaught,
            }
            print(name, record[name], flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
