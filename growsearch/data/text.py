"""Text, to predict the next token of."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from growsearch.data.dataset import DataSet, DataSource, HeldOut
from growsearch.data.language import byte_tokens, divided, language
from growsearch.errors import DataError


class Text(DataSource):
    """UTF-8 files one after the other, or without `files` the topics of Python's own help.

    The first part of the text is for training, what follows for validation, and its end for the test: `validation`
    and `test` are shares of it. Tokens are bytes (256), or the characters that occur, in the order of their numbers;
    a network sees `context` of them at once.
    """

    summary: ClassVar[str] = "the next byte or character of text files, or of Python's own help texts: no download"
    source: ClassVar[str] = "The Python Software Foundation, pydoc_data.topics"

    files: tuple[Path, ...] = ()
    vocabulary: Literal["bytes", "characters"] = "bytes"
    context: int = Field(default=64, ge=1)
    validation: HeldOut = 0.1
    test: HeldOut = 0.1

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` for files that are missing, no UTF-8, or too short."""
        text = "".join(map(_read, self.files)) if self.files else python_help()
        content = text.encode()
        unit: Literal["byte", "character"] = "byte" if self.vocabulary == "bytes" else "character"
        tokens, outputs = (byte_tokens(content), 256) if unit == "byte" else _characters(text)
        parts = divided(tokens, self.validation, self.test)
        return language("text", parts, outputs, self.context, unit, content)


def python_help() -> str:
    """Return the topics of Python's help (some 370 kB, not the same in all versions); raises `DataError`.

    Topics quote each other: a paragraph that comes again is left out, so that the test is none of the training's.
    """
    try:
        from pydoc_data import topics
    except ImportError as error:  # some distributions package it apart
        raise DataError(f"data 'text': this Python has no help texts ({error}): name files in data.files") from error
    paragraphs = "\n\n".join(text for _, text in sorted(topics.topics.items())).split("\n\n")
    return "\n\n".join(dict.fromkeys(paragraphs))


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_bytes().decode()
    except OSError as error:
        raise DataError(f"data 'text': {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"data 'text': {path} is no UTF-8 text: {error}") from error


def _characters(text: str) -> tuple[Tensor, int]:
    """The characters as tokens, and how many there are."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    known, tokens = np.unique(codes, return_inverse=True)
    return torch.from_numpy(tokens.astype(np.int64)), len(known)
